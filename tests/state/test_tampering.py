"""Tests that a changed record is found: by SQL, column by column, and by bytes of the file."""

import re
from dataclasses import fields, replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stratos.state.canonical import Row
from stratos.state.errors import JournalError
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace

ROWS = 5
MARKER = "a marker that no one else writes"

CHANGES = {
    "kind": "kind = 'note'",
    "name": "name = 'Step 2'",
    "input_json": "input_json = replace(input_json, '2', '3')",
    "input_json space": "input_json = input_json || ' '",
    "output_json": "output_json = 'null'",
    "recorded_at": "recorded_at = replace(recorded_at, 'T', ' ')",
    "seconds": "seconds = seconds + 1e-9",
    "seconds nan": "seconds = 'nan'::DOUBLE",
    "prev_hash": "prev_hash = upper(prev_hash)",
    "hash": "hash = reverse(hash)",
}


@pytest.fixture
def written(journal: Journal) -> Journal:
    journal.begin("run", {"request": "r"})
    for number in range(1, ROWS):
        journal.append("run", "effect", f"step {number}", {"number": number}, {"text": MARKER}, seconds=0.5)
    journal.begin("other", {"request": "untouched"})
    return journal


def change(journal: Journal, statement: str) -> None:
    with duckdb.connect(str(journal.workspace.journal_file)) as connection:
        connection.execute(statement)


def test_an_untouched_run_is_sound(written: Journal) -> None:
    found = written.verify("run")
    assert (found.ok, found.rows, found.bad_seq, found.problem) == (True, ROWS, None, None)
    assert found.head_hash == written.rows("run")[-1].hash


@pytest.mark.parametrize("column", CHANGES)
def test_a_change_of_any_column_is_found_and_names_the_row(written: Journal, column: str) -> None:
    change(written, f"UPDATE steps SET {CHANGES[column]} WHERE run_id = 'run' AND seq = 2")
    found = written.verify("run")
    assert (found.ok, found.bad_seq) == (False, 2)
    assert "row 2" in str(found.problem)
    assert written.verify("other").ok


@pytest.mark.parametrize(
    ("statement", "bad_seq", "problem"),
    [
        ("DELETE FROM steps WHERE run_id = 'run' AND seq = 0", 0, "missing"),
        ("DELETE FROM steps WHERE run_id = 'run' AND seq = 3", 3, "missing"),
        ("UPDATE steps SET seq = 9 WHERE run_id = 'run' AND seq = 2", 2, "missing"),
        ("UPDATE steps SET run_id = 'third' WHERE run_id = 'run' AND seq = 3", 3, "missing"),
        ("UPDATE steps SET seq = 5 - seq WHERE run_id = 'run' AND seq IN (2, 3)", 2, "changed"),
        ("UPDATE steps SET seq = seq - 1 WHERE run_id = 'run' AND seq > 0 OR seq = -1", 1, ""),
    ],
)
def test_missing_and_moved_rows_are_found(written: Journal, statement: str, bad_seq: int, problem: str) -> None:
    if problem == "":
        change(written, "DELETE FROM steps WHERE run_id = 'run' AND seq = 1")
        statement = "UPDATE steps SET seq = seq - 1 WHERE run_id = 'run' AND seq > 1"
    change(written, statement)
    found = written.verify("run")
    assert (found.ok, found.bad_seq) == (False, bad_seq)
    assert problem in str(found.problem)


def test_a_row_moved_to_another_run_is_found_there(written: Journal) -> None:
    change(written, f"UPDATE steps SET run_id = 'third' WHERE run_id = 'run' AND seq = {ROWS - 1}")
    assert written.verify("third").bad_seq == 0
    assert [run.status for run in written.runs() if run.run_id == "third"] == ["damaged"]


def test_a_resealed_row_breaks_the_chain_after_it(written: Journal) -> None:
    row = replace(written.rows("run")[2], output_json='"better"')
    change(
        written,
        f"UPDATE steps SET output_json = '\"better\"', hash = '{row.derived_hash()}' WHERE run_id = 'run' AND seq = 2",
    )
    found = written.verify("run")
    assert (found.ok, found.bad_seq) == (False, 3)
    assert "does not follow" in str(found.problem)


def test_a_missing_table_or_column_is_a_clear_error(written: Journal) -> None:
    change(written, "ALTER TABLE steps RENAME COLUMN seconds TO minutes")
    with pytest.raises(JournalError, match="cannot be used"):
        written.verify("run")
    change(written, "DROP TABLE steps")
    with pytest.raises(JournalError, match="cannot be used"):
        written.runs()


ROW = Row("run", 3, "effect", "train", "{}", "null", "2026", 0.25, "a", "b")


@settings(max_examples=50)
@given(st.sampled_from([field.name for field in fields(Row)][:-1]), st.text(max_size=5) | st.integers() | st.floats())
def test_any_other_value_gives_another_hash(column: str, value: object) -> None:
    changed = replace(ROW, **{column: value})
    same = repr(getattr(ROW, column)) == repr(value)
    assert (changed.derived_hash() == ROW.derived_hash()) == same


@settings(max_examples=50)
@given(st.text(max_size=6), st.text(max_size=6))
def test_moving_the_border_of_two_columns_gives_another_hash(one: str, other: str) -> None:
    whole, split = replace(ROW, name=one + other, input_json=""), replace(ROW, name=one, input_json=other)
    assert (whole.derived_hash() == split.derived_hash()) == (other == "")


def flipped(path: Path, position: int) -> bytes:
    whole = path.read_bytes()
    path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
    return whole


def detected(workspace: Workspace) -> bool:
    journal = Journal(workspace, secrets=())
    try:
        return not journal.verify("run").ok
    except JournalError:
        return True
    finally:
        journal.close()


def test_a_flipped_byte_of_a_recorded_text_is_found(written: Journal) -> None:
    path = written.workspace.journal_file
    copies = [found.start() for found in re.finditer(MARKER.encode(), path.read_bytes())]
    assert copies  # in the block in use, and in blocks that earlier checkpoints gave up
    for position in copies:
        flipped(path, position + 3)
    assert detected(written.workspace)


def test_a_flipped_byte_anywhere_is_found_or_changes_no_row(written: Journal) -> None:
    path, before = written.workspace.journal_file, written.rows("run")
    written.close()
    found = 0
    for position in [0, 8, 4096, 4100, 8192, *range(4097, path.stat().st_size, path.stat().st_size // 12)]:
        whole = flipped(path, position)
        if detected(written.workspace):
            found += 1
        else:
            assert Journal(written.workspace, secrets=()).rows("run") == before
        path.write_bytes(whole)
    assert found > 3


@pytest.mark.parametrize("keep", [0, 100, 4096, 12288, 100_000])
def test_a_file_cut_short_is_found(written: Journal, keep: int) -> None:
    path = written.workspace.journal_file
    path.write_bytes(path.read_bytes()[:keep])
    assert detected(written.workspace)
