"""A scenario's world: what is true of accuracy, training time, latency and prices, and the mishaps on the way.

Truth is what `tools/estimating` predicts for a server, times factors drawn from the bands it states (80 % inside), times the
scenario's own. Accuracy follows a curve of the task that stays as it is when the predictor changes: *win* as measured on
2026-11-24 (evals/LOG.md); *waits* and *discard* are assumptions. Latency over a network is not in it.
"""

import math
import random
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from ...skills import load as load_skill
from ...state.errors import PriceChanged
from ...state.evidence import DIVERGED
from ...state.plan import LOCAL, Machine, Offer, StudentShape
from ...tools.candidates import CPU_RECIPE_FACTOR
from ...tools.classify_complexity import FIT_ITEMS, PROBE_BLOCK
from ...tools.estimating.architecture import student_architecture
from ...tools.estimating.bands import DATASHEET_BAND, MEASURED_BAND
from ...tools.estimating.offers import predict_latency_p95_ms, predict_train
from ...tools.executor import JobHandle, JobStatus
from ...tools.jobs import Job
from ...tools.training.students import TrainJob
from ..simulated_world import VOCABULARY, SimulatedExecutor, World
from .scenarios import Scenario

CURVES: dict[str, dict[str, float]] = {
    "win": {"log_odds_at_1m": 1.2, "gain_per_doubling": 1.8, "gain_per_size": 0.4, "ceiling": 0.995},
    "waits": {"log_odds_at_1m": 0.2, "gain_per_doubling": 0.8, "gain_per_size": 0.4, "ceiling": 0.97},
    "discard": {"log_odds_at_1m": 0.3, "gain_per_doubling": 0.7, "gain_per_size": 0.4, "ceiling": 0.93},
}
LEVEL_SPREAD = 0.4
"""Standard deviation of a world's level: the residual spread of *win*'s measured curve, in log odds."""

WOBBLE = 0.2
"""assumption: how far a single result strays from its world's curve, in log odds."""

Z_80 = 1.2815515655446004
DIVERGES_AT = 0.3
"""assumption: share of a training that is done when it diverges."""

MACHINE = Machine(
    cpu_model="simulated CPU",
    cores=4,
    memory_gib=16.0,
    has_bf16=False,
    gpus=(),
    single_thread_gflops=60.0,
    memory_bandwidth_gb_s=12.0,
)
"""This machine in every scenario, so that results are the same on every host."""


@dataclass(frozen=True, kw_only=True)
class ScenarioWorld(World):
    """Truth for one scenario and seed."""

    name: str
    task: str
    pace: float
    latency: float

    def accuracy(self, parameters: int, tokens: int) -> float:
        size = math.log2(parameters / 337_152)
        odds = self.log_odds_at_1m + self.gain_per_doubling * math.log2(tokens / 1e6) + self.gain_per_size * size
        odds += self._normal("accuracy", parameters, tokens) * WOBBLE
        return min(self.ceiling, 1 / (1 + math.exp(-odds)))

    def training_seconds(self, student: StudentShape, tokens: float, offer: Offer | None) -> float:
        assert offer is not None
        hours = predict_train(
            architecture=student_architecture(student, student.parameters(VOCABULARY)),
            train_tokens=max(1, round(tokens)),
            offer=offer,
            machine=MACHINE,
        ).value
        on_cpu = offer.accelerator is None
        band = MEASURED_BAND if on_cpu else DATASHEET_BAND
        recipe = CPU_RECIPE_FACTOR if on_cpu else 1.0
        return 3600 * hours * recipe * self.pace * self._factor(band, "pace", offer)

    def latency_p95_ms(self, student: StudentShape, offer: Offer | None) -> float:
        assert offer is not None
        prompt_tokens, output_tokens = lengths(self.task)
        predicted = predict_latency_p95_ms(
            architecture=student_architecture(student, student.parameters(VOCABULARY)),
            output_tokens=output_tokens,
            input_tokens=prompt_tokens,
            offer=offer,
            machine=MACHINE,
        ).value
        return predicted * self.latency * self._factor(DATASHEET_BAND, "latency", offer)

    def _factor(self, band: float, what: str, offer: Offer) -> float:
        """Measured over predicted for one kind of server: log-normal, 80 % within the band."""
        kind = (offer.cloud == LOCAL, offer.accelerator, offer.accelerator_count or offer.vcpus)
        return math.exp(self._normal(what, kind) * math.log(band) / Z_80)

    def _normal(self, *of: object) -> float:
        return random.Random(f"{self.seed}:{self.name}:{of}").gauss(0, 1)


def world_of(scenario: Scenario, seed: int) -> ScenarioWorld:
    """The world of a scenario, the same for the same seed."""
    mishaps, task = scenario.world, scenario.wanted.task
    curve = CURVES[task]
    drawn = random.Random(f"{seed}:{scenario.name}:level").gauss(0, LEVEL_SPREAD)
    return ScenarioWorld(
        name=scenario.name,
        task=task,
        seed=seed,
        log_odds_at_1m=curve["log_odds_at_1m"] + (drawn if mishaps.level is None else mishaps.level),
        gain_per_doubling=curve["gain_per_doubling"],
        gain_per_size=curve["gain_per_size"],
        ceiling=curve["ceiling"] if mishaps.ceiling is None else mishaps.ceiling,
        evaluation_seconds=30.0,
        pace=mishaps.pace,
        latency=mishaps.latency,
    )


def usd_per_hour_today(scenario: Scenario, offer: Offer, listed_usd_per_hour: float) -> float:
    """What a server costs when it is used; this machine's price stays."""
    return listed_usd_per_hour * (1.0 if offer.cloud == LOCAL else scenario.world.price_factor)


@cache
def lengths(task: str) -> tuple[int, int]:
    """Tokens of a prompt on average, and of a taught completion at its 95th percentile, as a run's probe finds them."""
    skill = load_skill("mahjong")
    made = skill.make(task, seed=0, block=PROBE_BLOCK, count=FIT_ITEMS)
    written = sorted(len(skill.completion(example, rationale=True).split()) for example in made)
    return round(fmean(len(example.prompt.split()) for example in made)), written[len(written) * 95 // 100]


@dataclass(kw_only=True)
class ScenarioExecutor(SimulatedExecutor):
    """Runs a scenario's jobs on its clouds, with its mishaps."""

    scenario: Scenario
    clouds: frozenset[str] = field(default=frozenset({LOCAL}))
    _trainings: int = 0
    _starts: int = 0
    _lost: set[Path] = field(default_factory=set[Path])
    _listed: dict[str, float] = field(default_factory=dict[str, float])
    """The snapshot's prices of the servers used, by the offer's id."""

    def machine(self) -> Machine:
        return MACHINE

    def submit(
        self, module: str, job: Job, folder: Path, *, threads: int | None = None, offer: Offer | None = None
    ) -> JobHandle:
        assert offer is not None
        self._check_price(offer)
        again = folder in self._lost
        self._lost.discard(folder)
        if again:  # continues from its checkpoint
            handle = JobHandle(folder=folder, module=module, how="started")
        else:
            handle = super().submit(module, job, folder, threads=threads, offer=offer)
        if isinstance(job, TrainJob) and folder.name == "student":
            self._meet_mishaps(folder, again=again)
        return handle

    def _check_price(self, offer: Offer) -> None:
        listed = self._listed.setdefault(offer.id, offer.usd_per_hour)
        today = usd_per_hour_today(self.scenario, offer, listed)
        if not math.isclose(today, offer.usd_per_hour, abs_tol=1e-6):  # told in millionths of a dollar
            raise PriceChanged(offer.id, round(today, 6))

    def _meet_mishaps(self, folder: Path, *, again: bool) -> None:
        self._starts += 1
        self._trainings += not again
        if self._starts in self.scenario.world.loses:
            self._lost.add(folder)
        if self._trainings in self.scenario.world.diverges and not again:
            self._diverge(folder)

    def _diverge(self, folder: Path) -> None:
        """The model knows nothing, and the time until then was spent."""
        result: dict[str, Any] = self.results[folder]
        done = {name: result[name] * DIVERGES_AT for name in ("seconds", "cpu_seconds")}
        tokens = max(1, int(result["tokens"] * DIVERGES_AT))
        self.results[folder] = {**result, **done, "tokens": tokens, "stopped_by": DIVERGED}
        self.models[folder] = self.models[folder][0], 1

    def poll(self, handle: JobHandle) -> JobStatus:
        if handle.folder in self._lost:
            return JobStatus(state="failed", message="its machine is gone", lost=True)
        return super().poll(handle)


def executor_for(scenario: Scenario, seed: int) -> ScenarioExecutor:
    """A new executor in a scenario's world."""
    return ScenarioExecutor(
        world=world_of(scenario, seed), scenario=scenario, clouds=frozenset({LOCAL, *scenario.settings.clouds})
    )
