"""The export: what it holds, that its own lines of Python check it without Stratos, and that nothing half-done is left."""

import resource
import subprocess
import sys
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from stratos.state.errors import OutputError
from stratos.state.export import CHECK, export
from stratos.state.journal import Journal
from stratos.state.tables import VIEWS, tables, view_rows

from ..recorded import Recorded


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    """The README's lines, run as somebody would who has the folder and DuckDB alone."""
    readme = (folder / "README.txt").read_text(encoding="utf-8")
    start = readme.index("import hashlib")
    lines = readme[start : readme.index("\n\n", start)]
    assert lines.strip() == CHECK.strip()
    assert len(lines.strip().splitlines()) == 10
    return subprocess.run([sys.executable, "-I", "-c", lines], cwd=folder, capture_output=True, text=True, check=False)


def parquet(folder: Path, name: str, select: str = "SELECT *") -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(f"{select} FROM '{folder}/{name}.parquet'").fetchall()


def test_the_files_hold_the_rows_as_they_are_and_the_views(recorded: Recorded, tmp_path: Path) -> None:
    rows = recorded.rows("met")
    export([rows], tmp_path / "out", "0")
    steps = parquet(tmp_path / "out", "steps")
    assert steps == [astuple(row) for row in rows]
    with tables(rows) as connection:
        for view in VIEWS:
            held = parquet(tmp_path / "out", view)
            assert held == [tuple(row.values()) for row in view_rows(connection, view)]
            assert held


def test_its_own_ten_lines_check_every_run(recorded: Recorded, tmp_path: Path) -> None:
    found = export([recorded.rows(ending) for ending in recorded.runs], tmp_path / "out", "0")
    result = checked(tmp_path / "out")
    assert result.returncode == 0, result.stderr
    for one in found:
        assert f"{one.run_id}: {one.rows} rows are intact, head {one.head_hash}" in result.stdout


@pytest.mark.parametrize("column", ["output_json", "recorded_at", "name", "prev_hash"])
def test_its_own_ten_lines_find_a_changed_row(recorded: Recorded, tmp_path: Path, column: str) -> None:
    rows = recorded.rows("refused")
    export([recorded.rows("met"), [rows[0], replace(rows[1], **{column: "x"}), *rows[2:]]], tmp_path / "out", "0")
    result = checked(tmp_path / "out")
    assert result.returncode == 1
    assert f"{rows[0].run_id}: row 1 is not what was written" in result.stderr
    assert f"{rows[0].run_id}: 3 rows, NOT AS WRITTEN: row 1" in (tmp_path / "out" / "README.txt").read_text()


def test_its_own_ten_lines_find_a_missing_row(recorded: Recorded, tmp_path: Path) -> None:
    first, _, *rest = recorded.rows("refused")
    export([[first, *rest]], tmp_path / "out", "0")
    assert "row 1 is not what was written" in checked(tmp_path / "out").stderr


def test_the_readme_says_what_every_column_is(recorded: Recorded, tmp_path: Path) -> None:
    export([recorded.rows("met")], tmp_path / "out", "0")
    readme = (tmp_path / "out" / "README.txt").read_text(encoding="utf-8")
    for name in ("steps", *VIEWS):
        part = readme.split(f"{name}.parquet: ")[1].split("\n\n")[0].splitlines()[1:]
        columns = [row[0] for row in parquet(tmp_path / "out", name, "DESCRIBE")]
        assert [line.split()[0] for line in part] == columns
        assert all(len(line.split()) > 1 for line in part)


@pytest.mark.parametrize("there", ["file in it", "file", "empty", "nothing"])
def test_only_a_new_or_empty_folder_is_written(recorded: Recorded, tmp_path: Path, there: str) -> None:
    folder = tmp_path / "deep" / "out's"
    if there != "nothing":
        folder.parent.mkdir()
    if there == "file":
        folder.write_text("mine")
    elif there != "nothing":
        folder.mkdir()
    if there == "file in it":
        (folder / "mine").write_text("mine")
    if there in ("empty", "nothing"):
        export([recorded.rows("refused")], folder, "0")
        assert len(list(folder.iterdir())) == 2 + len(VIEWS)
    else:
        with pytest.raises(OutputError, match="exists and is not empty"):
            export([recorded.rows("refused")], folder, "0")
        assert (folder if folder.is_file() else folder / "mine").read_text() == "mine"
    assert list(folder.parent.iterdir()) == [folder]


def test_a_failure_leaves_nothing_behind(recorded: Recorded, tmp_path: Path) -> None:
    rows = recorded.rows("refused")
    with pytest.raises(duckdb.Error):
        export([[replace(rows[0], seconds="not a number")]], tmp_path / "out", "0")  # pyright: ignore[reportArgumentType]
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_nothing_behind(recorded: Recorded, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            export([recorded.rows("refused")], tmp_path / "out", "0")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_the_folder_that_somebody_stands_in_stays_the_same_folder(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    export([recorded.rows("refused")], Path(), "0")
    assert Path.cwd().stat().st_ino == before
    assert len(list(tmp_path.iterdir())) == 2 + len(VIEWS)


def test_a_view_that_was_redefined_in_the_file_is_not_believed(journal: Journal, tmp_path: Path) -> None:
    journal.begin("run", {"request": "r"})
    journal.append("run", "effect", "guard distill", {}, {"problem": None, "reserved_usd": 9.0, "basis": "b"})
    with duckdb.connect(str(journal.workspace.journal_file)) as connection:
        connection.execute("CREATE OR REPLACE VIEW spend AS SELECT 'run' AS run_id, 0.0 AS total_usd")
    export([journal.rows("run")], tmp_path / "out", "0")
    assert parquet(tmp_path / "out", "spend", "SELECT total_usd") == [(9.0,)]
