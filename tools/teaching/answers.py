"""The job that has a competent teacher answer questions: its worked ways and answers, kept where they are right or cannot be told.

Where the right answer is at hand, the teacher is asked until it gives that one, a few times at most (rejection sampling); what it says
to further questions is kept as it is, if it has the form of an answer. Nothing of a held-out split is looked at.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ...skills.given.metrics import number_in, told_metric
from ...skills.protocol import Example, GivenData, Skill
from ...state.brief import Record
from ...state.errors import RequestError
from ...state.evidence import Interval, wilson
from ...state.teaching import Spent
from ..generation import file_sha256
from ..jobs import SkillJob, main, progress, write_atomic
from .asking import Asker
from .opening import WritingJob, open_askers
from .questions import Questions, answer_form
from .rationales import BLOCK, provenance_path
from .reading import Solution, take_apart
from .teachers import Sampling

TRIES = 4
"""Answers to one question whose right answer is known, the first greedy, until one is right."""


class AnswersJob(SkillJob, WritingJob):
    """Writes one shard of what the teacher says to the examples given for training and to the questions without an answer."""

    temperature: float = Field(default=0.8, gt=0, le=2, description="of the tries after the first")


class AnswersResult(Record):
    """What result.json holds, beside the seconds."""

    teacher: str
    shard: str
    sha256: str
    provenance: str
    asked: int
    kept: int
    rejected: dict[str, int]
    questions: int = Field(description="asked about")
    wrong: Interval | None = Field(description="of the first answers that could be read, where the right one is known")
    spent: Spent
    stopped_by: Literal["done", "money"]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What is asked, and the right answer where it is known."""

    prompt: str
    known: Example | None


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What is kept of one answer."""

    example: Example
    sample: int
    labelled: bool


@dataclass(kw_only=True)
class _Work:
    """Who is asked, and what became of the answers."""

    job: AnswersJob
    questions: Questions
    asker: Asker
    in_form: Callable[[str], str | None]
    asked: int = 0
    rejected: Counter[str] = field(default_factory=Counter[str])
    first: int = 0
    """First answers that could be read, where the right one is known."""
    first_wrong: int = 0

    def answered(self, block: Sequence[_Question]) -> list[_Said]:
        """What is kept of the answers to some questions, in their order."""
        said: dict[int, _Said] = {}
        still = list(range(len(block)))
        for sample in range(TRIES):
            heat = self.job.temperature if sample else 0.0
            sampling = Sampling(temperature=heat, max_tokens=self.job.max_tokens, seed=self.job.seed)
            asked = [block[at].known or Example(prompt=block[at].prompt, rationale="", answer="") for at in still]
            self.asked += len(asked)
            answers = self.asker.ask([self.questions.plain(example, sampling, sample) for example in asked])
            for at, answer in zip(still, answers, strict=True):
                solution = take_apart(answer, wants_steps=False)
                kept = solution if isinstance(solution, str) else self._kept(block[at], solution, sample)
                if isinstance(kept, str):
                    self.rejected[kept] += 1
                else:
                    said[at] = kept
            still = [at for at in still if at not in said and block[at].known is not None]
            if not still or self.asker.out_of_money:
                break
        return [said[at] for at in sorted(said)]

    def _kept(self, asked: _Question, solution: Solution, sample: int) -> _Said | str:
        """What is learned of an answer, or why nothing is; a right one is written as the user wrote it."""
        if asked.known is None:
            answer = self.in_form(solution.answer)
            if answer is None:
                return "not in the form of an answer"
        else:
            answer, right = asked.known.answer, self.questions.right(asked.known, solution.answer)
            if sample == 0:
                self.first += 1
                self.first_wrong += not right
            if not right:
                return "a wrong answer"
        example = Example(prompt=asked.prompt, rationale=solution.steps, answer=answer)
        return _Said(example=example, sample=sample, labelled=asked.known is not None)


def run(job: AnswersJob, folder: Path) -> Mapping[str, Any]:
    """Runs or continues the job. Raises RequestError, NotAvailable or ToolFailed before anything is paid for."""
    skill = job.load_skill()
    if skill.given is None:
        raise RequestError([f"skill {skill.name!r} makes its own examples: no teacher has to answer them"])
    with open_askers(job, folder, skill, job.task) as (asker, _, notes):
        return _answered(job, skill, skill.given, asker, notes).model_dump(mode="json")


def in_form(answers: Sequence[str]) -> Callable[[str], str | None]:
    """What an answer is in the form of the right ones: the choice that it names, or itself; None where it has another form."""
    metric = told_metric(answers)
    if metric == "choice":
        choices = {answer.casefold(): answer for answer in answers}
        return lambda answer: choices.get(answer.casefold())
    if metric == "numeric":
        return lambda answer: answer if number_in(answer) is not None else None
    return lambda answer: answer


def _answered(job: AnswersJob, skill: Skill, given: GivenData, asker: Asker, notes: Sequence[str]) -> AnswersResult:
    answers = [example.answer for example in given.train]
    work = _Work(
        job=job,
        questions=Questions(skill=skill, task=job.task, form=answer_form(answers)),
        asker=asker,
        in_form=in_form(answers),
    )
    wanted = [
        *(_Question(prompt=example.prompt, known=example) for example in given.train),
        *(_Question(prompt=prompt, known=None) for prompt in given.unlabelled),
    ]
    kept, asked_about = list[_Said](), 0
    for at in range(0, len(wanted), BLOCK):
        block = wanted[at : at + BLOCK]
        kept += work.answered(block)
        asked_about += len(block)
        progress(asked_about, len(wanted), "questions", kept=len(kept))
        if asker.out_of_money:
            break
    _write(job.shard, skill, job.task, kept, asker.teacher.name)
    return AnswersResult(
        teacher=asker.teacher.name,
        shard=job.shard.name,
        sha256=file_sha256(job.shard),
        provenance=provenance_path(job.shard).name,
        asked=work.asked,
        kept=len(kept),
        rejected=dict(work.rejected),
        questions=asked_about,
        wrong=wilson(work.first_wrong, work.first) if work.first else None,
        spent=asker.purse.spent,
        stopped_by="money" if asker.out_of_money else "done",
        notes=tuple(notes),
    )


def _write(shard: Path, skill: Skill, task: str, kept: Sequence[_Said], teacher: str) -> None:
    """The shard last: its presence means that its provenance is there."""
    shard.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        {
            "canonical": skill.canonical(task, one.example.prompt),
            "teacher": teacher,
            "sample": one.sample,
            "right_by": "the given answer" if one.labelled else None,
        }
        for one in kept
    ]
    write_atomic(provenance_path(shard), "".join(json.dumps(line) + "\n" for line in lines))
    write_atomic(shard, "".join(json.dumps(asdict(one.example)) + "\n" for one in kept))


if __name__ == "__main__":
    main(AnswersJob, run)
