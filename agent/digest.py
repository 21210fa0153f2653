"""What a planner sees: a small digest of the run's state, never the whole of it."""

from typing import Any, Literal

from pydantic import Field

from ..state.brief import Brief, Record
from ..state.plan import Candidate
from ..state.run import ProposedCall, RunState
from ..tools.costs import examples_needed, lacks_data

FRONT_SHOWN = 8

Phase = Literal[
    "look_up_prices",
    "match_models",
    "classify_complexity",
    "choose",
    "data",
    "distill",
    "evaluate",
    "re-plan",
    "sealed",
    "build_family",
    "choose_cuts",
    "customize",
    "end",
]


class SitesDigest(Record):
    """What a planner sees of many sites: no more than they told."""

    sizes: tuple[str, ...] = Field(description="of the family")
    chosen: str
    without: tuple[tuple[str, str], ...]
    attempts: tuple[dict[str, float], ...] = Field(description="share right of each site's validation examples")


class Digest(Record):
    """The state in a planner's words; the newest human message of every planner call is this as JSON."""

    brief: Brief
    phase: Phase = Field(description="what is missing next, if the plan is followed")
    usd_left: float
    prices: str
    students: tuple[str, ...]
    complexity: str
    front: tuple[Candidate, ...]
    plan: Candidate | None
    plan_reason: str
    examples_made: int
    examples_needed: int
    attempts: tuple[dict[str, Any], ...]
    last_verdict: dict[str, Any] | None
    sites: SitesDigest | None = Field(default=None, exclude_if=lambda sites: sites is None)
    looked_up: str = Field(description="the answer to the last call of look_closer; empty after any other call")
    refused: ProposedCall | None = Field(description="the call that the problem is about")
    problem: str = Field(description="what was wrong with the last call; empty when nothing was")


def digest(state: RunState) -> Digest:
    """The digest of a state; pure."""
    brief, choice = state.known_brief, state.choice
    plan = state.known_plan.candidate if state.has_plan else None
    verdict = state.verdicts[-1] if state.verdicts else None
    usd_left = round((brief.limits.usd or 0.0) - state.spent_usd, 6)
    return Digest(
        brief=brief,
        phase=_phase(state),
        usd_left=usd_left,
        prices=state.offers_note,
        students=tuple(shape.name for shape in state.match.students) if state.match else (),
        complexity=state.complexity.verdict if state.complexity else "",
        front=_shown(choice.front, brief, usd_left) if choice else (),
        plan=plan,
        plan_reason=choice.reason if choice else _nothing_fits(state),
        examples_made=state.data.examples if state.data else 0,
        examples_needed=examples_needed(state, plan.train_tokens) if plan else 0,
        attempts=tuple(_attempt_line(state, index) for index in range(len(state.attempts))),
        last_verdict=verdict.model_dump(mode="json") if verdict else None,
        sites=_sites(state) if brief.sites is not None else None,
        looked_up=state.looked_up,
        refused=state.refused if state.last_problem else None,
        problem=state.last_problem,
    )


def _shown(front: tuple[Candidate, ...], brief: Brief, usd_left: float) -> tuple[Candidate, ...]:
    """The few to choose from, by rising dollars: of what can be executed within the limits the most accurate, the fastest
    to answer, the fastest to have, then the cheapest."""
    hours = brief.limits.hours
    executable = [one for one in front if one.executable] or list(front)
    usable = [
        one for one in executable if one.needed_usd <= usd_left and (hours is None or one.hours.value <= hours)
    ] or executable
    if not usable:
        return ()
    best = {
        min(usable, key=lambda one: -(one.accuracy.value if one.accuracy else 0.0)).id,
        min(usable, key=lambda one: one.latency_p95_ms.value).id,
        min(usable, key=lambda one: one.hours.value).id,
    }
    rest = [one.id for one in usable if one.id not in best][: FRONT_SHOWN - len(best)]
    return tuple(one for one in usable if one.id in best or one.id in rest)


def _attempt_line(state: RunState, index: int) -> dict[str, Any]:
    attempt = state.attempts[index]
    return {
        "student": attempt.candidate.student,
        "tokens": attempt.tokens,
        "exact": {item.split: item.student.exact.value for item in attempt.evaluations},
    }


def _nothing_fits(state: RunState) -> str:
    """Why no site gets a model; empty where one does."""
    plan = state.sites_plan
    if plan is None or plan.choices:
        return ""
    return "no site can hold any size: " + "; ".join(f"{site}: {why}" for site, why in plan.without)


def _sites(state: RunState) -> SitesDigest:
    plan = state.sites_plan
    return SitesDigest(
        sizes=tuple(cut.name for cut in state.family.cuts) if state.family else (),
        chosen=plan.reason if plan else "",
        without=plan.without if plan else (),
        attempts=tuple(
            {one.site: round(one.validation.value, 4) for one in attempt.results if one.validation is not None}
            for attempt in state.site_attempts
        ),
    )


def _sites_phase(state: RunState) -> Phase:
    """Where a run over many sites stands."""
    if state.family is None:
        return "build_family"
    if state.sites_plan is None or state.sites_plan.number <= len(state.site_attempts):
        return "choose_cuts"
    return "customize" if state.sites_plan.choices else "end"


def _phase(state: RunState) -> Phase:
    if state.known_brief.sites is not None:
        return _sites_phase(state)
    before: tuple[tuple[object, Phase], ...] = (
        (state.offers, "look_up_prices"),
        (state.match, "match_models"),
        (state.complexity, "classify_complexity"),
        (state.choice, "choose"),
    )
    for value, phase in before:
        if value is None:
            return phase
    return _attempt_phase(state) if state.has_plan else "end"


def _attempt_phase(state: RunState) -> Phase:
    """Where the current plan's attempt stands."""
    plan = state.known_plan.candidate
    if state.attempt_is_made:
        verdict = state.verdicts[-1] if state.verdicts and state.verdicts[-1].attempt == len(state.attempts) else None
        if verdict is None:
            return "evaluate"
        return "sealed" if verdict.next == "open_sealed" else "re-plan"
    return "data" if lacks_data(state, plan.train_tokens) else "distill"
