"""The teacher on a probe set: how often it is right, how sure of itself it is, and what a hint changes. A job and a function."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from pydantic import Field

from ...skills.protocol import Example
from ...state.errors import ToolFailed
from ...state.evidence import Interval, wilson
from ...state.teaching import TeacherEvidence
from ..jobs import SkillJob, main, progress
from .asking import Asker
from .opening import AskingJob, open_askers
from .questions import Questions, answer_form, same_answer
from .reading import Solution, take_apart
from .teachers import Answer, Sampling

MOST_ITEMS = 100
FORM_EXAMPLES = 5000
PROBE_BLOCK = 3_000_001
"""The block of made examples that `classify_complexity` probes with."""


class ProbeJob(SkillJob, AskingJob):
    """Probes one teacher on examples for training, never on a held-out split."""

    items: int = Field(default=MOST_ITEMS, gt=0, le=MOST_ITEMS)
    samples: int = Field(default=5, ge=2, le=32)
    temperature: float = Field(default=0.7, gt=0, le=2)


def probe(
    asker: Asker,
    questions: Questions,
    examples: Sequence[Example],
    *,
    samples: int,
    temperature: float,
    max_tokens: int,
    seed: int,
) -> TeacherEvidence:
    """Probes a teacher. Raises ToolFailed when the money did not suffice for one item; ValueError for more than MOST_ITEMS."""
    if not 0 < len(examples) <= MOST_ITEMS:
        raise ValueError(f"a probe set has 1 to {MOST_ITEMS} items, not {len(examples)}")
    greedy = Sampling(max_tokens=max_tokens, seed=seed)
    warm = Sampling(temperature=temperature, max_tokens=max_tokens, seed=seed)
    with_rationale = all(example.rationale for example in examples)
    # All questions of an item side by side, so that money that ends early leaves whole items.
    each = samples + 2
    requests = [
        request
        for example in examples
        for request in (
            questions.plain(example, greedy),
            questions.with_steps(example, example.rationale, example.answer, greedy)
            if with_rationale
            else questions.hinted(example, example.answer, greedy, 0),
            *(questions.plain(example, warm, sample) for sample in range(1, samples + 1)),
        )
    ]
    answers = asker.ask(requests, lambda done, total: progress(done, total, "answers"))
    rows = [answers[at : at + each] for at in range(0, len(answers), each)]
    asked = [(example, row) for example, row in zip(examples, rows, strict=True) if None not in row]
    if not asked:
        raise ToolFailed(
            f"teacher {asker.teacher.name!r}: {each} answers about one item may pass the limit of "
            f"${asker.purse.limit_usd:g}, of which ${asker.purse.spent.usd:.4f} is spent"
        )
    unusable = Counter(found for _, row in asked for answer in row if isinstance(found := _read(answer), str))
    votes = [_vote(row[2:]) for _, row in asked]
    lengths = [row[0].output_tokens for _, row in asked if row[0] and _steps(row[0])]

    def share(given: Sequence[str | None]) -> Interval:
        right = sum(
            answer is not None and questions.right(example, answer)
            for (example, _), answer in zip(asked, given, strict=True)
        )
        return wilson(right, len(asked))

    return TeacherEvidence(
        teacher=asker.teacher.name,
        items=len(asked),
        accuracy=share([_final(row[0]) for _, row in asked]),
        samples=samples,
        vote_accuracy=share([answer for answer, _ in votes]),
        agreement=round(fmean(max(sizes) / samples for _, sizes in votes), 4),
        answer_entropy_nats=round(fmean(entropy_nats(sizes) for _, sizes in votes), 4),
        rationale_tokens=round(fmean(lengths), 1) if lengths else None,
        hint="rationale" if with_rationale else "answer",
        hinted_accuracy=share([_final(row[1]) for _, row in asked]),
        unusable=dict(unusable),
        spent=asker.purse.spent,
        out_of_money=asker.out_of_money,
    )


def entropy_nats(sizes: Sequence[int]) -> float:
    """Entropy of a distribution given by counts, in nats (Shannon 1948)."""
    whole = sum(sizes)
    return math.fsum(-size / whole * math.log(size / whole) for size in sizes if size) if whole else 0.0


def _read(answer: Answer | None) -> Solution | str:
    return take_apart(answer, wants_steps=False)


def _final(answer: Answer | None) -> str | None:
    found = _read(answer)
    return found.answer if isinstance(found, Solution) else None


def _steps(answer: Answer) -> str:
    found = _read(answer)
    return found.steps if isinstance(found, Solution) else ""


def _vote(answers: Sequence[Answer | None]) -> tuple[str | None, list[int]]:
    """The most frequent answer, the first of those that tie, and how often each answer came; one that cannot be read is its own."""
    groups: list[tuple[str | None, int]] = []
    for given in map(_final, answers):
        at = next(
            (at for at, (known, _) in enumerate(groups) if known and given and same_answer(known, given)), len(groups)
        )
        groups[at:] = [(given, groups[at][1] + 1), *groups[at + 1 :]] if at < len(groups) else [(given, 1)]
    winner = max(groups, key=lambda group: (group[0] is not None, group[1]))
    return winner[0], [size for _, size in groups]


def run(job: ProbeJob, folder: Path) -> Mapping[str, Any]:
    """Runs or continues the job."""
    skill = job.load_skill()
    known = (
        skill.given.train if skill.given else skill.make(job.task, seed=job.seed, block=PROBE_BLOCK, count=MOST_ITEMS)
    )
    items = Random(job.seed).sample(list(known), min(job.items, len(known)))
    form = answer_form([example.answer for example in known[:FORM_EXAMPLES]])
    with open_askers(job, folder, skill, job.task) as (asker, _, notes):
        found = probe(
            asker,
            Questions(skill=skill, task=job.task, form=form),
            items,
            samples=job.samples,
            temperature=job.temperature,
            max_tokens=job.max_tokens,
            seed=job.seed,
        )
    return {**found.model_dump(mode="json"), "notes": notes}


if __name__ == "__main__":
    main(ProbeJob, run)
