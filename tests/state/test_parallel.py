"""Tests of several processes writing to one workspace while a reader polls."""

import subprocess
import sys
import time
from dataclasses import astuple, replace
from pathlib import Path

import duckdb
import pytest
from stratos.state.canonical import Row
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace

WRITERS = 4


def write_in_parallel(workspace: Workspace, rows_each: int, folder: Path) -> tuple[dict[str, int], int]:
    """Starts the writers and reads until they end; returns each run's acknowledged rows and the number of reads."""
    command = [sys.executable, "-m", "stratos.tests.state.writer", "append", str(workspace.path), str(rows_each)]
    outputs = [(folder / f"writer-{number}").open("w+") for number in range(WRITERS)]
    writers = [subprocess.Popen(command, stdout=output) for output in outputs]
    reader, reads = Journal(workspace, secrets=()), 0
    while any(writer.poll() is None for writer in writers):
        if runs := reader.runs():
            assert reader.verify(runs[reads % len(runs)].run_id).ok
        reads += 1
        time.sleep(0.02)
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    acknowledged: dict[str, int] = {}
    for output in outputs:
        output.seek(0)
        run_id, *numbers = output.read().split()
        output.close()
        assert numbers == [str(number) for number in range(1, rows_each)]
        acknowledged[run_id] = len(numbers) + 1
    reader.close()
    return acknowledged, reads


def check(workspace: Workspace, acknowledged: dict[str, int]) -> None:
    journal = Journal(workspace, secrets=())
    assert {run.run_id: run.rows for run in journal.runs()} == acknowledged
    assert all(journal.verify(run_id).ok for run_id in acknowledged)
    assert len(acknowledged) == WRITERS


def test_four_writers_and_a_reader_lose_no_row(workspace: Workspace, tmp_path: Path) -> None:
    acknowledged, reads = write_in_parallel(workspace, 50, tmp_path)
    check(workspace, acknowledged)
    assert reads > 3


@pytest.mark.slow
def test_ten_thousand_appends_lose_no_row(workspace: Workspace, tmp_path: Path) -> None:
    acknowledged, reads = write_in_parallel(workspace, 2500, tmp_path)
    check(workspace, acknowledged)
    assert sum(acknowledged.values()) == 10_000
    assert reads > 100


def test_ten_thousand_rows_are_verified_within_a_second(journal: Journal) -> None:
    rows = [journal.begin("run", {"request": "r"})]
    for number in range(1, 10_000):
        text = f'{{"text":"{"x" * 200}{number}"}}'
        row = Row("run", number, "effect", "step", text, text, "2026", 0.1, rows[-1].hash, "")
        rows.append(replace(row, hash=row.derived_hash()))
    with duckdb.connect(str(journal.workspace.journal_file)) as connection:
        columns = [list(column) for column in zip(*map(astuple, rows[1:]), strict=True)]
        connection.execute(f"INSERT INTO steps SELECT {', '.join(['unnest(?)'] * len(columns))}", columns)
    started = time.perf_counter()
    found = journal.verify("run")
    seconds = time.perf_counter() - started
    assert (found.ok, found.rows) == (True, 10_000)
    assert seconds < 2.0  # 0.45 measured; the margin is for a busy machine
