"""One guarded call: ruling, reservation, the tool, settlement, each through the record; and what money still needs a word."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from ..state.brief import Brief
from ..state.errors import Correctable, OutOfTime, PriceChanged, ServerUnavailable, ToolFailed
from ..state.evidence import KEPT, Entry
from ..state.journal import Steps
from ..state.plan import Offer
from ..state.run import ProposedCall, RunState
from ..state.talk import Word
from ..state.workspace import Workspace
from ..tools.base import Context, Event, Settings, Tool
from ..tools.costs import fits, plan_parts
from ..tools.executor import Executor, Rents, ServerBill
from ..tools.jobs import write_atomic
from ..tools.pricing.moves import MOVED_SHARE, PriceMove, price_moved
from ..tools.sites.money import sites_parts
from ..tools.teaching.budget import probe_usd
from ..tools.waiting import BILLED
from .guard import Ruling, call_text, rule
from .planners import Planner

BESIDE = frozenset({"price", "server"})
"""Keys of a call's recorded output that are not of the tool's own result."""


PROBLEM_FILE = "problem.json"
"""In the folder of a call on a rented server that gave nothing, until the journal has it: once it is charged it cannot be tried again."""


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
    price = _PriceMet()

    def emit(event: Event) -> None:
        if event.get("event") == BILLED:
            price.billed = float(str(event["usd_per_hour"]))
        context.shown.event(name, event)

    # The ruling is the step before the call, so the call's own number is one higher.
    step_folder = folder / f"{context.recorder.position + 1:03d}-{name.replace('_', '-')}"
    given = Context(
        state=run,
        settings=context.settings,
        workspace=context.workspace.path,
        run_folder=folder,
        step_folder=step_folder,
        executor=context.executor,
        emit=emit,
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
        output = _on_server(tool, given, parsed, price, ruling)
        return {**output, "price": price.met} if price.met else output

    run = _reserve(run, ruling)
    context.shown.step("start", run, replayed=not context.recorder.replayed_all, call=name)
    output, replayed = take(context, f"tool {name}", {"arguments": ruling.arguments}, do, kind=tool.kind)
    met = output.get("price", {})
    paid = _Paid.of(run, **met)
    server = ServerBill.model_validate(output["server"]) if "server" in output else None
    if problem := output.get("problem"):
        # A tool objects before it starts what costs money, or says what was spent when its time was up.
        run = _settle(context, run, ruling, 0.0 if server else output.get("usd", 0.0), paid.ratio, server)
        run = run.model_copy(update={"seconds_lost": run.seconds_lost + output.get("seconds", 0.0)})
        run = _refused(context, run, proposed, problem, replayed)
        if output.get("unavailable"):
            run = _without(run, output["offer_id"])
        elif "offer_id" in output:
            run = _repriced(run, output["offer_id"], output["usd_per_hour"], problem)
            told = {"price_note": problem} if output.get("moved") else {}
            run = run.model_copy(update={"corrections": run.corrections - 1, **told})  # the call was right
        return _after_bill(context, run, paid), problem
    result = tool.result.model_validate({key: value for key, value in output.items() if key not in BESIDE})
    run = tool.apply(run.model_copy(update={"looked_up": ""}), result).model_copy(
        update={"last_problem": "", "corrections": 0, "last_call": call_text(name, parsed)}
    )
    started_at = at_price(given, paid.started_at) if met else given
    settled_at = at_price(given, 0.0) if server else started_at  # the server's own bill is in the place of its quote
    run = _settle(context, run, ruling, tool.settle(settled_at, result), paid.ratio, server)
    run = _after_bill(context, run, paid)
    context.shown.step(name, run, replayed=replayed)
    return run, None


def _on_server(tool: Tool[Any, Any], given: Context, parsed: Any, price: "_PriceMet", ruling: Ruling) -> dict[str, Any]:
    """What a tool gave; where its work is on a rented server also what that cost, which was reserved before."""
    rents = given.executor
    if ruling.server_usd <= 0 or not isinstance(rents, Rents):
        return _outcome(tool, given, parsed, price)
    kept = given.step_folder / PROBLEM_FILE
    if kept.exists():
        output = json.loads(kept.read_text(encoding="utf-8"))
    else:
        rents.reserve(given.step_folder, given.state.known_plan.offer, ruling.server_usd)
        output = _outcome(tool, given, parsed, price)
        if "problem" in output:
            given.step_folder.mkdir(parents=True, exist_ok=True)
            write_atomic(kept, json.dumps(output))
    return {**output, "server": rents.charge(given.step_folder).model_dump(mode="json")}


@dataclass(kw_only=True)
class _PriceMet:
    """What a running call met instead of its plan's price, US dollars an hour."""

    started_at: float | None = None
    """A quote of that moment, within 5 % of the plan's, that it was started at."""
    billed: float | None = None
    """What the executor says the server was billed at."""

    @property
    def met(self) -> dict[str, float]:
        """Both, as they are recorded; nothing where the plan's price held."""
        both = {"started_at": self.started_at, "billed": self.billed}
        return {name: price for name, price in both.items() if price is not None}


@dataclass(frozen=True, kw_only=True)
class _Paid:
    """The plan's offer, the price its call was started at and the one it was billed at."""

    offer: Offer | None
    started_at: float
    billed: float

    @classmethod
    def of(cls, run: RunState, started_at: float | None = None, billed: float | None = None) -> "_Paid":
        """From what was recorded."""
        offer = run.known_plan.offer if run.has_plan else None
        started = started_at if started_at is not None else offer.usd_per_hour if offer else 0.0
        return cls(offer=offer, started_at=started, billed=billed if billed is not None else started)

    @property
    def ratio(self) -> float:
        """What the bill is of what was reckoned with."""
        return self.billed / self.started_at if self.started_at > 0 else 1.0

    @property
    def move(self) -> PriceMove | None:
        """Whether the bill left the plan's quote by more than 5 %."""
        return price_moved(self.offer.usd_per_hour, self.billed) if self.offer else None


def _outcome(tool: Tool[Any, Any], given: Context, parsed: Any, price: _PriceMet) -> dict[str, Any]:
    """What a tool gave, or why it gave nothing. A price within 5 % of its quote is taken as it is."""
    try:
        try:
            return tool.run(given, parsed).model_dump(mode="json")
        except PriceChanged as error:
            if _moved(given.state, error) is not None or not _is_planned(given.state, error):
                raise
            price.started_at = error.usd_per_hour
            given.emit({"event": "note", "text": f"{error}, within {MOVED_SHARE:.0%} of its quote: the plan stays"})
            return tool.run(at_price(given, error.usd_per_hour), parsed).model_dump(mode="json")
    except PriceChanged as error:
        return _price_problem(given.state, error)
    except ServerUnavailable as error:
        return {"problem": str(error), "offer_id": error.offer_id, "unavailable": True}
    except OutOfTime as error:
        return {"problem": str(error), "seconds": error.seconds, "usd": error.usd}
    except Correctable as error:
        return {"problem": str(error)}


def _is_planned(run: RunState, error: PriceChanged) -> bool:
    return run.has_plan and run.known_plan.offer.id == error.offer_id


def _moved(run: RunState, error: PriceChanged) -> PriceMove | None:
    return price_moved(run.known_plan.offer.usd_per_hour, error.usd_per_hour) if _is_planned(run, error) else None


def _price_problem(run: RunState, error: PriceChanged) -> dict[str, Any]:
    """A changed price as it is recorded, with what was quoted, by whom and of when."""
    output = {"problem": str(error), "offer_id": error.offer_id, "usd_per_hour": error.usd_per_hour}
    if (move := _moved(run, error)) is None:
        return output
    return {**output, "problem": f"{error.offer_id} now costs {_move_words(run.known_plan.offer, move)}", "moved": True}


def _move_words(offer: Offer, move: PriceMove) -> str:
    dated = f"of {offer.as_of}" if offer.as_of else "undated"
    return f"{move.words} ({offer.source}, {dated}); that is more than {MOVED_SHARE:.0%}, so what is planned next reckons with it"


def at_price(context: Context, usd_per_hour: float) -> Context:
    """The context of a plan whose server costs this."""
    state = context.state
    assert state.choice is not None
    plan = state.known_plan
    offer = plan.offer.model_copy(update={"usd_per_hour": usd_per_hour})
    choice = state.choice.model_copy(update={"plan": plan.model_copy(update={"offer": offer})})
    return replace(context, state=state.model_copy(update={"choice": choice}))


def _after_bill(context: RunContext, run: RunState, paid: _Paid) -> RunState:
    """The state after a bill: one that left its quote by more than 5 % is told, and the next plan uses its price."""
    move = paid.move
    if move is None or paid.offer is None or not run.has_plan:
        return run
    told = f"{paid.offer.id} was billed at {_move_words(paid.offer, move)}"
    context.shown.event("bill", {"event": "note", "text": told})
    return _repriced(run, paid.offer.id, paid.billed, told).model_copy(update={"price_note": told})


def _repriced(run: RunState, offer_id: str, usd_per_hour: float, told: str) -> RunState:
    """The state with a server's new price, and without the choice that reckoned with the old one; what is trained already stays
    the choice, at the new price."""
    assert run.offers is not None
    offers = tuple(
        offer.model_copy(update={"usd_per_hour": usd_per_hour}) if offer.id == offer_id else offer
        for offer in run.offers
    )
    note = f"{run.offers_note}; {told}"
    choice = None
    if run.attempt_is_made:
        assert run.choice is not None
        plan, offer = run.known_plan, next(offer for offer in offers if offer.id == offer_id)
        choice = run.choice.model_copy(update={"plan": plan.model_copy(update={"offer": offer})})
    changes = {"offers": offers, "offers_note": note, "choice": choice, "last_problem": "", "last_call": ""}
    return run.model_copy(update=changes)


def _without(run: RunState, offer_id: str) -> RunState:
    """The state where a server cannot be had: prices are looked up again without its instance type there, and another is chosen."""
    offer = run.known_plan.offer
    assert offer.id == offer_id
    changes = {
        "offers": None,
        "unavailable": (*run.unavailable, f"{offer.cloud}/{offer.region}/{offer.instance_type}"),
        "match": None,
        "choice": None,
        "price_note": f"{offer_id} could not be had",
        "last_problem": "",
        "last_call": "",
        "corrections": run.corrections - 1,  # the call was right
    }
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
    bill = unkept(run) if ruling.server_usd else run.bill
    return run.model_copy(update={"bill": (*bill, entry)})


def unkept(run: RunState) -> tuple[Entry, ...]:
    """The bill without what is reserved for keeping a server."""
    return tuple(entry for entry in run.bill if entry.step != KEPT or entry.settled_usd is not None)


def _settle(
    context: RunContext, run: RunState, ruling: Ruling, usd: float, bill: float, server: ServerBill | None
) -> RunState:
    """Puts what a paid call really cost in the place of its reservation, the newest of the bill. Its clock ends a job within a
    step of its time: what that step took beyond the reservation is not charged. A bill at another price than it was started at,
    `bill` times that, is, even beyond the reservation. So is what a rented server cost, which may be kept for the next call."""
    if ruling.reserved_usd <= 0:
        return run
    given = {"tool": ruling.tool, "reserved_usd": ruling.reserved_usd}
    most = {"usd": min(usd, ruling.reserved_usd) * bill} if server is None else {"usd": usd + server.usd}
    settled, _ = take(context, "settle", given, lambda: most, kind="decision")
    entry = run.bill[-1].model_copy(update={"settled_usd": settled["usd"]})
    kept = (
        (Entry(step=KEPT, reserved_usd=server.kept_usd, basis="for the next call, or until it ends itself"),)
        if server is not None and server.kept_usd > 0
        else ()
    )
    return run.model_copy(update={"bill": (*run.bill[:-1], entry, *kept)})


def released(context: RunContext, run: RunState) -> RunState:
    """The state when the run's rented servers were ended and paid for; that one could not be is told, and the watchdog goes on trying."""
    if context.settings.executor == "local" or not run.bill:
        return run

    def do() -> dict[str, Any]:
        assert isinstance(context.executor, Rents)
        try:
            return {"usd": context.executor.release(context.workspace.run_folder(run.run_id))}
        except ToolFailed as error:
            return {"problem": str(error)}

    done, replayed = take(context, "release servers", {}, do)
    if "problem" in done:
        assert run.outcome is not None
        ended = run.outcome.model_copy(update={"reason": f"{run.outcome.reason}; {done['problem']}"})
        return run.model_copy(update={"outcome": ended})
    kept_usd = run.spent_usd - run.unkept_usd
    entry = Entry(step=KEPT, reserved_usd=kept_usd, settled_usd=done["usd"], basis="until it was ended")
    bill = (*unkept(run), entry) if kept_usd or done["usd"] else run.bill
    run = run.model_copy(update={"bill": bill})
    assert run.outcome is not None
    ended = run.outcome.model_copy(update={"spent_usd": round(run.spent_usd, 6)})
    run = run.model_copy(update={"outcome": ended})
    context.shown.step("release", run, replayed=replayed)
    return run


def needs_a_word(context: RunContext, run: RunState) -> bool:
    """Whether the plan, or asking a teacher before there is one, must be approved: because of its money, and a plan in a chat in
    any case."""
    approved = run.approval is not None and run.approval.plan_sha256 == run.payable_sha256
    return to_approve(context, run) > 0 or (run.has_plan and context.settings.asks and not approved)


def to_approve(context: RunContext, run: RunState) -> float:
    """Money that the plan, or asking a teacher before there is one, may bring the run to and that was not approved for it; 0 when
    none is needed."""
    still = sum(money_parts(run, context.settings).values())
    wanted = min(run.known_brief.limits.usd or 0.0, run.billed_usd + still)
    approval = run.approval
    if approval is not None and approval.plan_sha256 == run.payable_sha256 and fits(wanted, approval.usd):
        return 0.0
    return wanted if still > 0 else 0.0


def money_parts(run: RunState, settings: Settings) -> dict[str, float]:
    """The most that what comes next may still cost, US dollars, by what it is for."""
    if run.has_plan:
        return plan_parts(run, settings)
    if run.known_brief.sites is not None:
        return sites_parts(run, settings)
    usd = probe_usd(run) if run.complexity is None else 0.0
    return {"the teacher's answers to the probe": usd} if usd > 0 else {}
