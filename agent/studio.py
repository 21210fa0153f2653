"""The graph for LangGraph's own tools (`langgraph dev`, Studio): the same nodes, a journal in the workspace, no memory of ours.

LangGraph keeps the state between nodes; each node opens the journal where that state stands. So a thread goes on after a
restart of the server, and a thread that is taken back to an earlier state finds its steps recorded: it can be looked at
again, not decided otherwise. The user can answer questions, not speak in between.
"""

# pyright: reportUnknownMemberType=false

import functools
from dataclasses import replace
from typing import Any, Literal, cast

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command
from pydantic import Field

from ..state.brief import Brief, Record
from ..state.journal import Journal, Recorder
from ..state.run import ProposedCall, RunState
from ..state.talk import Question
from ..state.workspace import Workspace
from ..tools.base import Settings
from ..tools.executor import Executor, LocalExecutor
from ..tools.registry import TOOLS
from .carrying_out import RunContext
from .graph import NODES, RECURSION_LIMIT, GraphState, Node
from .planners import check_planner, planner_for
from .session import Silent, begin


class StudioInput(Record):
    """What a thread is started with. LangGraph drops keys beside these two without a word; unknown settings are refused."""

    request: str
    settings: Settings = Field(
        default=Settings(), description="planner, max_usd, plan_only, approved, deploy, seed, ..."
    )


class StudioState(StudioInput):
    """A run's state, and how many of its recorded steps led to it."""

    run: RunState | None = None
    call: ProposedCall | None = None
    question: Question | None = None
    taken: int = 0


def make_graph() -> CompiledStateGraph[StudioState, None, StudioInput, StudioState]:
    """What langgraph.json names: runs in the default workspace (STRATOS_WORKSPACE, else `.stratos`), on this machine."""
    return studio_graph(Workspace(), LocalExecutor(workspace=Workspace().path))


def studio_graph(
    workspace: Workspace, executor: Executor
) -> CompiledStateGraph[StudioState, None, StudioInput, StudioState]:
    """The graph over a workspace, compiled without a checkpointer: LangGraph's server brings its own."""

    def start(state: StudioInput) -> Command[Literal["intake"]]:
        """Begins a new run of the request."""
        check_planner(state.settings.planner)
        run_id = begin(Journal(workspace), state.request, state.settings)
        run = RunState(run_id=run_id, request=state.request, planner=state.settings.planner)
        return Command(goto="intake", update=_plain({"run": run, "taken": 0}))

    graph = StateGraph(StudioState, input_schema=StudioInput)
    graph.add_node("start", start)
    for name, node in NODES.items():
        graph.add_node(name, _recorded(node, workspace, executor), input_schema=StudioState)
    graph.add_edge(START, "start")
    graph.add_edge("report", END)
    return graph.compile().with_config(recursion_limit=RECURSION_LIMIT)


def _recorded(node: Node, workspace: Workspace, executor: Executor) -> Any:
    """The node, given the run's context and its place in the journal."""

    @functools.wraps(node)  # its return type, by which LangGraph draws the edges
    def recorded(state: StudioState, runtime: Runtime[Any]) -> Any:
        assert state.run is not None
        given = GraphState(run=state.run, call=state.call, question=state.question)
        with Recorder(Journal(workspace), state.run.run_id, taken=state.taken) as recorder:
            found: Any = node(given, runtime.override(context=_context(recorder, executor)))
            taken = recorder.position - 1
        if not isinstance(found, Command):
            return _plain({**found, "taken": taken})
        command = cast("Command[Any]", found)
        changes: Any = command.update
        return replace(command, update=_plain({**changes, "taken": taken}))

    return recorded


def _plain(update: dict[str, Any]) -> dict[str, Any]:
    """What goes into LangGraph's checkpoints: JSON alone, for it will soon refuse classes it does not know."""
    return {
        name: value.model_dump(mode="json") if isinstance(value, Record) else value for name, value in update.items()
    }


def _context(recorder: Recorder, executor: Executor) -> RunContext:
    """What the run was begun with, as its first row says."""
    header: Any = recorder.header
    settings = Settings.model_validate(header["settings"])
    return RunContext(
        recorder=recorder,
        settings=settings,
        tools=TOOLS,
        planner=planner_for(settings),
        workspace=recorder.journal.workspace,
        executor=executor,
        shown=Silent(),
        given_brief=Brief.model_validate(header["brief"]) if header["brief"] else None,
    )
