"""Tests of the journal: what it holds, lists, refuses and masks."""

import hashlib
import os
import statistics
import time
from dataclasses import replace
from typing import ClassVar

import pytest
from stratos.state.canonical import GENESIS
from stratos.state.errors import JournalError
from stratos.state.journal import Journal, Recorder
from stratos.state.workspace import Workspace


def test_rows_are_chained_from_zero(journal: Journal) -> None:
    journal.begin("run", {"request": "a small model"})
    journal.append("run", "effect", "train", {"steps": 3}, {"loss": 0.1}, seconds=1.5)
    first, second = journal.rows("run")
    assert (first.seq, first.kind, first.prev_hash) == (0, "run", GENESIS)
    assert (second.seq, second.prev_hash, second.seconds) == (1, first.hash, 1.5)
    assert (second.input, second.output) == ({"steps": 3}, {"loss": 0.1})


def test_a_known_row_has_a_known_hash(journal: Journal) -> None:
    row = replace(journal.begin("run", {"a": 1}), recorded_at="2026-11-22T04:12:00.000000+00:00")
    text = b'["run",0,"run","run","{\\"a\\":1}","null","2026-11-22T04:12:00.000000+00:00",0.0,"' + b"0" * 64 + b'"]'
    assert row.derived_hash() == hashlib.sha256(text).hexdigest()


def test_an_audit_says_whether_the_record_has_an_end(journal: Journal) -> None:
    journal.begin("run", {"a": 1})
    assert not journal.verify("run").finished
    journal.append("run", "outcome", "met", None, {})
    assert journal.verify("run").finished


def test_reading_an_empty_workspace_makes_nothing(journal: Journal) -> None:
    assert journal.runs() == []
    assert journal.rows("run") == []
    assert not journal.workspace.path.exists()


def test_runs_are_listed_with_the_status_their_rows_and_locks_show(journal: Journal) -> None:
    for name in ("ended", "going", "broken"):
        journal.begin(name, {"request": f"request of {name}"})
    journal.append("ended", "outcome", "missed", None, {})
    with Recorder(journal, "going"):
        runs = journal.runs()
    assert [(run.run_id, run.status, run.rows) for run in runs] == [
        ("ended", "missed", 2),
        ("going", "running", 1),
        ("broken", "interrupted", 1),
    ]
    assert runs[0].request == "request of ended"


def test_rows_out_of_place_are_refused(journal: Journal) -> None:
    with pytest.raises(JournalError, match="begin it first"):
        journal.append("run", "effect", "a", {}, {})
    first = journal.begin("run", {})
    with pytest.raises(JournalError, match="in the journal already"):
        journal.begin("run", {})
    journal.append("run", "effect", "a", {}, {}, after=first)
    with pytest.raises(JournalError, match="being continued by another process"):
        journal.append("run", "effect", "b", {}, {}, after=first)
    journal.append("run", "outcome", "met", None, {})
    with pytest.raises(JournalError, match=r"has ended \(met\)"):
        journal.append("run", "effect", "c", {}, {})
    assert [row.name for row in journal.rows("run")] == ["run", "a", "met"]


def test_a_refused_value_leaves_no_row(journal: Journal) -> None:
    journal.begin("run", {})
    with pytest.raises(JournalError, match=r"output of a\.loss is nan"):
        journal.append("run", "effect", "a", {}, {"loss": float("nan")})
    assert len(journal.rows("run")) == 1


def test_secrets_reach_neither_rows_nor_file(workspace: Workspace) -> None:
    secret = "sk-very-secret-value"
    journal = Journal(workspace, secrets=[secret])
    journal.begin("run", {"request": f"use {secret}"})
    journal.append("run", "effect", f"call {secret}", {secret: [f"Bearer {secret}"]}, {"said": secret * 2})
    row = journal.rows("run")[1]
    journal.close()
    assert (row.name, row.input, row.output) == ("call ***", {"***": ["Bearer ***"]}, {"said": "******"})
    held = [path for path in workspace.path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert held == []
    assert workspace.journal_file.stat().st_size > 0


def test_the_environment_names_the_secrets(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATOS_TEST_API_KEY", "value-of-the-key")
    assert Journal(workspace).clean({"text": "value-of-the-key!"}) == {"text": "***!"}


def test_an_unknown_run_cannot_be_verified(journal: Journal) -> None:
    with pytest.raises(JournalError, match=r"no run 'x'.*stratos runs"):
        journal.verify("x")


class Watched(Workspace):
    """Says which runs' locks were asked for."""

    asked: ClassVar[list[str]] = []

    def is_running(self, run_id: str) -> bool:
        self.asked.append(run_id)
        return super().is_running(run_id)


def test_only_the_locks_of_runs_without_an_outcome_are_asked_for(workspace: Workspace) -> None:
    journal = Journal(Watched(workspace.path))
    for name in ("over", "open"):
        journal.begin(name, {})
    journal.append("over", "outcome", "met", None, {})
    assert [run.status for run in journal.runs()] == ["met", "interrupted"]
    assert Watched.asked == ["open"]


def test_a_forked_process_gets_an_engine_of_its_own(journal: Journal) -> None:
    journal.begin("run", {})
    child = os.fork()
    if child == 0:
        try:
            journal.append("run", "effect", "from the child", {}, {})
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    journal.append("run", "effect", "from the parent", {}, {})
    assert [row.name for row in journal.rows("run")] == ["run", "from the child", "from the parent"]
    assert journal.verify("run").ok


def test_an_append_is_quick(journal: Journal) -> None:
    journal.begin("run", {})
    times: list[float] = []
    for number in range(30):
        started = time.perf_counter()
        journal.append("run", "effect", "a", {"number": number}, {})
        times.append(time.perf_counter() - started)
    assert statistics.median(times) < 0.1  # 8 to 18 ms measured; the margin is for a busy machine
