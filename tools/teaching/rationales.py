"""The job that makes reverse synthetic data: rationales for examples whose answers are known, written by a teacher that is told them.

Every answer of a teacher is kept on disk as it comes, so a job that was broken off goes on where it was and pays for nothing twice.
Nothing of a held-out split is looked at. Where a skill's answers can be guessed, the filter is only as good as its decoys say.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import Any, Literal

from pydantic import Field

from ...skills.protocol import Example, Skill
from ...state.brief import Record
from ...state.errors import RequestError
from ...state.evidence import Interval, wilson
from ...state.teaching import Spent
from ..generation import file_sha256
from ..jobs import SkillJob, progress, write_atomic
from .asking import Asker
from .filtering import Candidate, Filter, Tally
from .opening import WritingJob, check_choices, open_askers
from .questions import Questions, answer_form, prompt_template, same_answer
from .teachers import Sampling

BLOCK = 32
"""Examples that go through all stages together: money that ends leaves the blocks before whole."""

LUCK = 0.02
"""The chance that a guess of the most frequent answer passes the round trip and all checks, where answers can be guessed."""

MOST_CHECKS = 4
DECOY_SHARE = 3
"""One decoy for at least so many examples: the control must not cost as much as the work."""

DOUBTFUL = 0.1
"""Estimated share of unsound rationales among those kept from which on the result says so."""

UNCHECKED = (
    "no second teacher checked: of what the teacher knows anyway, steps that lead nowhere are kept too; name a checker"
)

PROMPTS = ("hinted", "plain", "steps")


class RationalesJob(SkillJob, WritingJob):
    """Writes one shard of examples with rationales, and their provenance beside it."""

    examples: Path | None = Field(
        default=None, description="examples as shards hold them; null: those given to the skill for training"
    )
    held_out: Path | None = Field(
        default=None, description="canonical forms that must not be learned from, a JSON list"
    )
    most_examples: int | None = Field(default=None, gt=0, description="only so many, drawn by the seed; null: all")
    rationales: int = Field(default=4, gt=0, le=64, description="asked for each example")
    checks: int | None = Field(
        default=None, gt=0, le=MOST_CHECKS, description="after the round trip; null: by how well answers can be guessed"
    )
    decoys: int = Field(
        default=30, ge=0, description="wrong answers told on purpose, to measure what the filter lets through"
    )
    temperature: float = Field(default=0.8, gt=0, le=2)


class Decoys(Record):
    """Rationales to answers that are wrong, put through the same filter: all that pass are unsound."""

    asked: int
    kept: Interval = Field(description="share of them that pass everything")
    unsound_share: float = Field(
        description="estimate for the rationales that were kept, as if all had been unsound before the filter"
    )
    unsound_share_at_most: float = Field(description="the same with the upper end of the 95 % interval")


class RationalesResult(Record):
    """What result.json holds, beside the seconds."""

    teacher: str
    checker: str
    shard: str
    sha256: str
    provenance: str
    examples: int = Field(description="with an answer and no rationale, that were worked on")
    examples_with_rationale: int = Field(description="of them, those with at least one now")
    asked: int
    kept: int
    rejected: dict[str, int] = Field(description="by reason; kept and rejected together are those asked for")
    checks: int
    round_trip: Interval | None = Field(description="share of rationales whose answer came back without the hint")
    disagreement: Interval | None = Field(description="share of those with which the first independent check disagreed")
    decoys: Decoys | None
    spent: Spent
    stopped_by: Literal["done", "money"]
    prompts_sha256: str
    notes: tuple[str, ...]


def provenance_path(shard: Path) -> Path:
    """Where it is said of each example of a shard who wrote and who checked it."""
    return shard.with_name(f"{shard.stem}.provenance.jsonl")


def run(job: RationalesJob, folder: Path) -> Mapping[str, Any]:
    """Runs or continues the job. Raises RequestError, NotAvailable or ToolFailed before anything is paid for."""
    check_choices(job.teacher, job.checker)
    skill = job.load_skill()
    examples = wanted_examples(job, skill)
    with open_askers(job, folder, skill, job.task, job.checker) as (teacher, checker, notes):
        return _made(job, skill, examples, teacher, checker, notes).model_dump(mode="json")


def _made(
    job: RationalesJob, skill: Skill, examples: Sequence[Example], teacher: Asker, checker: Asker, notes: Sequence[str]
) -> RationalesResult:
    """Decoys first, then the examples block by block; writes the shard."""
    sieve = _filter(job, skill, examples, teacher, checker)
    decoyed = Tally()
    for block in _blocks(decoys(examples, job, sieve.questions)):
        _decoy_filter(sieve).kept(block, decoyed)
    tally, kept = Tally(), list[Candidate]()
    stopped_by: Literal["done", "money"] = "done"
    for number, block in enumerate(_blocks(examples)):
        kept += sieve.kept(block, tally)
        progress(min((number + 1) * BLOCK, len(examples)), len(examples), "examples", kept=len(kept))
        if teacher.out_of_money or checker.out_of_money:
            stopped_by = "money"
            break
    _write(job.shard, skill, job.task, kept, teacher, checker, sieve.checks)
    measured = _decoys(decoyed, tally)
    return RationalesResult(
        teacher=teacher.teacher.name,
        checker=checker.teacher.name,
        shard=job.shard.name,
        sha256=file_sha256(job.shard),
        provenance=provenance_path(job.shard).name,
        examples=len(examples),
        examples_with_rationale=len({one.example.prompt for one in kept}),
        asked=tally.asked,
        kept=tally.kept,
        rejected=dict(tally.rejected),
        checks=sieve.checks,
        round_trip=wilson(tally.reproduced, tally.tried) if tally.tried else None,
        disagreement=wilson(tally.disagreed, tally.checked) if tally.checked else None,
        decoys=measured,
        spent=teacher.purse.spent,
        stopped_by=stopped_by,
        prompts_sha256=hashlib.sha256(
            "\0".join(prompt_template(name).template for name in PROMPTS).encode()
        ).hexdigest(),
        notes=(*notes, *_doubts(measured), *([] if job.checker else [UNCHECKED])),
    )


def wanted_examples(job: RationalesJob, skill: Skill) -> list[Example]:
    """The examples without a rationale that may be learned from. Raises RequestError where there is none."""
    if job.examples is not None:
        known = [Example(**json.loads(line)) for line in job.examples.read_text(encoding="utf-8").split("\n") if line]
    elif skill.given is not None:
        known = list(skill.given.train)
    else:
        raise RequestError([f"skill {skill.name!r} makes its own examples with rationales: name others under examples"])
    held_out = set[str](json.loads(job.held_out.read_text(encoding="utf-8"))) if job.held_out else set[str]()
    splits = skill.given.splits.values() if skill.given else ()
    held_out |= {skill.canonical(job.task, example.prompt) for split in splits for example in split}
    found = [
        example
        for example in known
        if not example.rationale and skill.canonical(job.task, example.prompt) not in held_out
    ]
    if not found:
        raise RequestError([f"none of {len(known):,} examples lacks a rationale and may be learned from"])
    return Random(job.seed).sample(found, min(job.most_examples or len(found), len(found)))


def checks_needed(answers: Sequence[str]) -> int:
    """Checks after the round trip that a guess of the most frequent answer passes, with the round trip, at a chance of LUCK at most."""
    guessed = Counter(answers).most_common(1)[0][1] / len(answers)
    if guessed == 1:
        return MOST_CHECKS
    return min(MOST_CHECKS, max(1, math.ceil(math.log(LUCK) / math.log(guessed)) - 1))


def decoys(examples: Sequence[Example], job: RationalesJob, questions: Questions) -> list[Example]:
    """Some of the examples, each with the answer of another that is wrong for it."""
    rng = Random(f"{job.seed}:decoys")
    found: list[Example] = []
    for example in rng.sample(examples, min(job.decoys, len(examples) // DECOY_SHARE)):
        others = [other.answer for other in rng.sample(examples, min(50, len(examples)))]
        wrong = (
            other for other in others if not questions.right(example, other) and not same_answer(other, example.answer)
        )
        if (answer := next(wrong, None)) is not None:
            found.append(Example(prompt=example.prompt, rationale="", answer=answer, family=example.family))
    return found


def _filter(job: RationalesJob, skill: Skill, examples: Sequence[Example], teacher: Asker, checker: Asker) -> Filter:
    answers = [example.answer for example in examples]
    questions = Questions(skill=skill, task=job.task, form=answer_form(answers))
    warm = Sampling(temperature=job.temperature, max_tokens=job.max_tokens, seed=job.seed)
    return Filter(
        questions=questions,
        teacher=teacher,
        checker=checker,
        rationales=job.rationales,
        checks=job.checks or checks_needed(answers),
        writing=warm,
        reading=Sampling(max_tokens=job.max_tokens, seed=job.seed),
        checking=warm,
        same=questions.right,
        verified=not skill.needs_data,
    )


def _decoy_filter(sieve: Filter) -> Filter:
    """The same filter for answers that the skill's verifier knows to be wrong: it cannot be the judge."""

    def same(example: Example, given: str) -> bool:
        return same_answer(example.answer, given)

    return replace(sieve, rationales=1, same=same, verified=False)


def _blocks(examples: Sequence[Example]) -> list[Sequence[Example]]:
    return [examples[at : at + BLOCK] for at in range(0, len(examples), BLOCK)]


def _decoys(decoyed: Tally, tally: Tally) -> Decoys | None:
    """The estimate: of rationales as they were written, the unsound pass at the rate of decoys, at most all of them are unsound."""
    if not decoyed.sent:
        return None
    passed, rate = wilson(decoyed.kept, decoyed.sent), tally.kept / tally.sent if tally.sent else 0.0

    def among_kept(share: float) -> float:
        return min(1.0, share / rate) if rate else 0.0

    return Decoys(
        asked=decoyed.sent,
        kept=passed,
        unsound_share=round(among_kept(passed.value), 4),
        unsound_share_at_most=round(among_kept(passed.high), 4),
    )


def _doubts(measured: Decoys | None) -> list[str]:
    if measured is None:
        return ["no decoys were tried: how many unsound rationales the filter lets through is not known"]
    if measured.unsound_share <= DOUBTFUL:
        return []
    return [
        f"the filter let {measured.kept.value:.0%} of {measured.asked} rationales to wrong answers pass: up to "
        f"{measured.unsound_share:.0%} of those kept may be unsound; a second teacher as checker, or more checks, would tell more"
    ]


def _write(
    shard: Path, skill: Skill, task: str, kept: Sequence[Candidate], teacher: Asker, checker: Asker, checks: int
) -> None:
    """The shard last: its presence means that its provenance is there."""
    shard.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        {
            "canonical": skill.canonical(task, one.example.prompt),
            "teacher": teacher.teacher.name,
            "checker": checker.teacher.name,
            "checks": checks,
            "sample": one.sample,
            "input_tokens": one.input_tokens,
            "output_tokens": one.output_tokens,
        }
        for one in kept
    ]
    write_atomic(provenance_path(shard), "".join(json.dumps(line) + "\n" for line in lines))
    write_atomic(shard, "".join(json.dumps(asdict(one.example)) + "\n" for one in kept))
