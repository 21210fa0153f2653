"""The facts of a page: frozen records, whose absent figures are None and absent texts empty."""

from dataclasses import dataclass
from typing import Any

from ...state.journal import Verification
from .sites import SitesFacts


@dataclass(frozen=True, kw_only=True)
class Brief:
    """What the run was judged by, or stands at."""

    lines: tuple[tuple[str, str], ...]
    assumptions: tuple[str, ...]
    accuracy: float | None
    accuracy_rule: str
    latency_p95_ms: float | None
    usd: float | None


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the user said while the run went on, to a question where there was one."""

    seq: int
    asked: str
    text: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class Band:
    """A predicted figure with its 80 % band, or a measured share with its 95 % interval and its items."""

    value: float
    low: float
    high: float
    n: float | None = None


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One price that was looked up."""

    server: str
    accelerator: str
    usd_per_hour: float | None
    source: str
    as_of: str


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One point of a front."""

    server: str
    student: str
    tokens: float | None
    here: bool
    chosen: bool
    accuracy: Band | None
    latency_p95_ms: Band | None
    hours: Band | None
    usd: Band | None
    runner_up: int = 0
    """1 for the first; 0 for none."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One choice: the front, the candidate chosen and why."""

    seq: int
    reason: str
    considered: float | None
    pilot: bool
    front: tuple[Candidate, ...]
    excluded: tuple[str, ...]
    front_size: float | None = None
    """How many are on the front, where `front` is a part."""

    @property
    def chosen(self) -> Candidate | None:
        """The plan's candidate."""
        return next((one for one in self.front if one.chosen), None)


@dataclass(frozen=True, kw_only=True)
class Score:
    """A student or a control on one split."""

    name: str
    control: bool
    exact: Band | None
    answer: Band | None
    paired: str
    """The student against it on the same items, in words."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """An attempt on one split."""

    seq: int
    split: str
    sha256: str
    scores: tuple[Score, ...]
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    throughput_rps: float | None
    requests: float | None
    clients: float | None
    busy: str
    seconds: float
    before: str
    """The student against that of the attempt before, in words."""
    regression: tuple[float, float] | None
    """The perplexity of unrelated texts before and after tuning."""

    @property
    def student(self) -> Score:
        """The student's own score."""
        return self.scores[0]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One training and what was measured of it."""

    seq: int
    number: float | None
    student: str
    parameters: float | None
    server: str
    tokens: float | None
    seconds: float
    stopped_by: str
    loss: float | None
    curve: tuple[tuple[float, float], ...]
    measured: tuple[Measured, ...]


@dataclass(frozen=True, kw_only=True)
class Miss:
    """One target not reached."""

    constraint: str
    arithmetic: str
    levers: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the judge said of one evaluation."""

    seq: int
    attempt: str
    split: str
    met: bool
    rule: str
    next: str
    reason: str
    cheaper_control: str
    misses: tuple[Miss, ...]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One decision with the step it was recorded in."""

    seq: int
    at: str
    who: str
    what: str
    tool: str
    arguments: str
    why: str
    problem: str
    given: str
    gave: str
    proven: bool


@dataclass(frozen=True, kw_only=True)
class PlannerUse:
    """What one planner's answers took."""

    name: str
    decisions: int
    input_tokens: float
    output_tokens: float
    longest_prompt: float
    usd: float
    corrections: int


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything on the page."""

    run_id: str
    request: str
    verification: Verification
    unreadable: tuple[int, ...]
    started_at: str
    last_at: str
    status: str
    reason: str
    nearest: str
    deployment: str
    first_request: str
    said: tuple[Said, ...]
    brief: Brief | None
    problems: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    machine: str
    complexity: tuple[str, ...]
    prices_note: str
    offers: tuple[Offer, ...]
    prices: tuple[dict[str, Any], ...]
    plans: tuple[Plan, ...]
    data: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    sites: SitesFacts | None
    predictions: tuple[dict[str, Any], ...]
    verdicts: tuple[Verdict, ...]
    spend: tuple[dict[str, Any], ...]
    planners: tuple[PlannerUse, ...]
    decisions: tuple[Decision, ...]
    work_seconds: float

    @property
    def total_usd(self) -> float:
        """Settled money and what is still reserved."""
        return self.spend[-1]["total_usd"] or 0.0 if self.spend else 0.0

    @property
    def newest(self) -> Measured | None:
        """The newest evaluation of the newest attempt."""
        measured = [item for attempt in self.attempts for item in attempt.measured]
        return measured[-1] if measured else None
