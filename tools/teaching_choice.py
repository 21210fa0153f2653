"""How a student should be taught, told before anything is trained from what a probe of the task shows.

Rules over a few figures, made with eight task families whose best way is known (`python -m stratos.evals.strategies`); eight more
were held out. What it does not see: whether a worked way is one that a small student can follow.
"""

from typing import Literal

from pydantic import Field

from ..state.brief import Record
from ..state.evidence import Interval

Way = Literal["answers", "ways", "teacher"]
"""Right answers alone; right answers with the worked ways to them; what a teacher says, ways and answers."""

Verdict = Literal["plain fine-tuning suffices", "injection", "alignment", "out of reach"]

EASY_SHARE = 0.5
"""Of the way from the most frequent answer to all right, what a guess by words must cover for answers alone to suffice: on the
design families such guesses cover 0.9 and more where answers suffice, and 0.1 and less where only worked ways teach the task."""

TOO_OFTEN = 10.0
"""Times that a training would read each right answer from which on it learns them by heart: with 2 to 5 the design families learn
their task, with 80 they do not."""

COMPETENT = 0.5
"""Share of right answers that the lower end of a teacher's interval must reach."""


class Probe(Record):
    """What is known of a task before training."""

    chance: float = Field(description="share of the most frequent answer")
    guess: Interval = Field(description="the best guess that needs no model, fitted on other items")
    teacher: Interval | None = Field(description="the teacher's right answers; null: no teacher was asked")
    labelled: int = Field(description="questions whose right answer is at hand; 0 with a maker: as many as are wanted")
    worked: bool = Field(description="the right answers come with worked ways")
    unlabelled: int = Field(default=0, description="further questions that a teacher could answer")
    tokens_an_example: float


class TeachingChoice(Record):
    """The way of teaching, the kind of task it makes this, and why."""

    way: Way
    verdict: Verdict
    why: str


def choose_way(probe: Probe, tokens: int) -> TeachingChoice:
    """The way for a training of so many tokens."""
    reads = tokens / (probe.labelled * probe.tokens_an_example) if probe.labelled else 1.0
    teacher = probe.teacher
    easy = (probe.guess.value - probe.chance) / max(1 - probe.chance, 1e-9)
    if teacher is not None and teacher.low >= COMPETENT and probe.unlabelled > probe.labelled and reads > TOO_OFTEN:
        why = (
            f"{probe.labelled:,} right answers would be read {reads:.0f} times each, and the teacher is right on "
            f"{teacher.value:.0%} of the probe: what it says to {probe.unlabelled:,} more questions is taught"
        )
        return TeachingChoice(way="teacher", verdict="alignment", why=why)
    if easy >= EASY_SHARE or not probe.worked:
        shown = f"a guess that needs no model is right on {probe.guess.value:.0%}, {probe.chance:.0%} would be chance"
        why = f"{shown}: answers alone teach it" if easy >= EASY_SHARE else f"{shown}; no worked ways are at hand"
        return TeachingChoice(way="answers", verdict="plain fine-tuning suffices", why=why)
    known = teacher is None or teacher.low >= COMPETENT
    lacks = "" if known else f", and the teacher is right on {teacher.value:.0%} only" if teacher else ""
    why = f"no guess by words comes near ({probe.guess.value:.0%} right, {probe.chance:.0%} by chance){lacks}: worked ways are taught"
    return TeachingChoice(way="ways", verdict="injection", why=why)
