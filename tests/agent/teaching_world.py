"""A simulated world in which teachers are real: their jobs run as they are, against a real server; training and evaluation are made up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratos.evals.simulated_world import SimulatedExecutor
from stratos.state.plan import Offer
from stratos.tools.executor import JobHandle
from stratos.tools.jobs import Job
from stratos.tools.teaching import answers, probe, rationales

Run = Callable[[Any, Path], Mapping[str, Any]]
REAL: Mapping[type[Job], Run] = {
    probe.ProbeJob: probe.run,
    answers.AnswersJob: answers.run,
    rationales.RationalesJob: rationales.run,
}


@dataclass(kw_only=True)
class TeachingWorld(SimulatedExecutor):
    """Runs a teacher's job in this process when it is submitted."""

    def submit(
        self, module: str, job: Job, folder: Path, *, threads: int | None = None, offer: Offer | None = None
    ) -> JobHandle:
        real = REAL.get(type(job))
        if real is None:
            return super().submit(module, job, folder, threads=threads, offer=offer)
        folder.mkdir(parents=True, exist_ok=True)
        self.submitted.append((module, job))
        self.results[folder] = {**real(job, folder), "seconds": 2.0}
        return JobHandle(folder=folder, module=module, how="started")
