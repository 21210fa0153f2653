"""How a student should be taught, told before anything is trained from what a probe of the task shows.

Rules over a few figures, made with eight task families whose best way is known (`python -m stratos.evals.strategies`); eight more
were held out. What it does not see: whether a worked way is one that a small student can follow.
"""

from statistics import NormalDist

from pydantic import Field

from ...state.brief import Record
from ...state.evidence import Interval
from ...state.teaching import Verdict, Way

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
    hinted: Interval | None = Field(default=None, description="the same with the answer told; null: not asked")
    labelled: int = Field(description="questions whose right answer is at hand; 0 with a maker: as many as are wanted")
    worked: bool = Field(description="the right answers come with worked ways")
    unlabelled: int = Field(default=0, description="further questions that a teacher could answer")
    tokens_an_example: float


class TeachingChoice(Record):
    """The way of teaching, the kind of task it makes this, how sure that is, and why."""

    way: Way
    verdict: Verdict
    probability: float = Field(
        description="that the figures behind the verdict are on the right side of its thresholds"
    )
    why: str


def choose_way(probe: Probe, tokens: int) -> TeachingChoice:
    """The way for a training of so many tokens."""
    reads = tokens / (probe.labelled * probe.tokens_an_example) if probe.labelled else 1.0
    teacher = probe.teacher
    competent = teacher is not None and teacher.low >= COMPETENT
    knows = chance_above(teacher, COMPETENT) if teacher is not None else 0.0
    easy = chance_above(probe.guess, probe.chance + EASY_SHARE * (1 - probe.chance))
    by_words = f"a guess that needs no model is right on {probe.guess.value:.0%}, {probe.chance:.0%} would be chance"
    if teacher is not None and competent and probe.unlabelled > probe.labelled and reads > TOO_OFTEN:
        why = (
            f"{probe.labelled:,} right answers would be read {reads:.0f} times each, and the teacher is right on "
            f"{teacher.value:.0%} of the probe: what it says to {probe.unlabelled:,} more questions is taught"
        )
        return TeachingChoice(way="teacher", verdict="alignment", probability=knows, why=why)
    if (probe.guess.value - probe.chance) / max(1 - probe.chance, 1e-9) >= EASY_SHARE:
        why = f"{by_words}: answers alone teach it"
        return TeachingChoice(way="answers", verdict="plain fine-tuning suffices", probability=easy, why=why)
    if probe.worked:
        lacks = "" if teacher is None or competent else f", and the teacher is right on {teacher.value:.0%} only"
        why = f"no guess by words comes near ({probe.guess.value:.0%} right, {probe.chance:.0%} by chance){lacks}: worked ways are taught"
        return TeachingChoice(way="ways", verdict="injection", probability=1 - easy, why=why)
    if teacher is None:
        why = f"{by_words}; no worked ways are at hand, and no teacher was asked who might write them"
        return TeachingChoice(way="answers", verdict="plain fine-tuning is all there is", probability=1.0, why=why)
    if competent:
        why = f"{by_words}; the teacher is right on {teacher.value:.0%}: its own worked ways are taught where they end in the right answer"
        return TeachingChoice(way="teacher", verdict="alignment", probability=(1 - easy) * knows, why=why)
    return _injected(probe, teacher, (1 - easy) * (1 - knows), by_words)


def _injected(probe: Probe, teacher: Interval, probability: float, by_words: str) -> TeachingChoice:
    """The teacher lacks the knowledge: right answers bring it, where the teacher can at least follow a hint."""
    if probe.hinted is not None and probe.hinted.high < COMPETENT:
        why = (
            f"{by_words}; the teacher is right on {teacher.value:.0%}, and on {probe.hinted.value:.0%} when it is told the answer: "
            "it can write no ways, and answers alone are all there is"
        )
        return TeachingChoice(way="answers", verdict="out of reach", probability=probability, why=why)
    why = (
        f"{by_words}; the teacher is right on {teacher.value:.0%} only: it is told the right answers, and the ways it writes to them are "
        "taught where they lead there without the hint"
    )
    return TeachingChoice(way="ways", verdict="injection", probability=probability, why=why)


def chance_above(share: Interval, threshold: float) -> float:
    """Chance that the true share reaches a threshold: normal approximation of the Beta posterior under a uniform prior."""
    mean = (share.value * share.n + 1) / (share.n + 2)
    return round(1 - NormalDist(mean, (mean * (1 - mean) / (share.n + 3)) ** 0.5).cdf(threshold), 4)
