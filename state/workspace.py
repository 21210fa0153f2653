"""Where a workspace keeps its files: one folder with the journal, a folder per run and one for deployments.

Paths are only named here; a folder appears when something is first written into it.
"""

import os
import random
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import JournalError, OutputError, UnknownRun

if TYPE_CHECKING:
    from filelock import BaseFileLock

ENVIRONMENT_VARIABLE = "STRATOS_WORKSPACE"
DEFAULT_FOLDER = ".stratos"
RUN_LOCK_PATIENCE_S = 1.0
"""A look at whether a run is going on holds its lock for an instant; a run being continued waits that long for it."""

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def default_path() -> Path:
    """The folder in STRATOS_WORKSPACE, else `.stratos` in the current folder."""
    return Path(os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_FOLDER)


@dataclass(frozen=True)
class Workspace:
    """One workspace; its path is absolute, so that changing folder later changes nothing."""

    path: Path = field(default_factory=default_path)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path).expanduser().absolute())

    @property
    def journal_file(self) -> Path:
        """The DuckDB file of all runs."""
        return self.path / "journal.duckdb"

    @property
    def journal_lock_file(self) -> Path:
        """Held around every open of the journal, a reader's too."""
        return self.path / "journal.lock"

    @property
    def deployments_folder(self) -> Path:
        """Holds one folder per deployment."""
        return self.path / "deployments"

    def run_folder(self, run_id: str) -> Path:
        """The run's files; raises UnknownRun for what cannot be a run's name, such as a path."""
        if not _RUN_ID.fullmatch(run_id):
            raise UnknownRun(f"{run_id!r} is not the name of a run: letters, digits, '.', '_' and '-', at most 64")
        return self.path / "runs" / run_id

    def new_run_id(self) -> str:
        """A name no other run has, such as 20261122-0412-k3f9 (UTC), sorted by time; its folder is made. Raises OutputError."""
        while True:
            run_id = _stamp(time.time(), random.SystemRandom().randrange(36**2))
            try:
                self.run_folder(run_id).mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise OutputError(f"the workspace {self.path} cannot be written: {error.strerror}") from error
            return run_id

    def lock_run(self, run_id: str) -> "BaseFileLock":
        """Takes the right to continue a run; the operating system gives it back when the process dies."""
        from filelock import FileLock, Timeout

        folder = self.run_folder(run_id)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=RUN_LOCK_PATIENCE_S, poll_interval=0.02)
        try:
            lock.acquire()
        except Timeout as error:
            message = f"run {run_id!r} is being continued by another process; wait for it to end, or stop it"
            raise JournalError(message) from error
        return lock

    def is_running(self, run_id: str) -> bool:
        """Whether some process holds the run's lock at this moment."""
        from filelock import FileLock, Timeout

        lock_file = self.run_folder(run_id) / ".lock"
        if not lock_file.exists():
            return False
        try:
            with FileLock(lock_file, blocking=False):
                return False
        except Timeout:
            return True


def _stamp(seconds: float, chance: int) -> str:
    """The minute in clear, then the place in the minute and the chance as two base-36 digits each (46 ms a step)."""
    place = int((seconds % 60) / 60 * 36**2)
    tail = "".join(_DIGITS[number // 36] + _DIGITS[number % 36] for number in (place, chance))
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d-%H%M}-{tail}"
