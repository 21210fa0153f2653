"""What a plan needs and what its calls may cost at most: the money the guard reserves and the user approves, US dollars."""

import math

from ..state.brief import HOURS_PER_MONTH, Brief
from ..state.numbers import shown
from ..state.plan import LOCAL, Candidate, Offer, Plan
from ..state.run import RunState
from .base import Settings
from .teaching.budget import lesson_minutes, lessons_due, lessons_usd

PATIENCE = 3.0
"""Times the predicted upper end that a training may take before the clock stops it: a busy machine must give the same
model later, not a worse one."""

EVALUATION_MINUTES = 5.0
GENERATION_MINUTES = 5.0
"""assumption: what is reserved, and, where the server costs something, the clock that ends the job."""

USUAL_MINUTES = 1.0
"""What either takes at most on two idle cores, as measured."""

EVALUATIONS = 2
"""A plan that ends well is evaluated on the development split and on a sealed one."""

MIX_TO_SPARE = 1.25
"""assumption: examples of the families that come more often may be shorter than the mean by so much."""

FEWEST_EXAMPLES = 600
"""Made for a plan that trains nothing: the guesses it is held against are fitted on them, as those of the probe are."""

FRAMING_TOKENS = 3
"""<bos>, <answer> and <eos> around every example."""

ROUNDING_USD = 1e-9
"""What sums of money may be off by: adding them up in floats leaves such remainders."""


def fits(usd: float, limit_usd: float) -> bool:
    """Whether money is within a limit, the rounding of floats aside."""
    return usd <= limit_usd + ROUNDING_USD


def examples_needed(state: RunState, train_tokens: int) -> int:
    """Examples that give so many tokens without repeating one, for the shorter answers-only texts too; of given ones all there
    are, which longer trainings read again."""
    if state.complexity is None:
        return 0
    if state.given is not None:
        return state.given.train
    if state.checkpoint is not None:
        return math.ceil(train_tokens / state.checkpoint.example_tokens) or FEWEST_EXAMPLES
    per_example = state.complexity.prompt_tokens + state.complexity.answer_tokens + FRAMING_TOKENS
    return math.ceil(train_tokens / per_example)


def mixed_examples_needed(state: RunState, new_tokens: int) -> int:
    """Examples with rationales that give so many tokens, some to spare."""
    assert state.complexity is not None
    per_example = state.complexity.prompt_tokens + state.complexity.rationale_tokens + FRAMING_TOKENS
    return math.ceil(MIX_TO_SPARE * new_tokens / per_example)


def lacks_data(state: RunState, train_tokens: int) -> bool:
    """Whether data must be made before a training of so many tokens."""
    made = state.data.examples if state.data else 0
    mix = state.data.mix if state.data else 0
    lacks_mix = state.has_plan and bool(state.known_plan.emphasis) and mix != len(state.attempts) + 1
    return made < examples_needed(state, train_tokens) or not state.has_own_data or lacks_mix or lessons_due(state)


def server_usd(offer: Offer, minutes: float) -> float:
    """The most that so many minutes of work on an offer's server cost, its start and end included where it is rented."""
    return minutes / 60 * offer.paid_usd_per_hour + offer.held_usd


def server_minutes(offer: Offer, usd: float) -> float:
    """The minutes of work that so much pays for. The offer costs something."""
    return 60 * (usd - offer.held_usd) / offer.paid_usd_per_hour


def clock_s(minutes: float, offer: Offer) -> float | None:
    """Seconds after which a job is stopped because no more was reserved; null where the server costs nothing."""
    return 60 * minutes if offer.usd_per_hour > 0 else None


def evaluation_minutes(candidate: Candidate) -> float:
    """The most one evaluation of a candidate may take, where that costs something."""
    return candidate.evaluation_minutes or EVALUATION_MINUTES


def evaluation_usd(state: RunState) -> float:
    """The most one evaluation may cost."""
    return server_usd(state.known_plan.offer, evaluation_minutes(state.known_plan.candidate))


def generation_minutes(state: RunState) -> float:
    """The longest that making data may take; a teacher's lessons are part of it."""
    return GENERATION_MINUTES + lesson_minutes(state)


def generation_usd(state: RunState) -> float:
    """The most that making data may cost, a teacher's tokens apart."""
    return server_usd(state.known_plan.offer, generation_minutes(state))


def measuring_usd(offer: Offer, most_minutes: float | None = None) -> float:
    """What must be left after a training: the development split's evaluation, as long as usual, and then the reservation of the
    sealed split's, which takes `most_minutes` where it is not a small student's. It covers the reservation of the first in any case."""
    usual, most = (
        (USUAL_MINUTES, EVALUATION_MINUTES) if most_minutes is None else (most_minutes / PATIENCE, most_minutes)
    )
    return server_usd(offer, usual + most)


def overhead_usd(offer: Offer, most_minutes: float | None = None) -> float:
    """What a plan must leave beside its training: making data, as long as usual, and measuring. Reserving the most for all
    three would refuse what the money does pay for; a training that is left too little by slow data is refused."""
    return USUAL_MINUTES / 60 * offer.paid_usd_per_hour + measuring_usd(offer, most_minutes)


def training_usd(state: RunState) -> float:
    """The most the plan's training may cost: patience with a busy machine, within what the brief's limit leaves beside its
    evaluations, but at least what it is predicted to cost."""
    plan = state.known_plan
    wanted = patient_training_usd(plan)
    left = (state.known_brief.limits.usd or 0.0) - state.unkept_usd - EVALUATIONS * evaluation_usd(state)
    return max(plan.candidate.usd.value + plan.offer.held_usd, min(wanted, left))


def patient_training_usd(plan: Plan) -> float:
    """What a training of the plan may cost where no limit cuts it: so many times the longest predicted."""
    return server_usd(plan.offer, 60 * PATIENCE * plan.candidate.hours.high)


def plan_parts(state: RunState, settings: Settings) -> dict[str, float]:
    """The most that carrying out the plan and serving may still cost, US dollars, by what it is for; only what costs something."""
    parts: dict[str, float] = {}
    evaluations, held = (
        EVALUATIONS,
        state.known_plan.offer.held_usd,
    )  # which is free again after each call: it is needed once
    if state.attempt_is_made:
        evaluations = max(1, EVALUATIONS - len(state.attempts[-1].evaluations))
    else:
        if lacks_data(state, state.known_plan.candidate.train_tokens):
            parts["data"] = generation_usd(state) - held
            parts["what the teacher writes"] = lessons_usd(state)
        parts[_training_words(state)] = training_usd(state) - held
    parts[f"{evaluations} evaluations"] = evaluations * (evaluation_usd(state) - held)
    parts["starting, keeping and ending the server"] = held
    parts[f"serving for {shown(serving_hours(state, settings) or 0)} h"] = serving_usd(state, settings)
    return {what: usd for what, usd in parts.items() if usd > 0}


def _training_words(state: RunState) -> str:
    """What a training's money is for, and where the limit leaves it less than a busy machine may need."""
    plan, usd = state.known_plan, training_usd(state)
    if usd >= patient_training_usd(plan) or plan.offer.usd_per_hour <= 0:
        return f"training (a busy machine may take {PATIENCE:g} times the longest predicted)"
    minutes, longest = server_minutes(plan.offer, usd), 60 * plan.candidate.hours.high
    return (
        f"training (the limit leaves it {shown(minutes)} minutes, not {shown(PATIENCE * longest)}, {PATIENCE:g} times the longest "
        "predicted: a slow one is cut short)"
    )


def serving_offer(state: RunState, settings: Settings) -> Offer | None:
    """The rented server that serves the winner; null: this machine does."""
    if settings.executor == "local" or settings.serve_here or not state.has_plan:
        return None
    offer = state.known_plan.offer
    return None if offer.cloud == LOCAL else offer


def serving_price(state: RunState, settings: Settings) -> tuple[float, float]:
    """Of an hour of serving, and beside the hours for the start and end of a rented server; US dollars."""
    offer = serving_offer(state, settings)
    return (settings.local_usd_per_hour, 0.0) if offer is None else (offer.paid_usd_per_hour, offer.held_usd)


def serving_hours(state: RunState, settings: Settings) -> float | None:
    """Hours that the winner may be served for within the limit; null where that costs nothing."""
    price, held_usd = serving_price(state, settings)
    if price <= 0:
        return None
    left = (state.known_brief.limits.usd or 0.0) - state.spent_usd - held_usd
    return max(0.0, min(wanted_serving_hours(state.known_brief, settings), left / price))


def wanted_serving_hours(brief: Brief, settings: Settings) -> float:
    """Hours the winner is to be served for: as the brief says, else as the settings do."""
    months = brief.targets.serving_months
    return settings.serve_hours if months is None else months * HOURS_PER_MONTH


def serving_usd_of(brief: Brief, settings: Settings, offer: Offer) -> float:
    """Dollars of serving for as long as the brief says, on one offer; 0 where it says nothing or nothing is to be served, and
    where serving has a monthly limit of its own, which offers are held against."""
    months = None if brief.limits.usd_per_month is not None else brief.targets.serving_months
    return months * HOURS_PER_MONTH * offer.usd_per_hour if months and settings.deploy else 0.0


def serving_usd(state: RunState, settings: Settings) -> float:
    """What those hours cost; 0 when nothing is to be served."""
    hours = serving_hours(state, settings)
    if not hours or not settings.deploy:
        return 0.0
    price, held_usd = serving_price(state, settings)
    return hours * price + held_usd
