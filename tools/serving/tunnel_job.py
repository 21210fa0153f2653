"""`python -m stratos.tools.serving.tunnel_job DIR/job.json`: a server of another machine at an address of this one, by secure shell."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from pydantic import Field

from ...state.errors import ToolFailed
from ..jobs import main, report, write_atomic
from .client import api_alive
from .engine import EngineName
from .job import ENDPOINT_FILE, Endpoint, ServerJob, read_key
from .starting import release
from .vllm import die_with_parent, free_port

MODULE = f"{__package__}.tunnel_job"
FORWARDING = ("-N", "-o", "ExitOnForwardFailure=yes", "-o", "BatchMode=yes")
FIRST_S = 120.0
"""Until the server must have answered through it."""
AGAIN_S, LOOK_S = 2.0, 0.2
"""Before a connection that was lost is made again, and between looks at it."""


class TunnelJob(ServerJob):
    """Where the server answers there, and how it is reached."""

    shell: tuple[str, ...] = Field(description="words of a secure shell to the other machine, its name last")
    there: str = Field(description="the server's address as it is at its own machine")
    engine: EngineName
    model: str
    stop_after_s: float | None = Field(
        default=None, gt=0, description="stop by itself when it was ready for so long; null: never"
    )


def run(job: TunnelJob, folder: Path) -> Mapping[str, object]:
    """Keeps the tunnel open until SIGTERM or SIGINT, or until the hours are over: then the server is ended too. `endpoint.json` is there
    once the server answered through it. Raises ToolFailed where it never does."""
    stopping = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    is_over = threading.Event()

    def over() -> None:
        is_over.set()
        stopping.set()

    def ready() -> None:
        if job.stop_after_s is not None:
            timer = threading.Timer(job.stop_after_s, over)
            timer.daemon = True
            timer.start()

    tunnel = Tunnel(job, folder, stopping, ready)
    while not stopping.is_set():
        tunnel.connect()
    if is_over.is_set():  # whoever stops it before releases the server too
        release(folder)
    return {"connections": tunnel.connections}


class Tunnel:
    """One port here, and the connections that lead on from it, one after another."""

    def __init__(self, job: TunnelJob, folder: Path, stopping: threading.Event, ready: Callable[[], None]) -> None:
        """`ready` is called when the first answer came through it."""
        self._job, self._folder, self._stopping, self._ready = job, folder, stopping, ready
        self._port, self._key = free_port("127.0.0.1"), read_key(job.api_key_file)
        self._first_until, self._is_ready = time.monotonic() + FIRST_S, False
        self.connections = 0

    def connect(self) -> None:
        """Makes the connection and stays until it is lost, or is to end. Raises ToolFailed where none led to an answer in good time."""
        shell, name = self._job.shell[:-1], self._job.shell[-1]
        forwarded = f"127.0.0.1:{self._port}:{urlsplit(self._job.there).netloc}"
        child = subprocess.Popen(
            [*shell, *FORWARDING, "-L", forwarded, name], stdin=subprocess.DEVNULL, preexec_fn=die_with_parent
        )
        self.connections += 1
        try:
            while child.poll() is None and not self._stopping.wait(LOOK_S):
                self._look()
        finally:
            child.terminate()
            child.wait()
        if not self._stopping.is_set():
            report("note", text=f"the connection to {name} ended with {child.returncode} and is made again")
            self._late()
            self._stopping.wait(AGAIN_S)

    def _look(self) -> None:
        if self._is_ready:
            return
        endpoint = Endpoint(
            base_url=f"http://127.0.0.1:{self._port}/v1",
            pid=os.getpid(),
            started_at=time.time(),
            engine=self._job.engine,
            model=self._job.model,
        )
        if api_alive(endpoint.base_url, self._key):
            self._is_ready = True
            write_atomic(self._folder / ENDPOINT_FILE, endpoint.model_dump_json())
            self._ready()
        self._late()

    def _late(self) -> None:
        if not self._is_ready and time.monotonic() > self._first_until:
            raise ToolFailed(f"the server on {self._job.shell[-1]} did not answer from here within {FIRST_S:.0f} s")


if __name__ == "__main__":
    main(TunnelJob, run)
    sys.stdout.flush()
