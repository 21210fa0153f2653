"""Tests of recording, resuming and replaying a run."""

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import astuple, replace
from typing import Any

import duckdb
import pytest
from stratos.state.canonical import Row
from stratos.state.errors import Divergence, JournalError, Tampered
from stratos.state.journal import Journal, Recorder, ReplayEnd
from stratos.state.workspace import Workspace
from stratos.tests.state import writer


def forbidden() -> Any:
    raise AssertionError("a recorded effect was run again")


def record(journal: Journal, *, finish: bool = True) -> None:
    journal.begin("run", {"request": "r", "seed": 7})
    with Recorder(journal, "run") as recorder:
        recorder.step("plan", {"brief": {"usd": 5}}, lambda: {"server": "local"}, kind="decision")
        recorder.step("train", {"steps": 10}, lambda: {"loss": 0.5})
        if finish:
            recorder.finish("met", {"usd": 0})


def test_the_first_output_is_the_recorded_one(journal: Journal) -> None:
    journal.begin("run", {})
    with Recorder(journal, "run") as recorder:
        live = recorder.step("a", {"x": (1, 2)}, lambda: {"t": (1, 2.0), "b": True})
    with Recorder(journal, "run", "replay") as recorder:
        assert recorder.step("a", {"x": [1, 2]}, forbidden) == live == {"t": [1, 2.0], "b": True}


def test_resuming_runs_only_what_is_missing(journal: Journal) -> None:
    record(journal, finish=False)
    seen: list[tuple[str, bool]] = []

    def on_step(row: Row, replayed: bool) -> None:
        seen.append((row.name, replayed))

    with Recorder(journal, "run", on_step=on_step) as recorder:
        assert recorder.header == {"request": "r", "seed": 7}
        assert recorder.step("plan", {"brief": {"usd": 5}}, forbidden, kind="decision") == {"server": "local"}
        assert (recorder.position, recorder.replayed_all) == (2, False)
        assert recorder.step("train", {"steps": 10}, forbidden) == {"loss": 0.5}
        assert (recorder.position, recorder.replayed_all) == (3, True)
        assert recorder.step("judge", {}, lambda: "met") == "met"
    assert seen == [("plan", True), ("train", True), ("judge", False)]
    assert journal.verify("run").rows == 4


def test_a_recorder_goes_on_after_the_steps_that_were_taken(journal: Journal) -> None:
    record(journal, finish=False)
    with Recorder(journal, "run", taken=1) as recorder:
        assert (recorder.position, recorder.next_name) == (2, "train")
        assert recorder.step("train", {"steps": 10}, forbidden) == {"loss": 0.5}
        assert recorder.step("judge", {}, lambda: "met") == "met"
    with pytest.raises(JournalError, match="has 3 steps in the journal, not 4"):
        Recorder(journal, "run", taken=4)
    with Recorder(journal, "run", taken=3) as recorder:  # the lock was given back
        assert recorder.replayed_all


def test_a_failed_step_is_not_recorded_and_can_be_tried_again(journal: Journal) -> None:
    journal.begin("run", {})
    with Recorder(journal, "run") as recorder:
        with pytest.raises(ZeroDivisionError):
            recorder.step("a", {}, lambda: 1 / 0)
        assert recorder.position == 1
        assert recorder.step("a", {}, lambda: 1) == 1
    assert [row.name for row in journal.rows("run")] == ["run", "a"]


def diverged(journal: Journal, do: Callable[[Recorder], Any]) -> Divergence:
    with Recorder(journal, "run", "replay") as recorder, pytest.raises(Divergence) as caught:
        do(recorder)
    return caught.value


def test_an_identical_replay_passes_and_writes_nothing(journal: Journal) -> None:
    record(journal)
    before = journal.rows("run")
    with Recorder(journal, "run", "replay") as recorder:
        recorder.step("plan", {"brief": {"usd": 5}}, lambda: {"server": "local"}, kind="decision")
        recorder.step("train", {"steps": 10}, forbidden)
        recorder.finish("met", {"usd": 0})
        assert recorder.replayed_all
    assert journal.rows("run") == before


def test_a_changed_input_diverges_with_its_place_and_both_sides(journal: Journal) -> None:
    record(journal)
    found = diverged(journal, lambda r: r.step("plan", {"brief": {"usd": 6}}, forbidden, kind="decision"))
    assert (found.seq, found.name, found.what) == (1, "plan", "input.brief.usd")
    assert (found.recorded, found.actual) == (5, 6)


def test_a_changed_decision_diverges_with_both_sides(journal: Journal) -> None:
    record(journal)
    found = diverged(
        journal, lambda r: r.step("plan", {"brief": {"usd": 5}}, lambda: {"server": "h200"}, kind="decision")
    )
    assert (found.what, found.recorded, found.actual) == ("output.server", "local", "h200")


@pytest.mark.parametrize(("recorded", "now"), [(1, 1.0), (1, True), (0.0, -0.0), ([1, 2], [2, 1]), (None, "null")])
def test_values_that_python_or_a_text_might_confuse_diverge(journal: Journal, recorded: Any, now: Any) -> None:
    journal.begin("run", {})
    with Recorder(journal, "run") as recorder:
        recorder.step("plan", {}, lambda: {"a": recorded}, kind="decision")
    found = diverged(journal, lambda r: r.step("plan", {}, lambda: {"a": now}, kind="decision"))
    assert found.what.startswith("output.a")


def test_a_row_whose_text_is_spaced_or_ordered_otherwise_is_compared_by_its_value(journal: Journal) -> None:
    """No append writes such a row; one that another program wrote, with hashes that hold, is read alike."""
    first = journal.begin("run", {})
    row = Row("run", 1, "decision", "plan", '{ "b": 1, "a": 2 }', "null", first.recorded_at, 0.0, first.hash, "")
    with duckdb.connect(str(journal.workspace.journal_file)) as connection:
        values = astuple(replace(row, hash=row.derived_hash()))
        connection.execute(f"INSERT INTO steps VALUES ({', '.join('?' * len(values))})", values)
    with Recorder(journal, "run", "replay") as recorder:
        recorder.step("plan", {"a": 2, "b": 1}, lambda: None, kind="decision")
    assert diverged(journal, lambda r: r.step("plan", {"a": 2, "b": 2}, forbidden, kind="decision")).what == "input.b"


def test_another_step_diverges_by_name_and_another_kind_by_kind(journal: Journal) -> None:
    record(journal)
    found = diverged(journal, lambda r: r.step("deploy", {}, forbidden))
    assert (found.what, found.recorded, found.actual) == ("name", "plan", "deploy")
    found = diverged(journal, lambda r: r.step("plan", {"brief": {"usd": 5}}, forbidden))
    assert (found.what, found.recorded, found.actual) == ("kind", "decision", "effect")


def test_another_outcome_and_an_early_end_diverge(journal: Journal) -> None:
    record(journal)
    assert diverged(journal, lambda r: r.finish("met", {"usd": 0})).what == "name"

    def all_but_the_outcome(recorder: Recorder) -> None:
        recorder.step("plan", {"brief": {"usd": 5}}, lambda: {"server": "local"}, kind="decision")
        recorder.step("train", {"steps": 10}, forbidden)
        recorder.finish("met", {"usd": 1})

    assert diverged(journal, all_but_the_outcome).what == "output.usd"


def test_a_resumed_run_diverges_from_another_input_before_anything_runs(journal: Journal) -> None:
    record(journal, finish=False)
    with Recorder(journal, "run") as recorder, pytest.raises(Divergence):
        recorder.step("plan", {"brief": {"usd": 9}}, forbidden)


def test_a_replay_of_an_unfinished_run_ends_where_the_record_does(journal: Journal) -> None:
    journal.begin("run", {})
    with Recorder(journal, "run", "replay") as recorder, pytest.raises(ReplayEnd, match=r"before step 1 \(plan\)"):
        recorder.step("plan", {}, forbidden)


def test_a_run_can_be_replayed_while_it_goes_on_but_continued_only_once(journal: Journal) -> None:
    record(journal, finish=False)
    with Recorder(journal, "run"):
        with Recorder(journal, "run", "replay") as replayed:
            assert replayed.step("plan", {"brief": {"usd": 5}}, lambda: {"server": "local"}, kind="decision")
        with pytest.raises(JournalError, match="being continued by another process"):
            Recorder(journal, "run")
    Recorder(journal, "run").close()


def test_a_row_that_someone_else_wrote_stops_the_run(journal: Journal) -> None:
    journal.begin("run", {})
    with Recorder(journal, "run") as recorder:
        journal.append("run", "effect", "intruder", {}, {})
        with pytest.raises(JournalError, match="being continued by another process"):
            recorder.step("a", {}, lambda: 1)
    assert [row.name for row in journal.rows("run")] == ["run", "intruder"]


def test_an_input_is_recorded_as_it_was_before_the_step(journal: Journal) -> None:
    journal.begin("run", {})
    given = {"items": [1]}
    with Recorder(journal, "run") as recorder:
        recorder.step("a", given, lambda: given["items"].append(2))
    assert journal.rows("run")[1].input == {"items": [1]}


def test_steps_do_not_nest(journal: Journal) -> None:
    journal.begin("run", {})
    with Recorder(journal, "run") as recorder:
        with pytest.raises(JournalError, match="do not nest"):
            recorder.step("outer", {}, lambda: recorder.step("inner", {}, lambda: 1))
        assert recorder.step("outer", {}, lambda: 1) == 1


def test_notes_are_chained_but_are_no_steps(journal: Journal) -> None:
    record(journal, finish=False)
    with Recorder(journal, "run") as recorder:
        recorder.note("resumed", {"at": "start"})
        recorder.step("plan", {"brief": {"usd": 5}}, forbidden, kind="decision")
        recorder.step("train", {"steps": 10}, forbidden)
        recorder.note("warning", "slow")
        assert recorder.position == 3
        recorder.finish("met")
    assert [row.kind for row in journal.rows("run")] == ["run", "decision", "effect", "note", "outcome"]
    with Recorder(journal, "run", "replay") as recorder:
        recorder.step("plan", {"brief": {"usd": 5}}, lambda: {"server": "local"}, kind="decision")
        recorder.step("train", {"steps": 10}, forbidden)
        recorder.note("another", "note")
        recorder.finish("met")
    assert journal.verify("run").rows == 5


def test_a_tampered_run_is_not_resumed_and_its_lock_is_free_again(journal: Journal) -> None:
    record(journal, finish=False)
    with duckdb.connect(str(journal.workspace.journal_file)) as connection:
        connection.execute("UPDATE steps SET output_json = '{\"loss\":0.1}' WHERE seq = 2")
    with pytest.raises(Tampered, match=r"row 2 \(train\)"):
        Recorder(journal, "run")
    assert not journal.workspace.is_running("run")


def test_a_masked_input_matches_when_resumed(workspace: Workspace) -> None:
    with Recorder(_begun(Journal(workspace, secrets=["old-secret-1"])), "run") as recorder:
        first = recorder.step("call", {"key": "old-secret-1"}, lambda: "said old-secret-1")
    with Recorder(Journal(workspace, secrets=["new-secret-2"]), "run") as recorder:
        assert recorder.step("call", {"key": "new-secret-2"}, forbidden) == first == "said ***"


def _begun(journal: Journal) -> Journal:
    journal.begin("run", {})
    return journal


@pytest.mark.parametrize(("die_in", "die_after", "done_before"), [(1, 0, 1), (4, 0, 4), (0, 3, 3), (0, 6, 6)])
def test_kill_9_loses_no_recorded_step(workspace: Workspace, die_in: int, die_after: int, done_before: int) -> None:
    workspace.path.mkdir()
    command = [sys.executable, "-m", "stratos.tests.state.writer", "steps", str(workspace.path), "run"]
    killed = subprocess.run([*command, str(die_in), str(die_after)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert writer.steps(str(workspace.path), "run") == [1, 4, 9, 16, 25, 36]
    repeated = [die_in] if die_in else []
    effects = [int(line) for line in (workspace.path / "effects").read_text().split()]
    assert effects == [*range(1, done_before + 1), *repeated, *range(done_before + 1, 7)]
    assert Journal(workspace).verify("run").ok
    assert Journal(workspace).runs()[0].status == "met"
