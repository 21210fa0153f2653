"""A run's rows as the tables that auditors ask for, by the views of this code.

Whoever can write a journal's file can redefine the views in it, and no hash covers them. So what Stratos itself reports
is derived from the rows alone, in an engine in memory, with the text of the migration.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from .canonical import Row
from .migrations import ENGINE_SETTINGS, MIGRATIONS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VIEWS = ("decisions", "spend", "attempts", "predictions", "prices_used")

_STEPS = """CREATE TABLE steps (run_id VARCHAR, seq INTEGER, kind VARCHAR, name VARCHAR, input_json VARCHAR,
    output_json VARCHAR, recorded_at VARCHAR, seconds DOUBLE, prev_hash VARCHAR, hash VARCHAR)"""
"""Without the journal's constraints: rows that somebody put in twice are shown too."""


@contextmanager
def tables(rows: Sequence[Row], migrations: Sequence[str] = MIGRATIONS) -> Generator["DuckDBPyConnection"]:
    """An engine in memory that holds the rows as `steps`, and the views over them."""
    import duckdb

    _journals_own_table, *views = migrations

    with duckdb.connect(":memory:", config=dict(ENGINE_SETTINGS)) as connection:
        connection.execute(_STEPS)
        for text in views:
            connection.execute(text)
        if rows:
            columns = [list(column) for column in zip(*map(astuple, rows), strict=True)]
            connection.execute(f"INSERT INTO steps SELECT {', '.join('unnest(?)' for _ in columns)}", columns)
        yield connection


def view_rows(connection: "DuckDBPyConnection", view: str) -> list[dict[str, Any]]:
    """All rows of one view, in its order, by column name."""
    found = connection.execute(f"SELECT * FROM {view}")
    names = [column[0] for column in found.description]
    return [dict(zip(names, values, strict=True)) for values in found.fetchall()]
