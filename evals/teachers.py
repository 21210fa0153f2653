"""Whole runs beside a teacher or with a student whose knowledge is known: what kind of task the run takes it to be before it trains
anything, and what the student then reaches. The teacher answers over HTTP; everything else is real."""

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from ..agent.api import run
from ..agent.scripted import Answer, scripted_server
from ..skills.protocol import Example
from ..state.evidence import Interval
from ..state.journal import Journal
from ..state.workspace import Workspace
from ..tools.teaching.hiding import without_answer
from ..tools.teaching.reading import marked
from .knowing import knowing_checkpoint
from .reporting import Claim, Report, arguments
from .strategies.families import FAMILIES

_QUESTION = re.compile(r"Question:\n(.*?)\n\n", re.DOTALL)
_TOLD = re.compile(r"for your eyes only: (.*)")
_STEPS = re.compile(r"Steps:\n(.*?)\n\nFollow", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A task, how much of it is at hand, a teacher that knows this share of it or a student that knows it, and the right verdict."""

    name: str
    family: str
    labelled: int
    unlabelled: int
    knows: float | None
    """None: there is no teacher."""
    verdict: str
    student_read: int = 0
    """Tokens of other questions' right answers that the student has read before; 0: it is built from scratch."""


CASES: Sequence[Case] = (
    Case(name="competent teacher", family="addition", labelled=300, unlabelled=2500, knows=0.95, verdict="alignment"),
    Case(name="ignorant teacher", family="clock", labelled=900, unlabelled=0, knows=0.08, verdict="injection"),
    Case(name="trivial task", family="topic", labelled=900, unlabelled=0, knows=0.9, verdict="plain fine-tuning suffices"),
    Case(
        name="knowing student", family="topic", labelled=600, unlabelled=0, knows=None, verdict="prompting suffices",
        student_read=300_000,
    ),
)  # fmt: skip
QUICK_CASES = ("ignorant", "trivial", "knowing")
TIMES_THE_TEACHER = 4


@dataclass(kw_only=True)
class KnownTeacher:
    """Knows the answers to a share of the questions, and can write the way to an answer that it is told."""

    examples: Mapping[str, Example]
    knows: float
    answers: Sequence[str]

    def __call__(self, request: Mapping[str, Any]) -> Answer:
        prompt, seed = request["messages"][0]["content"], request.get("seed", 0)
        found = _QUESTION.search(prompt)
        assert found is not None
        example = self.examples[found[1]]
        if told := _TOLD.search(prompt):
            text = self._way_to(example, told[1])
        elif steps := _STEPS.search(prompt):
            text = f"#### {self._after(example, steps[1], seed)}"
        else:
            known = self._knows(example)
            text = marked(example.rationale, example.answer if known else self._guess(example, seed))
        return Answer(text=text, finish_reason="stop", tokens=(len(prompt) // 4, len(text) // 4))

    def _way_to(self, example: Example, told: str) -> str:
        """The true way, where what it was told is the answer; else words that lead nowhere."""
        return marked(example.rationale if told == example.answer else "this and that leads me there", told)

    def _after(self, example: Example, steps: str, seed: int) -> str:
        """Follows steps that lead to the answer; otherwise answers as if there were none."""
        sound = steps.split() == without_answer(example.rationale, example.answer).split()
        return example.answer if sound or self._knows(example) else self._guess(example, seed)

    def _knows(self, example: Example) -> bool:
        return Random(example.prompt).random() < self.knows

    def _guess(self, example: Example, seed: int) -> str:
        others = [answer for answer in self.answers if answer != example.answer]
        return Random(f"{example.prompt}:{seed}").choice(others)


def measured(case: Case, seed: int, folder: Path) -> dict[str, Any]:
    """One run of a case: the verdict before training, the teacher's right answers, the student's, and what the run came to."""
    family = next(one for one in FAMILIES if one.name == case.family)
    questions = family.questions(seed)
    labelled, rest = questions.labelled[: case.labelled], [*questions.labelled[case.labelled :], *questions.unlabelled]
    unlabelled = rest[: case.unlabelled]
    data = {"path": _written(folder / "labelled.jsonl", labelled, answers=True), "metric": "exact"}
    data["test"] = _written(folder / "test.jsonl", questions.test, answers=True)
    if unlabelled:
        data["unlabelled"] = _written(folder / "unlabelled.jsonl", unlabelled, answers=False)
    more: dict[str, Any] = {}
    if case.student_read:
        folder.joinpath("student").mkdir()
        others = questions.unlabelled
        more["student"] = knowing_checkpoint(folder / "student", others, case.student_read, seed)
    teacher = KnownTeacher(
        examples={one.prompt: one for one in (*labelled, *unlabelled)},
        knows=case.knows or 0.0,
        answers=sorted({one.answer for one in labelled}),
    )
    at = Workspace(folder / "at")
    with scripted_server(teacher) as (url, _):
        os.environ["OPENAI_BASE_URL"] = url
        outcome = run(
            f"answer questions about {case.family}, at least 80 % right",
            data=data,
            teacher=None if case.knows is None else {"name": "openai:known", "usd_per_million": (0.0, 0.0)},
            workspace=at.path,
            seed=seed,
            deploy=False,
            max_attempts=3,
            **more,
        )
    steps = [(row.name, row.output) for row in Journal(at).rows(outcome.run_id)]
    evaluations = [output["evaluation"] for name, output in steps if name == "tool evaluate" and "evaluation" in output]
    attempts = [output["attempt"] for name, output in steps if name == "tool distill" and "attempt" in output]
    complexity = next(output for name, output in steps if name == "tool classify_complexity")
    return {
        "complexity": complexity,
        "evaluation": evaluations[-1] if evaluations else None,
        "status": outcome.status,
        "reason": outcome.reason,
        "trained_tokens": sum(one["tokens"] + one["control_tokens"] for one in attempts),
    }


def _written(path: Path, examples: Sequence[Example], *, answers: bool) -> str:
    rows = ({"question": one.prompt, **({"answer": one.answer} if answers else {})} for one in examples)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def add_claims(report: Report, case: Case, found: Mapping[str, Any]) -> None:
    """What one case showed."""
    complexity, evaluation = found["complexity"], found["evaluation"]
    named = f"{case.name} ({case.family})"
    right = complexity["verdict"] == case.verdict
    report.add(
        Claim(
            name=f"{named}: {complexity['verdict']!r} before training, sure to", value=complexity["probability"], unit="share", n=1,
            goal=repr(case.verdict), met=right,
        )
    )  # fmt: skip
    teacher = Interval.model_validate(complexity["teacher"]["accuracy"]) if complexity["teacher"] else None
    if teacher is not None:
        report.add(_share(f"{named}: teacher", teacher))
    if case.student_read:
        tokens = found["trained_tokens"]
        report.add(
            Claim(name=f"{named}: tokens of training", value=tokens, unit="tokens", n=1, goal="0", met=tokens == 0)
        )
    if evaluation is None:
        return
    student = Interval.model_validate(evaluation["student"]["answer"])
    report.add(_share(f"{named}: student on {evaluation['split']}, run {found['status']}", student))
    if case.verdict == "injection" and teacher is not None and teacher.value > 0:
        times = student.value / teacher.value
        report.add(
            Claim(
                name=f"{named}: student over teacher", value=times, unit="times", n=student.n, goal=f">= {TIMES_THE_TEACHER}",
                met=times >= TIMES_THE_TEACHER,
            )
        )  # fmt: skip


def _share(name: str, share: Interval) -> Claim:
    interval = (share.low, share.high)
    return Claim(name=name, value=share.value, unit="share", n=share.n, goal="none", met=None, interval=interval)


def main() -> None:
    """Runs the eval."""
    options = arguments(__doc__ or "", (("--cases", {"nargs": "+", "default": None}),))
    report = Report(eval="teachers", seed=options.seed, quick=options.quick)
    wanted = options.cases or (QUICK_CASES if options.quick else [case.name.split()[0] for case in CASES])
    if options.quick:
        report.left_out = "the competent teacher"
    for case in CASES:
        if case.name.split()[0] in wanted:
            with tempfile.TemporaryDirectory(prefix="stratos-eval-") as folder:
                found = measured(case, options.seed, Path(folder))
            report.details[case.name] = found
            add_claims(report, case, found)
    report.print(options.json)


if __name__ == "__main__":
    main()
