"""Takes a user's examples once: reads them whole, keeps the held-out splits apart, and writes all of it where jobs find it.

What is refused leaves nothing behind. Two rows are the same item when their questions are, letter case, punctuation at the
end and spaces aside; near duplicates in other words are not found.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from ...state.brief import DataSource, Metric
from ...state.errors import RequestError
from ...state.run import GivenFacts, Split
from ..protocol import Example
from .folder import TRAIN, Contents, canonical_question, write_folder
from .form import Form
from .mapping import mapped, questions_of, shortened
from .metrics import F1_RIGHT, METRICS, judge_of, told_metric, wrong_answer_form
from .rows import read_table

DEV, SEALED = "dev", "sealed-{}"
HELD_OUT_SHARE = 0.1
"""Of the examples, for each split that is taken from them."""

NAMED = 3
"""Rows that were left out, in one note."""

FEWEST_HELD_OUT = 10
FEWEST_EXAMPLES = math.ceil(FEWEST_HELD_OUT / HELD_OUT_SHARE)
"""Different ones, where the splits are taken from them."""

SEALED_SPLITS = 2
"""Splits taken from the examples for the judge to open, each once; a test file of the user's is one."""

CASELESS = ("choice", "f1")
SKIP = "leave such rows out with --skip-bad-rows, or skip_bad_rows: true under data"


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """Both files, read."""

    train: list[Example]
    test: list[Example] | None
    rows: int
    problems: list[str]
    notes: list[str]


def freeze(source: DataSource, form: Form, folder: Path, *, seed: int, held_out_items: int) -> GivenFacts:
    """Writes examples, splits and tokens into the folder, in the place of what an earlier try left, and describes them.

    Raises RequestError, keeping nothing, with everything that is wrong: files, columns, rows by number, metric, too few rows.
    """
    taken = _read(source, form)
    if taken.problems and not source.skip_bad_rows:
        raise RequestError(
            [*shortened(taken.problems), f"{len(taken.problems):,} of {taken.rows:,} rows cannot be used; {SKIP}"]
        )
    metric, notes = _metric(source, form, [example.answer for example in (*taken.train, *(taken.test or ()))])
    train, test, dropped = _distinct(taken, metric)
    notes = [*taken.notes, *notes, *dropped]
    if taken.problems:
        notes.append(f"{len(taken.problems):,} of {taken.rows:,} rows were left out: {_named(taken.problems)}")
    learned, splits = _kept_apart(train, test, seed=seed, held_out_items=held_out_items)
    everything = [*learned, *(example for part in splits.values() for example in part)]
    contents = Contents(
        learned=learned,
        labelled=learned,
        splits=splits,
        unlabelled=_unlabelled(source, {canonical_question(one.prompt) for one in everything}, notes),
        metric=metric,
        verifier=source.verifier,
    )
    verifier = Path(source.verifier.rpartition(":")[0]).expanduser() if source.verifier else None
    written = write_folder(contents, folder, verifier)
    return GivenFacts(
        folder=folder.name,
        rows=taken.rows,
        train=len(learned),
        train_sha256=written.sha256[TRAIN],
        splits=tuple(
            Split(name=name, path=f"{folder.name}/{name}.jsonl", n=len(part), sha256=written.sha256[name])
            for name, part in splits.items()
        ),
        unlabelled=len(contents.unlabelled),
        metric=metric,
        choices=written.choices,
        with_rationales=written.worked,
        vocabulary=written.vocabulary,
        notes=tuple(notes),
    )


def _unlabelled(source: DataSource, known: Set[str], notes: list[str]) -> list[str]:
    """Different questions without an answer that are none of the others. Raises RequestError as `freeze` does."""
    if source.unlabelled is None:
        return []
    questions, problems = questions_of(read_table(source.unlabelled), source)
    if problems and not source.skip_bad_rows:
        raise RequestError(
            [*shortened(problems), f"{len(problems):,} rows of {source.unlabelled} cannot be used; {SKIP}"]
        )
    first: dict[str, str] = {}
    for question in questions:
        first.setdefault(canonical_question(question), question)
    kept = [question for key, question in first.items() if key not in known]
    notes.append(
        f"{source.unlabelled}: {len(kept):,} questions without an answer; {len(questions) - len(kept):,} came again or are among the "
        "examples"
    )
    if problems:
        notes.append(f"{len(problems):,} rows of it were left out: {_named(problems)}")
    return kept


def _named(problems: Sequence[str]) -> str:
    more = len(problems) - NAMED
    return "; ".join([*problems[:NAMED], *([f"and {more:,} more"] if more > 0 else [])])


def _read(source: DataSource, form: Form) -> _Taken:
    """Reads the file and the test's; problems of the files themselves are raised together."""
    wrong: list[str] = []
    found: list[tuple[list[Example], list[str], int, str]] = []
    for name in (source.path, *([source.test] if source.test else [])):
        try:
            table = read_table(name)
            one = mapped(table, source, form)
        except RequestError as error:
            wrong += error.problems
            continue
        columns = f"{name}: questions are in {one.columns.question!r}, answers in {one.columns.answer!r}"
        note = columns + (f", rationales in {one.columns.rationale!r}" if one.columns.rationale else "")
        found.append((one.examples, one.problems, len(table.rows), note))
    if wrong:
        raise RequestError(wrong)
    return _Taken(
        train=found[0][0],
        test=found[1][0] if source.test else None,
        rows=sum(rows for _, _, rows, _ in found),
        problems=[problem for _, problems, _, _ in found for problem in problems],
        notes=[note for *_, note in found],
    )


def _metric(source: DataSource, form: Form, answers: Sequence[str]) -> tuple[Metric, list[str]]:
    """The metric and what to say of it. Raises RequestError where the answers or the verifier do not fit it."""
    metric = source.metric or ("python" if source.verifier else form.metric) or told_metric(answers)
    if metric != "python" and source.verifier:
        raise RequestError(
            [f"data.verifier is of the metric python, not of {metric!r}; valid metrics: {', '.join(METRICS)}"]
        )
    judge_of(metric, source.verifier)
    wrong = [found for answer in answers if (found := wrong_answer_form(metric, answer))]
    if wrong:
        raise RequestError([*shortened(wrong), f"{len(wrong):,} answers do not fit the metric {metric!r}"])
    notes = [f"the metric was not named: by the answers it is {metric!r}"] if source.metric is None else []
    if metric == "f1":
        notes.append(f"an answer counts as right from a token F1 of {F1_RIGHT:g} on")
    return metric, notes


def _distinct(taken: _Taken, metric: Metric) -> tuple[list[Example], list[Example] | None, list[str]]:
    """Examples of different questions; of the training's, none that is in the test too; and what was dropped."""
    notes: list[str] = []
    test = taken.test
    kept_out: set[str] = set()
    if test is not None:
        test = _first_of_each(test, set(), metric, notes, " of the test")
        kept_out = {canonical_question(example.prompt) for example in test}
    return _first_of_each(taken.train, kept_out, metric, notes, ""), test, notes


def _first_of_each(
    examples: Iterable[Example], kept_out: set[str], metric: Metric, notes: list[str], which: str
) -> list[Example]:
    first: dict[str, Example] = {}
    again = contradicting = leaked = 0
    for example in examples:
        key = canonical_question(example.prompt)
        if key in kept_out:
            leaked += 1
            continue
        before = first.setdefault(key, example)
        if before is not example:
            again += 1
            contradicting += _answer_key(before, metric) != _answer_key(example, metric)
    if leaked:
        notes.append(f"{leaked:,} examples were left out of training: their questions are in the test")
    if again:
        notes.append(
            f"{again:,} times a question{which} came again, {contradicting:,} times with another answer: the first counts"
        )
    return list(first.values())


def _answer_key(example: Example, metric: Metric) -> str:
    return example.answer.casefold() if metric in CASELESS else example.answer


def _kept_apart(
    train: list[Example], test: list[Example] | None, *, seed: int, held_out_items: int
) -> tuple[list[Example], dict[str, list[Example]]]:
    """Splits by an order that only the seed and the questions make. Raises RequestError where too little is left."""
    order = sorted(
        train, key=lambda example: hashlib.sha256(f"{seed}:{canonical_question(example.prompt)}".encode()).digest()
    )
    size = min(held_out_items, math.floor(HELD_OUT_SHARE * len(order)))
    taken = 1 if test is not None else 1 + SEALED_SPLITS
    few: list[str] = []
    if test is not None and len(test) < FEWEST_HELD_OUT:
        few.append(f"{len(test):,} different test examples; at least {FEWEST_HELD_OUT} are needed")
    if size < FEWEST_HELD_OUT:
        few.append(
            f"{len(order):,} different examples; at least {FEWEST_EXAMPLES} are needed in all, as a tenth is kept apart for each "
            f"held-out split, at least {FEWEST_HELD_OUT} in each"
        )
    if few:
        raise RequestError([f"too few to tell anything: {one}" for one in few])
    names = [DEV, *(SEALED.format(number) for number in range(1, taken))]
    splits = {name: order[at * size : (at + 1) * size] for at, name in enumerate(names)}
    if test is not None:
        splits[SEALED.format(1)] = test
    return order[taken * size :], splits
