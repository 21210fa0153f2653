"""Teachers of *win* that differ in what they know and in how they write: the solver's answer, told in other ways or spoiled.

They stand for models that could teach: every one answers every prompt, and how often it is right is known exactly.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from ..skills.mahjong.completions import AGAIN, AND, LEFT, NO, YES
from ..skills.mahjong.tiles import TILES
from ..skills.protocol import Example

Answer = Callable[[Example, Sequence[Example], Random], Example]
"""Rewrites a solved example; the other examples and the chance are given for those that mix things up."""


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """One synthetic teacher."""

    name: str
    what: str
    answer: Answer

    def answers(self, solved: Sequence[Example], seed: int) -> list[Example]:
        """Its answers to the prompts of solved examples; the same for the same seed."""
        chance = Random(f"{self.name}:{seed}")
        return [self.answer(example, solved, chance) for example in solved]


def _solver(example: Example, others: Sequence[Example], chance: Random) -> Example:
    return example


def _answers_only(example: Example, others: Sequence[Example], chance: Random) -> Example:
    return replace(example, rationale="")


def _terse(example: Example, others: Sequence[Example], chance: Random) -> Example:
    """The same groups without what is left over behind each: the reader must keep count itself."""
    return replace(example, rationale=_each_step(example.rationale, lambda step: step.partition(f" {LEFT} ")[0]))


def _verbose(example: Example, others: Sequence[Example], chance: Random) -> Example:
    """Every step written twice."""
    return replace(example, rationale=_each_step(example.rationale, lambda step: f"{step} {AND} {step}"))


def _shuffled(example: Example, others: Sequence[Example], chance: Random) -> Example:
    """The right steps in any order."""
    steps = _steps(example.rationale)
    chance.shuffle(steps)
    return replace(example, rationale=f" {AND} ".join(steps))


def _wrong_rationale(example: Example, others: Sequence[Example], chance: Random) -> Example:
    """The right answer behind the search of another hand."""
    return replace(example, rationale=chance.choice(others).rationale)


def _sloppy(example: Example, others: Sequence[Example], chance: Random) -> Example:
    """Every twelfth tile of the search misread."""
    words = example.rationale.split()
    spoiled = [chance.choice(TILES) if word in TILES and chance.random() < 1 / 12 else word for word in words]
    return replace(example, rationale=" ".join(spoiled))


def _wrong(share: float) -> Answer:
    def answer(example: Example, others: Sequence[Example], chance: Random) -> Example:
        wrong = NO if example.answer == YES else YES
        return replace(example, answer=wrong) if chance.random() < share else example

    return answer


def _steps(rationale: str) -> list[str]:
    return rationale.replace(f" {AGAIN} ", f" {AND} ").split(f" {AND} ")


def _each_step(rationale: str, change: Callable[[str], str]) -> str:
    lines = rationale.split(f" {AGAIN} ")
    return f" {AGAIN} ".join(f" {AND} ".join(change(step) for step in line.split(f" {AND} ")) for line in lines)


_TEACHERS = (
    Teacher(name="solver", what="the skill's own search, written out", answer=_solver),
    Teacher(name="terse", what="the search without what is left over", answer=_terse),
    Teacher(name="verbose", what="the search with every step twice", answer=_verbose),
    Teacher(name="shuffled", what="the steps of the search in any order", answer=_shuffled),
    Teacher(name="wrong-10", what="the search, 10 % of answers wrong", answer=_wrong(0.10)),
    Teacher(name="wrong-30", what="the search, 30 % of answers wrong", answer=_wrong(0.30)),
    Teacher(name="sloppy", what="the search with one tile in twelve misread", answer=_sloppy),
    Teacher(name="unrelated", what="right answers behind another hand's search", answer=_wrong_rationale),
    Teacher(name="answers", what="right answers alone", answer=_answers_only),
)

TEACHERS: Mapping[str, Teacher] = {teacher.name: teacher for teacher in _TEACHERS}
