"""The long record of the speed eval is a real one: its hashes hold, and its replay notices every kind of change."""

from pathlib import Path

import duckdb
import pytest
from stratos.evals.speed import document, replay_long_run, write_long_run
from stratos.state.errors import Divergence, Tampered
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace


def test_the_rows_are_chained_ended_and_of_realistic_size(tmp_path: Path) -> None:
    write_long_run(Workspace(tmp_path), "long", 40)
    found = Journal(Workspace(tmp_path)).verify("long")
    assert (found.ok, found.finished, found.rows) == (True, True, 42)
    sizes = [len(row.input_json) for row in Journal(Workspace(tmp_path)).rows("long")[1:-1]]
    assert 900 < min(sizes) <= max(sizes) < 1200


def test_the_replay_compares_inputs_and_decisions_and_verifies_the_chain(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_long_run(workspace, "long", 40)
    documents = [document(number) for number in range(80)]
    replay_long_run(workspace, "long", documents)
    for place, what in ((20, "input"), (21, "output")):
        changed = [*documents]
        changed[place] = {**documents[place], "attempt": -1}
        with pytest.raises(Divergence, match=rf"step 11 \(step 10\) differs in its {what}.attempt"):
            replay_long_run(workspace, "long", changed)
    with duckdb.connect(str(workspace.journal_file)) as connection:
        connection.execute("UPDATE steps SET output_json = replace(output_json, 'attempt', 'Attempt') WHERE seq = 30")
    with pytest.raises(Tampered, match="row 30"):
        replay_long_run(workspace, "long", documents)
