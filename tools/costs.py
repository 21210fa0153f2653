"""What the calls of a plan may cost at most: the money the guard reserves and the user approves, US dollars."""

from ..state.run import RunState
from .base import Settings

PATIENCE = 3.0
"""Times the predicted upper end that a training may take before the clock stops it: a busy machine must give the same
model later, not a worse one."""

EVALUATION_MINUTES = 5.0
GENERATION_MINUTES = 5.0
"""assumption: bounds on one evaluation and on making data; each took under a minute on two idle cores."""

EVALUATIONS = 2
"""A plan that ends well is evaluated on the development split and on a sealed one."""


def evaluation_usd(state: RunState) -> float:
    """The most one evaluation may cost."""
    return EVALUATION_MINUTES / 60 * state.known_plan.offer.usd_per_hour


def generation_usd(state: RunState) -> float:
    """The most that making data may cost."""
    return GENERATION_MINUTES / 60 * state.known_plan.offer.usd_per_hour


def training_usd(state: RunState) -> float:
    """The most the plan's training may cost: patience with a busy machine, within what the brief's limit leaves."""
    plan = state.known_plan
    wanted = PATIENCE * plan.candidate.hours.high * plan.offer.usd_per_hour
    left = (state.known_brief.limits.usd or 0.0) - state.spent_usd - EVALUATIONS * evaluation_usd(state)
    return max(plan.candidate.usd.value, min(wanted, left))


def plan_parts(state: RunState, settings: Settings) -> dict[str, float]:
    """The most that carrying out the plan and serving may still cost, US dollars, by what it is for; only what costs something."""
    made = state.attempt_is_made
    evaluations = max(1, EVALUATIONS - len(state.attempts[-1].evaluations)) if made else EVALUATIONS
    parts = {
        "data": 0.0 if made else generation_usd(state),
        f"training (a busy machine may take {PATIENCE:g} times the longest predicted)": 0.0
        if made
        else training_usd(state),
        f"{evaluations} evaluations": evaluations * evaluation_usd(state),
        f"serving for {serving_hours(state, settings) or 0:.3g} h": serving_usd(state, settings),
    }
    return {what: usd for what, usd in parts.items() if usd > 0}


def serving_hours(state: RunState, settings: Settings) -> float | None:
    """Hours that the winner may be served for on this machine within the limit; null where that costs nothing."""
    price = settings.local_usd_per_hour
    if price <= 0:
        return None
    left = (state.known_brief.limits.usd or 0.0) - state.spent_usd
    return max(0.0, min(settings.serve_hours, left / price))


def serving_usd(state: RunState, settings: Settings) -> float:
    """What those hours cost; 0 when nothing is to be served."""
    return (serving_hours(state, settings) or 0.0) * settings.local_usd_per_hour if settings.deploy else 0.0
