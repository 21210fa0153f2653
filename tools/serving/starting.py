"""Starting and ending the two processes of a deployment, its front and its server; what fails is ended, and its log kept."""

import secrets
import shutil
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Protocol

from ...state.errors import Correctable, ToolFailed
from ...state.plan import Offer
from ..cloud.account import ACCOUNT_FILE, SERVERS_FOLDER, account_of
from ..cloud.carrying import FILES
from . import processes
from .client import api_alive, chat
from .front_job import CERTIFICATE_FILE, MODULE, OWNER_KEY_FILE, FrontJob, certificates_in, trusting
from .job import Address, Endpoint, ServeJob, listen, read_key
from .records import FAILED_LOG_FILE, Deployment, Version, server_folder
from .vllm import READY_TIMEOUT_S

SERVERS, FRONTS = "servers", "fronts"
CPU_READY_TIMEOUT_S = 600
"""A start takes 2 s, 6 s with the first conversion; of a model of half a billion weights 115 s, on a machine that trained meanwhile
(all measured). The rest is room."""
FRONT_READY_TIMEOUT_S = 60.0

PROBE_TOKENS = 64
"""A model that never ends its answers can still be served."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where clients find an endpoint."""

    host: str = "127.0.0.1"
    port: int = 0
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    api_key: str | None = field(default=None, repr=False)
    """What clients have already; null: a new one."""

    def __post_init__(self) -> None:
        """Paths become absolute: they are read again from wherever the next command runs. Links stay: what renews a certificate may
        point one at the new file."""
        for name in ("tls_certificate", "tls_key"):
            if (path := getattr(self, name)) is not None:
                object.__setattr__(self, name, path.absolute())


@dataclass(frozen=True, kw_only=True)
class Move:
    """What is to change of the place of an endpoint; null: it stays."""

    host: str | None = None
    port: int | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None


class Host(Protocol):
    """Another machine that a server is started on."""

    @property
    def offer(self) -> Offer:
        """What it is rented as."""
        ...

    def start(self, job: ServeJob, at: Path) -> "Popen[bytes]":
        """Starts the server there, and when it is ready the process here whose address in the folder leads to it. What is rented for
        it is in the folder's account. Raises ToolFailed."""
        ...


@dataclass(frozen=True, kw_only=True)
class Terms:
    """For how long a model is served, null: until it is stopped; at which price; with how many threads; and what its clients ask."""

    hours: float | None = None
    until: float | None = None
    """Where those hours are what is left of others: when they are over."""
    usd_per_hour: float = 0.0
    threads: int = 1
    about: str = ""
    host: Host | None = None
    """Null: this machine."""

    @property
    def stop_after_s(self) -> float | None:
        """As its job is told."""
        return None if self.hours is None else 3600 * self.hours


LOCALLY = Terms()
"""On this machine, until it is stopped, for nothing."""


@dataclass(frozen=True, kw_only=True)
class RunningFront:
    """A front that is there, before anything is routed by it or while it routes."""

    base_url: str
    api_key_file: Path
    pid: int
    created_at: float
    place: Place


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server that has answered with its own key."""

    url: str
    folder: Path
    pid: int
    created_at: float
    endpoint: Endpoint


def terms_of(workspace: Path, old: Deployment | Version, hours: float | None = None) -> Terms:
    """What is left of a deployment's: where it stopped, it goes on no longer than was paid for, or for so many hours from now."""
    until = old.until if hours is None else None
    if until is not None:
        hours = max(until - time.time(), 1.0) / 3600
    host = None
    if old.offer is not None:
        from ..cloud.hosting import host_again

        host = host_again(workspace, old.offer, hours)
    return Terms(
        hours=hours, until=until, usd_per_hour=old.usd_per_hour, threads=old.threads, about=old.about, host=host
    )


def front_of(deployment: Deployment) -> RunningFront | None:
    """The front of a record; None where it was made before there were fronts."""
    if deployment.front_pid is None or deployment.front_created_at is None:
        return None
    return RunningFront(
        base_url=deployment.base_url,
        api_key_file=deployment.api_key_file,
        pid=deployment.front_pid,
        created_at=deployment.front_created_at,
        place=Place(host=deployment.host, tls_certificate=deployment.tls_certificate, tls_key=deployment.tls_key),
    )


def living_front(deployment: Deployment) -> RunningFront | None:
    """The front of a record, where its process still runs; it may, though the server behind it does not."""
    front = front_of(deployment)
    if front is None or processes.find(front.pid, front.api_key_file.parent, front.created_at) is None:
        return None
    return front


def start_front(folder: Path, place: Place) -> RunningFront:
    """A new front at an address. Raises Correctable (a half of TLS), ToolFailed (with the end of its log)."""
    check(place)
    at = _new_folder(folder / FRONTS)
    job = FrontJob(
        api_key_file=processes.write_key(at, key=place.api_key),
        owner_key_file=processes.write_key(at, OWNER_KEY_FILE),
        host=place.host,
        port=place.port,
        tls_certificate=place.tls_certificate and _copied(place.tls_certificate, at),
        tls_key=place.tls_key,
    )
    process = processes.launch(job, at, MODULE)
    try:
        address = processes.wait_until_ready(process, at, FRONT_READY_TIMEOUT_S, Address)
        return RunningFront(
            base_url=address.base_url,
            api_key_file=job.api_key_file,
            pid=address.pid,
            created_at=_created_at(address.pid),
            place=place,
        )
    except BaseException:
        discard(process.pid, at)
        raise


def _copied(certificate: Path, at: Path) -> Path:
    """What a front shows for as long as it lives, by which its owner knows it: the file itself may be renewed meanwhile."""
    copy = at / CERTIFICATE_FILE
    copy.write_text("\n".join(certificates_in(certificate)), encoding="ascii")
    return copy


def check(place: Place, *, is_free: bool = True) -> None:
    """Says what is wrong with an address, which is to be free, before a process is started for it. Raises Correctable."""
    if (place.tls_certificate is None) != (place.tls_key is None):
        raise Correctable("TLS needs both files, that of the certificate and that of its key")
    if place.tls_certificate is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(place.tls_certificate, place.tls_key)
            trusting(place.tls_certificate)
        except OSError as error:
            files = f"{str(place.tls_certificate)!r} and {str(place.tls_key)!r}"
            raise Correctable(f"{files} are no certificate and its key, both as PEM: {error}") from error
    if is_free:
        listen(place.host, place.port).close()


def start_server(
    folder: Path,
    job: ServeJob,
    *,
    front: "Place | None" = None,
    timeout_s: float | None = None,
    host: Host | None = None,
) -> tuple[RunningServer, RunningFront | None]:
    """A new server, on the host where there is one, that has answered with its key and, where a place is given, a new front there,
    started meanwhile. The job's key file is in its folder. Raises ToolFailed, NotAvailable, and leaves nothing running then."""
    at = job.api_key_file.parent
    begun: RunningFront | None = None
    process: Popen[bytes] | None = None
    try:
        process = processes.launch(job, at) if host is None else host.start(job, at)
        begun = start_front(folder, front) if front is not None else None
        endpoint = processes.wait_until_ready(process, at, timeout_s or _timeout_s(job), Endpoint)
        if not api_alive(endpoint.base_url, read_key(job.api_key_file)):
            raise ToolFailed(f"the server refuses its own key; its log ends:\n{processes.log_tail(at)}")
        created_at = _created_at(endpoint.pid)
    except BaseException:  # Ctrl-C too: what was started here is not left behind
        discard(process and process.pid, at)
        if begun is not None:
            end_front(begun)
        raise
    server = RunningServer(url=endpoint.base_url, folder=at, pid=endpoint.pid, created_at=created_at, endpoint=endpoint)
    return server, begun


def new_server_folder(folder: Path) -> Path:
    """A job folder for a server, with a new key in it."""
    at = _new_folder(folder / SERVERS)
    processes.write_key(at)
    return at


def ask_server(server: RunningServer, name: str, prompt: str) -> str:
    """A server's answer to a real request, past the front. Raises ToolFailed, Correctable."""
    key = read_key(server.folder / processes.KEY_FILE)
    return chat(server.url, key, name, prompt, max_tokens=PROBE_TOKENS)


def discard(pid: int | None, at: Path) -> None:
    """Ends what was started in a job folder, keeps its log beside the deployment's record and removes the folder. Raises ToolFailed where
    a rented server stays, or may still come up; its folder then does too, and the watchdog goes on ending it."""
    if pid is not None:
        processes.end(processes.find(pid))
    release(at)
    if left := account_of(at).up:
        raise ToolFailed(
            f"cluster {', '.join(left)} was being started and may still come up; its watchdog then ends it, see `stratos clusters`"
        )
    with suppress(FileNotFoundError):
        (at / processes.SERVER_LOG_FILE).replace(at.parents[1] / FAILED_LOG_FILE)
    shutil.rmtree(at, ignore_errors=True)


def end_front(front: RunningFront) -> None:
    """Ends a front, if it is still the same process, and destroys its keys; its log stays until the next start."""
    processes.end(processes.find(front.pid, front.api_key_file.parent, front.created_at))
    for key in (front.api_key_file, front.api_key_file.with_name(OWNER_KEY_FILE)):
        key.unlink(missing_ok=True)


def end_server(deployment: Deployment) -> None:
    """Ends the server of a record, if it is still the same process, and what was rented for it. Raises ToolFailed where that stays."""
    processes.end(processes.find(deployment.pid, server_folder(deployment), deployment.process_created_at))
    release(server_folder(deployment))


def release(at: Path) -> None:
    """Ends the rented server of a folder, and removes what was carried there, its key included; nothing where none was. Raises
    ToolFailed where it stays."""
    if (at / SERVERS_FOLDER / ACCOUNT_FILE).is_file():
        from ..cloud.hosting import provider
        from ..cloud.servers import Servers

        Servers(at, provider()).release()
        for carried in at.glob(f".{FILES}-*"):
            shutil.rmtree(carried)


def end_strays(folder: Path, keep: Deployment | None) -> None:
    """Servers and fronts of this name that no record names: their starter died in between. The folder of a rented server that may still
    come up stays, for its watchdog."""
    kept_pids = (keep.pid, keep.front_pid) if keep else ()
    kept_folders = (server_folder(keep), keep.api_key_file.parent) if keep else ()
    for parent in (folder / SERVERS, folder / FRONTS):
        for process in processes.strays(parent):
            if process.pid not in kept_pids:
                processes.end(process)
        for at in parent.glob("*"):
            if at not in kept_folders:
                release(at)
                if not account_of(at).up:
                    shutil.rmtree(at, ignore_errors=True)


def port_of(deployment: Deployment) -> int:
    """The port that its clients know."""
    return int(deployment.base_url.removesuffix("/v1").rpartition(":")[2])


def port_again(deployment: Deployment) -> int:
    """The port that a deployment had, if it can be had again; else 0."""
    port = port_of(deployment)
    try:
        listen(deployment.host, port).close()
    except Correctable:
        return 0
    return port


def _new_folder(parent: Path) -> Path:
    at = parent / f"{int(time.time())}-{secrets.token_hex(4)}"
    at.mkdir(parents=True)
    return at


def _created_at(pid: int) -> float:
    process = processes.find(pid)
    if process is None:
        raise ToolFailed("the server ended as soon as it was ready")
    return process.create_time()


def _timeout_s(job: ServeJob) -> float:
    return READY_TIMEOUT_S if job.engine == "vllm" else CPU_READY_TIMEOUT_S
