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
REAL: Mapping[type[Job], tuple[str, Run]] = {
    probe.ProbeJob: ("stratos.tools.teaching.probe", probe.run),
    answers.AnswersJob: ("stratos.tools.teaching.answers", answers.run),
    rationales.RationalesJob: ("stratos.tools.teaching", rationales.run),
}
"""The module that `python -m` starts for each job, and what it runs."""


@dataclass(kw_only=True)
class TeachingWorld(SimulatedExecutor):
    """Runs a teacher's job in this process when it is submitted."""

    def submit(
        self, module: str, job: Job, folder: Path, *, threads: int | None = None, offer: Offer | None = None
    ) -> JobHandle:
        real = REAL.get(type(job))
        if real is None:
            return super().submit(module, job, folder, threads=threads, offer=offer)
        started, work = real
        assert module == started
        folder.mkdir(parents=True, exist_ok=True)
        self.submitted.append((module, job))
        self.results[folder] = {**work(job, folder), "seconds": 2.0}
        return JobHandle(folder=folder, module=module, how="started")
