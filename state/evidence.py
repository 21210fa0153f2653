"""What was measured and what follows from it: intervals, evaluations, attempts, verdicts, the bill and the outcome."""

import math
from typing import Literal

from pydantic import Field

from .brief import Brief, Record
from .plan import Candidate, Plan, Strategy

Z_95 = 1.959963984540054
"""Normal quantile of a two-sided 95 % interval."""


class Interval(Record):
    """A measured share with its 95 % Wilson interval."""

    value: float
    low: float
    high: float
    n: int


def wilson(right: int, n: int) -> Interval:
    """Wilson score interval of `right` out of `n` (Wilson 1927); raises ValueError without items."""
    if not 0 <= right <= n or n == 0:
        raise ValueError(f"{right!r} right answers of {n!r} items is not a share")
    share, z2 = right / n, Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At the ends the formula gives 0 and 1 exactly; rounding must not say otherwise.
    low = 0.0 if right == 0 else centre - half
    high = 1.0 if right == n else centre + half
    return Interval(value=share, low=low, high=high, n=n)


class Paired(Record):
    """A student against another model on the same items; `state.paired` says how it is reckoned."""

    n: int = Field(description="items that both answered")
    student_alone: int = Field(description="items that the student had exact and the other had not")
    other_alone: int = Field(description="items that the other had exact and the student had not")
    difference: float = Field(description="the student's exact share less the other's")
    low: float = Field(description="lower end of the difference's 95 % interval")
    high: float
    p_value: float = Field(description="McNemar's exact test, two-sided: both are as often right")


class Score(Record):
    """One model or control on one split."""

    name: str
    exact: Interval = Field(description="answer right and, where the task asks for it, the proof too")
    answer: Interval = Field(description="final answer right, whatever the proof says")
    note: str = ""
    paired: Paired | None = Field(default=None, description="of a control: the student against it on the same items")
    weights_sha256: str = Field(
        default="", description="of a control that is a model; empty for others and in older records"
    )


class CurvePoint(Record):
    """One measured point of a learning curve: how right a student of that size was after that many tokens."""

    strategy: Strategy
    parameters: int
    tokens: int
    accuracy: float
    n: int


def busy_words(load: float | None, cores: float | None) -> str:
    """That a machine had more to do than cores to do it, and what that makes of times measured then; empty where it had not."""
    if load is None or cores is None or load <= cores:
        return ""
    return f"the machine was busy (load {load:.1f} on {cores:.0f} cores): an upper end"


class Latency(Record):
    """Time of single requests against the model's own endpoint, milliseconds, and its rate with many clients."""

    n: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    throughput_rps: float
    clients: int
    load: float | None = Field(
        default=None,
        description="processes of the whole machine that ran or waited to, a mean of the last minute, larger of before and after the "
        "single requests; null: not known",
    )
    cores: int | None = Field(default=None, description="of the whole machine, which that load is shared out to")

    @property
    def busy(self) -> str:
        """That other work slowed it, in words; empty where it did not, or that is not known."""
        return busy_words(self.load, self.cores)


class FamilyScore(Record):
    """A student's exact share of one family of a split's items."""

    family: str
    exact: Interval


class ProbeText(Record):
    """One unrelated text before and after a model was tuned."""

    name: str
    tokens: int
    nats_before: float = Field(description="mean negative log-likelihood of a token, nats")
    nats_after: float


class Regression(Record):
    """What tuning did to texts that have nothing to do with the task; see `tools.regression`."""

    tokens: int
    perplexity_before: float
    perplexity_after: float
    texts: tuple[ProbeText, ...]
    worse: tuple[str, ...] = Field(description="names of the texts that a token costs clearly more of now, worst first")

    @property
    def ratio(self) -> float:
        """Perplexity after over before; above 1: worse."""
        return self.perplexity_after / self.perplexity_before

    @property
    def words(self) -> str:
        """Such as "perplexity of unrelated texts 8.1 before, 8.9 after (x 1.10); worse on 2 of 12: dates, sums"."""
        worse = (
            f"worse on {len(self.worse)} of {len(self.texts)}: {', '.join(self.worse)}" if self.worse else "none worse"
        )
        return (
            f"perplexity of unrelated texts {self.perplexity_before:,.1f} before, {self.perplexity_after:,.1f} after "
            f"(x {self.ratio:.2f}); {worse}"
        )


class Sampled(Record):
    """A model's sampled answers to a few training questions; see `tools.given_model.sampling`."""

    questions: int
    samples: int = Field(description="answers to each question")
    right: int = Field(description="of all answers")
    solved: int = Field(description="questions with at least one right answer")
    mixed: int = Field(description="questions with right and wrong answers: a reward can teach these")

    @property
    def words(self) -> str:
        """Such as "32 training questions, 8 sampled answers each: 31 % right; 12 have both right and wrong ones"."""
        share = self.right / (self.questions * self.samples)
        asked = f"{self.questions} training questions, {self.samples} sampled answers each: {share:.0%} right"
        if not self.mixed:
            return f"{asked}; no question has both right and wrong answers: a reward would teach nothing"
        return f"{asked}; {self.mixed} have both right and wrong ones"


class VerdictsFile(Record):
    """Where each model's verdict on each item of a split is kept, so that any two can be paired later."""

    path: str = Field(description="relative to the run's folder")
    sha256: str


class Before(Record):
    """The student against that of an earlier attempt of the same run, on the same split."""

    attempt: int
    paired: Paired


class Evaluation(Record):
    """A student and its controls on one split."""

    split: str
    split_sha256: str
    student: Score
    families: tuple[FamilyScore, ...] = Field(
        default=(),
        description="the student by family of item; empty where the skill names none. No target is judged by it",
    )
    controls: tuple[Score, ...]
    latency: Latency | None
    seconds: float
    verdicts: VerdictsFile | None = None
    weights_sha256: str = Field(default="", description="of the student that was measured; empty in older records")
    before: Before | None = Field(default=None, description="null where no earlier attempt was measured on this split")
    regression: Regression | None = Field(
        default=None, description="null for a student built from scratch: it had nothing to lose"
    )
    sampled: Sampled | None = Field(
        default=None, description="of a tuned checkpoint that misses its accuracy on dev; null elsewhere"
    )


DIVERGED = "diverged"
"""What a training was stopped by when its loss was no longer a finite number."""

NO_BETTER = "validation"
"""What it was stopped by when examples that it never learned told that it got no better."""


class Attempt(Record):
    """One plan carried out."""

    number: int
    candidate: Candidate
    job_folder: str = Field(description="the student's training job, relative to the run's folder")
    control_folder: str | None = Field(
        description="the answers-only control's, relative to the run's folder; null where the student is taught answers alone"
    )
    natural_folder: str | None = Field(
        default=None,
        description="the control's on examples as they come, where the student was given more of some families; null: there is none",
    )
    tokens: int
    control_tokens: int = 0
    loss: float
    stopped_by: str
    seconds: float
    cpu_seconds: float
    curve: tuple[tuple[int, float], ...]
    rewards: tuple[tuple[int, float], ...] = Field(
        default=(), description="tokens and mean reward, where a reward was learned from"
    )
    begun_from: int | None = Field(default=None, description="number of the attempt whose model a reward was taught to")
    evaluations: tuple[Evaluation, ...] = ()
    endpoint: Latency | None = Field(
        default=None,
        description="of its model as it was served, at the endpoint's own address; null: it was not served",
        exclude_if=lambda latency: latency is None,
    )

    @property
    def diverged(self) -> bool:
        """Whether its loss left the finite numbers: it tells nothing of what its candidate can reach."""
        return self.stopped_by == DIVERGED

    @property
    def speed(self) -> Latency | None:
        """As it was measured where clients would ask it, or else in its newest evaluation: what the newest verdict is about."""
        timed = [one.latency for one in self.evaluations if one.latency is not None]
        return self.endpoint or (timed[-1] if timed else None)

    @property
    def words(self) -> str:
        """Such as "small after 600,100 tokens", or "small as it is" where nothing was trained."""
        student = self.candidate.student
        return f"{student} after {self.tokens:,} tokens" if self.candidate.trains else f"{student} as it is"


Constraint = Literal["accuracy", "latency", "throughput", "dollars", "hours"]


class Miss(Record):
    """One target not reached, with its arithmetic and what would act on it."""

    constraint: Constraint
    wanted: float
    got: float
    arithmetic: str
    levers: str


Next = Literal["open_sealed", "deploy", "replan", "stop"]


class Verdict(Record):
    """Measured against wanted, after one evaluation."""

    attempt: int
    split: str
    met: bool
    rule: str
    misses: tuple[Miss, ...]
    cheaper_control: str | None = Field(
        default=None,
        description="a control that reaches the accuracy target too, by the same rule; nothing else of it is compared",
    )
    next: Next
    reason: str


KEPT = "keeping the server"
"""The open entry of the bill for a rented server between two calls."""


class Entry(Record):
    """One line of the bill: money reserved before a call and, once it ended, what it really cost."""

    step: str
    reserved_usd: float
    settled_usd: float | None = None
    basis: str


OutcomeStatus = Literal["planned", "met", "missed", "infeasible", "refused", "cancelled", "failed"]


class Outcome(Record):
    """How a run ended."""

    run_id: str
    status: OutcomeStatus
    reason: str
    spent_usd: float
    verdict: Verdict | None
    deployment: str | None
    nearest: str | None = Field(default=None, description="the nearest that can be had, when the targets cannot")
    brief: Brief | None = Field(default=None, description="what was understood; null when the request was refused")
    plan: Plan | None = Field(default=None, description="the newest plan")
