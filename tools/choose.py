"""The tool `solve_pareto`: builds every candidate with its predictions, finds the front and makes the plan."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from ..state.brief import Brief, Record
from ..state.errors import Correctable
from ..state.evidence import Z_95, wilson
from ..state.numbers import AS_SAID, at_least, dollars, shown
from ..state.plan import Candidate, Plan
from ..state.run import Break, Choice, NearMiss, RunState
from .base import Context, Tool
from .candidates import candidate_table
from .emphasis import emphasis_of
from .pareto import Front, Violation, solve_pareto, violations

if TYPE_CHECKING:
    from .front.table import CandidateTable

RUNNERS_UP = 3


class SolvePareto(Record):
    """Predicts accuracy, latency, hours and dollars of every server x student x training length, with everything measured
    so far, finds the candidates no other beats, and plans the cheapest that meets the brief. Call it again after a
    miss: what was tried and did not suffice is left out. Name a candidate to plan that one instead."""

    candidate_id: str = Field(default="", description="id of the candidate to plan; empty: what the brief makes best")


def _run(context: Context, args: SolvePareto) -> Choice:
    state, brief = context.state, context.brief
    assert state.offers is not None
    assert state.match is not None
    candidates = candidate_table(context)
    left = what_is_left(state, context.settings.held_out_items)
    front = solve_pareto(candidates, left)
    unprovable = _unprovable(state, items_judged_by(state, context.settings.held_out_items))
    if args.candidate_id:
        chosen = _named(args.candidate_id, candidates, left)
        reason = _why_named(chosen, left)
    else:
        chosen = front.chosen or front.pilot
        reason = front.reason if front.chosen or chosen is None else _why_try(chosen)
    others = [runner for runner in front.runners_up if chosen is None or runner.candidate.id != chosen.id][:RUNNERS_UP]
    offers = {offer.id: offer for offer in state.offers}
    plan = None
    if chosen is not None and not unprovable:
        offer = offers[chosen.offer_id]
        plan = Plan(
            candidate=chosen,
            offer=offer,
            reason="; ".join((reason, *offer.warnings)),
            runners_up=tuple(runner.candidate for runner in others),
            emphasis=emphasis_of(state) if chosen.training == "scratch" else (),
        )
    return Choice(
        candidates=len(candidates),
        front=front.front,
        front_size=front.front_size,
        plan=plan,
        pilot=plan is not None and front.chosen is None,
        nearest=front.nearest,
        near=tuple(_near_miss(candidate, left) for candidate in front.near) if plan is None else (),
        reason=plan.reason
        if plan
        else unprovable
        or _why_none(front, brief, left)
        + _what_would_suffice(front.lacks_usd, state.spent_usd, left)
        + _pilot_elsewhere(candidates, left),
        excluded=tuple(f"{runner.candidate.id}: {runner.to_win}" for runner in others),
    )


def _near_miss(candidate: Candidate, left: Brief) -> NearMiss:
    broken = (Break(constraint=one.constraint, share=one.share) for one in violations(candidate, left))
    return NearMiss(candidate=candidate, breaks=tuple(broken))


def _named(name: str, candidates: CandidateTable, left: Brief) -> Candidate:
    """The candidate of that name; targets may be gambled on, limits may not be passed. Raises Correctable."""
    found = candidates.named(name)
    if found is None:
        raise Correctable(f"there is no candidate {name!r}: call solve_pareto without a name and take one of its front")
    passed = [one.arithmetic for one in violations(found, left) if one.constraint not in ("accuracy", "latency_p95_ms")]
    if passed:
        raise Correctable(f"{name!r} cannot be planned: {'; '.join(passed)}")
    return found


def _why_named(candidate: Candidate, left: Brief) -> str:
    doubts = "; ".join(violation.arithmetic for violation in violations(candidate, left))
    return "named by the planner" + (f", although {doubts}" if doubts else "; it meets every limit")


def _why_try(pilot: Candidate) -> str:
    """Why a candidate is planned that is not predicted to reach the target."""
    if pilot.accuracy is None:
        return "no evidence predicts the accuracy: the cheapest pilot that would tell"
    low, high = pilot.accuracy.low, pilot.accuracy.high
    return (
        f"no candidate is predicted to reach the target, but the 80 % band of this one does ({low:.1%} to {high:.1%}): "
        "the cheapest such is tried"
    )


def items_judged_by(state: RunState, held_out_items: int) -> int:
    """Items of the smallest split that a verdict is made on: those of the user's examples, or as many as are made for each."""
    return min(split.n for split in state.given.splits) if state.given else held_out_items


def what_is_left(state: RunState, held_out_items: int) -> Brief:
    """The brief with the money and hours still there, and the accuracy whose interval would reach its target."""
    limits, targets = state.known_brief.limits, state.known_brief.targets
    if targets.accuracy is not None and targets.accuracy_rule == "lower_bound":
        aim = accuracy_to_aim_at(targets.accuracy, items_judged_by(state, held_out_items))
        targets = targets.model_copy(update={"accuracy": aim})
    left = {
        "usd": max(0.0, (limits.usd or 0.0) - state.spent_usd),
        "hours": None if limits.hours is None else max(1e-6, limits.hours - state.hours_used),
    }
    return state.known_brief.model_copy(update={"limits": limits.model_copy(update=left), "targets": targets})


def _unprovable(state: RunState, items: int) -> str | None:
    """Why no result on that many items could show the accuracy asked for, or None where one could."""
    targets, best = state.known_brief.targets, wilson(items, items).low
    if targets.accuracy is None or targets.accuracy_rule == "point_estimate" or best >= targets.accuracy:
        return None
    more = _what_would_show(targets.accuracy) if state.given else ""
    return (
        f"{items:,} held-out items, all of them right, have a 95 % interval from {best:.2%}: no test of this size can show "
        f"{targets.accuracy:.2%}; ask for at most {math.floor(1000 * best) / 10:g} %{more}, or let the point estimate decide "
        "(accuracy_rule: point_estimate in a brief)"
    )


def _what_would_show(target: float) -> str:
    """How many examples of the user's own would do, more where some are answered wrongly."""
    from ..skills.given.freezing import HELD_OUT_SHARE

    needed = items_to_show(target)
    return (
        f", bring {math.ceil(round(needed / HELD_OUT_SHARE, 6)):,} examples or more, of which a tenth is {needed:,}, or as many in a "
        "--test file too"
        if needed
        else ""
    )


def items_to_show(target: float) -> int | None:
    """The least items that could show an accuracy, all of them right; None where no number could."""
    return None if target >= 1 else math.ceil(round(Z_95**2 * target / (1 - target), 6))


def accuracy_to_aim_at(target: float, items: int) -> float:
    """The smallest share of that many items whose 95 % interval lies above the target; 1 where none does."""
    right = bisect_left(range(items), target, key=lambda count: wilson(count, items).low)
    return right / items


def told(violation: Violation, brief: Brief, left: Brief) -> str:
    """A violation's arithmetic, and for an accuracy why more is aimed at than the brief asks for."""
    asked, aim = brief.targets.accuracy, left.targets.accuracy
    if violation.constraint != "accuracy" or asked is None or aim is None or aim <= asked:
        return violation.arithmetic
    wanted = shown(100 * asked, AS_SAID)
    return f"{violation.arithmetic} (to show {wanted} %, {aim:.1%} must be measured: its 95 % interval then lies above)"


def _why_none(front: Front, brief: Brief, left: Brief) -> str:
    if front.nearest is None:
        return front.reason
    wanted = "; ".join(told(violation, brief, left) for violation in violations(front.nearest, left))
    return f"{front.reason}. The nearest falls short in this: {wanted}" if wanted else front.reason


def _what_would_suffice(candidates: Sequence[Candidate], spent_usd: float, left: Brief) -> str:
    """The least limits on money that something here could be planned under; empty where it is not money that lacks."""
    spent = f", of which ${shown(spent_usd)} is spent already" if spent_usd and candidates else ""
    told = [f"${at_least(spent_usd + one.needed_usd)} {_what_for(one, left)} ({_words(one)})" for one in candidates]
    return f". The least money that would suffice: {' and '.join(told)}{spent}" if told else ""


def _what_for(candidate: Candidate, left: Brief) -> str:
    reaches = all(violation.constraint != "accuracy" for violation in violations(candidate, left))
    return "for a plan" if reaches else "for a try that may miss the target"


def _words(candidate: Candidate) -> str:
    accuracy = candidate.accuracy
    trained = f"for {candidate.train_tokens:,} tokens" if candidate.trains else "as it is"
    exact = f"predicted {accuracy.value:.1%} exact" if accuracy else "accuracy unknown"
    return f"{candidate.student} {trained} on {candidate.offer_id}, {exact}"


def _pilot_elsewhere(candidates: CandidateTable, left: Brief) -> str:
    """The cheapest training that would tell something new, where it cannot be carried out here; empty where there is none."""
    import numpy as np

    from .front.limits import broken_shares

    kept = np.isnan(candidates.accuracy) & ~candidates.executable
    for constraint, shares in broken_shares(candidates, left).items():
        if constraint not in ("accuracy", "executor"):
            kept &= shares == 0.0
    rows = np.flatnonzero(kept)
    if not len(rows):
        return ""
    pilot = candidates.materialise(candidates.first(rows))
    return (
        f". Nothing tells how right {len(rows):,} candidates elsewhere would be; the cheapest pilot among them that would: "
        f"{pilot.student} on {pilot.offer_id}, {dollars(pilot.usd.value)} and {shown(pilot.hours.value)} h, which cannot be "
        "carried out here"
    )


def _apply(state: RunState, result: Choice) -> RunState:
    return state.model_copy(update={"choice": result})


def _needs(state: RunState, args: SolvePareto) -> str | None:
    for value, missing in (
        (state.offers, "look_up_prices"),
        (state.match, "match_models"),
        (state.complexity, "classify_complexity"),
    ):
        if value is None:
            return f"call {missing} first"
    return None


SOLVE_PARETO = Tool(
    name="solve_pareto",
    args=SolvePareto,
    result=Choice,
    kind="decision",
    needs=_needs,
    run=_run,
    apply=_apply,
)
