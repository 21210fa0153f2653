"""From a user's documents to a file of questions and answers that runs learn from: looked at in full, made by a job, written once."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..state.brief import Record, TeacherSource
from ..state.canonical import canonical
from ..state.errors import OutputError, RequestError, ToolFailed
from ..state.numbers import dollars
from ..state.teaching import Spent
from .executor import Event, Executor
from .generation import file_sha256
from .jobs import RESULT_FILE, write_atomic
from .teaching.access import CACHE_FOLDER, check_teacher, teacher_choice
from .teaching.documents import DocumentsJob, DocumentsResult, most_usd
from .teaching.money import PURSE_FILE, Purse, TokenPrices
from .teaching.opening import TeacherChoice, check_choices, prices_of
from .teaching.passages import Passage, read_passages
from .teaching.rationales import provenance_path
from .teaching.teachers import Sampling
from .training.batches import read_examples
from .waiting import JobRequest, run

FOLDER = "questions"
"""In the workspace: a folder for each set of documents, teachers, money and seed."""

NOTHING_SPENT = Spent(usd=0, calls=0, input_tokens=0, output_tokens=0, unanswered_calls=0, unanswered_usd=0)

SUFFIX = ".jsonl"
KEPT_OF_PROVENANCE = ("document", "passage", "known_without")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for."""

    documents: Sequence[Path]
    out: Path
    teacher: str
    teacher_price: tuple[float, float] | None = None
    """US dollars for a million tokens read and written; None: the catalogue's."""
    checker: str | None = None
    checker_price: tuple[float, float] | None = None
    max_usd: float | None = None
    """US dollars for all calls; None: nothing may be spent."""
    per_passage: int
    seed: int = 0
    force: bool = False
    """Whether a file that is there may be replaced."""

    @property
    def teachers(self) -> list[TeacherSource]:
        """Who is asked: the teacher, and the checker where there is one."""
        named = [(self.teacher, self.teacher_price), (self.checker, self.checker_price)]
        return [TeacherSource(name=name, usd_per_million=price) for name, price in named if name]


class QuestionsMade(Record):
    """What was written, and all that the job tells of it."""

    file: str | None
    """None: no question was kept, so that nothing was written."""
    folder: str
    made_before: bool
    """Whether an earlier start with the same arguments had made them: nothing was asked or spent now."""
    max_usd: float
    spent_now: Spent
    """By this start of the job alone; `result.spent` holds those before it too."""
    seconds: float
    result: DocumentsResult


def make_questions(
    wanted: Wanted,
    workspace: Path,
    executor: Executor,
    on_event: Callable[[Event], None] | None = None,
) -> QuestionsMade:
    """Makes the questions, or goes on where an earlier start with the same arguments ended, and writes the file.

    Raises RequestError with everything that is wrong before anybody is asked, OutputError where the file cannot be written, and
    ToolFailed where the teacher cannot be used.
    """
    passages = _checked(wanted)
    folder = workspace / FOLDER / _key(wanted, passages)
    made_before = (folder / RESULT_FILE).exists()
    before = _spent(folder)
    with ExitStack() as keys:
        choices = [keys.enter_context(teacher_choice(source, folder)) for source in wanted.teachers]
        job = _job(wanted, choices, workspace, folder)
        request = JobRequest(module="stratos.tools.teaching.documents", job=job, folder=folder)
        found: dict[str, Any] = run(executor, request, on_event)
    seconds = float(found.pop("seconds"))
    result = DocumentsResult.model_validate(found)
    if result.kept:
        _write(wanted.out, job.shard, result)
    return QuestionsMade(
        file=str(wanted.out.absolute()) if result.kept else None,
        folder=str(folder),
        made_before=made_before,
        max_usd=job.usd_limit,
        spent_now=_since(before, result.spent),
        seconds=seconds,
        result=result,
    )


def _spent(folder: Path) -> Spent:
    """What earlier starts of the job came to."""
    if not (folder / PURSE_FILE).exists():
        return NOTHING_SPENT
    with closing(Purse(folder, 0.0)) as purse:
        return purse.spent


def _since(before: Spent, now: Spent) -> Spent:
    first, second = before.model_dump(), now.model_dump()
    return Spent.model_validate({name: round(second[name] - first[name], 8) for name in first})


def _job(wanted: Wanted, choices: Sequence[TeacherChoice], workspace: Path, folder: Path) -> DocumentsJob:
    return DocumentsJob(
        documents=tuple(_absolute(wanted.documents)),
        questions=wanted.per_passage,
        teacher=choices[0],
        checker=choices[1] if choices[1:] else None,
        seed=wanted.seed,
        usd_limit=wanted.max_usd or 0.0,
        cache_folder=workspace / CACHE_FOLDER,
        shard=folder / "facts.jsonl",
    )


def _checked(wanted: Wanted) -> list[Passage]:
    """The passages. Raises RequestError with all that is wrong."""
    problems = [*_wrong_output(wanted.out, wanted.force), *_wrong_names(wanted)]
    passages: list[Passage] = []

    def tried(look: Callable[[], object]) -> None:
        try:
            look()
        except RequestError as error:
            problems.extend(error.problems)

    tried(lambda: passages.extend(read_passages(_absolute(wanted.documents))))
    for source in wanted.teachers:
        tried(lambda source=source: check_teacher(source))
    tried(lambda: check_choices(*(TeacherChoice(**source.model_dump()) for source in wanted.teachers)))
    tried(lambda: _check_money(wanted, passages))
    if problems:
        raise RequestError(list(dict.fromkeys(problems)))
    return passages


def _wrong_names(wanted: Wanted) -> list[str]:
    problems = [
        f"--{option} {name!r} names nobody"
        for option, name in (("teacher", wanted.teacher), ("checker", wanted.checker))
        if name == ""
    ]
    if wanted.checker is None and wanted.checker_price is not None:
        problems.append("--checker-price goes with --checker NAME")
    return problems


def _absolute(paths: Sequence[Path]) -> list[Path]:
    return [path.expanduser().absolute() for path in paths]


def _wrong_output(out: Path, force: bool) -> list[str]:
    if out.is_dir():
        return [f"--out {out} is a folder: name a file that ends in {SUFFIX}"]
    problems: list[str] = []
    if out.suffix.lower() != SUFFIX:
        problems.append(f"--out {out}: the file is JSON lines, so that its name must end in {SUFFIX}")
    if not out.absolute().parent.is_dir():
        problems.append(f"--out {out}: there is no folder {out.absolute().parent}")
    elif not os.access(out.absolute().parent, os.W_OK):
        problems.append(f"--out {out}: the folder {out.absolute().parent} may not be written into")
    if out.exists() and not force:
        problems.append(f"--out {out} exists, and is replaced only with --force")
    return problems


def _check_money(wanted: Wanted, passages: Sequence[Passage]) -> None:
    """Raises RequestError where tokens have a price and nobody said how much may be spent."""
    try:
        prices = [prices_of(source) for source in wanted.teachers]
    except RequestError:  # told already: a price that is not known
        return
    if wanted.max_usd is not None or all(one == TokenPrices() for one in prices):
        return
    most = most_usd(passages, wanted.per_passage, Sampling(), (prices[0], prices[-1]))
    names = " and ".join(repr(source.name) for source in wanted.teachers)
    raise RequestError(
        [
            f"the tokens of {names} have a price: say with --max-usd how much may be spent; all questions of {len(passages):,} "
            f"passages come to {dollars(most)} at the very most, unless answers are lost"
        ]
    )


def _key(wanted: Wanted, passages: Sequence[Passage]) -> str:
    """A name for the job that another has only if everything is the same that decides what it makes."""
    of = {
        "documents": [str(path) for path in _absolute(wanted.documents)],
        "passages": [asdict(passage) for passage in passages],
        "teachers": [source.model_dump(mode="json") for source in wanted.teachers],
        "endpoint": os.environ.get("OPENAI_BASE_URL"),
        "with_key": bool(os.environ.get("OPENAI_API_KEY")),
        "max_usd": wanted.max_usd,
        "per_passage": wanted.per_passage,
        "seed": wanted.seed,
    }
    return hashlib.sha256(canonical(of).encode()).hexdigest()[:16]


def _write(out: Path, shard: Path, result: DocumentsResult) -> None:
    """The file as a run takes it: question, answer, the sentence that says so, and where that stands."""
    if not shard.is_file() or file_sha256(shard) != result.sha256:
        raise ToolFailed(f"{shard} is not what the job wrote: delete its folder, and call this again")
    provenance = [json.loads(line) for line in provenance_path(shard).read_text(encoding="utf-8").splitlines()]
    rows = [
        {"question": one.prompt, "answer": one.answer, "rationale": one.rationale}
        | {name: origin[name] for name in KEPT_OF_PROVENANCE}
        for one, origin in zip(read_examples(shard), provenance, strict=True)
    ]
    try:
        write_atomic(out.absolute(), "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror}; what was made is in {shard}") from error
