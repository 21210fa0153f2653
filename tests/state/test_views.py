"""The views: what they say of real runs, and that no row, however old, broken or hostile, keeps them from saying it."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stratos.state.canonical import Row
from stratos.state.journal import Journal
from stratos.state.migrations import ENGINE_SETTINGS, MIGRATIONS
from stratos.state.tables import VIEWS, tables, view_rows
from stratos.state.workspace import Workspace

from ..recorded import HOSTILE, Recorded

MANUAL = (Path(__file__).parents[2] / "state" / "VIEWS.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", MANUAL, re.DOTALL)


@pytest.fixture
def opened(recorded: Recorded, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The journal as somebody without Stratos opens a copy of it, under another name."""
    copy = shutil.copy(recorded.workspace.journal_file, tmp_path / "evidence of May.db")
    with duckdb.connect(str(copy), read_only=True) as connection:
        yield connection


def found(connection: duckdb.DuckDBPyConnection, view: str, run_id: str) -> list[dict[str, Any]]:
    return [row for row in view_rows(connection, view) if row["run_id"] == run_id]


def outputs(rows: list[Row], name: str) -> list[Any]:
    return [row.output for row in rows if row.name == name]


def test_the_running_total_ends_at_what_each_run_says_it_spent(
    opened: duckdb.DuckDBPyConnection, recorded: Recorded
) -> None:
    spent = 0.0
    for ending, run_id in recorded.runs.items():
        last = recorded.rows(ending)[-1]
        if last.kind != "outcome":
            continue
        spend = found(opened, "spend", run_id)
        total = spend[-1]["total_usd"] if spend else 0.0
        assert total == pytest.approx(last.output["spent_usd"], abs=1e-6)
        spent += total
    assert spent > 0.01


def test_the_tokens_of_a_planner_are_rows_of_their_own(opened: duckdb.DuckDBPyConnection, recorded: Recorded) -> None:
    planner = [row for row in found(opened, "spend", recorded.runs["model"]) if row["step"] == "planner"]
    decisions = outputs(recorded.rows("model"), "plan")
    (read,) = outputs(recorded.rows("model"), "intake")
    decisions = [read["reading"], *decisions]
    assert [row["settled_usd"] for row in planner] == [decision["usd"] for decision in decisions]
    assert {row["reserved_usd"] for row in planner} == {None}
    assert planner[0]["basis"] == "1000 tokens in, 50 out, openai:scripted"


def test_attempts_hold_every_split_of_every_training(opened: duckdb.DuckDBPyConnection, recorded: Recorded) -> None:
    rows = recorded.rows("met")
    evaluations = [one["evaluation"] for one in outputs(rows, "tool evaluate")]
    attempts = found(opened, "attempts", recorded.runs["met"])
    assert [row["split"] for row in attempts] == [one["split"] for one in evaluations]
    exact = [(one["student"]["exact"]["low"], one["student"]["exact"]["n"]) for one in evaluations]
    assert [(row["exact_low"], row["n"]) for row in attempts] == exact
    assert attempts[-1]["attempt"] == len(outputs(rows, "tool distill")) == 2
    assert attempts[-1]["latency_p95_ms"] == 12


def test_predictions_stand_beside_the_newest_measurement(opened: duckdb.DuckDBPyConnection, recorded: Recorded) -> None:
    first, *_ = outputs(recorded.rows("met"), "tool distill")
    by_what = {row["what"]: row for row in found(opened, "predictions", recorded.runs["met"]) if row["attempt"] == 1}
    promised = first["attempt"]["candidate"]
    assert list(by_what) == ["accuracy", "latency_p95_ms", "hours", "usd"]
    for what, row in by_what.items():
        assert (row["predicted"], row["low"], row["high"]) == tuple(
            promised[what][key] for key in ("value", "low", "high")
        )
        assert row["inside"] == (row["low"] <= row["measured"] <= row["high"])
    assert by_what["hours"]["measured"] == pytest.approx(first["attempt"]["seconds"] / 3600)
    assert by_what["usd"]["measured"] == first["usd"]
    assert by_what["latency_p95_ms"]["inside"]


def test_the_price_of_each_plan_has_its_source(opened: duckdb.DuckDBPyConnection, recorded: Recorded) -> None:
    prices = found(opened, "prices_used", recorded.runs["met"])
    assert len(prices) == len(outputs(recorded.rows("met"), "tool solve_pareto"))
    assert {(row["cloud"], row["usd_per_hour"], row["source"]) for row in prices} == {
        ("local", 0.1, "this machine's owner")
    }
    assert found(opened, "prices_used", recorded.runs["infeasible"]) == []


def test_decisions_name_who_decided(opened: duckdb.DuckDBPyConnection, recorded: Recorded) -> None:
    def said(ending: str) -> set[tuple[str, str]]:
        return {(row["who"], row["what"]) for row in found(opened, "decisions", recorded.runs[ending])}

    assert {("rules", "request read"), ("rules", "call"), ("guard", "let through"), ("tool", "plan chosen")} <= said(
        "met"
    )
    assert {("judge", "replan"), ("user", "approved in advance"), ("end", "met")} <= said("met")
    assert ("openai:scripted", "call") in said("model")
    assert said("refused") == {("rules", "request refused"), ("end", "refused")}
    assert {("user", "not approved"), ("end", "cancelled")} <= said("cancelled")
    assert {("tool", "no plan"), ("rules", "end the run"), ("end", "infeasible")} <= said("infeasible")
    assert "end" not in {who for who, _ in said("unfinished")}


def test_hostile_text_is_only_data(opened: duckdb.DuckDBPyConnection, recorded: Recorded) -> None:
    intake, *_ = found(opened, "decisions", recorded.runs["met"])
    query = "SELECT arguments ->> '$.request' FROM decisions WHERE run_id = ? AND what = 'request read'"
    assert opened.execute(query, [intake["run_id"]]).fetchall()[0][0].endswith(HOSTILE)
    reasons = {
        row["why"]
        for row in found(opened, "decisions", recorded.runs["model"])
        if (row["who"], row["what"]) == ("openai:scripted", "call")
    }
    assert all(HOSTILE in why for why in reasons)


def written(journal: Journal, steps: list[tuple[str, object, object]]) -> list[Row]:
    """A run of such steps, as a run of another version might have left them."""
    journal.begin("run", {"request": "r"})
    for name, given_, gave in steps:
        journal.append("run", "effect", name, given_, gave)
    return journal.rows("run")


def test_a_reservation_without_a_settlement_is_open_and_counts_in_full(journal: Journal) -> None:
    ruling = {"problem": None, "reserved_usd": 0.5, "basis": "as it says"}
    rows = written(
        journal,
        [
            ("guard distill", {}, {**ruling, "reserved_usd": 0.25}),
            ("settle", {"tool": "distill"}, {"usd": 0.125}),
            ("guard label", {}, ruling),
            ("tool label", {}, {"problem": "not now"}),
            ("guard evaluate", {}, {**ruling, "problem": "too dear"}),
            ("guard evaluate", {}, ruling),
        ],
    )
    with tables(rows) as connection:
        spend = view_rows(connection, "spend")
        refused = [row["problem"] for row in view_rows(connection, "decisions") if row["what"] == "refused"]
    assert [(row["step"], row["state"], row["settled_usd"], row["total_usd"]) for row in spend] == [
        ("distill", "settled", 0.125, 0.125),
        ("label", "not carried out", None, 0.125),
        ("evaluate", "open", None, 0.625),
    ]
    assert refused == ["not now", "too dear"]


def test_what_a_user_said_in_a_step_of_its_own_is_a_decision(journal: Journal) -> None:
    rows = written(
        journal,
        [
            ("user", {"attempts": 0}, {"word": {"text": "win"}, "problem": ""}),
            ("approve", {"plan": "p"}, {"approved": True}),
        ],
    )
    with tables(rows) as connection:
        decisions = view_rows(connection, "decisions")
    assert [(row["who"], row["what"], row["why"]) for row in decisions] == [
        ("user", "said", "win"),
        ("user", "approved", None),
    ]


def test_half_a_surrogate_pair_hides_nothing(journal: Journal) -> None:
    rows = written(journal, [("intake", {"request": "caf\udce9 \\ud83d \U0001f004"}, {"problems": ["a", "b"]})])
    with tables(rows) as connection:
        (intake,) = view_rows(connection, "decisions")
    assert json.loads(intake["arguments"]) == {"request": "caf\ufffd \\ufffd \ufffd\ufffd"}
    assert intake["problem"] == "a; b"


NAMES = [
    "intake", "plan", "guard distill", "tool distill", "tool evaluate", "tool solve_pareto", "tool label", "settle", "judge",
    "approve", "user", "a step of later versions",
]  # fmt: skip
KEYS = [
    "brief", "problems", "call", "also", "by", "problem", "reserved_usd", "usd", "attempt", "candidate", "number", "curve",
    "evaluation", "student", "exact", "value", "plan", "offer", "approved", "misses", "accuracy", "corrections", "tool",
]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES, VALUES), max_size=12), st.booleans())
def test_no_row_keeps_a_view_from_being_read(steps: list[tuple[str, Any, Any]], broken: bool) -> None:
    rows = [
        Row(
            "run",
            seq,
            "effect",
            name,
            json.dumps(given_),
            "{broken" if broken and seq == 1 else json.dumps(gave),
            "",
            0,
            "",
            "",
        )
        for seq, (name, given_, gave) in enumerate(steps)
    ]
    with tables(rows) as connection:
        guards = sum(name.startswith("guard ") for name, _, _ in steps)
        assert sum(row["who"] == "guard" for row in view_rows(connection, "decisions")) == guards
        assert all(row["run_id"] == "run" for view in VIEWS for row in view_rows(connection, view))


def test_a_journal_of_schema_1_gets_the_views_when_it_is_opened(recorded: Recorded, tmp_path: Path) -> None:
    """Opened by a reader: its file is attached for writing once, migrated, and its rows stay what they were."""
    workspace, rows = Workspace(tmp_path), recorded.rows("met")
    with duckdb.connect(str(workspace.journal_file)) as old:
        old.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at VARCHAR NOT NULL)")
        old.execute(MIGRATIONS[0])
        old.execute("INSERT INTO schema_version VALUES (1, '2026-11-22T10:00:00.000000+00:00')")
        old.execute(f"ATTACH '{recorded.workspace.journal_file}' AS source (READ_ONLY)")
        old.execute("INSERT INTO steps SELECT * FROM source.steps WHERE run_id = ?", [recorded.runs["met"]])
    journal = Journal(workspace, secrets=())
    assert journal.verified_rows(recorded.runs["met"]) == rows
    journal.close()
    with duckdb.connect(str(workspace.journal_file), read_only=True) as connection:
        assert connection.execute("SELECT max(version) FROM schema_version").fetchall() == [(len(MIGRATIONS),)]
        assert found(connection, "spend", recorded.runs["met"])


def test_the_views_work_attached_beside_other_files_with_nothing_downloaded(recorded: Recorded) -> None:
    with duckdb.connect(":memory:", config=dict(ENGINE_SETTINGS)) as connection:
        connection.execute("CREATE TABLE steps (nothing INTEGER)")  # must not be taken for the journal's
        connection.execute(f"ATTACH '{recorded.workspace.journal_file}' AS may (READ_ONLY)")
        for view in VIEWS:
            assert connection.execute(f"SELECT count(*) FROM may.{view}").fetchall()[0][0] > 0


def test_the_file_and_this_code_derive_the_same_tables(opened: duckdb.DuckDBPyConnection, recorded: Recorded) -> None:
    for ending, run_id in recorded.runs.items():
        with tables(recorded.rows(ending)) as connection:
            for view in VIEWS:
                assert view_rows(connection, view) == found(opened, view, run_id)


@pytest.mark.parametrize("query", QUERIES, ids=range(1, len(QUERIES) + 1))
def test_each_question_of_the_manual_is_answered(opened: duckdb.DuckDBPyConnection, query: str) -> None:
    assert opened.execute(query).fetchall()


def test_the_manual_has_five_questions_and_every_column(opened: duckdb.DuckDBPyConnection) -> None:
    assert len(QUERIES) == 5
    for view in (*VIEWS, "parsed_steps"):
        (line,) = [line for line in MANUAL.splitlines() if line.startswith(f"| `{view}`")]
        columns = [name for name, *_ in opened.execute(f"DESCRIBE {view}").fetchall()]
        assert re.findall(r"`(\w+)`", line.split("|")[3]) == columns


def test_every_column_of_every_view_says_what_it_is(opened: duckdb.DuckDBPyConnection) -> None:
    views = "SELECT view_name FROM duckdb_views() WHERE NOT internal"
    silent = f"SELECT table_name, column_name FROM duckdb_columns() WHERE comment IS NULL AND table_name IN ({views})"
    assert opened.execute(silent).fetchall() == []


def test_no_run_of_the_manual_stands_above_its_limit(opened: duckdb.DuckDBPyConnection) -> None:
    assert {above for *_, above in opened.execute(QUERIES[1]).fetchall()} == {False}


def test_a_later_migration_of_a_view_counts_here_too(recorded: Recorded) -> None:
    later = "CREATE OR REPLACE VIEW prices_used AS SELECT run_id, 'later' AS version FROM steps LIMIT 1"
    with tables(recorded.rows("met"), [*MIGRATIONS, later]) as connection:
        assert view_rows(connection, "prices_used")[0]["version"] == "later"
