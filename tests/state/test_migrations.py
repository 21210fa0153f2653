"""Tests of the journal's schema and of its one way to be opened."""

import hashlib

import duckdb
import pytest
from stratos.state.errors import JournalError
from stratos.state.journal import Journal
from stratos.state.migrations import MIGRATIONS, migrate

SCHEMA = [
    ("schema_version", "version", "INTEGER", "NO"),
    ("schema_version", "applied_at", "VARCHAR", "NO"),
    ("steps", "run_id", "VARCHAR", "NO"),
    ("steps", "seq", "INTEGER", "NO"),
    ("steps", "kind", "VARCHAR", "NO"),
    ("steps", "name", "VARCHAR", "NO"),
    ("steps", "input_json", "VARCHAR", "NO"),
    ("steps", "output_json", "VARCHAR", "NO"),
    ("steps", "recorded_at", "VARCHAR", "NO"),
    ("steps", "seconds", "DOUBLE", "NO"),
    ("steps", "prev_hash", "VARCHAR", "NO"),
    ("steps", "hash", "VARCHAR", "NO"),
]


DIGESTS = ["8460c1ad609bee4b", "1cc49e7a069f1d48", "486635e3a8acf172"]


def test_the_schema_is_this(journal: Journal) -> None:
    journal.begin("run", {})
    with duckdb.connect(str(journal.workspace.journal_file)) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
            " JOIN information_schema.tables USING (table_name) WHERE table_type = 'BASE TABLE'"
            " ORDER BY table_name, ordinal_position"
        ).fetchall()
        views = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1").fetchall()
        keys = connection.execute(
            "SELECT table_name, constraint_column_names FROM duckdb_constraints()"
            " WHERE constraint_type = 'PRIMARY KEY' ORDER BY table_name"
        ).fetchall()
    assert columns == SCHEMA
    assert [name for (name,) in views] == [
        "attempts",
        "decisions",
        "parsed_steps",
        "predictions",
        "prices_used",
        "spend",
    ]
    assert keys == [("schema_version", ["version"]), ("steps", ["run_id", "seq"])]


def test_an_older_file_gets_what_it_lacks_and_keeps_its_rows() -> None:
    with duckdb.connect(":memory:") as connection:
        migrate(connection)
        connection.execute("INSERT INTO steps VALUES ('run', 0, 'run', 'run', '{}', 'null', 'now', 0, '', '')")
        migrate(connection, [*MIGRATIONS, "CREATE TABLE extra (number INTEGER)"])
        assert connection.execute("SELECT version FROM schema_version ORDER BY 1").fetchall() == [
            (1,),
            (2,),
            (3,),
            (4,),
        ]
        assert connection.execute("SELECT count(*) FROM steps, (SELECT count(*) FROM extra)").fetchall() == [(1,)]


def test_migrating_twice_changes_nothing() -> None:
    with duckdb.connect(":memory:") as connection:
        migrate(connection)
        migrate(connection)
        assert connection.execute("SELECT count(*) FROM schema_version").fetchall() == [(len(MIGRATIONS),)]


def test_written_migrations_never_change() -> None:
    """A journal out there was made by these texts: what is to be different comes as another number."""
    digests = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in MIGRATIONS]
    assert digests == DIGESTS


def test_a_newer_file_is_refused(journal: Journal) -> None:
    journal.begin("run", {})
    with duckdb.connect(str(journal.workspace.journal_file)) as connection:
        connection.execute("INSERT INTO schema_version VALUES (99, 'later')")
    with pytest.raises(JournalError, match=r"schema 99.*update Stratos"):
        journal.rows("run")
    with pytest.raises(JournalError, match=r"schema 99.*update Stratos"):
        journal.append("run", "effect", "a", {}, {})


def test_a_file_left_before_its_first_migration_is_read_as_empty(journal: Journal) -> None:
    journal.workspace.path.mkdir()
    duckdb.connect(str(journal.workspace.journal_file)).close()
    assert journal.runs() == []
    journal.begin("run", {})
    assert len(journal.rows("run")) == 1


def test_a_file_that_duckdb_cannot_read_is_a_clear_error(journal: Journal) -> None:
    journal.begin("run", {})
    journal.workspace.journal_file.write_text("not a database " * 1000)
    with pytest.raises(JournalError, match=r"journal\.duckdb cannot be used"):
        journal.rows("run")


def test_a_workspace_that_cannot_be_written_is_a_clear_error(journal: Journal) -> None:
    journal.workspace.path.write_text("a file where the folder should be")
    with pytest.raises(JournalError, match=r"journal\.duckdb cannot be used"):
        journal.begin("run", {})
