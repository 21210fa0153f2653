"""Answers to a user's questions in the middle of a run, worked out from its state: nothing is run, nothing changed."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from ..state.brief import Record
from ..state.errors import Correctable, RequestError
from ..state.evidence import wilson
from ..state.numbers import AS_SAID, dollars, shown
from ..state.plan import Candidate, Offer
from ..state.run import Choice, RunState
from ..state.talk import Word
from ..tools.base import Context, Settings
from ..tools.candidates import build_candidates, offers_to_use
from ..tools.choose import SOLVE_PARETO, SolvePareto, accuracy_to_aim_at, items_judged_by, told, what_is_left
from ..tools.executor import LocalExecutor
from ..tools.match_models import hub_facts
from ..tools.pareto import solve_pareto, violations, why_not
from ..tools.pricing.accelerators import resolve
from .report import describe
from .revising import revised_brief
from .understanding import Aim

OPTIONS_SHOWN = 3
TOO_EARLY = "there is no plan yet: ask again once the servers are priced and the task is known"
AIMS: dict[Aim, Callable[[Candidate], float]] = {
    "usd": lambda one: one.usd.value,
    "hours": lambda one: one.hours.value,
    "latency": lambda one: one.latency_p95_ms.value,
    "accuracy": lambda one: -(one.accuracy.value if one.accuracy else 0.0),
}
WORDS: dict[Aim, str] = {
    "usd": "cheaper",
    "hours": "sooner",
    "latency": "faster to answer",
    "accuracy": "more accurate",
}


class Option(Record):
    """A way to get more of one aim, and what of the brief it gives up."""

    says: str
    word: Word


def ready(run: RunState | None) -> bool:
    """Whether enough is known to weigh candidates."""
    return run is not None and None not in (run.brief, run.offers, run.match, run.complexity)


def why_not_this(run: RunState, settings: Settings, about: str) -> str:
    """Why the plan is not on that server or accelerator, or of that student."""
    if not ready(run):
        return TOO_EARLY
    context = _context(run, settings)
    candidates = list(build_candidates(context))
    offers = {offer.id: offer for offer in run.offers or ()}
    wanted = [one for one in candidates if _is_meant(one, offers[one.offer_id], about)]
    if not wanted and (answer := _why_not_model(context, run, settings, about)):
        return answer
    if not wanted:
        return (
            f"none of the {len(candidates)} candidates within the brief's limits is of {about!r}; {_what_there_is(run)}"
        )
    left = what_is_left(run, settings.held_out_items)
    as_if = [one.model_copy(update={"executable": True}) for one in wanted]
    front = solve_pareto(as_if, left)
    best_id = (front.chosen or front.nearest or as_if[0]).id
    best = next(one for one in wanted if one.id == best_id)
    reasons = [told(violation, run.known_brief, left) for violation in violations(best, left)]
    chosen = run.known_plan.candidate if run.has_plan else None
    if chosen is not None and chosen.id == best.id:
        return f"it is the plan: {describe(best)}"
    here = best.model_copy(update={"executable": True})
    if chosen is not None and not violations(here, left):
        reasons.append(why_not(solve_pareto([chosen, here], left), here, left))
    against = f"\n  the plan is {describe(chosen)}" if chosen else ""
    return f"the best there is: {describe(best)}\n  not chosen: {'; '.join(reasons)}{against}"


def _why_not_model(context: Context, run: RunState, settings: Settings, about: str) -> str:
    """Why the plan is of no open model of that name; empty where the catalogue has none."""
    from ..tools.hub_candidates import hub_table

    name = about.lower().removeprefix("the ").strip(" ?.!")
    if len(name) < 3 or run.match is None:
        return ""
    meant = [facts for facts in hub_facts(run) if name in facts.name.lower()]
    table = hub_table(context, offers_to_use(context), meant) if meant else None
    left = what_is_left(run, settings.held_out_items)
    best = solve_pareto(table, left).nearest if table is not None else None
    if best is not None:
        reasons = "; ".join(told(violation, run.known_brief, left) for violation in violations(best, left))
        against = f"\n  the plan is {describe(run.known_plan.candidate)}" if run.has_plan else ""
        return f"the nearest there is: {describe(best)}\n  not chosen: {reasons}{against}"
    out = [line for line in run.match.rejected if name in line.lower()]
    return f"it is no student for this brief: {out[0].rsplit(': ', 1)[-1]}" if out else ""


def _is_meant(candidate: Candidate, offer: Offer, about: str) -> bool:
    """Whether words name this candidate's accelerator, cloud, instance, region or student."""
    name = about.lower().removeprefix("the ").strip(" ?.!")
    if offer.accelerator is not None and offer.accelerator in _accelerators(name):
        return True
    if name in ("this machine", "local", "here", "cpu"):
        return offer.cloud == "local"
    names = (offer.cloud, offer.instance_type, offer.accelerator or "", candidate.student, candidate.id, offer.id)
    return any(name == one.lower() for one in names) or (
        len(name) > 2 and any(name in one.lower() for one in names[1:])
    )


def _accelerators(name: str) -> list[str]:
    """The accelerators of that name or family; none where it names something else."""
    try:
        return resolve((name,))
    except Correctable:
        return []


def _what_there_is(run: RunState) -> str:
    found = {offer.accelerator for offer in run.offers or () if offer.accelerator}
    return f"priced are CPUs and {', '.join(sorted(found))}" if found else "priced are CPUs alone"


def what_if_said(run: RunState, settings: Settings, word: Word) -> tuple[str, bool]:
    """What the plan would be if the brief said this, and whether that is another plan."""
    if not ready(run):
        return TOO_EARLY, False
    try:
        brief = revised_brief(run.known_brief, word)
    except RequestError as error:
        return "; ".join(error.problems), False
    now = _chosen(run, settings)
    other = _chosen(run.model_copy(update={"brief": brief}), settings)
    if other is None or (other.plan is None and (now is None or now.plan is None)):
        return "still no candidate would do: " + (other.reason if other else "there is none"), False
    if other.plan is None:
        return f"then no candidate would do: {other.reason}", False
    if now is not None and now.plan is not None and now.plan.candidate == other.plan.candidate:
        return f"the plan would be the same: {describe(other.plan.candidate)}", False
    before = f"\n  instead of {describe(now.plan.candidate)}" if now is not None and now.plan is not None else ""
    return f"the plan would be {describe(other.plan.candidate)}{before}\n  because it is {other.reason}", True


def options(run: RunState, settings: Settings, aim: Aim) -> tuple[str, tuple[Option, ...]]:
    """What gives more of an aim than the plan: in words, and as changes of the brief to pick from."""
    if not ready(run) or not run.has_plan:
        return TOO_EARLY, ()
    plan, of = run.known_plan.candidate, AIMS[aim]
    if aim == "usd" and plan.usd.value <= 0:
        return "the plan costs nothing already", ()
    context = _context(run, settings)
    candidates = [one for one in build_candidates(context) if one.executable]
    front = solve_pareto(candidates, what_is_left(run, settings.held_out_items)).front
    better = sorted((one for one in front if of(one) < of(plan) and one.accuracy is not None), key=lambda one: of(one))
    found = [option for one in _spread(better, plan) if (option := _option(one, run, settings, aim)) is not None]
    if not found:
        return f"nothing that can be executed here is {WORDS[aim]} than the plan", ()
    head = f"the plan is {describe(plan)}; {WORDS[aim]} would be:"
    lines = [f"  {number}. {option.says}" for number, option in enumerate(found, 1)]
    return "\n".join([head, *lines, "say a number to change the brief so, or give a figure of your own"]), tuple(found)


def _spread(better: Sequence[Candidate], plan: Candidate) -> list[Candidate]:
    """A few of them, the mildest first: those nearest to the plan's accuracy and latency give up least."""
    mild = sorted(better, key=lambda one: (-(one.accuracy.value if one.accuracy else 0.0), one.usd.value, one.id))
    kept: list[Candidate] = []
    for one in mild:
        if all((one.student, one.train_tokens) != (other.student, other.train_tokens) for other in kept):
            kept.append(one)
    return [one for one in kept if one.id != plan.id][:OPTIONS_SHOWN]


def _option(candidate: Candidate, run: RunState, settings: Settings, aim: Aim) -> Option | None:
    """The change of the brief under which this candidate meets every target; None where it would change nothing."""
    brief, targets, gives_up = run.known_brief, dict[str, object](), list[str]()
    limits: dict[str, float] = {}
    wanted, got = brief.targets.accuracy, candidate.accuracy
    assert got is not None
    reached = _provable(
        got.value, items_judged_by(run, settings.held_out_items), brief.targets.accuracy_rule == "lower_bound"
    )
    if wanted is not None and reached < wanted:
        targets["accuracy"] = reached
        gives_up.append(f"the accuracy target {shown(wanted, AS_SAID)} becomes {shown(reached, 4)}")
    if aim == "accuracy" and (wanted is None or reached > wanted):
        targets["accuracy"] = reached
        gives_up.append(f"the accuracy target becomes {shown(reached, 4)}")
    latency = brief.targets.latency_p95_ms
    if latency is not None and candidate.latency_p95_ms.value > latency:
        targets["latency_p95_ms"] = round(candidate.latency_p95_ms.high)
        gives_up.append(f"the latency target {shown(latency, AS_SAID)} ms becomes {targets['latency_p95_ms']} ms")
    if brief.limits.usd is not None and candidate.usd.value > brief.limits.usd:
        return None
    if aim == "latency" and "latency_p95_ms" not in targets:
        targets["latency_p95_ms"] = math.ceil(candidate.latency_p95_ms.value)
        gives_up.append(f"the latency target becomes {targets['latency_p95_ms']} ms")
    room = None if brief.limits.hours is None else brief.limits.hours - run.hours_used
    if aim == "hours" or (room is not None and candidate.hours.value > room):
        limits["hours"] = run.hours_used + candidate.hours.high
        gives_up.append(f"the time limit becomes {shown(60 * limits['hours'])} minutes")
    if not targets and not limits:
        return None
    says = f"{describe(candidate)}; {', '.join(gives_up)}"
    return Option(says=says, word=Word(text=says, targets=targets, limits=limits))


def _provable(predicted: float, items: int, by_bound: bool) -> float:
    """The highest target, in half points, that a predicted share of that many items would show."""
    bound = wilson(round(predicted * items), items).low if by_bound else predicted
    target = int(bound * 200) / 200
    while by_bound and target > 0.005 and accuracy_to_aim_at(target, items) > predicted:
        target -= 0.005
    return round(max(target, 0.005), 3)


def _context(run: RunState, settings: Settings) -> Context:
    nowhere = Path()
    return Context(
        state=run,
        settings=settings,
        workspace=nowhere,
        run_folder=nowhere,
        step_folder=nowhere,
        executor=LocalExecutor(),
        emit=lambda event: None,
    )


def _chosen(run: RunState, settings: Settings) -> Choice | None:
    try:
        return SOLVE_PARETO.run(_context(run, settings), SolvePareto())
    except Correctable:
        return None


def status(run: RunState | None, working: str) -> str:
    """Where a run stands, in a few lines."""
    if run is None or run.brief is None:
        return f"{run.outcome.status}: {run.outcome.reason}" if run and run.outcome else "nothing is known yet"
    limit = run.brief.limits.usd or 0.0
    doing = "ended" if run.outcome else working or "waiting"
    lines = [f"run {run.run_id}: {doing}; ${run.spent_usd:,.4f} of {dollars(limit)} spent or reserved"]
    if run.has_plan:
        lines.append(f"  plan: {describe(run.known_plan.candidate)}")
    for attempt in run.attempts:
        measured = ", ".join(f"{item.split} {item.student.exact.value:.1%}" for item in attempt.evaluations)
        lines.append(f"  attempt {attempt.number}: {attempt.words}; {measured}")
    if run.outcome is not None:
        lines.append(f"  {run.outcome.status}: {run.outcome.reason}")
    return "\n".join(lines)
