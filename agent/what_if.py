"""What a recorded run would have decided under another brief or planner, against what was measured then."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from ..state.brief import Brief, Limits, Record, Targets
from ..state.errors import RequestError
from ..state.evidence import Outcome
from ..state.journal import Journal
from ..state.plan import Plan
from ..state.rehearsal import Rehearsal, Unknown
from ..state.run import RunState
from ..state.talk import Word
from ..state.workspace import Workspace
from ..tools.base import Event, Settings
from .planners import RULES, planner_for, recorded_planner
from .report import describe
from .revising import revised_brief

ALIASES = {"budget_usd": "usd", "latency_ms": "latency_p95_ms", "minutes": "hours"}


class WhatIf(Record):
    """Both sides: what was recorded, and what would be decided now."""

    run_id: str
    changed: dict[str, Any]
    planner: str
    first_difference: dict[str, Any] | None = Field(description="null: the run would have gone the same way")
    plan_recorded: str | None = Field(description="the last plan, in a line")
    plan_now: str | None
    outcome_recorded: str | None
    outcome_now: str | None = Field(description="null: it is unknown")
    unknown: str | None = Field(description="the first step of which the record does not say what would come")
    approvals: tuple[str, ...] = Field(description="plans that would need a word of their own")


class _Last:
    """Keeps the newest state."""

    def __init__(self) -> None:
        self.run: RunState | None = None

    def step(self, name: str, run: RunState, *, replayed: bool, **details: object) -> None:
        self.run = run

    def event(self, tool: str, event: Event) -> None:
        """Nothing runs."""


def what_if(run_id: str, *, workspace: Workspace, changes: Mapping[str, str], planner: str | None = None) -> WhatIf:
    """Takes the run's decisions again with `changes` (see `read_changes`), or by another planner; writes nothing.

    Raises RequestError for changes that cannot be, JournalError for a run that is not there.
    """
    from .session import drive

    journal = Journal(workspace)
    rows = journal.verified_rows(run_id)
    header: Any = rows[0].input
    settings = Settings.model_validate(header["settings"])
    recorded = next((row.output["brief"] for row in rows if row.name == "intake" and "brief" in row.output), None)
    if recorded is None:
        raise RequestError([f"{run_id} was refused before it had a brief: there is nothing to change"])
    word = read_changes(changes)
    brief = revised_brief(Brief.model_validate(recorded), word) if changes else None
    settings = settings.model_copy(update={"planner": planner or settings.planner, "asks": False})
    live = frozenset({"plan", "intake"}) if planner not in (None, RULES) else frozenset[str]()
    steps, last = Rehearsal(journal, run_id, live=live), _Last()
    unknown: str | None = None
    outcome: Outcome | None = None
    try:
        outcome = drive(
            steps,
            run_id=run_id,
            request=header["request"],
            settings=settings,
            workspace=workspace,
            planner=planner_for(settings) if live else recorded_planner(settings),
            brief=brief or _given(header),
            shown=last,
        )
    except Unknown as error:
        unknown = _unknown(error)
    difference = steps.difference
    ended = rows[-1] if rows[-1].kind == "outcome" else None
    return WhatIf(
        run_id=run_id,
        changed={**word.targets, **word.limits},
        planner=settings.planner,
        first_difference=vars(difference) if difference else None,
        plan_recorded=_line(_recorded_plan(rows)),
        plan_now=_line(last.run.known_plan if last.run and last.run.has_plan else None),
        outcome_recorded=ended and f"{ended.name}: {ended.output['reason']}",
        outcome_now=outcome and f"{outcome.status}: {outcome.reason}",
        unknown=unknown,
        approvals=tuple(f"{asked['plan']}: up to ${asked['usd']:.4f}" for asked in steps.approvals_assumed),
    )


def read_changes(changes: Mapping[str, str]) -> Word:
    """Values such as {"budget_usd": "50", "accuracy": "90"} as changes of a brief. Raises RequestError, naming all that is wrong."""
    targets: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    problems: list[str] = []
    for given, text in changes.items():
        name = ALIASES.get(given, given)
        field = Targets.model_fields.get(name) or Limits.model_fields.get(name)
        if field is None:
            valid = ", ".join((*Targets.model_fields, *Limits.model_fields, *ALIASES))
            problems.append(f"{given!r} is nothing of a brief; valid: {valid}")
            continue
        try:
            value = _value(name, text)
        except ValueError:
            problems.append(f"{given}: {text!r} is no number")
            continue
        value = value / 60 if given == "minutes" else value
        (targets if name in Targets.model_fields else limits)[name] = value
    if problems:
        raise RequestError(problems)
    return Word(text=", ".join(f"{name}={text}" for name, text in changes.items()), targets=targets, limits=limits)


def _value(name: str, text: str) -> Any:
    if text.lower() in ("none", "null", ""):
        return () if name in ("accelerators", "regions", "clouds", "licences") else None
    if name in ("accelerators", "regions", "clouds", "licences"):
        return tuple(part.strip() for part in text.split(","))
    if name == "accuracy_rule":
        return text
    if name == "max_parameters":
        return int(float(text))
    number = float(text.rstrip("%"))
    return number / 100 if name == "accuracy" and (number > 1 or text.endswith("%")) else number


def _given(header: Mapping[str, Any]) -> Brief | None:
    return Brief.model_validate(header["brief"]) if header["brief"] else None


def _recorded_plan(rows: Sequence[Any]) -> Plan | None:
    plans = [row.output["plan"] for row in rows if row.name == "tool solve_pareto" and row.output.get("plan")]
    return Plan.model_validate(plans[-1]) if plans else None


def _line(plan: Plan | None) -> str | None:
    return describe(plan.candidate) if plan else None


def _unknown(error: Unknown) -> str:
    arguments: dict[str, Any] = error.given.get("arguments", {})
    called = ", ".join(f"{name}={value}" for name, value in arguments.items())
    if error.name == "plan":
        return "what the planner would have said to this state: name one with --planner to ask it now"
    return f"what would come of {error.name.removeprefix('tool ')}({called}): it was never carried out"
