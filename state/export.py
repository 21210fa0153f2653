"""Writes runs as Parquet files for people without Stratos, with a page that says what they hold and how to check them."""

import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from .canonical import Row
from .errors import OutputError
from .journal import Verification, verification
from .migrations import utc_now
from .tables import VIEWS, tables

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

README = "README.txt"

STEPS_COLUMNS = {
    "run_id": "the run",
    "seq": "place in the run, from 0",
    "kind": "run (the first row: request and settings), decision (computed; a replay computes it again), effect (touched the"
    " world; a replay reads it), note, or outcome (the last row)",
    "name": "the step; of an outcome, how the run ended",
    "input_json": "what the step was given, JSON text",
    "output_json": "what came out of it, JSON text",
    "recorded_at": "when, ISO 8601, UTC",
    "seconds": "how long the step took",
    "prev_hash": "hash of the run's row before this one; 64 zeros in its first row",
    "hash": "SHA-256, hex, of all other columns in this order, as one compact JSON list",
}

CHECK = """import hashlib, json, duckdb
columns = "run_id, seq, kind, name, input_json, output_json, recorded_at, seconds, prev_hash, hash"
last = {}
for *row, found in duckdb.sql(f"SELECT {columns} FROM 'steps.parquet' ORDER BY run_id, seq").fetchall():
    seq, before = last.get(row[0], (-1, "0" * 64))
    derived = hashlib.sha256(json.dumps(row, separators=(",", ":")).encode()).hexdigest()
    if (derived, row[1], row[8]) != (found, seq + 1, before):
        raise SystemExit(f"run {row[0]}: row {seq + 1} is not what was written")
    last[row[0]] = row[1], found
print(*(f"{run}: {seq + 1} rows are intact, head {head}" for run, (seq, head) in last.items()), sep="\\n")
"""
"""Checks steps.parquet; printed into the README and executed by a test."""


def export(runs: Sequence[Sequence[Row]], folder: Path, version: str) -> list[Verification]:
    """Writes the runs' rows as they are, one file for each view, and the README, all or nothing.

    Returns what the hashes of each run say. Raises OutputError when the folder holds something, is none, or cannot be written,
    as on a full disk.
    """
    found = [verification(rows) for rows in runs]
    with appearing(folder) as temporary, tables([row for rows in runs for row in rows]) as connection:
        for name in ("steps", *VIEWS):
            target = str(temporary / f"{name}.parquet").replace("'", "''")
            order = " ORDER BY run_id, seq" if name == "steps" else ""
            connection.execute(f"COPY (SELECT * FROM {name}{order}) TO '{target}' (FORMAT parquet)")
        (temporary / README).write_text(_readme(connection, found, version), encoding="utf-8")
    return found


def check_empty(folder: Path, *, force: bool = False) -> None:
    """Raises OutputError where something is in the folder's place, or in it and is not to stay."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not force)):
        raise OutputError(f"{folder.absolute()} exists and is not empty: name a folder that is new or empty")


@contextmanager
def appearing(folder: Path, *, force: bool = False) -> Generator[Path]:
    """A folder inside the wanted one, whose files take their places there when the block ends well; otherwise they are gone. With
    `force` what is there already may stay, and files and folders of the same names are replaced.

    Never in the wanted one's place: that may be a mount point, or the folder that somebody's shell is in.
    """
    import duckdb

    folder = folder.absolute()
    is_new = not folder.exists()
    check_empty(folder, force=force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".", dir=folder) as temporary:
            yield Path(temporary)
            # The page that says what the others are comes last.
            for file in sorted(Path(temporary).iterdir(), key=lambda file: file.stem == Path(README).stem):
                if file.is_dir() and (folder / file.name).is_dir():
                    shutil.rmtree(folder / file.name)
                file.rename(folder / file.name)
    except (OSError, duckdb.OperationalError) as error:  # the second: its words for a full disk
        raise OutputError(f"{folder} cannot be written: {error}") from error
    finally:
        if is_new and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _readme(connection: "DuckDBPyConnection", found: Sequence[Verification], version: str) -> str:
    lines = [f"Runs of Stratos {version}, exported {utc_now()[:19]} UTC", ""]
    for one in found:
        state = "intact" if one.ok else f"NOT AS WRITTEN: {one.problem}"
        open_end = "" if one.finished else "; it has no outcome: unfinished, or its last rows were taken away"
        lines.append(f"{one.run_id}: {one.rows} rows, {state}{open_end}, head {one.head_hash}")
    lines += [
        "",
        *_described("steps", "Every row as it was recorded; all other files are derived from it", STEPS_COLUMNS),
    ]
    for view in VIEWS:
        comment = "SELECT comment FROM duckdb_views() WHERE view_name = ?"
        columns = "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index"
        (about,) = connection.execute(comment, [view]).fetchall()[0]
        lines += _described(view, about, dict(connection.execute(columns, [view]).fetchall()))
    lines += [
        "Is it what was written?",
        "",
        "Each row holds the hash of the row before it. These lines (Python with the package duckdb, in this folder) derive",
        "every hash again:",
        "",
        CHECK,
        "That a row was changed, taken out or put in shows. That rows at a run's end are missing, or that somebody derived all",
        "hashes anew, does not: compare the head with one kept elsewhere.",
    ]
    return "\n".join(lines) + "\n"


def _described(name: str, about: str, columns: dict[str, str]) -> list[str]:
    width = max(map(len, columns))
    return [f"{name}.parquet: {about}.", *(f"  {column:<{width}}  {text}" for column, text in columns.items()), ""]
