"""Starts, resumes and replays runs: the one way in for the command line and for Python programs."""

# pyright: reportUnknownMemberType=false

import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

from .. import VERSION
from ..skills.users import use_workspace
from ..state.brief import Brief
from ..state.canonical import Row
from ..state.errors import (
    ApprovalNeeded,
    Divergence,
    JournalError,
    NotAvailable,
    OutputError,
    RequestError,
    ToolError,
    ToolFailed,
    UnusablePrices,
)
from ..state.evidence import Outcome
from ..state.journal import STOPPED, Journal, Mode, Recorder, ReplayEnd, Steps
from ..state.run import RunState
from ..state.talk import Answer, Question, Word
from ..state.workspace import Workspace
from ..tools.base import Event, Settings
from ..tools.executor import Executor, LocalExecutor, Rents
from ..tools.teaching.access import check_teacher
from ..tools.tracking import require_tracker
from .intake import tighter
from .names import own_names, unknown_names
from .planners import Planner, check_planner, planner_for, recorded_planner
from .together import wrong_beside_the_teacher

EXIT_CODES = {"planned": 0, "met": 0, "failed": 1, "refused": 2, "missed": 3, "infeasible": 4, "cancelled": 130}

Ask = Callable[[Question], Answer]
"""Asks the user for what a brief lacks, or about a plan's money; raises ApprovalNeeded when there is nobody to ask."""


class Silent:
    """Shows nothing."""

    def step(self, name: str, run: RunState, *, replayed: bool, **details: object) -> None:
        """Ignores the step."""

    def event(self, tool: str, event: Event) -> None:
        """Ignores the event."""


def nobody(question: Question) -> Answer:
    """Who answers in a headless run."""
    if question.about == "brief":
        lacking = "; ".join((*question.problems, *question.missing))
        waits = f"the run waits for an answer ({lacking}): `stratos chat --resume {question.run_id}`"
        raise ApprovalNeeded(waits, question.run_id)
    parts = f" (at most: {', '.join(question.parts)})" if question.parts else ""
    raise ApprovalNeeded(
        f"plan {question.plan!r} may bring the run to ${question.usd:,.4f}{parts} and nobody approved it: "
        f"approve it with `stratos resume {question.run_id} --yes`",
        question.run_id,
    )


def silence() -> Word | None:
    """What a user says in the middle of a headless run."""
    return None


class Seams(TypedDict, total=False):
    """What a run is driven with beside its record; each may be left out."""

    shown: Any
    """A `carrying_out.Shown`, told of every step; nobody is."""
    ask: Ask
    """Who answers questions; `nobody`, so that what costs something raises ApprovalNeeded."""
    heard: Callable[[], Word | None]
    """The next thing the user said in the middle; `silence`."""
    executor: Executor | None
    """Where the jobs run; this machine."""
    planner: Planner | None
    """Takes the place of the one that the settings name: any chat model of LangChain's."""
    on_start: Callable[[str], None]
    """Is given the name of a run that begins."""


def start(
    request: str, *, workspace: Workspace, settings: Settings, brief: Brief | None = None, **seams: Unpack[Seams]
) -> Outcome:
    """Runs a request, or a brief under the tighter of its own limits and the settings', to its outcome.

    Raises StratosError when it cannot go on; `resume` then continues it.
    """
    if settings.sites is not None:
        settings = settings.model_copy(update={"sites": settings.sites.absolute()})
    if brief is not None and brief.sites is not None:
        here = {"student": brief.student and str(Path(brief.student).expanduser().absolute())}
        brief = brief.model_copy(update={"sites": brief.sites.absolute(), **here})
    if planner := seams.get("planner"):
        settings = settings.model_copy(update={"planner": planner.name})
    else:
        check_planner(settings.planner)
    require_tracker(settings.tracker)
    try:
        _check_teacher(brief or settings)
    except RequestError as error:
        also = wrong_beside_the_teacher(request, brief, settings, workspace)
        raise RequestError([*error.problems, *also]) from error
    if brief is None:
        settings = with_own_names(settings, workspace)
    elif problems := unknown_names(brief.limits.model_dump(), partial(own_names, workspace.path)):
        raise RequestError(problems)
    journal = Journal(workspace)
    run_id = begin(journal, request, settings, _tightened(brief, settings) if brief else None)
    if on_start := seams.get("on_start"):
        on_start(run_id)
    return _drive(journal, run_id, **seams)


def _check_teacher(named: Brief | Settings) -> None:
    """Raises RequestError for a teacher that cannot be asked, and for questions that nobody is there to answer."""
    if named.data is not None and named.data.unlabelled is not None and named.teacher is None:
        raise RequestError(
            ["questions without answers (unlabelled) are for a teacher to answer: name one with --teacher, or teacher:"]
        )
    check_teacher(named.teacher)


def with_own_names(settings: Settings, workspace: Workspace) -> Settings:
    """The settings of a run that begins now, with what its request may name. Raises UnusablePrices for broken files of the user's."""
    return settings.model_copy(update={"own_names": own_names(workspace.path)})


def _tightened(brief: Brief, settings: Settings) -> Brief:
    limits = brief.limits
    tight = {"usd": tighter(limits.usd, settings.max_usd), "hours": tighter(limits.hours, settings.max_hours)}
    return brief.model_copy(update={"limits": limits.model_copy(update=tight)})


def begin(journal: Journal, request: str, settings: Settings, brief: Brief | None = None) -> str:
    """Writes the first row of a new run and gives its name."""
    run_id = journal.workspace.new_run_id()
    header = {
        "request": request,
        "brief": brief.model_dump(mode="json") if brief else None,
        "settings": settings.model_dump(mode="json"),
        "version": VERSION,
        "python": sys.version.split()[0],
    }
    journal.begin(run_id, header)
    return run_id


def resume(run_id: str, *, workspace: Workspace, asks: bool = False, **seams: Unpack[Seams]) -> Outcome:
    """Continues a run where its record ends; a finished run gives its outcome again.

    A run that ended with a plan (`stratos plan`) is carried out as a new run of the same brief and settings; with `asks` its
    plan is asked about even where it costs nothing.
    """
    journal = Journal(workspace)
    rows = journal.verified_rows(run_id)
    seams["planner"] = seams.get("planner") or _planner_of(rows)
    if not _is_planned(rows):
        return _drive(journal, run_id, **seams)
    brief = Brief.model_validate(rows[-1].output["brief"])
    settings = _settings(rows).model_copy(update={"plan_only": False, "asks": asks})
    return start(brief.request, workspace=workspace, settings=settings, brief=brief, **seams)


def planner_of(run_id: str, workspace: Workspace) -> Planner:
    """Who plans when a run is resumed. Raises NotAvailable as `check_planner` does; never for a run that has ended."""
    return _planner_of(Journal(workspace).verified_rows(run_id))


def _planner_of(rows: Sequence[Row]) -> Planner:
    ended = rows[-1].kind == "outcome" and not _is_planned(rows)
    return (recorded_planner if ended else planner_for)(_settings(rows))


def _is_planned(rows: Sequence[Row]) -> bool:
    return (rows[-1].kind, rows[-1].name) == ("outcome", "planned")


def _settings(rows: Sequence[Row]) -> Settings:
    return Settings.model_validate(rows[0].input["settings"])


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What replaying a run found; `divergence` is None when today's code decides what was recorded."""

    run_id: str
    identical: bool
    finished: bool
    steps: int
    head_hash: str
    seconds: float
    divergence: dict[str, Any] | None

    @property
    def difference(self) -> str:
        """The divergence in words; empty when there is none."""
        if (found := self.divergence) is None:
            return ""
        return (
            f"differs at step {found['seq']} ({found['step']}), {found['what']}\n"
            f"  recorded: {found['recorded']!r}\n  now:      {found['now']!r}"
        )


def replay(run_id: str, *, workspace: Workspace, shown: Any = None) -> Replay:
    """Takes every decision of a run again from the record, running no tool that touches the world."""
    started = time.perf_counter()
    journal = Journal(workspace)
    rows = journal.verified_rows(run_id)
    divergence: dict[str, Any] | None = None
    finished = True
    try:
        _drive(journal, run_id, "replay", shown=shown, planner=recorded_planner(_settings(rows)))
    except Divergence as error:
        divergence = {
            "seq": error.seq,
            "step": error.name,
            "what": error.what,
            "recorded": error.recorded,
            "now": error.actual,
        }
    except ReplayEnd:
        finished = False
    return Replay(
        run_id=run_id,
        identical=divergence is None,
        finished=finished,
        steps=len(rows),
        head_hash=rows[-1].hash,
        seconds=round(time.perf_counter() - started, 3),
        divergence=divergence,
    )


def _drive(journal: Journal, run_id: str, mode: Mode = "live", **seams: Unpack[Seams]) -> Outcome:
    """Takes a run from its start; recorded steps answer at once, the first missing one goes live."""
    use_workspace(journal.workspace.path)
    with Recorder(journal, run_id, mode) as recorder:
        header: Any = recorder.header
        settings = Settings.model_validate(header["settings"])
        try:
            executor = seams.get("executor") or executor_of(settings, journal.workspace, mode)
            seams["executor"] = executor
            with no_server_left(executor, journal.workspace.run_folder(run_id)):
                return drive(
                    recorder,
                    RunState(run_id=run_id, request=header["request"], planner=settings.planner),
                    settings=settings,
                    workspace=journal.workspace,
                    brief=Brief.model_validate(header["brief"]) if header["brief"] else None,
                    **seams,
                )
        except (UnusablePrices, ToolError, NotAvailable, OutputError) as error:
            recorder.note(STOPPED, {"problem": str(error)})
            raise


def executor_of(settings: Settings, workspace: Workspace, mode: Mode) -> Executor:
    """What runs the jobs of a run that was started so; a replay runs none. Raises NotAvailable without SkyPilot where it is needed."""
    if settings.executor == "local" or mode != "live":
        return LocalExecutor(workspace=workspace.path)
    from ..tools.cloud.executor import SkyExecutor

    return SkyExecutor(workspace.path)


@contextmanager
def no_server_left(executor: Executor, run_folder: Path) -> Generator[None]:
    """Ends the run's rented servers when it is broken off, whatever breaks it off; what they cost, the next call of the resumed run
    bears."""
    try:
        yield
    except BaseException as error:
        if isinstance(executor, Rents):
            try:
                executor.end_all(run_folder)
            except ToolFailed as left:  # the watchdog goes on trying
                error.add_note(str(left))
        raise


def why_stopped(rows: Sequence[Row]) -> str:
    """What a run could not go on for, by its last row; empty where it ended, waits or was interrupted."""
    last = rows[-1]
    return last.input["problem"] if (last.kind, last.name) == ("note", STOPPED) else ""


def drive(
    steps: Steps,
    run: RunState,
    *,
    settings: Settings,
    workspace: Workspace,
    brief: Brief | None,
    **seams: Unpack[Seams],
) -> Outcome:
    """Takes the graph from this state to its outcome; whoever takes the steps says which are answered from a record."""
    from langgraph.errors import GraphRecursionError
    from langgraph.types import Command

    from ..tools.registry import TOOLS
    from .carrying_out import RunContext
    from .graph import RECURSION_LIMIT, build_graph

    context = RunContext(
        recorder=steps,
        settings=settings,
        tools=TOOLS,
        planner=seams.get("planner") or planner_for(settings),
        workspace=workspace,
        executor=seams.get("executor") or LocalExecutor(workspace=workspace.path),
        shown=seams.get("shown") or Silent(),
        given_brief=brief,
        heard=seams.get("heard", silence),
    )
    ask = seams.get("ask", nobody)
    graph = build_graph()
    config: Any = {"configurable": {"thread_id": run.run_id}, "recursion_limit": RECURSION_LIMIT}
    given: Any = {"run": run, "call": None, "question": None}
    while True:
        try:
            state: Any = graph.invoke(given, config, context=context)
        except GraphRecursionError as error:
            raise JournalError(f"run {run.run_id} took more than {RECURSION_LIMIT} steps and was stopped") from error
        if not (waiting := state.get("__interrupt__")):
            break
        given = Command(resume=ask(Question.model_validate(waiting[0].value)).model_dump(mode="json"))
    ended: RunState = state["run"]
    if ended.outcome is None:
        raise JournalError(f"run {run.run_id} stopped without an outcome")
    return ended.outcome
