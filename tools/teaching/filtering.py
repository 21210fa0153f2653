"""Keeps, of rationales written to a told answer, those that lead to it: asked again with the steps alone, the answer comes back, and
comes back again from an independent check.

That says that steps lead to the answer, not that each of them is true: how many unsound ones pass all the same is what decoys measure.
Neither sees through a reader that knows the answer anyway, whatever the steps: only another checker, which does not, finds those.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...skills.protocol import Example
from .asking import Asker
from .hiding import tells_of_the_hint
from .questions import Judge, Questions
from .reading import Solution, take_apart
from .teachers import Answer, Sampling

NEAR_DUPLICATE = 0.8
"""Jaccard similarity of the runs of three words of two rationales for one question from which on they count as one."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A rationale for an example, whose `answer` is the one that was told."""

    example: Example
    sample: int
    input_tokens: int
    output_tokens: int


@dataclass(kw_only=True)
class Tally:
    """What became of the rationales that were asked for: each is kept or rejected for one reason."""

    asked: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter[str])
    tried: int = 0
    """Put to the round trip and answered readably."""
    reproduced: int = 0
    checked: int = 0
    """Reproduced by the round trip, put to the independent check and answered readably."""
    disagreed: int = 0

    @property
    def sent(self) -> int:
        """Of those asked for, the ones that the money sufficed for at every stage they came to."""
        return self.asked - self.rejected["not sent: the money limit"]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Who writes, who checks, how often, and when an answer is the one that was told."""

    questions: Questions
    teacher: Asker
    checker: Asker
    rationales: int
    """Asked for each example."""
    checks: int
    """After the round trip, each by another sample."""
    writing: Sampling
    reading: Sampling
    """Of the round trip; greedy."""
    checking: Sampling
    same: Judge
    verified: bool
    """The skill's verifier can judge a rationale too, and does."""

    def kept(self, examples: Sequence[Example], tally: Tally) -> list[Candidate]:
        """The rationales of a block of examples that pass everything, in the order of the examples."""
        found = self._distinct(self._written(examples, tally), tally)
        found = self._reproduced(found, tally)
        for number in range(self.checks):
            found = self._checked(found, number + 1, tally)
        tally.kept += len(found)
        return found

    def _written(self, examples: Sequence[Example], tally: Tally) -> list[Candidate]:
        """Readable rationales that keep to what was told and do not tell of it."""
        wanted = [(example, sample) for example in examples for sample in range(self.rationales)]
        tally.asked += len(wanted)
        requests = [self.questions.hinted(example, example.answer, self.writing, sample) for example, sample in wanted]
        found: list[Candidate] = []
        for (example, sample), answer in zip(wanted, self.teacher.ask(requests), strict=True):
            solution = take_apart(answer, wants_steps=True)
            problem = solution if isinstance(solution, str) else self._problem(example, solution)
            if problem or answer is None or isinstance(solution, str):
                tally.rejected[problem] += 1
                continue
            found.append(
                Candidate(
                    example=replace(example, rationale=solution.steps),
                    sample=sample,
                    input_tokens=answer.input_tokens,
                    output_tokens=answer.output_tokens,
                )
            )
        return found

    def _problem(self, example: Example, solution: Solution) -> str:
        if not self.same(example, solution.answer):
            return "another answer than was told"
        if tells_of_the_hint(solution.steps, example.prompt):
            return "tells of the hint"
        if self.verified and not self.questions.skill.check(
            self.questions.task, replace(example, rationale=solution.steps)
        ):
            return "the skill's verifier"
        return ""

    def _distinct(self, candidates: Sequence[Candidate], tally: Tally) -> list[Candidate]:
        """Of rationales for one example that say the same, the first: the others would be paid for and teach nothing."""
        seen: dict[str, list[frozenset[str]]] = {}
        found: list[Candidate] = []
        for candidate in candidates:
            runs, known = word_runs(candidate.example.rationale), seen.setdefault(candidate.example.prompt, [])
            if any(len(runs & other) >= NEAR_DUPLICATE * len(runs | other) for other in known):
                tally.rejected["says the same as another"] += 1
                continue
            known.append(runs)
            found.append(candidate)
        return found

    def _reproduced(self, candidates: Sequence[Candidate], tally: Tally) -> list[Candidate]:
        found: list[Candidate] = []
        for candidate, answer in zip(
            candidates, self._asked_again(self.teacher, candidates, self.reading, 0), strict=True
        ):
            solution = take_apart(answer, wants_steps=False)
            if isinstance(solution, str):
                tally.rejected[_of_the(solution, "round trip")] += 1
                continue
            tally.tried += 1
            if self.same(candidate.example, solution.answer):
                tally.reproduced += 1
                found.append(candidate)
            else:
                tally.rejected["the round trip gave another answer"] += 1
        return found

    def _checked(self, candidates: Sequence[Candidate], sample: int, tally: Tally) -> list[Candidate]:
        found: list[Candidate] = []
        answers = self._asked_again(self.checker, candidates, self.checking, sample)
        for candidate, answer in zip(candidates, answers, strict=True):
            solution = take_apart(answer, wants_steps=False)
            if isinstance(solution, str):
                tally.rejected[_of_the(solution, "check")] += 1
                continue
            agrees = self.same(candidate.example, solution.answer)
            tally.checked += sample == 1
            tally.disagreed += sample == 1 and not agrees
            if agrees:
                found.append(candidate)
            else:
                tally.rejected["the check gave another answer"] += 1
        return found

    def _asked_again(
        self, asker: Asker, candidates: Sequence[Candidate], sampling: Sampling, sample: int
    ) -> list[Answer | None]:
        return asker.ask(
            [
                self.questions.with_steps(one.example, one.example.rationale, one.example.answer, sampling, sample)
                for one in candidates
            ]
        )


def word_runs(text: str, length: int = 3) -> frozenset[str]:
    """All runs of so many words, letter case aside; of a shorter text, itself."""
    words = re.findall(r"\w+", text.casefold())
    return frozenset(" ".join(words[at : at + length]) for at in range(max(1, len(words) - length + 1)))


def _of_the(problem: str, stage: str) -> str:
    return problem if problem.startswith("not sent") else f"{problem} ({stage})"
