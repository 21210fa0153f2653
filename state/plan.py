"""What can be chosen and what was chosen: offers, predictions, candidates and plans."""

import hashlib
from typing import Literal

from pydantic import Field

from .brief import Record
from .canonical import canonical

LOCAL = "local"
"""The cloud of the one offer that is this machine."""

Strategy = Literal["rationale", "answer_only"]
"""How a student is taught: the teacher's rationale and answer (knowledge injection), or the answer alone."""


class Offer(Record):
    """One instance type in one region of one cloud at one dated price; this machine is an offer too."""

    id: str = Field(description="cloud/region/instance type[/accelerator x count], unique in one look-up")
    cloud: str
    instance_type: str
    region: str
    accelerator: str | None
    accelerator_count: int
    accelerator_memory_gib: float | None
    vcpus: float | None
    memory_gib: float | None
    usd_per_hour: float
    spot_usd_per_hour: float | None
    nodes: int = Field(
        default=1,
        ge=1,
        exclude_if=lambda nodes: nodes == 1,
        description="servers of this kind, joined to one cluster; parts are of one of them, prices of all",
    )
    price_basis: str
    source: str
    as_of: str | None = Field(description="date of the price, ISO; null where the source gives none")
    executable: bool = Field(description="an executor here can run jobs on it")
    held_minutes: float = Field(
        default=0.0,
        exclude_if=lambda minutes: minutes == 0,
        description="that its server is paid for beside the work of a call: to start it, to keep it for the next one, to end it",
    )
    disk_usd_per_hour: float = Field(
        default=0.0, exclude_if=lambda usd: usd == 0, description="of its disk, where that is paid for beside it"
    )
    doubts: tuple[str, ...] = Field(default=(), description="why it must not be chosen; empty when it may")
    warnings: tuple[str, ...] = Field(
        default=(), description="what is odd about its price; it may be chosen all the same"
    )

    @property
    def paid_usd_per_hour(self) -> float:
        """What an hour of its server costs, the disk included."""
        return self.usd_per_hour + self.disk_usd_per_hour

    @property
    def held_usd(self) -> float:
        """What its server costs at most beside the work of one call."""
        return self.held_minutes / 60 * self.paid_usd_per_hour


class Gpu(Record):
    """One GPU as its driver names it."""

    name: str
    memory_gib: float


class Machine(Record):
    """A machine's parts, and two speeds of one thread. Only the speeds vary between measurements."""

    cpu_model: str
    cores: int = Field(description="logical cores this process may use, affinity and container quota respected")
    memory_gib: float = Field(description="main memory, or the container's limit where it is lower, GiB")
    has_bf16: bool = Field(description="the CPU multiplies bfloat16 natively")
    gpus: tuple[Gpu, ...]
    single_thread_gflops: float = Field(gt=0, description="float32 64x64 matrix products, GFLOP per CPU-second")
    memory_bandwidth_gb_s: float = Field(
        gt=0, description="copying 48 MiB, bytes read plus bytes written, GB per CPU-second"
    )
    measured: bool = Field(default=True, description="false: assumed figures for a machine nobody measured")
    notes: tuple[str, ...] = Field(default=(), description="what could not be found out, and why")


class Prediction(Record):
    """A figure nobody measured yet, with its 80 % band and where it comes from."""

    value: float
    low: float
    high: float
    source: str


Training = Literal["scratch", "lora", "full", "grpo", "none"]
"""What is trained: all weights of a small decoder built for the skill; of a model that others trained low-rank adapters, or all, or
nothing; `grpo` strengthens the right answers of a model that was tuned in an earlier attempt."""


class Correction(Record):
    """What earlier measurements say of one kind of prediction on one sort of hardware: factors on the predicted value."""

    kind: str
    hardware: str
    bias: float = Field(gt=0, description="median of measured over predicted")
    low_factor: float = Field(gt=0, le=1, description="lower end of the 80 % band over the corrected value")
    high_factor: float = Field(ge=1, description="upper end of it")
    pairs: int


class StudentShape(Record):
    """A Llama-type decoder built from scratch."""

    name: str
    hidden: int
    layers: int
    heads: int
    feed_forward: int

    def parameters(self, vocabulary: int) -> int:
        """Number of weights with tied embeddings: attention 4 h^2, gated MLP 3 h f, two norms a layer, one final norm."""
        per_layer = 4 * self.hidden**2 + 3 * self.hidden * self.feed_forward + 2 * self.hidden
        return vocabulary * self.hidden + self.layers * per_layer + self.hidden


class FamilyWeight(Record):
    """How much more often than by themselves examples of one family are drawn for a training; 1: as they come."""

    family: str
    exact: float = Field(description="share of it that the student had exact, which the weight follows")
    weight: float = Field(gt=0)


class Candidate(Record):
    """Offer x teacher x student x precision x strategy x training length, with what it is predicted to give."""

    id: str
    offer_id: str
    executable: bool
    teacher: str
    student: str
    parameters: int
    precision: str
    strategy: Strategy
    train_tokens: int
    accuracy: Prediction | None = Field(description="null: no evidence yet")
    latency_p95_ms: Prediction
    hours: Prediction
    usd: Prediction = Field(description="of the training alone")
    overhead_usd: float = Field(default=0.0, description="what must be left for its data and evaluations beside that")
    evaluation_minutes: float | None = Field(
        default=None,
        description="the most that measuring it once may take; null: as little as of a student built from scratch",
    )
    serving_usd: float = Field(
        default=0.0,
        description="of serving the expected traffic on this offer, for as long as the brief says; 0 where it says nothing",
    )
    throughput_rps: Prediction | None = Field(
        default=None, description="requests a second of the whole server at 16 clients for each copy of the model"
    )
    training: Training = "scratch"
    tensor_parallel: int = Field(
        default=1, description="accelerators that share one copy of the model while it is served"
    )

    @property
    def trains(self) -> bool:
        """Whether anything is trained: if not, the student is a model of others as it is."""
        return self.training != "none"

    @property
    def total_usd(self) -> float:
        """What is compared: training and serving, US dollars."""
        return self.usd.value + self.serving_usd

    @property
    def needed_usd(self) -> float:
        """What must be left for it to be begun, US dollars."""
        return self.total_usd + self.overhead_usd


class Plan(Record):
    """The candidate chosen, why, and what came next."""

    candidate: Candidate
    offer: Offer
    reason: str
    runners_up: tuple[Candidate, ...]
    emphasis: tuple[FamilyWeight, ...] = Field(
        default=(),
        description="what its training holds more and less of than by itself, weakest family first; empty: all as it comes",
    )

    @property
    def sha256(self) -> str:
        """Of what would be paid for, the candidate and its server at its price: approvals are bound to it."""
        offer = self.offer.model_dump(mode="json", exclude={"warnings"})  # what is said of a price is not bought
        bought = {"candidate": self.candidate.model_dump(mode="json"), "offer": offer}
        return hashlib.sha256(canonical(bought).encode()).hexdigest()
