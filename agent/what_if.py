"""What a recorded run would have decided under another brief or planner, against what was measured then."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import Field

from ..state.brief import Brief, Limits, Record, Targets
from ..state.canonical import Row, canonical
from ..state.errors import RequestError
from ..state.evidence import Outcome
from ..state.journal import Journal
from ..state.plan import Candidate, Plan
from ..state.rehearsal import Rehearsal, Unknown
from ..state.run import PlannerUse, RunState
from ..state.talk import Word
from ..state.workspace import Workspace
from ..tools.base import Event, Settings
from .names import own_names, unknown_names
from .planners import RULES, Decision, planner_for, recorded_planner
from .recorded import last_reading
from .report import describe
from .revising import revised_brief
from .session import drive

ALIASES = {"budget_usd": "usd", "latency_ms": "latency_p95_ms", "minutes": "hours"}


class WhatIf(Record):
    """Both sides: what was recorded, and what would be decided now."""

    run_id: str
    changed: dict[str, Any]
    planner: str
    first_difference: dict[str, Any] | None = Field(description="null: the run would have gone the same way")
    plan_recorded: str | None = Field(description="the last plan, in a line")
    plan_now: str | None
    candidate_recorded: Candidate | None = Field(description="what that plan was made of")
    candidate_now: Candidate | None
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

    It begins where the request had been read, a chat's questions answered. What the user said in the middle counts here too,
    but for what `changes` name. Raises RequestError for changes that cannot be, JournalError for a run that is not there.
    """
    journal = Journal(workspace)
    rows = journal.verified_rows(run_id)
    header: Any = rows[0].input
    settings = Settings.model_validate(header["settings"])
    read = last_reading(rows)
    if read is None:
        raise RequestError([f"{run_id} was refused before it had a brief: there is nothing to change"])
    word = read_changes(changes)
    if problems := unknown_names(word.limits, partial(own_names, workspace.path)):
        raise RequestError(problems)
    brief = revised_brief(Brief.model_validate(read.output["brief"]), word)
    settings = settings.model_copy(update={"planner": planner or settings.planner})
    live = frozenset({"plan"}) if planner not in (None, RULES) else frozenset[str]()
    steps, last = Rehearsal(journal, [*_to_rehearse(rows, read, word)], first=read.seq, live=live), _Last()
    unknown: str | None = None
    outcome: Outcome | None = None
    try:
        outcome = drive(
            steps,
            _state_before(rows[: read.seq + 1], planner),
            settings=settings,
            workspace=workspace,
            planner=planner_for(settings) if live else recorded_planner(settings),
            brief=brief,
            shown=last,
        )
    except Unknown as error:
        unknown = _unknown(error)
    difference = steps.difference
    then, now = _recorded_plan(rows), last.run.known_plan if last.run and last.run.has_plan else None
    ended = rows[-1] if rows[-1].kind == "outcome" else None
    return WhatIf(
        run_id=run_id,
        changed={**word.targets, **word.limits},
        planner=settings.planner,
        first_difference=vars(difference) if difference else None,
        plan_recorded=_line(then),
        plan_now=_line(now),
        candidate_recorded=then.candidate if then else None,
        candidate_now=now.candidate if now else None,
        outcome_recorded=ended and f"{ended.name}: {ended.output['reason']}",
        outcome_now=outcome and f"{outcome.status}: {outcome.reason}",
        unknown=unknown,
        approvals=tuple(f"{asked['plan']}: up to ${asked['usd']:,.4f}" for asked in steps.approvals_assumed),
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


def _state_before(rows: Sequence[Row], planner: str | None) -> RunState:
    """The state of a run whose request is about to be read for the last time, the last of `rows`."""
    readings = [
        Decision.model_validate(row.output["reading"])
        for row in rows
        if row.name == "intake" and "reading" in row.output
    ]
    gave_up = any(one.gave_up for one in readings)
    return RunState(
        run_id=rows[0].run_id,
        request=rows[-1].input["request"],
        asked=True,
        planner=planner or (RULES if gave_up else rows[0].input["settings"]["planner"]),
        planner_use=PlannerUse(
            decisions=len(readings),
            input_tokens=sum(one.input_tokens for one in readings),
            output_tokens=sum(one.output_tokens for one in readings),
            largest_input_tokens=max((one.largest_input_tokens for one in readings), default=0),
            usd=sum(one.usd for one in readings),
        ),
    )


def _to_rehearse(rows: Sequence[Row], read: Row, word: Word) -> Iterator[Row]:
    """The rows, the brief without how it was read, and of what the user said nothing that `word` says otherwise."""
    for row in rows:
        output: Any = row.output if row is read or row.name == "user" else {}
        if row is read:
            yield replace(row, output_json=canonical({"brief": output["brief"]}))
        elif row.name != "user" or row.seq < read.seq:
            yield row
        elif "word" in output:
            said = output["word"]
            kept = {part: _without(said[part], getattr(word, part)) for part in ("targets", "limits")}
            yield replace(row, output_json=canonical({**output, "word": {**said, **kept}}))
        else:  # an answer about the brief that came to nothing
            return


def _without(said: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in names}


def _recorded_plan(rows: Sequence[Any]) -> Plan | None:
    plans = [row.output["plan"] for row in rows if row.name == "tool solve_pareto" and row.output.get("plan")]
    return Plan.model_validate(plans[-1]) if plans else None


def _line(plan: Plan | None) -> str | None:
    return describe(plan.candidate) if plan else None


def _unknown(error: Unknown) -> str:
    arguments: dict[str, Any] = error.given.get("arguments", {})
    called = ", ".join(
        f"{name}={value:,}" if isinstance(value, int) else f"{name}={value}" for name, value in arguments.items()
    )
    if error.name == "plan":
        return "what the planner would have said to this state: name one with --planner to ask it now"
    return f"what would come of {error.name.removeprefix('tool ')}({called}): it was never carried out"
