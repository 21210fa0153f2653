"""The journal: append-only, hash-chained rows of every run, and the recorder that resumes and replays them.

The chain shows any change inside a run's rows. It does not show that whole rows are missing at a run's end, or that
someone with the file recomputed all its hashes: compare `head_hash` with one kept elsewhere (a report) for that.
"""

import json
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import astuple, dataclass, fields, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, get_args

from .canonical import (
    GENESIS,
    Json,
    Kind,
    Row,
    canonical,
    chain_problem,
    first_difference,
    masked,
    plain,
    secrets_from_environment,
)
from .errors import Divergence, JournalError, Tampered, UnknownRun
from .migrations import JournalFile, utc_now
from .workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Mode = Literal["live", "replay"]

WAITING = "waiting"
"""Name of the note that a run waits for its user."""
STOPPED = "stopped"
"""Name of the note of what a run could not go on for, such as a file that cannot be used."""


class ReplayEnd(JournalError):
    """The record ends here: the run was not finished, and a replay runs nothing."""


_COLUMNS = ", ".join(field.name for field in fields(Row))


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What an audit of one run found; `bad_seq` and `problem` name the first row that is wrong.

    `finished` says whether the last row is an outcome: rows taken away at the end leave a chain that holds and ends early.
    """

    run_id: str
    ok: bool
    rows: int
    head_hash: str
    finished: bool
    bad_seq: int | None = None
    problem: str | None = None


def verification(rows: Sequence[Row]) -> Verification:
    """What the hashes of one run's rows, at least one, say about them."""
    bad_seq, problem = chain_problem(rows) or (None, None)
    return Verification(
        run_id=rows[0].run_id,
        ok=problem is None,
        rows=len(rows),
        head_hash=rows[-1].hash,
        finished=rows[-1].kind == "outcome",
        bad_seq=bad_seq,
        problem=problem,
    )


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One run in a list; `status` is its outcome, or running, waiting (for its user), interrupted, or damaged (its first row
    is unreadable)."""

    run_id: str
    request: str
    started_at: str
    last_at: str
    rows: int
    status: str


class Journal:
    """All runs of a workspace. Secrets (by default those of the environment) are masked before anything is stored."""

    def __init__(self, workspace: Workspace, secrets: Collection[str] | None = None) -> None:
        self.workspace = workspace
        self.secrets = secrets_from_environment() if secrets is None else frozenset(secrets)
        self._file = JournalFile(workspace.journal_file, workspace.journal_lock_file)

    def close(self) -> None:
        """Lets go of the DuckDB engine; the journal can still be used."""
        self._file.close()

    def clean(self, value: object, where: str = "value") -> Json:
        """The value as it will be recorded: plain JSON without secrets. Raises JournalError for what is not JSON."""
        return masked(plain(value, where), self.secrets)

    def begin(self, run_id: str, header: object) -> Row:
        """Writes a run's first row; `header` is a dict with the request, settings, seed and versions."""
        return self.append(run_id, "run", "run", header, None)

    def append(
        self,
        run_id: str,
        kind: Kind,
        name: str,
        input: object,
        output: object,
        *,
        seconds: float = 0.0,
        after: Row | None = None,
    ) -> Row:
        """Writes one row in one transaction. With `after`, only if that row is still the run's last one."""
        self.workspace.run_folder(run_id)  # refuses what is not a run's name
        if kind not in get_args(Kind) or not name or not name.isprintable():
            raise JournalError(f"a row cannot be of kind {kind!r} and name {name!r}: kinds are {get_args(Kind)}")
        texts = canonical(self.clean(input, f"input of {name}")), canonical(self.clean(output, f"output of {name}"))
        with self._file.opened(write=True) as connection:
            last = _last_row(connection, run_id)
            _check_place(run_id, kind, last, after)
            seq, previous = (last.seq + 1, last.hash) if last else (0, GENESIS)
            shown = masked(name, self.secrets)
            open_row = Row(run_id, seq, kind, shown, *texts, utc_now(), float(seconds), previous, "")
            row = replace(open_row, hash=open_row.derived_hash())
            marks = ", ".join("?" * len(fields(Row)))
            connection.execute("BEGIN")
            connection.execute(f"INSERT INTO steps ({_COLUMNS}) VALUES ({marks})", astuple(row))
            connection.execute("COMMIT")
        return row

    def rows(self, run_id: str) -> list[Row]:
        """A run's rows in order, as they are; empty for a run that the journal does not hold."""
        return [
            Row(*values)
            for values in self._query(f"SELECT {_COLUMNS} FROM steps WHERE run_id = ? ORDER BY seq", [run_id])
        ]

    def verified_rows(self, run_id: str) -> list[Row]:
        """A run's rows; raises Tampered when one is not what was written, UnknownRun when there is none."""
        rows = self.known_rows(run_id)
        if problem := chain_problem(rows):
            raise Tampered(f"run {run_id!r}: {problem[1]}")
        return rows

    def verify(self, run_id: str) -> Verification:
        """Re-derives every hash of a run; raises UnknownRun when there is no such run."""
        return verification(self.known_rows(run_id))

    def runs(self) -> list[RunSummary]:
        """All runs, oldest first."""
        query = """
            SELECT run_id, count(*), max(recorded_at), any_value(input_json) FILTER (seq = 0),
                   any_value(recorded_at) FILTER (seq = 0), max_by(kind, seq), max_by(name, seq)
            FROM steps GROUP BY run_id ORDER BY min(recorded_at), run_id"""
        return [self._summary(*values) for values in self._query(query, [])]

    def _summary(
        self, run_id: str, rows: int, last_at: str, header: str | None, started: str | None, kind: str, name: str
    ) -> RunSummary:
        try:
            request, damaged = str(json.loads(header or "").get("request", "")), False
        except (ValueError, AttributeError):
            request, damaged = "", True
        status = "damaged" if damaged else self._status(run_id, kind, name)
        return RunSummary(
            run_id=run_id, request=request, started_at=started or "", last_at=last_at, rows=rows, status=status
        )

    def _status(self, run_id: str, kind: str, name: str) -> str:
        """How a run stands by its last row, and by its lock where that is no outcome."""
        if kind == "outcome" or (kind, name) == ("note", WAITING):
            return name
        return "running" if self.workspace.is_running(run_id) else "interrupted"

    def known_rows(self, run_id: str) -> list[Row]:
        """A run's rows in order, as they are; raises UnknownRun when there are none."""
        rows = self.rows(run_id)
        if not rows:
            raise UnknownRun(f"no run {run_id!r} in {self.workspace.journal_file}: `stratos runs` lists them")
        return rows

    def _query(self, query: str, values: list[object]) -> list[tuple[Any, ...]]:
        if not self._file.exists():
            return []
        with self._file.opened() as connection:
            return connection.execute(query, values).fetchall()


def _last_row(connection: "DuckDBPyConnection", run_id: str) -> Row | None:
    query = f"SELECT {_COLUMNS} FROM steps WHERE run_id = ? ORDER BY seq DESC LIMIT 1"
    values = connection.execute(query, [run_id]).fetchone()
    return Row(*values) if values else None


def _check_place(run_id: str, kind: Kind, last: Row | None, after: Row | None) -> None:
    if after is not None and last != after:
        raise JournalError(
            f"run {run_id!r} is being continued by another process: row {after.seq} is no longer its last"
        )
    if kind == "run" and last:
        raise JournalError(f"run {run_id!r} is in the journal already: resume it, or start one with another name")
    if kind != "run" and not last:
        raise JournalError(f"no run {run_id!r} in the journal: begin it first")
    if last and last.kind == "outcome":
        raise JournalError(f"run {run_id!r} has ended ({last.name}): nothing can be added to it")


class Steps(Protocol):
    """What a run's graph needs of whoever takes its steps: a Recorder, or a rehearsal of a recorded run."""

    @property
    def mode(self) -> Mode: ...

    @property
    def position(self) -> int: ...

    @property
    def replayed_all(self) -> bool: ...

    @property
    def next_name(self) -> str | None: ...

    def step(
        self, name: str, input: object, do: Callable[[], object], *, kind: Literal["decision", "effect"] = "effect"
    ) -> Json: ...

    def finish(self, outcome: str, output: object = None) -> Json: ...

    def note(self, name: str, value: object) -> None: ...


class Recorder:
    """Takes a run step by step: what the journal holds is answered from it, what it lacks is done and recorded.

    Live, it continues the run, which `Journal.begin` began, and holds the run's lock until closed. In a replay nothing
    is written, decisions are computed again and compared, effects are only looked up. One thread; steps do not nest.
    `taken` steps of the record lie behind whoever kept the state they led to; JournalError when it has fewer.
    """

    def __init__(
        self,
        journal: Journal,
        run_id: str,
        mode: Mode = "live",
        *,
        on_step: Callable[[Row, bool], None] | None = None,
        taken: int = 0,
    ) -> None:
        self.journal, self.run_id = journal, run_id
        self.mode: Mode = mode
        self._on_step, self._busy, self._cursor = on_step, False, taken
        journal.known_rows(run_id)  # before the lock makes a folder: nobody may have begun such a run
        self._lock = journal.workspace.lock_run(run_id) if mode == "live" else None
        try:
            rows = journal.verified_rows(run_id)
            self._recorded = [row for row in rows[1:] if row.kind != "note"]
            if taken > len(self._recorded):
                raise JournalError(f"run {run_id!r} has {len(self._recorded)} steps in the journal, not {taken}")
        except BaseException:
            self.close()
            raise
        self.header: Json = rows[0].input
        self._last = rows[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the run's lock back."""
        if self._lock is not None:
            self._lock.release()

    @property
    def position(self) -> int:
        """Number of the next step, counted from 1; notes do not count, so a resumed run numbers its steps as before."""
        return self._cursor + 1

    @property
    def replayed_all(self) -> bool:
        """Whether every recorded step was taken: the next one goes live."""
        return self._cursor >= len(self._recorded)

    @property
    def next_name(self) -> str | None:
        """Name of the next recorded step; None where the record ends."""
        return None if self.replayed_all else self._recorded[self._cursor].name

    def step(
        self, name: str, input: object, do: Callable[[], object], *, kind: Literal["decision", "effect"] = "effect"
    ) -> Json:
        """The step's output. Raises Divergence when the record has another step here, ReplayEnd when it has none."""
        return self._take(kind, name, input, do)

    def finish(self, outcome: str, output: object = None) -> Json:
        """Writes the last row, named met, missed, infeasible, refused, cancelled or failed; a replay compares it."""
        return self._take("outcome", outcome, None, lambda: output)

    def note(self, name: str, value: object) -> None:
        """Records what is not a step, such as that the run waits; nothing while recorded steps are being answered, nor twice."""
        last = self._last
        again = (last.kind, last.name, last.input_json) == ("note", name, canonical(self.journal.clean(value)))
        if self.mode == "live" and self.replayed_all and not again:
            self._last = self.journal.append(self.run_id, "note", name, value, None, after=self._last)

    def _take(self, kind: Kind, name: str, input: object, do: Callable[[], object]) -> Json:
        if self._busy:
            raise JournalError(f"step {name!r} was entered inside another step: steps do not nest")
        self._busy = True
        try:
            replayed = not self.replayed_all
            row = self._answered(kind, name, input, do) if replayed else self._done(kind, name, input, do)
        finally:
            self._busy = False
        self._cursor += 1
        if self._on_step:
            self._on_step(row, replayed)
        return row.output

    def _answered(self, kind: Kind, name: str, input: object, do: Callable[[], object]) -> Row:
        row = self._recorded[self._cursor]
        for what, recorded, actual in (("name", row.name, name), ("kind", row.kind, kind)):
            if recorded != actual:
                raise Divergence(row.seq, row.name, what, recorded, actual)
        self._compare(row, "input", row.input_json, input)
        if kind == "outcome" or (kind == "decision" and self.mode == "replay"):
            self._compare(row, "output", row.output_json, do())
        return row

    def _compare(self, row: Row, what: Literal["input", "output"], recorded: str, actual: object) -> None:
        now = self.journal.clean(actual, f"{what} of {row.name}")
        if canonical(now) == recorded:  # a look at the texts spares most of a long replay's time
            return
        if difference := first_difference(row.input if what == "input" else row.output, now):
            where, left, right = difference
            raise Divergence(row.seq, row.name, what + where, left, right)

    def _done(self, kind: Kind, name: str, input: object, do: Callable[[], object]) -> Row:
        if self.mode == "replay":
            raise ReplayEnd(
                f"the record of run {self.run_id!r} ends before step {self.position} ({name}): it was not finished"
            )
        given = self.journal.clean(input, f"input of {name}")  # before `do`, which may change what it was given
        started = time.perf_counter()
        output = do()
        seconds = round(time.perf_counter() - started, 6)
        self._last = self.journal.append(self.run_id, kind, name, given, output, seconds=seconds, after=self._last)
        return self._last
