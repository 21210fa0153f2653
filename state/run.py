"""Where a run stands: everything its steps have established so far, rebuilt from the journal on resume and replay."""

import hashlib
from typing import Any, Literal

from pydantic import Field

from .brief import Brief, Metric, Record
from .canonical import canonical
from .evidence import KEPT, Attempt, CurvePoint, Entry, Interval, Latency, Outcome, Verdict
from .model_facts import ModelFacts
from .plan import Candidate, Correction, Machine, Offer, Plan, StudentShape
from .sites import Family, SitesAttempt, SitesPlan
from .teaching import Familiarity, Lessons, TeacherEvidence, Way


class OwnNames(Record):
    """What the user's own files of prices and models name, for limits that the built-in tables alone would not know."""

    clouds: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()


class Match(Record):
    """Teacher and students that fit the brief, and why the others do not."""

    teacher: str
    students: tuple[StudentShape, ...] = Field(description="built from scratch")
    parameters: tuple[int, ...] = Field(description="of each of them")
    hub_students: tuple[str, ...] = Field(
        default=(), description="open models of the catalogue that could be taught: priced, and not carried out here"
    )
    rejected: tuple[str, ...] = Field(
        description="one line for each model that does not fit, or for several of one reason"
    )


class Complexity(Record):
    """What kind of task this is, from a probe set."""

    verdict: str
    probability: float
    evidence: tuple[str, ...]
    probe_items: int
    teacher_accuracy: float
    most_frequent_share: float
    best_shortcut: str
    best_shortcut_share: float
    distinct_answers: int
    rationale_tokens: float = Field(description="of a taught completion, rationale and answer, on average")
    rationale_tokens_p95: int = Field(description="95th percentile of the same: what a slow request has to write")
    answer_tokens: float
    prompt_tokens: float
    way: Way = Field(default="ways", description="how students are taught: what the verdict calls for")
    teacher: TeacherEvidence | None = Field(
        default=None, description="what a named teacher's answers to the probe show"
    )
    student_before: Interval | None = Field(
        default=None, description="a checkpoint's right answers before it was taught; null: it is built from scratch"
    )
    familiarity: Familiarity | None = Field(
        default=None, description="how foreign the task's texts were to a checkpoint before it was taught"
    )
    asking_seconds: float = Field(default=0.0, description="that asking both took")
    curve: tuple[CurvePoint, ...] = Field(default=(), description="what is known of how this task is learned")


class Split(Record):
    """A file of examples with its hash."""

    name: str
    path: str
    n: int
    sha256: str


class GivenFacts(Record):
    """The user's examples as they were taken: split, sealed and kept in the run's folder."""

    folder: str = Field(description="relative to the run's folder")
    rows: int = Field(description="of the files, the test's included")
    train: int = Field(description="examples to learn from")
    train_sha256: str
    splits: tuple[Split, ...]
    unlabelled: int = Field(default=0, description="questions without an answer")
    metric: Metric
    choices: int = Field(description="different answers where they are choices, else 0")
    with_rationales: bool
    vocabulary: int = Field(description="tokens, without the special ones")
    taught_by: str = Field(
        default="", description="the teacher who wrote what is learned; empty: it is as it was given"
    )
    notes: tuple[str, ...] = Field(description="what was assumed, left out or is odd, one sentence each")


class Data(Record):
    """The training shards made so far and the splits kept apart from them."""

    examples: int
    shards: tuple[str, ...]
    sha256: str = Field(description="over the shards' own hashes, in order")
    splits: tuple[Split, ...]
    dropped_as_leaks: int
    rejected_by_verifier: int
    seconds: float
    own_examples: int = Field(default=0, description="of the examples, the user's own")
    own_sha256: str = Field(default="", description="of the user's data that is in it; empty when none is")
    labelled: tuple[str, ...] = Field(
        default=(), description="shards of the right answers alone, where a teacher wrote the others; empty: the shards"
    )
    mixed: tuple[str, ...] = Field(default=(), description="shards of the newest mix by family; empty: none was made")
    mix: int = Field(default=0, description="number of the attempt that the newest mix is for")
    lessons: Lessons | None = Field(default=None, description="what a teacher wrote")
    given: GivenFacts | None = Field(
        default=None, description="the examples as they are since, where a teacher wrote to them"
    )
    complexity: Complexity | None = Field(default=None, description="the same of what the probe found")

    @property
    def labelled_shards(self) -> tuple[str, ...]:
        """What a control may learn from: right answers that no teacher had to give."""
        return self.labelled or self.shards


class OwnData(Record):
    """A user's own questions, solved and kept in the run's folder."""

    source: str = Field(description="the file as the user named it")
    path: str = Field(description="the copy, relative to the run's folder")
    questions: int
    sha256: str


class Tuning(Record):
    """One way in which a checkpoint can be tuned within this machine's memory."""

    training: Literal["lora", "full"]
    batch_tokens: int = Field(description="of one batch, padding included")
    accumulation: int = Field(description="batches of one step")
    checkpointing: bool = Field(description="layers are computed again to save memory")
    needed_gib: float
    available_gib: float


class CheckpointFacts(Record):
    """The open model that the user named as student, as it was taken."""

    source: str = Field(description="its folder as the user named it")
    folder: str = Field(
        description="relative to the run's folder: a folder for each way of teaching, its chat template saying the answer's form"
    )
    sha256: str = Field(description="of its weights, settings and tokenizer")
    model: ModelFacts
    served_by: Literal["ctranslate2", "vllm"]
    example_tokens: float = Field(description="of a prompt with its taught completion, template included, on average")
    prompt_tokens: float
    completion_tokens_p95: int
    longest_tokens: int = Field(description="of an example, template included")
    answer_tokens: int = Field(description="the most that an answer may have")
    tunings: tuple[Tuning, ...]
    notes: tuple[str, ...] = Field(description="what cannot be done with it and why, one sentence each")


class Approval(Record):
    """The word on a plan's money. It holds for that plan alone; a changed plan needs a new one."""

    plan_sha256: str = Field(description="of what is paid for: a plan, or a teacher who is asked before there is one")
    usd: float = Field(description="the most the tools may have cost, counted from the run's start, US dollars")
    by: Literal["user", "in advance"]


class Break(Record):
    """One limit or target that a candidate does not keep."""

    constraint: str = Field(description="accuracy, latency_p95_ms, throughput_rps, usd, hours, parameters or executor")
    share: float = Field(description="how far past it, as a share of it; 1 where it cannot be told")


class NearMiss(Record):
    """A candidate that keeps nearly all of a brief, and what it breaks."""

    candidate: Candidate
    breaks: tuple[Break, ...]


class Choice(Record):
    """What the front said, kept small enough to journal and to show."""

    candidates: int
    front: tuple[Candidate, ...]
    front_size: int | None = Field(
        default=None, description="how many are on the front, of which `front` is a part; null: all"
    )
    plan: Plan | None
    pilot: bool = Field(
        default=False, description="the plan is not predicted to reach the target; it is the cheapest way to find out"
    )
    nearest: Candidate | None
    near: tuple[NearMiss, ...] = Field(
        default=(), description="without a plan: the candidates that break the brief least, by the sum of the shares"
    )
    reason: str
    excluded: tuple[str, ...] = ()


class DeploymentFacts(Record):
    """A served model."""

    name: str
    base_url: str
    engine: str
    question: str
    answer: str
    verified: bool
    speed: Latency | None = Field(
        default=None,
        exclude_if=lambda speed: speed is None,
        description="at its own address, where the brief asks for a speed; the better of two where the first missed it",
    )
    withdrawn: str = Field(
        default="", exclude_if=lambda why: not why, description="why it is served no more; empty where it is"
    )
    usd: float = Field(default=0.0, exclude_if=lambda usd: usd == 0, description="of the hours that it is served for")


class ProposedCall(Record):
    """A tool call as a planner proposed it; nothing of it is checked yet."""

    name: str
    args: dict[str, Any]


class PlannerUse(Record):
    """What a run's planner took, all its answers together."""

    decisions: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    largest_input_tokens: int = Field(default=0, description="of the longest prompt")
    usd: float = 0.0


class RunState(Record):
    """One run's knowledge. Steps never change it; they return the next one."""

    run_id: str
    request: str
    asked: bool = Field(default=False, description="the user left the gaps of the brief to the assumptions")
    request_before: str = Field(
        default="", description="the request before the newest answer, for when that answer cannot be used"
    )
    still_open: tuple[str, ...] = Field(default=(), description="what the user was asked for and that answer was about")
    brief: Brief | None = None
    machine: Machine | None = None
    calibration: tuple[Correction, ...] = Field(
        default=(), description="of predictions, as `stratos calibrate` wrote them before this run looked up its prices"
    )
    own_models: tuple[ModelFacts, ...] = Field(default=(), description="models that the user added to the catalogue")
    offers: tuple[Offer, ...] | None = None
    offers_note: str = ""
    unavailable: tuple[str, ...] = Field(
        default=(), description="servers that could not be had, as cloud/region/instance type"
    )
    match: Match | None = None
    complexity: Complexity | None = None
    choice: Choice | None = None
    approval: Approval | None = None
    own_data: OwnData | None = None
    given: GivenFacts | None = Field(default=None, description="the user's own examples, where the skill needs them")
    checkpoint: CheckpointFacts | None = Field(
        default=None, description="the open model to be taught, in the place of students built from scratch"
    )
    data: Data | None = None
    attempts: tuple[Attempt, ...] = ()
    family: Family | None = Field(default=None, description="of models for many sites")
    sites_plan: SitesPlan | None = None
    site_attempts: tuple[SitesAttempt, ...] = ()
    trained: Plan | None = Field(default=None, description="the plan of the newest attempt")
    verdicts: tuple[Verdict, ...] = ()
    bill: tuple[Entry, ...] = ()
    seconds_lost: float = Field(default=0.0, description="of jobs that were stopped when their time was up")
    price_note: str = Field(
        default="", description="a price that left its quote by more than 5 %, until a verdict has told of it"
    )
    deployment: DeploymentFacts | None = None
    outcome: Outcome | None = None
    planner: str = Field(default="rules", description="who plans now; the rules once another planner gave up")
    planner_use: PlannerUse = PlannerUse()
    pending: tuple[ProposedCall, ...] = Field(default=(), description="further calls of the planner's last answer")
    last_call: str = Field(default="", description="the call made last, to refuse it when it is repeated")
    looked_up: str = Field(default="", description="the answer to the planner's last look, until its next call")
    corrections: int = 0
    last_problem: str = ""
    refused: ProposedCall | None = Field(default=None, description="the call that the last problem is about")
    end_checked: bool = Field(
        default=False, description="the rules looked again for what can be had after another planner ended the run"
    )

    @property
    def known_brief(self) -> Brief:
        """The brief, where no step is reached without one."""
        assert self.brief is not None
        return self.brief

    @property
    def known_plan(self) -> Plan:
        """The plan, where no step is reached without one."""
        assert self.choice is not None
        assert self.choice.plan is not None
        return self.choice.plan

    @property
    def has_plan(self) -> bool:
        """Whether the newest choice found a candidate."""
        return self.choice is not None and self.choice.plan is not None

    @property
    def payable_sha256(self) -> str:
        """Of what money would be spent on now: the plan, the sizes chosen for many sites, or the teacher who is asked before there is
        a plan."""
        if self.has_plan:
            return self.known_plan.sha256
        if self.known_brief.sites is not None:
            chosen = self.sites_plan.model_dump(mode="json") if self.sites_plan else None
            return hashlib.sha256(canonical(chosen).encode()).hexdigest()
        teacher = self.known_brief.teacher
        return hashlib.sha256(canonical(teacher.model_dump(mode="json") if teacher else None).encode()).hexdigest()

    @property
    def attempt_is_made(self) -> bool:
        """Whether the plan's student is trained already."""
        return self.has_plan and bool(self.attempts) and self.attempts[-1].candidate.id == self.known_plan.candidate.id

    @property
    def has_own_data(self) -> bool:
        """Whether the training data holds what the user gave of their own."""
        return self.own_data is None or (self.data is not None and self.data.own_sha256 == self.own_data.sha256)

    @property
    def billed_usd(self) -> float:
        """What the tools cost: settled money and what is still reserved, US dollars. Approvals are of this."""
        return sum(entry.reserved_usd if entry.settled_usd is None else entry.settled_usd for entry in self.bill)

    @property
    def spent_usd(self) -> float:
        """All money, the planner's own tokens included, US dollars. The brief's limit is on this."""
        return self.billed_usd + self.planner_use.usd

    @property
    def unkept_usd(self) -> float:
        """All money but what is reserved for keeping a rented server: the next call on it reserves that anew."""
        return self.spent_usd - sum(entry.reserved_usd for entry in self.bill if entry.step == KEPT)

    @property
    def hours_used(self) -> float:
        """Hours the jobs of this run have worked; time the run lay still after a crash does not count."""
        seconds = self.seconds_lost + (self.data.seconds if self.data else 0.0)
        seconds += self.complexity.asking_seconds if self.complexity else 0.0
        seconds += self.family.seconds if self.family else 0.0
        seconds += sum(attempt.seconds for attempt in self.site_attempts)
        for attempt in self.attempts:
            seconds += attempt.seconds + sum(evaluation.seconds for evaluation in attempt.evaluations)
        return seconds / 3600
