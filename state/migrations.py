"""The journal's file: its schema as numbered migrations, and the one way to open it, briefly and under a lock.

DuckDB lets one process open a file for writing, and DuckDB 2.0 lost acknowledged rows when a reader opened it between
writers without a lock; so every open here, a reader's too, holds one operating system lock.
"""

import atexit
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from .errors import JournalError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE steps (
        run_id VARCHAR NOT NULL,
        seq INTEGER NOT NULL,
        kind VARCHAR NOT NULL,
        name VARCHAR NOT NULL,
        input_json VARCHAR NOT NULL,
        output_json VARCHAR NOT NULL,
        recorded_at VARCHAR NOT NULL,
        seconds DOUBLE NOT NULL,
        prev_hash VARCHAR NOT NULL,
        hash VARCHAR NOT NULL,
        PRIMARY KEY (run_id, seq)
    );
    """,
    Path(__file__).with_name("migration_2.sql").read_text(encoding="utf-8"),  # the views that state/VIEWS.md describes
    Path(__file__)
    .with_name("migration_3.sql")
    .read_text(encoding="utf-8"),  # `spend`, with what rented servers cost at their end
)
"""Number n of the schema is the n-th text, counted from 1. Texts are only ever added: written ones never change, which
a test of their digests holds them to."""

ENGINE_SETTINGS = {"threads": 1, "autoinstall_known_extensions": False, "python_enable_replacements": False}
"""One small thread, nothing downloaded, and never a Python variable read in place of a missing table."""

LOCK_PATIENCE_S = 60.0
LOCK_POLL_S = 0.005
"""An append holds the lock for some 10 ms: asking more rarely leaves it idle, more often costs waiting runs the CPU."""


def utc_now() -> str:
    """The time as it is recorded: ISO 8601, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def newest_applied(connection: "DuckDBPyConnection") -> int:
    """The number of the last migration that was applied, 0 for a new file."""
    from duckdb import CatalogException

    try:
        row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    except CatalogException:  # asking the catalogue first would cost each append 2 ms
        return 0
    return row[0] or 0 if row else 0


def migrate(connection: "DuckDBPyConnection", migrations: Sequence[str] = MIGRATIONS) -> None:
    """Applies what is missing, all of it or nothing; raises JournalError when the file is newer than this code."""
    current = newest_applied(connection)
    if current > len(migrations):
        message = (
            f"the journal has schema {current}, this Stratos knows schemas up to {len(migrations)}: update Stratos"
        )
        raise JournalError(message)
    if current == len(migrations):
        return
    connection.execute("BEGIN")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied_at VARCHAR NOT NULL)"
    )
    for number in range(current + 1, len(migrations) + 1):
        connection.execute(migrations[number - 1])
        connection.execute("INSERT INTO schema_version VALUES (?, ?)", [number, utc_now()])
    connection.execute("COMMIT")


_inherited: list[object] = []
"""Engines of a process that forked this one: unusable here, and ending one would wait for threads that are not here."""


_files: "WeakSet[JournalFile]" = WeakSet()


@atexit.register
def _close_all() -> None:
    """An engine still there when the interpreter ends makes DuckDB's bindings complain on standard error."""
    for file in list(_files):
        file.close()


class JournalFile:
    """One DuckDB file, attached to an engine in memory for each use and detached after it.

    The engine stays because starting DuckDB takes 30 ms, attaching a file 1 ms (2 cores, 2026-11-22); the file itself
    is open, and locked, only while it is used.
    """

    def __init__(self, path: Path, lock_file: Path) -> None:
        self.path, self._lock_file = path, lock_file
        _files.add(self)
        self._engine: DuckDBPyConnection | None = None
        self._engine_pid = 0

    def exists(self) -> bool:
        """Whether there is anything to read."""
        return self.path.exists() and self.path.stat().st_size > 0

    @contextmanager
    def opened(self, *, write: bool = False) -> Generator["DuckDBPyConnection"]:
        """The file at the newest schema; whatever DuckDB, the lock or the disk objects to is raised as JournalError."""
        import duckdb
        from filelock import FileLock, Timeout

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._lock_file, timeout=LOCK_PATIENCE_S, poll_interval=LOCK_POLL_S):
                try:
                    yield self._attached(write)
                    self._detach()
                except BaseException:
                    self.close()  # closing rolls back what was not committed and lets go of the file
                    raise
        except Timeout as error:
            raise JournalError(f"{self.path} has been in use by another process for {LOCK_PATIENCE_S:.0f} s") from error
        except (duckdb.Error, UnicodeDecodeError, OSError) as error:
            raise JournalError(f"the journal {self.path} cannot be used: {_first_line(error)}") from error

    def close(self) -> None:
        """Ends the engine; the next use starts another."""
        if self._engine is not None and self._engine_pid == os.getpid():
            self._engine.close()
            self._engine = None

    def _attached(self, write: bool) -> "DuckDBPyConnection":
        engine = self._running_engine()
        self._attach(engine, write)
        if not write and newest_applied(engine) != len(MIGRATIONS):
            self._detach()
            self._attach(engine, write=True)
            write = True
        if write:
            migrate(engine)
        return engine

    def _attach(self, engine: "DuckDBPyConnection", write: bool) -> None:
        quoted = str(self.path).replace("'", "''")
        engine.execute(f"ATTACH '{quoted}' AS journal {'' if write else '(READ_ONLY)'}; USE journal;")

    def _detach(self) -> None:
        if self._engine is not None:
            self._engine.execute("USE memory; DETACH journal;")

    def _running_engine(self) -> "DuckDBPyConnection":
        import duckdb

        if self._engine is not None and self._engine_pid != os.getpid():
            _inherited.append(self._engine)
            self._engine = None
        if self._engine is None:
            self._engine_pid = os.getpid()
            self._engine = duckdb.connect(":memory:", config=dict(ENGINE_SETTINGS))
        return self._engine


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
