"""The graph that langgraph.json names, run as LangGraph's server runs it: with a checkpointer that is not ours."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import ValidationError
from stratos.agent import session
from stratos.agent.studio import make_graph, studio_graph
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings

ROOT = Path(__file__).parents[2]
REQUEST = "tell whether 14 mahjong tiles are a winning hand, at least 90 % exact, at most $1"
THREAD: Any = {"configurable": {"thread_id": "a thread"}}


def served(folder: Path, memory: InMemorySaver, world: World | None = None) -> Any:
    """The graph as the server sets it up for each request: anew, with the server's own memory."""
    graph = studio_graph(Workspace(folder), SimulatedExecutor(world=world or World(log_odds_at_1m=-0.6)))
    return graph.copy(update={"checkpointer": memory})


def test_langgraph_json_names_the_graph_and_every_edge_is_drawn() -> None:
    module, name = json.loads((ROOT / "langgraph.json").read_text())["graphs"]["stratos"]["path"].split(":")
    assert getattr(importlib.import_module(module), name) is make_graph
    graph: Any = make_graph()
    assert graph.checkpointer is None
    drawn = graph.get_graph()
    assert {(edge.source, edge.target) for edge in drawn.edges} >= {
        ("__start__", "start"), ("start", "intake"), ("intake", "plan"), ("plan", "act"), ("act", "approve"),
        ("act", "judge"), ("approve", "plan"), ("judge", "deploy"), ("deploy", "report"), ("report", "__end__"),
    }  # fmt: skip
    assert "judge" in drawn.draw_mermaid()
    assert set(graph.get_input_jsonschema()["properties"]) == {"request", "settings"}


def test_a_plan_ends_with_its_outcome_and_a_record_that_replays(tmp_path: Path) -> None:
    found = served(tmp_path, InMemorySaver()).invoke({"request": REQUEST, "settings": {"plan_only": True}}, THREAD)
    assert found["run"]["outcome"]["status"] == "planned"
    workspace = Workspace(tmp_path)
    replayed = session.replay(found["run"]["run_id"], workspace=workspace)
    assert (replayed.identical, replayed.finished) == (True, True)
    names = [row.name for row in Journal(workspace).rows(found["run"]["run_id"])]
    directly = session.start(REQUEST, workspace=workspace, settings=Settings(plan_only=True))
    assert names == [row.name for row in Journal(workspace).rows(directly.run_id)]


PRICED = {"deploy": False, "local_usd_per_hour": 0.1}


@pytest.mark.parametrize(("approved", "status"), [(True, "met"), (False, "cancelled")])
def test_money_interrupts_and_the_answer_goes_on_from_there(tmp_path: Path, approved: bool, status: str) -> None:
    memory, executor_before = InMemorySaver(), SimulatedExecutor(world=World())
    waiting = studio_graph(Workspace(tmp_path), executor_before).copy(update={"checkpointer": memory})
    (asked,) = waiting.invoke({"request": REQUEST, "settings": PRICED}, THREAD)["__interrupt__"]  # pyright: ignore
    assert (asked.value["about"], asked.value["usd"] > 0) == ("plan", True)
    assert executor_before.submitted == []
    run_id = asked.value["run_id"]
    before = Journal(Workspace(tmp_path)).rows(run_id)
    found = served(tmp_path, memory, World()).invoke(Command(resume={"approved": approved}), THREAD)
    while "__interrupt__" in found:
        found = served(tmp_path, memory, World()).invoke(Command(resume={"approved": approved}), THREAD)
    assert found["run"]["outcome"]["status"] == status
    json.dumps(found)  # plain values alone are kept
    rows = Journal(Workspace(tmp_path)).rows(run_id)
    assert rows[: len(before)] == before
    assert [row.kind for row in rows].count("run") == 1
    assert session.replay(run_id, workspace=Workspace(tmp_path)).identical


def test_a_setting_that_does_not_exist_is_refused_before_a_run_begins(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="max_dollars"):
        served(tmp_path, InMemorySaver()).invoke({"request": REQUEST, "settings": {"max_dollars": 1}}, THREAD)
    assert Journal(Workspace(tmp_path)).runs() == []
