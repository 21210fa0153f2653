"""One guarded call: ruling, reservation, the tool, settlement, each through the record; and what money still needs a word."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..state.brief import Brief
from ..state.errors import Correctable, OutOfTime, PriceChanged
from ..state.evidence import Entry
from ..state.journal import Steps
from ..state.run import ProposedCall, RunState
from ..state.talk import Word
from ..state.workspace import Workspace
from ..tools.base import Context, Event, Settings, Tool
from ..tools.costs import fits, plan_parts
from ..tools.executor import Executor
from .guard import Ruling, call_text, rule
from .planners import Planner


class Shown(Protocol):
    """Receives what happened, for display only."""

    def step(self, name: str, run: RunState, *, replayed: bool, **details: object) -> None:
        """One step ended; `run` is the state after it."""
        ...

    def event(self, tool: str, event: Event) -> None:
        """A running job reported something."""
        ...


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What the nodes work with; fixed for one run of the graph."""

    recorder: Steps
    settings: Settings
    tools: Mapping[str, Tool[Any, Any]]
    planner: Planner
    workspace: Workspace
    executor: Executor
    shown: Shown
    given_brief: Brief | None = None
    heard: Callable[[], Word | None] = lambda: None
    """The next thing the user said that changes the run, or None; asked between two steps."""


def take(
    context: RunContext,
    name: str,
    given: object,
    do: Callable[[], object],
    *,
    kind: Literal["decision", "effect"] = "effect",
) -> tuple[Any, bool]:
    """A step's output, and whether it came from the record."""
    replayed = not context.recorder.replayed_all
    return context.recorder.step(name, given, do, kind=kind), replayed


def guarded_call(
    context: RunContext, run: RunState, name: str, arguments: Mapping[str, Any]
) -> tuple[RunState, str | None]:
    """One guarded tool call: ruling and reservation, the call, the settlement. Returns the state and any problem."""
    folder, proposed = context.workspace.run_folder(run.run_id), ProposedCall(name=name, args=dict(arguments))
    # The ruling is the step before the call, so the call's own number is one higher.
    step_folder = folder / f"{context.recorder.position + 1:03d}-{name.replace('_', '-')}"
    given = Context(
        state=run,
        settings=context.settings,
        workspace=context.workspace.path,
        run_folder=folder,
        step_folder=step_folder,
        executor=context.executor,
        emit=lambda event: context.shown.event(name, event),
    )
    ruled, replayed = take(
        context,
        f"guard {name}",
        {"arguments": dict(arguments)},
        lambda: rule(context.tools, given, name, arguments).model_dump(mode="json"),
        kind="decision",
    )
    ruling = Ruling.model_validate(ruled)
    if ruling.problem:
        return _refused(context, run, proposed, ruling.problem, replayed), ruling.problem
    tool = context.tools[name]
    parsed = tool.args.model_validate(ruling.arguments)

    def do() -> dict[str, Any]:
        try:
            return tool.run(given, parsed).model_dump(mode="json")
        except PriceChanged as error:
            return {"problem": str(error), "offer_id": error.offer_id, "usd_per_hour": error.usd_per_hour}
        except OutOfTime as error:
            return {"problem": str(error), "seconds": error.seconds, "usd": error.usd}
        except Correctable as error:
            return {"problem": str(error)}

    run = _reserve(run, ruling)
    context.shown.step("start", run, replayed=not context.recorder.replayed_all, call=name)
    output, replayed = take(context, f"tool {name}", {"arguments": ruling.arguments}, do, kind=tool.kind)
    if problem := output.get("problem"):
        # A tool objects before it starts what costs money, or says what was spent when its time was up.
        run = _settle(context, run, ruling, output.get("usd", 0.0))
        run = run.model_copy(update={"seconds_lost": run.seconds_lost + output.get("seconds", 0.0)})
        run = _refused(context, run, proposed, problem, replayed)
        if "offer_id" in output:
            run = _repriced(run, output["offer_id"], output["usd_per_hour"])
            run = run.model_copy(update={"corrections": run.corrections - 1})  # the call was right
        return run, problem
    result = tool.result.model_validate(output)
    run = tool.apply(run.model_copy(update={"looked_up": ""}), result).model_copy(
        update={"last_problem": "", "corrections": 0, "last_call": call_text(name, parsed)}
    )
    run = _settle(context, run, ruling, tool.settle(given, result))
    context.shown.step(name, run, replayed=replayed)
    return run, None


def _repriced(run: RunState, offer_id: str, usd_per_hour: float) -> RunState:
    """The state with a server's new price, and without the choice that reckoned with the old one; what is trained already stays
    the choice, at the new price."""
    assert run.offers is not None
    offers = tuple(
        offer.model_copy(update={"usd_per_hour": usd_per_hour}) if offer.id == offer_id else offer
        for offer in run.offers
    )
    note = f"{run.offers_note}; {run.last_problem}"
    choice = None
    if run.attempt_is_made:
        assert run.choice is not None
        plan, offer = run.known_plan, next(offer for offer in offers if offer.id == offer_id)
        choice = run.choice.model_copy(update={"plan": plan.model_copy(update={"offer": offer})})
    changes = {"offers": offers, "offers_note": note, "choice": choice, "last_problem": "", "last_call": ""}
    return run.model_copy(update=changes)


def _refused(context: RunContext, run: RunState, call: ProposedCall, problem: str, replayed: bool) -> RunState:
    """The state of a run whose planner is told what was wrong with its call."""
    changes = {"last_problem": problem, "refused": call, "corrections": run.corrections + 1, "pending": ()}
    run = run.model_copy(update=changes)
    context.shown.step("refused", run, replayed=replayed, call=call.name)
    return run


def _reserve(run: RunState, ruling: Ruling) -> RunState:
    """The state with the call's money set aside before it starts."""
    if ruling.reserved_usd <= 0:
        return run
    entry = Entry(step=ruling.tool, reserved_usd=ruling.reserved_usd, basis=ruling.basis)
    return run.model_copy(update={"bill": (*run.bill, entry)})


def _settle(context: RunContext, run: RunState, ruling: Ruling, usd: float) -> RunState:
    """Puts what a paid call really cost in the place of its reservation, the newest of the bill. Its clock ends a job within a
    step of its time: what that step took beyond the reservation is not charged."""
    if ruling.reserved_usd <= 0:
        return run
    given = {"tool": ruling.tool, "reserved_usd": ruling.reserved_usd}
    settled, _ = take(context, "settle", given, lambda: {"usd": min(usd, ruling.reserved_usd)}, kind="decision")
    entry = run.bill[-1].model_copy(update={"settled_usd": settled["usd"]})
    return run.model_copy(update={"bill": (*run.bill[:-1], entry)})


def needs_a_word(context: RunContext, run: RunState) -> bool:
    """Whether the plan must be approved: because of its money, and in a chat in any case."""
    if not run.has_plan:
        return False
    approved = run.approval is not None and run.approval.plan_sha256 == run.known_plan.sha256
    return to_approve(context, run) > 0 or (context.settings.asks and not approved)


def to_approve(context: RunContext, run: RunState) -> float:
    """Money that this plan may bring the run to and that was not approved for it; 0 when none is needed."""
    if not run.has_plan:
        return 0.0
    still = sum(plan_parts(run, context.settings).values())
    wanted = min(run.known_brief.limits.usd or 0.0, run.billed_usd + still)
    approval = run.approval
    if approval is not None and approval.plan_sha256 == run.known_plan.sha256 and fits(wanted, approval.usd):
        return 0.0
    return wanted if still > 0 else 0.0
