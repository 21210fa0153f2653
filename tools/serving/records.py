"""What is kept of a deployment: its record in the workspace, read with what is true of it now.

`<workspace>/deployments/<name>/` holds `deployment.json`, the record; `fronts/<id>/`, the job folder of the process at its address,
with the clients' key and the owner's; and `servers/<id>/`, the job folder of the server that answers (two while one replaces the
other).
Importing this is cheap: no engine, server or client is imported.
"""

import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from re import compile as pattern
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ...state.errors import Correctable, ToolError, ToolFailed
from ...state.plan import Offer
from ..cloud.account import account_of
from ..jobs import write_atomic
from . import processes
from .client import healthy
from .engine import EngineName
from .front_job import CERTIFICATE_FILE, OWNER_KEY_FILE, FrontState, route, state
from .job import read_key
from .smoke import SmokeReport
from .vllm import READY_TIMEOUT_S

RECORD_FILE, FAILED_LOG_FILE, LOAD_FILE, LOCK_FILE = "deployment.json", "failed.log", "load.json", ".lock"
LOOKS_S = (2.0, 20.0)
"""How long a server whose process runs is waited for, one look after another."""
NAME = pattern(r"[a-z0-9][a-z0-9._-]{0,62}")

Status = Literal["ready", "dead", "ended", "stopped"]
"""dead: its server is gone before its time; ended: it was served for as long as was paid for."""


class Version(BaseModel):
    """A model that a deployment serves or served, and on which terms; versions are numbered from 1."""

    model_config = ConfigDict(frozen=True)
    number: int = 1
    model_dir: Path
    model_sha256: str
    run_id: str
    engine: EngineName
    until: float | None = None
    usd_per_hour: float = 0.0
    threads: int = 1
    about: str = ""
    offer: Offer | None = None
    usd: float = 0.0
    """What the deployment had cost when it was replaced."""
    was_stopped: bool = False
    """Before it was replaced."""
    previous: "Version | None" = None
    """What it replaced itself; of that one no predecessor is kept."""

    @property
    def is_due(self) -> bool:
        """Whether its clients may still expect it."""
        return not self.was_stopped and (self.until is None or time.time() < self.until)


class Deployment(BaseModel):
    """A named endpoint; `status` is as of when this was read, `model_sha256` says which weights it serves."""

    model_config = ConfigDict(frozen=True)
    name: str
    base_url: str
    api_key_file: Path
    model_dir: Path
    model_sha256: str
    engine: EngineName
    pid: int
    process_created_at: float
    started_at: float
    status: Status
    run_id: str
    until: float | None = None
    """When it stops by itself, seconds since 1970: where serving costs money, it is served as long as was paid for."""
    version: int = 1
    server_folder: Path | None = None
    """Of the server that answers, whose process is `pid`; null in records of before there were fronts, whose only server held the
    address itself."""
    server_url: str | None = None
    front_pid: int | None = None
    front_created_at: float | None = None
    host: str = "127.0.0.1"
    tls_certificate: Path | None = None
    """The file that it was started with and is started again with, which may have been renewed since."""
    tls_key: Path | None = None
    threads: int = 1
    previous: Version | None = None
    """What the version replaced, for `rollback`."""
    smoke: SmokeReport | None = None
    """What the version answered before it took over; null where it replaced none."""
    usd_per_hour: float = 0.0
    usd_before: float = 0.0
    """What it had cost when the version took over, or when it was stopped."""
    about: str = ""
    """What its clients ask: skill, task and the user's file; empty in records of before that was kept."""
    offer: Offer | None = None
    """The rented server that it runs on; null: this machine."""

    @property
    def usd(self) -> float:
        """What its hours have cost so far; of one that died at most, because when that was is not known."""
        if self.status == "stopped":
            return self.usd_before
        now = time.time()
        if self.offer is not None:
            return self.usd_before + account_of(server_folder(self)).cost(now)
        return self.usd_before + max(min(now, self.until or now) - self.started_at, 0.0) / 3600 * self.usd_per_hour

    @property
    def own_usd(self) -> float:
        """What its run's model has cost so far, without the versions before it."""
        return self.usd - (self.previous.usd if self.previous else 0.0)

    @property
    def trusted_certificate(self) -> Path | None:
        """The certificate that its front shows; null: plain HTTP. Fronts of before that was kept are known by the file itself."""
        shown = self.api_key_file.with_name(CERTIFICATE_FILE)
        return shown if shown.is_file() else self.tls_certificate

    def as_version(self) -> Version:
        """The version that it serves."""
        return Version(
            number=self.version,
            model_dir=self.model_dir,
            model_sha256=self.model_sha256,
            run_id=self.run_id,
            engine=self.engine,
            until=self.until,
            usd_per_hour=self.usd_per_hour,
            threads=self.threads,
            about=self.about,
            offer=self.offer,
            usd=self.usd,
            was_stopped=self.status == "stopped",
            previous=self.previous and self.previous.model_copy(update={"previous": None}),
        )


class Changed(Correctable):
    """Another command has started, replaced or stopped a deployment since it was looked at."""

    def __init__(self, name: str) -> None:
        super().__init__(f"another command has changed {name!r} meanwhile: look at `stratos deployments` and try again")


IfStill = Callable[[Deployment | None], bool]
"""Whether what is found under a name, once nobody else can change it, is what the caller decided by."""


def whatever(_: Deployment | None) -> bool:
    """An `IfStill` for callers to whom it makes no difference."""
    return True


def is_same(one: Deployment | None, other: Deployment | None) -> bool:
    """Whether both are the same server of the same run, neither stopped meanwhile."""
    return one is other is None or (one is not None and other is not None and _identity(one) == _identity(other))


def _identity(one: Deployment) -> tuple[object, ...]:
    return one.run_id, one.version, one.pid, one.process_created_at, one.status == "stopped"


def get(workspace: Path, name: str) -> Deployment:
    """A deployment by name, its status as of now. Raises Correctable naming those there are."""
    found = read(folder_of(workspace, name))
    if found is None:
        names = [deployment.name for deployment in listing(workspace)]
        raise Correctable(f"no deployment {name!r}; there are: {', '.join(names) or 'none'}")
    return found


def listing(workspace: Path) -> list[Deployment]:
    """All deployments by name, their status as of now."""
    folders = sorted((workspace.resolve() / "deployments").glob(f"*/{RECORD_FILE}"))
    return [deployment for path in folders if (deployment := read(path.parent))]


def folder_of(workspace: Path, name: str) -> Path:
    """A deployment's folder, whether it is there or not. Raises Correctable where the name is none."""
    if not NAME.fullmatch(name):
        rule = "lower-case letters, digits, '.', '_' and '-', at most 63, beginning with a letter or digit"
        raise Correctable(f"{name!r} is no deployment name: {rule}")
    return workspace.resolve() / "deployments" / name


def read(folder: Path) -> Deployment | None:
    """The record in a folder with its status as of now; None where there is none."""
    path = folder / RECORD_FILE
    if not path.is_file():
        return None
    recorded = Deployment.model_validate_json(path.read_text(encoding="utf-8"))
    if recorded.status == "stopped":
        return recorded
    process = processes.find(recorded.pid, server_folder(recorded), recorded.process_created_at)
    alive = process is not None and _answers(recorded)
    is_over = recorded.until is not None and time.time() >= recorded.until
    return recorded.model_copy(update={"status": "ready" if alive else "ended" if is_over else "dead"})


def _answers(recorded: Deployment) -> bool:
    """Whether it says that it is healthy; on a busy machine that may take a while, and who is called dead is replaced."""
    return any(healthy(recorded.base_url, recorded.trusted_certificate, timeout_s) for timeout_s in LOOKS_S)


def write(folder: Path, deployment: Deployment) -> None:
    """Replaces the record."""
    write_atomic(folder / RECORD_FILE, deployment.model_dump_json(indent=1))


def server_folder(deployment: Deployment) -> Path:
    """The job folder of its server."""
    return deployment.server_folder or deployment.api_key_file.parent


def log_of(deployment: Deployment, what: str) -> Path:
    """The log of its "server", of its "front", or of the newest version that "failed"."""
    if what == "failed":
        return deployment.api_key_file.parents[2] / FAILED_LOG_FILE
    at = server_folder(deployment) if what == "server" else deployment.api_key_file.parent
    return at / processes.SERVER_LOG_FILE


def needs_to_run(deployment: Deployment) -> None:
    """Raises ToolFailed where it does not answer, saying what to do."""
    if deployment.status == "ended":
        raise ToolFailed(over(deployment.name))
    if deployment.status != "ready":
        raise ToolFailed(
            f"deployment {deployment.name!r} is {deployment.status}, it cannot answer: `stratos deployments start {deployment.name}`"
        )


def over(name: str) -> str:
    """Said of a deployment whose paid time is over."""
    return (
        f"{name!r} was served for as long as was paid for: `stratos deployments start {name} --hours H` serves it for more, and "
        "`stratos export` takes the model away"
    )


def write_load(workspace: Path, name: str, document: Mapping[str, object]) -> None:
    """Keeps the newest measurement by a load generator beside the record."""
    write_atomic(folder_of(workspace, name) / LOAD_FILE, json.dumps(document, indent=1))


def traffic(deployment: Deployment) -> FrontState | None:
    """What went through its front; None where none answers."""
    if deployment.status != "ready" or deployment.front_pid is None:
        return None
    try:
        return state(deployment.base_url, _owner_key(deployment), deployment.trusted_certificate)
    except (ToolFailed, Correctable):
        return None


def route_to(deployment: Deployment) -> None:
    """Sends what arrives from now on to the deployment's own version. Raises ToolFailed."""
    key = read_key(server_folder(deployment) / processes.KEY_FILE)
    target = {
        "version": deployment.version,
        "base_url": deployment.server_url,
        "api_key": key,
        "until": deployment.until,
    }
    route(deployment.base_url, _owner_key(deployment), target, deployment.trusted_certificate)


def _owner_key(deployment: Deployment) -> str:
    return read_key(deployment.api_key_file.with_name(OWNER_KEY_FILE))


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Nobody else starts, replaces or stops it meanwhile."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / LOCK_FILE, timeout=READY_TIMEOUT_S):
            yield
    except Timeout as error:
        raise ToolError(f"another process has held {str(folder)!r} for {READY_TIMEOUT_S} s") from error


def is_locked(folder: Path) -> bool:
    """Whether somebody starts, replaces or stops it now."""
    from filelock import FileLock, Timeout

    if not (folder / LOCK_FILE).exists():
        return False
    try:
        with FileLock(folder / LOCK_FILE, blocking=False):
            return False
    except Timeout:
        return True
