"""What happens in a run, as typed events: for programs that follow it, and for the chat."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from ..state.brief import Brief, Record
from ..state.evidence import Attempt, Evaluation, Outcome, Verdict
from ..state.plan import Plan
from ..state.run import Approval, CheckpointFacts, Data, DeploymentFacts, GivenFacts, RunState
from ..state.talk import Question, Word
from ..tools.base import Event as JobEvent


class RunEvent(Record):
    """Base of all events."""

    run_id: str
    replayed: bool = Field(default=False, description="taken from the record of a resumed run")

    def __str__(self) -> str:
        """With its kind in front."""
        return repr(self)


class Started(RunEvent):
    """The run has a name and its first row in the journal."""


class BriefRead(RunEvent):
    """The request was understood."""

    brief: Brief


class DataTaken(RunEvent):
    """The user's own examples were read, split and sealed."""

    given: GivenFacts


class CheckpointTaken(RunEvent):
    """The open model that is to be taught was looked at."""

    checkpoint: CheckpointFacts


class PricesFound(RunEvent):
    """Servers were priced."""

    offers: int
    note: str


class Planned(RunEvent):
    """A candidate was chosen; null where none can meet the brief."""

    plan: Plan | None
    reason: str
    attempt: int = Field(description="which attempt it is for, counted from 1")


class Asked(RunEvent):
    """The run waits for its user."""

    question: Question


class Approved(RunEvent):
    """The plan's money was approved."""

    approval: Approval


class ToolStarted(RunEvent):
    """A tool is at work."""

    tool: str


class Progress(RunEvent):
    """How far a running job is."""

    tool: str
    what: str
    done: float
    total: float
    unit: str
    loss: float | None = None


class Note(RunEvent):
    """Something worth a line: a call refused, a planner replaced, a job's own words."""

    about: str
    text: str


class DataMade(RunEvent):
    """Training data and held-out splits are there."""

    data: Data


class Trained(RunEvent):
    """A student was trained."""

    attempt: Attempt


class Measured(RunEvent):
    """A student was measured, controls beside it."""

    evaluation: Evaluation
    attempt: int


class Judged(RunEvent):
    """Measured was compared with wanted."""

    verdict: Verdict


class Heard(RunEvent):
    """A word of the user's was taken, or could not be."""

    text: str
    problem: str
    effect: str = Field(default="", description="what it does, where that is not plain from the text")
    changes: bool = Field(
        description="whether it was meant to change the run, and not only a model's answer to be paid for"
    )


class Served(RunEvent):
    """The model answers."""

    deployment: DeploymentFacts


class Ended(RunEvent):
    """The run is over."""

    outcome: Outcome


def event_of(name: str, run: RunState, *, replayed: bool, **details: Any) -> RunEvent | None:
    """The event of one step, as a display is told of it; None for a step that is no event."""
    given: dict[str, Any] = {"run_id": run.run_id, "replayed": replayed}
    make = _STEPS.get(name)
    return make(run, given, details) if make else None


def progress_of(run_id: str, tool: str, event: JobEvent) -> RunEvent:
    """The event of a job's progress line or note."""
    if event.get("event") != "progress":
        return Note(run_id=run_id, about=tool, text=str(event.get("text", "")))
    return Progress(
        run_id=run_id,
        tool=tool,
        what=str(event.get("what") or event.get("job") or tool),
        done=figure(event, "done"),
        total=figure(event, "total"),
        unit=str(event.get("unit", "")),
        loss=figure(event, "loss") if event.get("loss") is not None else None,
    )


def figure(event: JobEvent, key: str) -> float:
    """A job's number; 0 for what is none, since jobs are programs that may say anything."""
    try:
        value = float(str(event.get(key, 0)))
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0


def _effect(run: RunState, heard: Mapping[str, Any]) -> str:
    """What a word about own data does to the run."""
    if not heard["own_data"]:
        return ""
    when = "of the next attempt, should there be one" if run.attempt_is_made else "before it is trained on"
    count = heard["own_data"]["questions"]
    what = "1 question of {} goes" if count == 1 else f"{count:,} questions of {{}} go"
    return f"{what.format(heard['own_data']['source'])} into the training data {when}"


Made = Callable[[RunState, dict[str, Any], dict[str, Any]], RunEvent | None]
_STEPS: dict[str, Made] = {
    "intake": lambda run, given, details: BriefRead(brief=run.known_brief, **given),
    "take_data": lambda run, given, details: DataTaken(given=run.given, **given),  # pyright: ignore[reportArgumentType]
    "take_checkpoint": lambda run, given, details: CheckpointTaken(checkpoint=run.checkpoint, **given),  # pyright: ignore[reportArgumentType]
    "look_up_prices": lambda run, given, details: PricesFound(
        offers=len(run.offers or ()), note=run.offers_note, **given
    ),
    "solve_pareto": lambda run, given, details: Planned(
        plan=run.known_plan if run.has_plan else None,
        reason=run.choice.reason if run.choice else "",
        attempt=len(run.attempts) + 1,
        **given,
    ),
    "approve": lambda run, given, details: Approved(approval=run.approval, **given),  # pyright: ignore[reportArgumentType]
    "start": lambda run, given, details: ToolStarted(tool=str(details["call"]), **given),
    "refused": lambda run, given, details: Note(about=f"{details['call']} refused", text=run.last_problem, **given),
    "take_over": lambda run, given, details: Note(
        about="the rules plan from here on", text=details["problem"], **given
    ),
    "generate_data": lambda run, given, details: DataMade(data=run.data, **given),  # pyright: ignore[reportArgumentType]
    "distill": lambda run, given, details: Trained(attempt=run.attempts[-1], **given),
    "evaluate": lambda run, given, details: Measured(
        evaluation=run.attempts[-1].evaluations[-1], attempt=len(run.attempts), **given
    ),
    "judge": lambda run, given, details: Judged(verdict=run.verdicts[-1], **given),
    "user": lambda run, given, details: Heard(
        text=details["heard"]["word"]["text"],
        problem=details["heard"]["problem"],
        effect=_effect(run, details["heard"]),
        changes=Word.model_validate(details["heard"]["word"]).changes,
        **given,
    ),
    "deploy": lambda run, given, details: Served(deployment=run.deployment, **given),  # pyright: ignore[reportArgumentType]
    "report": lambda run, given, details: Ended(outcome=run.outcome, **given),  # pyright: ignore[reportArgumentType]
}
