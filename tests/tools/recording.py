"""An executor that runs nothing: it keeps the jobs it is given and gives each the same result."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stratos.state.plan import LOCAL, Machine, Offer
from stratos.tools.base import Context
from stratos.tools.executor import Event, JobHandle, JobStatus
from stratos.tools.jobs import Job

from .test_choose import MACHINE


@dataclass
class Recording:
    """Fakes the executor at its seam."""

    result: Mapping[str, Any]
    jobs: list[Any] = field(default_factory=list[Any])
    folders: list[Path] = field(default_factory=list[Path])
    clouds = frozenset({LOCAL})

    def given_to(self, context: Context) -> Context:
        """The context with this executor."""
        return replace(context, executor=self)

    def by_name(self) -> dict[str, Any]:
        """The jobs by the names of their folders."""
        return {folder.name: job for folder, job in zip(self.folders, self.jobs, strict=True)}

    def machine(self) -> Machine:
        return MACHINE

    def submit(
        self, module: str, job: Job, folder: Path, *, threads: int | None = None, offer: Offer | None = None
    ) -> JobHandle:
        self.jobs.append(job)
        self.folders.append(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return JobHandle(folder=folder, module=module, how="started")

    def poll(self, handle: JobHandle) -> JobStatus:
        return JobStatus(state="done")

    def logs(self, handle: JobHandle, offset: int = 0) -> tuple[list[Event], int]:
        return [], offset

    def cancel(self, handle: JobHandle) -> None: ...

    def fetch(self, handle: JobHandle) -> dict[str, Any]:
        return dict(self.result)
