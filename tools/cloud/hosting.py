"""Serves models on rented servers: the serve job runs there as any job does, and a tunnel leads to it from here.

Nothing of the server is open to the world: clients speak with the deployment's front on this machine, which goes through the secure shell
that SkyPilot set up. Each server has an account and a watchdog of its own, in its folder, since it outlives its run.
"""

import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

from ...state.errors import OutOfTime, ServerUnavailable, ToolFailed
from ...state.plan import Offer
from ..executor import Executor, Hosts, JobHandle
from ..serving import processes
from ..serving.job import ENDPOINT_FILE, Endpoint, ServeJob
from ..serving.tunnel_job import MODULE as TUNNEL
from ..serving.tunnel_job import TunnelJob
from ..serving.vllm import READY_TIMEOUT_S
from .servers import HELD_MINUTES, Provider
from .sky import Sky
from .tasks import SERVING

THERE = "there"
"""In a server's folder, the job's own, which mirrors that at the server."""
POLL_S = 1.0
LATER_S = 60.0
"""After its hours a server ends itself, should the tunnel here, which ends it with them, be gone."""


class RentedHost:
    """A server of an offer, rented for one model."""

    def __init__(
        self, executor: Hosts, offer: Offer, hours: float | None, *, say: Callable[[str], None] = lambda text: None
    ) -> None:
        """`hours`: as long as the model is served, for which money is reserved; null where the server costs nothing."""
        self._executor, self._say, self.offer = executor, say, offer
        self._usd = ((hours or 0.0) + HELD_MINUTES / 60) * offer.paid_usd_per_hour

    def start(self, job: ServeJob, at: Path) -> "Popen[bytes]":
        """As `Host` says; a server that cannot be had, or was stopped by somebody, is told as ToolFailed, since what is to be served
        there is made."""
        there = at / THERE
        self._executor.reserve(there, self.offer, self._usd)
        self._say(f"{self.offer.id} is asked for, to serve {job.served_name}")
        later = job.stop_after_s and job.stop_after_s + LATER_S
        moved = job.model_copy(update={"host": "127.0.0.1", "port": 0, "stop_after_s": later})
        try:
            handle = self._executor.submit(SERVING, moved, there, threads=job.threads, offer=self.offer)
        except (ServerUnavailable, OutOfTime) as error:
            raise ToolFailed(str(error)) from error
        endpoint = self._ready(handle)
        self._say(f"{job.served_name} answers there")
        tunnel = TunnelJob(
            api_key_file=job.api_key_file,
            shell=tuple(self._executor.shell(handle)),
            there=endpoint.base_url,
            engine=endpoint.engine,
            model=endpoint.model,
            stop_after_s=job.stop_after_s,
        )
        return processes.launch(tunnel, at, TUNNEL)

    def _ready(self, handle: JobHandle) -> Endpoint:
        until, path = time.monotonic() + READY_TIMEOUT_S, handle.folder / ENDPOINT_FILE
        while time.monotonic() < until:
            status = self._executor.poll(handle)
            if status.state != "running":
                raise ToolFailed(f"the server on {self.offer.id} ended before it answered: {status.message}")
            if path.is_file():
                return Endpoint.model_validate_json(path.read_text(encoding="utf-8"))
            time.sleep(POLL_S)
        raise ToolFailed(f"the server on {self.offer.id} was not ready within {READY_TIMEOUT_S} s")


def hosts(executor: Executor) -> Hosts:
    """The executor as one whose servers can be reached. Raises ToolFailed where it has none."""
    if not isinstance(executor, Hosts):
        raise ToolFailed("what runs jobs here cannot serve on other machines")
    return executor


def host_again(workspace: Path, offer: Offer, hours: float | None) -> RentedHost:
    """For a deployment that ran on such a server. Raises NotAvailable without SkyPilot."""
    from .executor import SkyExecutor

    return RentedHost(SkyExecutor(workspace), offer, hours)


def provider() -> Provider:
    """Who ends a deployment's server. Raises NotAvailable without SkyPilot."""
    return Sky()
