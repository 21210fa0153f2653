"""The job that makes questions and answers of a user's documents: facts that a passage states, each asked again with the passage.

It finds out whether the passage answers the question, not whether the passage is true. What it writes are examples as shards hold them,
which a brief can also name as its data: the rationale is the sentence that says so.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ...skills.given.folder import canonical_question
from ...skills.given.metrics import F1_RIGHT, token_f1
from ...skills.protocol import Example
from ...state.brief import Record
from ...state.evidence import Interval, wilson
from ...state.teaching import Spent
from ..generation import file_sha256
from ..jobs import main, progress, write_atomic
from .asking import Asker
from .facts import LONGEST_QUESTION, Fact, problem_of, read_facts
from .money import TokenPrices
from .opening import WritingJob, check_choices, open_askers
from .passages import Passage, read_passages
from .questions import prompt_template, same_answer
from .rationales import provenance_path
from .reading import take_apart
from .teachers import Request, Sampling

BLOCK = 16
"""Passages that go through all stages together: money that ends leaves the blocks before whole."""


class DocumentsJob(WritingJob):
    """Writes one file of examples and their provenance beside it."""

    documents: tuple[Path, ...] = Field(min_length=1, description="text files, or folders of them")
    questions: int = Field(default=5, gt=0, le=20, description="at most, for each passage")
    temperature: float = Field(default=0.7, gt=0, le=2)


class DocumentsResult(Record):
    """What result.json holds, beside the seconds."""

    teacher: str
    checker: str
    passages: int
    made: int = Field(description="questions that the teacher made, unreadable lines included")
    kept: int
    rejected: dict[str, int] = Field(description="by reason; kept and rejected together are those made")
    silent_passages: dict[str, int] = Field(description="passages of which nothing came, by reason")
    round_trip: Interval | None = Field(description="share of questions that the passage answers as they were made")
    disagreement: Interval | None = Field(description="share of those where the independent check gave another answer")
    known_without: Interval | None = Field(
        description="of those kept, share that the teacher answers without the passage"
    )
    shard: str
    sha256: str
    provenance: str
    spent: Spent
    uncounted_calls: int = Field(
        default=0, description="of the calls, those whose tokens the server did not count: assumed at their most"
    )
    kept_answers: int = Field(default=0, description="answers that were there already and cost nothing this time")
    kept_usd: float = Field(default=0.0, description="what asking for those anew would have cost")
    stopped_by: Literal["done", "money"]
    notes: tuple[str, ...]


@dataclass(kw_only=True)
class _Work:
    """The job's state: who is asked, what is known already, and what became of everything."""

    job: DocumentsJob
    teacher: Asker
    checker: Asker
    seen: set[str] = field(default_factory=set[str])
    made: int = 0
    rejected: Counter[str] = field(default_factory=Counter[str])
    silent: Counter[str] = field(default_factory=Counter[str])
    tried: int = 0
    reproduced: int = 0
    checked: int = 0
    disagreed: int = 0
    known: int = 0
    asked_without: int = 0

    @property
    def askers(self) -> list[Asker]:
        """Teacher and checker, once where they are the same."""
        return [self.teacher] if self.checker is self.teacher else [self.teacher, self.checker]

    def kept(self, passages: Sequence[Passage]) -> list[tuple[Example, dict[str, object]]]:
        """Examples of a block of passages, with their provenance."""
        cold = Sampling(max_tokens=self.job.max_tokens, seed=self.job.seed)
        warm = Sampling(temperature=self.job.temperature, max_tokens=self.job.max_tokens, seed=self.job.seed)
        found = self._made(passages, warm)
        before = len(found)
        found, unread = self._agreeing(self.teacher, found, cold, 0, "round trip")
        self.tried += before - unread
        self.reproduced += len(found)
        before = len(found)
        found, unread = self._agreeing(self.checker, found, warm, 1, "check")
        self.checked += before - unread
        self.disagreed += before - unread - len(found)
        closed = [_request("closed", cold, 0, question=fact.question) for _, fact in found]
        rows: list[tuple[Example, dict[str, object]]] = []
        for (passage, fact), answer in zip(found, self.teacher.ask(closed), strict=True):
            solution = take_apart(answer, wants_steps=False)
            known = None if answer is None else not isinstance(solution, str) and agree(fact.answer, solution.answer)
            self.asked_without += known is not None
            self.known += known is True
            rows.append((_example(passage, fact), _provenance(passage, known, self.teacher, self.checker)))
        return rows

    def _made(self, passages: Sequence[Passage], sampling: Sampling) -> list[tuple[Passage, Fact]]:
        """New questions of the right form that keep to the passage's words."""
        count = str(self.job.questions)
        requests = [_request("facts", sampling, 0, passage=passage.text, count=count) for passage in passages]
        found: list[tuple[Passage, Fact]] = []
        for passage, answer in zip(passages, self.teacher.ask(requests), strict=True):
            if answer is None or answer.fate != "answered":
                self.silent["not sent: the money limit" if answer is None else answer.fate] += 1
                continue
            facts, unreadable = read_facts(answer, self.job.questions)
            self.silent["empty"] += not facts and not unreadable
            self.made += len(facts) + unreadable
            self.rejected["no JSON of a question, an answer and a quote"] += unreadable
            for fact in facts:
                key = canonical_question(fact.question)
                problem = problem_of(fact, passage) or ("asked already" if key in self.seen else "")
                if problem:
                    self.rejected[problem] += 1
                    continue
                self.seen.add(key)
                found.append((passage, fact))
        return found

    def _agreeing(
        self, asker: Asker, facts: Sequence[tuple[Passage, Fact]], sampling: Sampling, sample: int, stage: str
    ) -> tuple[list[tuple[Passage, Fact]], int]:
        """The facts whose answer comes back when the passage is there, and how many were not answered readably."""
        requests = [
            _request("passage", sampling, sample, passage=passage.text, question=fact.question)
            for passage, fact in facts
        ]
        found: list[tuple[Passage, Fact]] = []
        unread = 0
        for (passage, fact), answer in zip(facts, asker.ask(requests), strict=True):
            solution = take_apart(answer, wants_steps=False)
            if isinstance(solution, str):
                unread += 1
                self.rejected[f"{solution} ({stage})"] += 1
            elif agree(fact.answer, solution.answer):
                found.append((passage, fact))
            else:
                self.rejected[f"another answer ({stage})"] += 1
        return found, unread


def most_usd(
    passages: Sequence[Passage], questions: int, sampling: Sampling, prices: tuple[TokenPrices, TokenPrices]
) -> float:
    """The most that a teacher and a checker of these prices may cost, US dollars, if no answer of theirs is lost."""
    teacher, checker = prices
    longest = "x" * LONGEST_QUESTION
    closed = teacher.most_usd(_request("closed", sampling, 0, question=longest))
    usd = 0.0
    for passage in passages:
        facts = _request("facts", sampling, 0, passage=passage.text, count=str(questions))
        again = _request("passage", sampling, 0, passage=passage.text, question=longest)
        each = teacher.most_usd(again) + checker.most_usd(again) + closed
        usd += teacher.most_usd(facts) + questions * each
    return usd


def agree(one: str, other: str) -> bool:
    """Whether two short answers say the same, by their notation or by their words."""
    return same_answer(one, other) or token_f1(one, other) >= F1_RIGHT


def run(job: DocumentsJob, folder: Path) -> Mapping[str, Any]:
    """Runs or continues the job. Raises RequestError, NotAvailable or ToolFailed before anything is paid for."""
    check_choices(job.teacher, job.checker)
    passages = read_passages(job.documents)
    with open_askers(job, folder, checker=job.checker) as (teacher, checker, notes):
        work = _Work(job=job, teacher=teacher, checker=checker)
        rows, stopped_by = _worked(work, passages)
        _write(job.shard, rows)
        return _result(work, passages, rows, stopped_by, notes).model_dump(mode="json")


def _worked(
    work: _Work, passages: Sequence[Passage]
) -> tuple[list[tuple[Example, dict[str, object]]], Literal["done", "money"]]:
    rows: list[tuple[Example, dict[str, object]]] = []
    for at in range(0, len(passages), BLOCK):
        rows += work.kept(passages[at : at + BLOCK])
        progress(min(at + BLOCK, len(passages)), len(passages), "passages", kept=len(rows))
        if work.teacher.out_of_money or work.checker.out_of_money:
            return rows, "money"
    return rows, "done"


def _result(
    work: _Work,
    passages: Sequence[Passage],
    rows: Sequence[object],
    stopped_by: Literal["done", "money"],
    notes: Sequence[str],
) -> DocumentsResult:
    return DocumentsResult(
        teacher=work.teacher.teacher.name,
        checker=work.checker.teacher.name,
        passages=len(passages),
        made=work.made,
        kept=len(rows),
        rejected=dict(+work.rejected),
        silent_passages=dict(+work.silent),
        round_trip=wilson(work.reproduced, work.tried) if work.tried else None,
        disagreement=wilson(work.disagreed, work.checked) if work.checked else None,
        known_without=wilson(work.known, work.asked_without) if work.asked_without else None,
        shard=work.job.shard.name,
        sha256=file_sha256(work.job.shard),
        provenance=provenance_path(work.job.shard).name,
        spent=work.teacher.purse.spent,
        uncounted_calls=work.teacher.purse.uncounted_calls,
        kept_answers=sum(len(asker.kept) for asker in work.askers),
        kept_usd=round(sum(usd for asker in work.askers for usd in asker.kept.values()), 8),
        stopped_by=stopped_by,
        notes=tuple(notes),
    )


def _request(prompt: str, sampling: Sampling, sample: int, **filled: str) -> Request:
    return Request(prompt=prompt_template(prompt).substitute(**filled), sampling=sampling, sample=sample)


def _example(passage: Passage, fact: Fact) -> Example:
    return Example(prompt=fact.question, rationale=fact.quote, answer=fact.answer, family=passage.document)


def _provenance(passage: Passage, known: bool | None, teacher: Asker, checker: Asker) -> dict[str, object]:
    return {
        "document": passage.document,
        "passage": passage.number,
        "teacher": teacher.teacher.name,
        "checker": checker.teacher.name,
        "known_without": known,
    }


def _write(shard: Path, rows: Sequence[tuple[Example, dict[str, object]]]) -> None:
    """The shard last: its presence means that its provenance is there."""
    shard.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(provenance_path(shard), "".join(json.dumps(line) + "\n" for _, line in rows))
    write_atomic(shard, "".join(json.dumps(asdict(example)) + "\n" for example, _ in rows))


if __name__ == "__main__":
    main(DocumentsJob, run)
