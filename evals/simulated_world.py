"""A simulated world behind the executor's seam: jobs end at once with figures drawn from a world that is known.

Prices, predictions, front, guard, judge, journal and graph stay the real ones; only data, training and evaluation are made
up. So a whole run, with its misses and re-plans, takes a second, and what could have been reached is known exactly.
It does not cover serving: run it with `deploy=False`.
"""

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..state.errors import ToolFailed
from ..state.evidence import Latency, Score, wilson
from ..state.paired import pair
from ..state.plan import LOCAL, Machine, Offer, StudentShape
from ..tools.distill import ANSWERS_ONLY
from ..tools.evaluation import EvaluateJob
from ..tools.executor import Event, JobHandle, JobStatus
from ..tools.generation import SHARD_EXAMPLES, GenerateJob
from ..tools.jobs import STOPPED_BY_CLOCK, Job
from ..tools.machine import measure_machine
from ..tools.training.students import TrainJob

ITEMS = 2000
"""In every held-out split."""

VOCABULARY = 49
"""Tokens of the mahjong skill, special ones included."""


# Measuring takes 0.7 CPU-seconds, a third of what a whole simulated run does.
_this_machine = cache(measure_machine)


@dataclass(frozen=True, kw_only=True)
class World:
    """What is true: how accuracy grows, how long training takes, how fast answers are."""

    log_odds_at_1m: float = 1.5
    """Log odds of a right answer of the smallest student after a million tokens."""
    gain_per_doubling: float = 2.0
    gain_per_size: float = 0.3
    """Log odds that a student of twice the parameters has more, at equal tokens."""
    ceiling: float = 0.995
    control_accuracy: float = 0.5
    seconds_per_million_tokens: float = 70.0
    p95_ms: float = 12.0
    evaluation_seconds: float = 20.0
    data_seconds: float = 20.0
    seed: int = 0

    def accuracy(self, parameters: int, tokens: int) -> float:
        """The true share of right answers."""
        size = math.log2(parameters / 337_152)
        odds = self.log_odds_at_1m + self.gain_per_doubling * math.log2(tokens / 1e6) + self.gain_per_size * size
        return min(self.ceiling, 1 / (1 + math.exp(-odds)))

    def training_seconds(self, student: StudentShape, tokens: float, offer: Offer | None) -> float:
        """Wall-clock seconds that a student needs for so many tokens on a server."""
        return tokens * self.seconds_per_million_tokens / 1e6

    def latency_p95_ms(self, student: StudentShape, offer: Offer | None) -> float:
        """95th percentile of one request's time on a server."""
        return self.p95_ms

    def throughput_rps(self, student: StudentShape, offer: Offer | None) -> float:
        """Requests a second with 16 clients, each waiting for its answer."""
        return 16e3 / self.latency_p95_ms(student, offer)

    def right_answers(self, parameters: int, tokens: int, split: str) -> int:
        """Items of a split that a student gets right."""
        return sum(self.verdicts(self.accuracy(parameters, tokens), ITEMS, parameters, tokens, split))

    def verdicts(self, share: float, n: int, *of: object) -> list[bool]:
        """Which of n answers are right, the same for the same `of`."""
        chance = random.Random(f"{self.seed}:{of}")
        return [chance.random() < share for _ in range(n)]


@dataclass(kw_only=True)
class SimulatedExecutor:
    """Runs no process. `submitted` lists what was asked for, in order."""

    world: World
    submitted: list[tuple[str, Job]] = field(default_factory=list[tuple[str, Job]])
    results: dict[Path, dict[str, Any]] = field(default_factory=dict[Path, dict[str, Any]])
    data_seconds_done: float = 0.0
    models: dict[Path, tuple[int, int]] = field(default_factory=dict[Path, tuple[int, int]])
    """Parameters and tokens of every student, by its job's folder."""
    students: dict[Path, StudentShape] = field(default_factory=dict[Path, StudentShape])

    clouds = frozenset({LOCAL})

    def machine(self) -> Machine:
        """This machine, measured once in a process: what is predicted for it is real."""
        return _this_machine()

    def submit(
        self, module: str, job: Job, folder: Path, *, threads: int | None = None, offer: Offer | None = None
    ) -> JobHandle:
        self.submitted.append((module, job))
        match job:
            case GenerateJob():
                self.results[folder] = self._generate(job)
            case TrainJob():
                self.results[folder] = self._train(job, folder, offer)
            case EvaluateJob():
                self.results[folder] = self._evaluate(job, offer)
            case _:
                raise ToolFailed(f"the simulated world has no {module}")
        return JobHandle(folder=folder, module=module, how="started")

    def poll(self, handle: JobHandle) -> JobStatus:
        return JobStatus(state="done")

    def logs(self, handle: JobHandle, offset: int = 0) -> tuple[list[Event], int]:
        return [], offset

    def cancel(self, handle: JobHandle) -> None:
        """There is never anything left to stop."""

    def fetch(self, handle: JobHandle) -> dict[str, Any]:
        return self.results[handle.folder]

    def _generate(self, job: GenerateJob) -> dict[str, Any]:
        left = self.world.data_seconds - self.data_seconds_done  # finished shards stay
        if job.wall_clock_s is not None and left > job.wall_clock_s:
            self.data_seconds_done += job.wall_clock_s
            return _out_of_time(job.wall_clock_s)
        self.data_seconds_done = 0.0
        shards = [f"train-{block:05d}.jsonl" for block in range(-(-job.examples // SHARD_EXAMPLES))]
        splits = [
            {"name": name, "path": f"{name}.jsonl", "n": job.held_out_items, "sha256": _hash(job.seed, name)}
            for name in job.splits
        ]
        return {
            "examples": len(shards) * SHARD_EXAMPLES,
            "shards": shards,
            "sha256": _hash(job.seed, len(shards)),
            "splits": splits,
            "dropped_as_leaks": 0,
            "rejected_by_verifier": 0,
            "seconds": left,
        }

    def _train(self, job: TrainJob, folder: Path, offer: Offer | None) -> dict[str, Any]:
        done = self.models[job.continue_from][1] * (1 - job.decay_share) if job.continue_from else 0.0
        seconds = self.world.training_seconds(job.student, job.tokens - done, offer)
        stopped_by, tokens = "tokens", job.tokens
        if job.wall_clock_s is not None and seconds > job.wall_clock_s:
            tokens = max(1, int(done + (job.tokens - done) * job.wall_clock_s / seconds))
            seconds, stopped_by = job.wall_clock_s, STOPPED_BY_CLOCK
        self.models[folder] = job.student.parameters(VOCABULARY), tokens
        self.students[folder] = job.student
        return {
            "tokens": tokens,
            "loss": 0.1,
            "stopped_by": stopped_by,
            "seconds": seconds,
            "cpu_seconds": seconds,
            "curve": [(tokens, 0.1)],
        }

    def _evaluate(self, job: EvaluateJob, offer: Offer | None) -> dict[str, Any]:
        if job.wall_clock_s is not None and self.world.evaluation_seconds > job.wall_clock_s:
            return _out_of_time(job.wall_clock_s)
        folder = job.models[0].folder.parent
        parameters, tokens = self.models[folder]
        share = self.world.accuracy(parameters, tokens)
        right = self.world.verdicts(share, ITEMS, parameters, tokens, job.split.stem)
        guessed = self.world.verdicts(self.world.control_accuracy, ITEMS, "control", job.split.stem)
        p95 = self.world.latency_p95_ms(self.students[folder], offer)
        rate = self.world.throughput_rps(self.students[folder], offer)
        latency = Latency(n=200, p50_ms=p95 / 2, p95_ms=p95, p99_ms=p95, throughput_rps=rate, clients=16)
        return {
            "split": job.split.stem,
            "split_sha256": job.split_sha256,
            "student": _score("student", right).model_dump(),
            "controls": [
                _score(ANSWERS_ONLY, guessed).model_copy(update={"paired": pair(right, guessed)}).model_dump()
            ],
            "latency": latency.model_dump(),
            "seconds": self.world.evaluation_seconds,
        }


def _score(name: str, right: Sequence[bool]) -> Score:
    share = wilson(sum(right), len(right))
    return Score(name=name, exact=share, answer=share)


def _out_of_time(seconds: float) -> dict[str, Any]:
    return {"stopped_by": STOPPED_BY_CLOCK, "seconds": seconds}


def _hash(*of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()
