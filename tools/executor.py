"""Runs jobs: the executor's five verbs, and the executor that runs them as processes of this machine.

A job outlives the agent that started it; submitting it again attaches to it. It does not limit what a job may use, and
cannot tell a process group whose number the system gave away again from the job's own.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, runtime_checkable

from pydantic import BaseModel, ConfigDict, ValidationError

from ..state.canonical import first_difference
from ..state.errors import ToolFailed
from ..state.plan import LOCAL, Machine, Offer
from .jobs import ERROR_FILE, JOB_FILE, LOG_FILE, RESULT_FILE, Job, process_environment, write_atomic
from .machine import measure_machine
from .remembered_machine import remembered_machine

if TYPE_CHECKING:
    from .pricing.look_up import ListedOffer
    from .pricing.sky_catalogue import SkyCatalogue

PROCESS_FILE = "process.json"
STDERR_FILE = "stderr.log"
JOB_ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
TAIL_BYTES = 2000
LOCK_PATIENCE_S = 60.0
KILL_PATIENCE_S = 5.0
SAME_START_S = 1.5
"""Two readings of one process's start may differ by a clock tick; a number given away again differs by far more."""

Event = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class JobHandle:
    """A job that was submitted; `how` says whether this call started it, found it running, or found it complete."""

    folder: Path
    module: str
    how: Literal["started", "attached", "complete"]


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """Where a job stands. `message` says why it failed; `exit_code` is null while unknown, -9 for SIGKILL."""

    state: Literal["running", "done", "failed", "cancelled"]
    message: str = ""
    exit_code: int | None = None
    lost: bool = False
    """It failed without an error of its own: its process or machine is gone."""
    out_of_money: bool = False
    """Its server was ended because what was reserved for it was nearly used."""


class Executor(Protocol):
    """What runs jobs, here or on another machine; LocalExecutor says what each of the five verbs does.

    A `fetch` may add `usd_per_hour`, what the server was billed at, beside the job's own result: it is charged instead of the quote,
    and planned with where it differs from it by more than 5 %.
    """

    @property
    def clouds(self) -> frozenset[str]:
        """Whose offers it can run jobs on."""
        ...

    def machine(self) -> Machine:
        """The machine behind the offer of the cloud `local`."""
        ...

    def submit(
        self, module: str, job: Job, folder: Path, *, threads: int | None = None, offer: Offer | None = None
    ) -> JobHandle: ...

    def poll(self, handle: JobHandle) -> JobStatus: ...

    def logs(self, handle: JobHandle, offset: int = 0) -> tuple[list[Event], int]: ...

    def cancel(self, handle: JobHandle) -> None: ...

    def fetch(self, handle: JobHandle) -> dict[str, Any]: ...


@runtime_checkable
class Rents(Protocol):
    """An executor whose servers are paid for from when they are asked for until they are ended, whatever runs on them."""

    def catalogue(self) -> "SkyCatalogue | None":
        """Where it looks up what it starts and at which price; None where it has no prices of its own."""
        ...

    def can_start(self, offer: "ListedOffer") -> bool:
        """Whether nothing that is known before it is asked for speaks against starting its server."""
        ...

    def terms(self, offer: "ListedOffer") -> dict[str, float]:
        """What of a rented server is paid for beside the work: `held_minutes` and `disk_usd_per_hour`; empty for what is not rented."""
        ...

    def reserve(self, call: Path, offer: Offer, usd: float) -> None:
        """Sets aside what a call may cost on the offer's server, its start and end included; a watchdog ends the server before it
        costs more. `call` is the folder of the call's step. Another server of the run is ended."""
        ...

    def charge(self, call: Path) -> "ServerBill":
        """What the run's servers cost since the last charge, once and for all borne by this call."""
        ...

    def release(self, run_folder: Path) -> float:
        """Ends all servers of a run; what they cost since the last charge. Raises ToolFailed where one stays."""
        ...

    def end_all(self, run_folder: Path) -> None:
        """Ends all servers of a run that is broken off; whatever comes next of it bears what they cost. Raises as `release`."""
        ...


@runtime_checkable
class Hosts(Executor, Rents, Protocol):
    """An executor whose servers can be reached from here while a job answers on them."""

    def shell(self, handle: "JobHandle") -> list[str]:
        """The words of a secure shell to the server of a job, the server's name last."""
        ...


class ServerBill(BaseModel):
    """What a call's server cost, and what stays reserved for keeping it for the next one; US dollars."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    usd: float
    kept_usd: float


class _Started(BaseModel):
    """process.json: which process runs the job, and from where on stderr.log is its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    created_at: float
    stderr_from: int
    cancelled: bool = False


_children: dict[int, "subprocess.Popen[bytes]"] = {}
"""Processes this one started, by number: whoever starts a process must also collect its exit."""


class LocalExecutor:
    """Runs each job as a session of its own on this machine."""

    clouds = frozenset({LOCAL})

    def __init__(self, *, grace_s: float = 10.0, workspace: Path | None = None) -> None:
        self._grace_s, self._workspace = grace_s, workspace

    def machine(self) -> Machine:
        """This machine, as the workspace remembers it; measured now where there is none, or it is another machine."""
        return remembered_machine(self._workspace).machine if self._workspace else measure_machine()

    def submit(
        self, module: str, job: Job, folder: Path, *, threads: int | None = None, offer: Offer | None = None
    ) -> JobHandle:
        """Starts `python -m module folder/job.json`, or finds it running or complete; starting again continues it.

        `threads` sets OMP_NUM_THREADS. Raises ToolFailed when the folder holds another job, PriceChanged when the offer
        no longer costs what it says (never here).
        """
        if offer is not None and offer.cloud not in self.clouds:
            raise ToolFailed(f"{offer.id} is not this machine, and no executor for {offer.cloud} is configured")
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            write_job(folder, job)
            if (folder / RESULT_FILE).exists():
                return JobHandle(folder=folder, module=module, how="complete")
            started = _started(folder)
            if not (started and _alive(started)):
                started = _orphan(folder) or started
            if started and _alive(started):
                return JobHandle(folder=folder, module=module, how="attached")
            if started:
                _stop(started, 0.0)  # what a killed job left behind must not write beside its successor
            _start(module, folder, threads)
        return JobHandle(folder=folder, module=module, how="started")

    def poll(self, handle: JobHandle) -> JobStatus:
        """Where the job stands now; a written result means done."""
        started = _started(handle.folder)
        alive = started is not None and _alive(started)  # asked before the result: a result just written is not missed
        code = _exit_code(started)
        if (handle.folder / RESULT_FILE).exists():
            return JobStatus(state="done", exit_code=code)
        if started is None:
            return JobStatus(state="failed", message=f"nothing was started in {handle.folder}")
        if alive:
            return JobStatus(state="running")
        if started.cancelled:
            return JobStatus(state="cancelled", exit_code=code)
        lost = not (handle.folder / ERROR_FILE).exists()
        return JobStatus(state="failed", message=_failure(handle.folder, started, code), exit_code=code, lost=lost)

    def logs(self, handle: JobHandle, offset: int = 0) -> tuple[list[Event], int]:
        """The events of the whole lines from a byte offset on, and the offset to go on from.

        A line that is no JSON object becomes a note; a torn last line waits for its end.
        """
        try:
            with (handle.folder / LOG_FILE).open("rb") as file:
                file.seek(offset)
                whole = file.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return [], offset
        lines = [line for line in whole.split(b"\n") if line.strip()]
        return [_event(line.decode(errors="replace")) for line in lines], offset + (len(whole) + 1 if whole else 0)

    def cancel(self, handle: JobHandle) -> None:
        """SIGTERM, then after the grace SIGKILL, to the job and its descendants; ToolFailed when one stays."""
        with locked(handle.folder):
            started = _started(handle.folder) or _orphan(handle.folder)
            if started is None or not _family(started):
                return
            marked = started.model_copy(update={"cancelled": True})
            write_atomic(handle.folder / PROCESS_FILE, marked.model_dump_json())
            _stop(started, self._grace_s)

    def fetch(self, handle: JobHandle) -> dict[str, Any]:
        """The complete job's result; raises ToolFailed when there is none."""
        path = handle.folder / RESULT_FILE
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ToolFailed(f"{path} cannot be read: {error}") from error


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Keeps others from starting or stopping the job of a folder. Raises ToolFailed where another has done so for a minute."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / ".lock", timeout=LOCK_PATIENCE_S, poll_interval=0.02):
            yield
    except Timeout as error:
        raise ToolFailed(f"another process has been starting or stopping the job in {folder} for a minute") from error


def write_job(folder: Path, job: Job) -> None:
    """The job's file, written once. Raises ToolFailed where the folder holds another job."""
    path = folder / JOB_FILE
    if not path.exists():
        write_atomic(path, job.model_dump_json(indent=2))
        return
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ToolFailed(f"{path} holds no job: {error}") from error
    with suppress(ValidationError):  # what an older version did not know is as if it had been left out
        held = type(job).model_validate(held).model_dump(mode="json")
    if found := first_difference(held, job.model_dump(mode="json")):
        where, left, right = found
        raise ToolFailed(f"{folder} belongs to another job: {where.lstrip('.')} is {left!r} there, {right!r} here")


def _start(module: str, folder: Path, threads: int | None) -> None:
    (folder / ERROR_FILE).unlink(missing_ok=True)
    environment = process_environment(**JOB_ENVIRONMENT, **({"OMP_NUM_THREADS": str(threads)} if threads else {}))
    # -P: the job imports what is installed, not what happens to lie in the current folder.
    command = [sys.executable, "-P", "-m", module, str(folder / JOB_FILE)]
    with (folder / LOG_FILE).open("ab+") as log, (folder / STDERR_FILE).open("ab") as errors:
        _end_torn_line(log.fileno())
        stderr_from = errors.tell()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=errors, env=environment, start_new_session=True
        )
    _children[child.pid] = child
    write_atomic(folder / PROCESS_FILE, _describe(child.pid, stderr_from).model_dump_json())


def _describe(pid: int, stderr_from: int) -> _Started:
    import psutil

    return _Started(pid=pid, created_at=psutil.Process(pid).create_time(), stderr_from=stderr_from)


def _end_torn_line(log: int) -> None:
    """A killed job's half line must not swallow its successor's first one."""
    size = os.fstat(log).st_size
    if size and os.pread(log, 1, size - 1) != b"\n":
        os.write(log, b"\n")


def _started(folder: Path) -> _Started | None:
    try:
        return _Started.model_validate_json((folder / PROCESS_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _orphan(folder: Path) -> _Started | None:
    """The job's process when the agent was killed after starting it and before noting its number."""
    import psutil

    for process in psutil.process_iter(["cmdline"]):
        command = cast("list[str]", process.info["cmdline"] or [])
        if command[-1:] == [str(folder / JOB_FILE)] and "-m" in command:
            found = _describe(process.pid, 0)
            write_atomic(folder / PROCESS_FILE, found.model_dump_json())
            return found
    return None


def _alive(started: _Started) -> bool:
    import psutil

    try:
        process = psutil.Process(started.pid)
        return _same_start(process, started) and _living(process)
    except psutil.NoSuchProcess:
        return False


def _same_start(process: Any, started: _Started) -> bool:
    return abs(process.create_time() - started.created_at) < SAME_START_S


def _living(process: Any) -> bool:
    """Whether it still runs; a zombie waits only for its parent, which may be someone else."""
    import psutil

    if (child := _children.get(process.pid)) is not None:
        child.poll()
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _family(started: _Started) -> set[Any]:
    """The job's living processes: its descendants, and its session's members whose parents died."""
    import psutil

    found: set[Any] = set()
    try:
        leader = psutil.Process(started.pid)
        if not _same_start(leader, started):
            return found  # the number was given away again, so nothing of the job's session is left
        found |= {leader, *leader.children(recursive=True)}
    except psutil.NoSuchProcess:
        pass
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == started.pid:
                found.add(process)
        except (ProcessLookupError, PermissionError):
            continue
    return {process for process in found if _living(process)}


def _stop(started: _Started, grace_s: float) -> None:
    import psutil

    family = _family(started)
    for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, KILL_PATIENCE_S)):
        deadline = time.monotonic() + patience_s
        family |= _family(started)
        for process in family:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue
        while family and time.monotonic() < deadline:
            time.sleep(0.02)
            family = {process for process in family if _living(process)} or _family(started)
    if family:
        raise ToolFailed(f"processes {sorted(process.pid for process in family)} of a job could not be stopped")


def _exit_code(started: _Started | None) -> int | None:
    child = _children.get(started.pid) if started else None
    return child.returncode if child else None


def _failure(folder: Path, started: _Started, code: int | None) -> str:
    try:
        error = json.loads((folder / ERROR_FILE).read_text(encoding="utf-8"))
        return f"{error['error']}: {error['message']}"
    except FileNotFoundError:
        pass
    with (folder / STDERR_FILE).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(started.stderr_from, size - TAIL_BYTES))
        tail = file.read().decode(errors="replace").strip()
    end = "died" if code is None else f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    return f"its process {end}; its last words: {tail}" if tail else f"its process {end} and said nothing"


def _event(line: str) -> Event:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):  # the second: brackets a thousand deep
        value = None
    return cast("Event", value) if isinstance(value, dict) else {"event": "note", "text": line}
