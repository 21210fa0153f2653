"""Server processes: starting one apart from its starter, waiting for it, and ending exactly it and nothing else."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

from ...state.errors import ToolFailed
from ..jobs import JOB_FILE, process_environment, write_atomic
from .job import ENDPOINT_FILE, Address, ServerJob

PACKAGE = __name__.rpartition(".")[0]
KEY_FILE = "api_key"
SERVER_LOG_FILE = "server.log"
LOG_TAIL_LINES = 30
"""The last dozen are this server's own traceback where the program that it runs ended by itself."""

TERM_TIMEOUT_S = 4.0
CLOCK_TOLERANCE_S = 5.0
"""psutil derives creation times from the wall clock, which may be set while a server runs."""

_children: dict[int, "subprocess.Popen[bytes]"] = {}
"""Servers this process started: kept, because an unwaited Popen warns when collected and leaves a zombie."""


def write_key(folder: Path, name: str = KEY_FILE, key: str | None = None) -> Path:
    """Writes an API key, a new one unless it is given, into a new file of mode 0600, never readable by others even for a moment."""
    path = folder / name
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key or "sk-stratos-" + secrets.token_urlsafe(32))
    return path


def server_environment(threads: int) -> dict[str, str]:
    """What a server's process must find in its environment, beside what is there, before it loads an engine."""
    return {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}


def launch(job: ServerJob, folder: Path, module: str = PACKAGE) -> "subprocess.Popen[bytes]":
    """Starts the server of a folder, in a session of its own: a Ctrl-C in the starter's terminal misses it."""
    write_atomic(folder / JOB_FILE, job.model_dump_json())
    (folder / ENDPOINT_FILE).unlink(missing_ok=True)
    # -P: a module in the user's working folder must not shadow one of ours.
    command = [sys.executable, "-P", "-m", module, str(folder / JOB_FILE)]
    with (folder / SERVER_LOG_FILE).open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if job.stop_with_stdin else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=process_environment(**server_environment(job.threads)),
            start_new_session=True,
        )
    _children[process.pid] = process
    return process


AddressT = TypeVar("AddressT", bound=Address)


def wait_until_ready(
    process: "subprocess.Popen[bytes]", folder: Path, timeout_s: float, kind: type[AddressT]
) -> AddressT:
    """Waits for `endpoint.json`; a server that does not get there is ended. Raises ToolFailed with its log's tail."""
    until = time.monotonic() + timeout_s
    while process.poll() is None:
        if (folder / ENDPOINT_FILE).is_file():
            return kind.model_validate_json((folder / ENDPOINT_FILE).read_text(encoding="utf-8"))
        if time.monotonic() > until:
            end(find(process.pid))
            raise ToolFailed(f"the server was not ready within {timeout_s:g} s; its log ends:\n{log_tail(folder)}")
        time.sleep(0.05)
    let_go(process)
    raise ToolFailed(f"the server ended with exit code {process.returncode}; its log ends:\n{log_tail(folder)}")


def log_tail(folder: Path) -> str:
    """The last lines of a server's log."""
    path = folder / SERVER_LOG_FILE
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return "\n".join(lines[-LOG_TAIL_LINES:]) or "(empty)"


def find(pid: int, folder: Path | None = None, created_at: float | None = None) -> psutil.Process | None:
    """The living process of that number, if it is also the one that serves that folder and was created then."""
    if pid in _children:
        _children[pid].poll()  # a server of ours that has died is a zombie until it is waited for
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or (folder and not _serves(process, folder)):
            return None
        if created_at is not None and abs(process.create_time() - created_at) > CLOCK_TOLERANCE_S:
            return None
    except psutil.Error:
        return None
    return process


def strays(parent: Path) -> Iterator[psutil.Process]:
    """Every server of a folder below `parent`, by command line: also those whose starter died before noting them."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(Path(word).parent.parent == parent for word in _job_words(process)):
                yield process


def end(process: psutil.Process | None) -> None:
    """SIGTERM, then SIGKILL for it and whatever children it leaves; psutil checks that numbers were not recycled."""
    if process is None:
        return
    family = [process]
    with suppress(psutil.NoSuchProcess):
        family += process.children(recursive=True)
        process.terminate()
    _, alive = psutil.wait_procs(family, timeout=TERM_TIMEOUT_S)
    for member in alive:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(alive, timeout=TERM_TIMEOUT_S)
    if child := _children.get(process.pid):
        let_go(child)


def let_go(child: "subprocess.Popen[bytes]") -> None:
    """Waits for a server of this process that has ended, and closes what held it."""
    _children.pop(child.pid, None)
    if child.stdin:
        child.stdin.close()
    child.wait()


def _job_words(process: psutil.Process) -> list[str]:
    words = process.cmdline()
    ours = any(word == PACKAGE or word.startswith(f"{PACKAGE}.") for word in words)
    return [word for word in words if ours and word.endswith(f"{os.sep}{JOB_FILE}")]


def _serves(process: psutil.Process, folder: Path) -> bool:
    return str(folder / JOB_FILE) in _job_words(process)
