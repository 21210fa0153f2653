"""`stratos chat` in a simulated world whose trainings take as long as they are told: `chatting.py WORKSPACE SECONDS [RUN]`."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stratos.agent.chat import GREETING, Chat
from stratos.agent.chat_terminal import talk
from stratos.agent.consoles import console
from stratos.agent.display import RichDisplay
from stratos.agent.terminal import say
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.plan import Offer
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings
from stratos.tools.executor import Event, JobHandle, JobStatus
from stratos.tools.jobs import Job
from stratos.tools.training.students import TrainJob


@dataclass(kw_only=True)
class Slow(SimulatedExecutor):
    """Trainings take their time and report progress, so that there is a middle of a run to talk in."""

    seconds: float
    started: dict[Path, float] = field(default_factory=dict[Path, float])

    def submit(
        self, module: str, job: Job, folder: Path, *, threads: int | None = None, offer: Offer | None = None
    ) -> JobHandle:
        if isinstance(job, TrainJob):
            self.started.setdefault(folder, time.monotonic())
        return super().submit(module, job, folder, threads=threads, offer=offer)

    def poll(self, handle: JobHandle) -> JobStatus:
        began = self.started.get(handle.folder)
        running = began is not None and time.monotonic() - began < self.seconds
        return JobStatus(state="running") if running else super().poll(handle)

    def logs(self, handle: JobHandle, offset: int = 0) -> tuple[list[Event], int]:
        report: dict[str, Any] = {"event": "progress", "done": offset, "total": 99, "unit": "tokens", "loss": 0.5}
        return ([report] if handle.folder in self.started else []), offset + 1


def main() -> None:
    workspace = Workspace(Path(sys.argv[1]))
    settings = Settings(deploy=False, local_usd_per_hour=0.1, asks=True)
    executor = Slow(world=World(), seconds=float(sys.argv[2]))
    chat = Chat(workspace, settings, RichDisplay(console(), bars=False), say, executor=executor)
    if len(sys.argv) > 3:
        chat.resume(sys.argv[3])
    else:
        say(GREETING)
    talk(chat, workspace)


if __name__ == "__main__":
    main()
