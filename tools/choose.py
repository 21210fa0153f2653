"""The tool `solve_pareto`: builds every candidate with its predictions, finds the front and makes the plan."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from ..skills import load as load_skill
from ..skills.protocol import Task
from ..state.brief import Brief, Record
from ..state.evidence import wilson
from ..state.plan import Candidate, Offer, Plan, Prediction, Strategy, StudentShape
from ..state.run import Choice, RunState
from .accuracy import AccuracyModel
from .base import Context, Tool
from .estimate import predict_dollars, predict_latency_p95_ms, predict_train
from .pareto import Front, solve_pareto
from .pricing.accelerators import resolve
from .training.students import DECAY_SHARE

TOKEN_GRID = (
    150_000,
    300_000,
    450_000,
    600_000,
    900_000,
    1_200_000,
    1_800_000,
    2_400_000,
    3_600_000,
    4_800_000,
    7_200_000,
    9_600_000,
)
"""Training lengths that are candidates: half an octave apart, from what a look costs to what an hour of two cores allows."""

PILOT_TOKENS = 600_000
"""A shorter look tells nothing of what a longer training would reach: *win* stands at 12 to 15 % after 0.3M, at 55 % after 0.6M."""

STRATEGY: Strategy = "rationale"
"""How students are taught; the answers-only way is trained beside it as the control."""

CPU_RECIPE_FACTOR = 1.9
"""Measured over predicted training time on a CPU: Muon at small batches, and student and control side by side on two cores.
Geometric mean of two runs, 1.7 and 2.1 (0.35M, 2.4M tokens: 234 s and 203 s on two machines; evals/LOG.md)."""

HOURS_PER_MONTH = 730
RUNNERS_UP = 3


class SolvePareto(Record):
    """Predicts accuracy, latency, hours and dollars of every server x student x training length, with everything measured
    so far, finds the candidates no other beats, and plans the cheapest that meets the brief. Call it again after a
    miss: what was tried and did not suffice is left out."""


def _run(context: Context, args: SolvePareto) -> Choice:
    state, brief = context.state, context.brief
    assert state.offers is not None
    assert state.match is not None
    candidates = list(_candidates(context))
    front = solve_pareto(candidates, _what_is_left(state, context.settings.held_out_items))
    unprovable = _unprovable(brief, context.settings.held_out_items)
    chosen = None if unprovable else front.chosen or front.pilot
    offers = {offer.id: offer for offer in state.offers}
    plan = None
    if chosen is not None:
        plan = Plan(
            candidate=chosen,
            offer=offers[chosen.offer_id],
            reason=front.reason if front.chosen else _why_try(chosen),
            runners_up=tuple(runner.candidate for runner in front.runners_up[:RUNNERS_UP]),
        )
    return Choice(
        candidates=len(candidates),
        front=front.front,
        plan=plan,
        pilot=plan is not None and front.chosen is None,
        nearest=front.nearest,
        reason=plan.reason if plan else unprovable or _why_none(front, brief),
        excluded=tuple(f"{runner.candidate.id}: {runner.to_win}" for runner in front.runners_up[:RUNNERS_UP]),
    )


def _why_try(pilot: Candidate) -> str:
    """Why a candidate is planned that is not predicted to reach the target."""
    if pilot.accuracy is None:
        return "no evidence predicts the accuracy: the cheapest pilot that would tell"
    low, high = pilot.accuracy.low, pilot.accuracy.high
    return (
        f"no candidate is predicted to reach the target, but the 80 % band of this one does ({low:.1%} to {high:.1%}): "
        "the cheapest such is tried"
    )


def _what_is_left(state: RunState, items: int) -> Brief:
    """The brief with the money and hours still there, and the accuracy whose interval would reach its target."""
    limits, targets = state.known_brief.limits, state.known_brief.targets
    if targets.accuracy is not None and targets.accuracy_rule == "lower_bound":
        targets = targets.model_copy(update={"accuracy": accuracy_to_aim_at(targets.accuracy, items)})
    left = {
        "usd": None if limits.usd is None else max(0.0, limits.usd - state.spent_usd),
        "hours": None if limits.hours is None else max(1e-6, limits.hours - state.hours_used),
    }
    return state.known_brief.model_copy(update={"limits": limits.model_copy(update=left), "targets": targets})


def _unprovable(brief: Brief, items: int) -> str | None:
    """Why no result on that many items could show the accuracy asked for, or None where one could."""
    target, best = brief.targets.accuracy, wilson(items, items).low
    if target is None or brief.targets.accuracy_rule == "point_estimate" or best >= target:
        return None
    return (
        f"{items:,} items, all of them right, have a 95 % interval from {best:.2%}: no test of this size can show "
        f"{target:.2%}; ask for at most that, or for the point estimate"
    )


def accuracy_to_aim_at(target: float, items: int) -> float:
    """The smallest share of that many items whose 95 % interval lies above the target; 1 where none does."""
    right = bisect_left(range(items), target, key=lambda count: wilson(count, items).low)
    return right / items


def _candidates(context: Context) -> Iterator[Candidate]:
    state, brief = context.state, context.brief
    assert state.offers is not None
    assert state.match is not None
    assert state.complexity is not None
    task = load_skill(brief.skill).tasks[brief.task]
    accuracy = AccuracyModel(state.complexity.curve, state.attempts, STRATEGY)
    for offer in _cheapest_of_each_kind([offer for offer in state.offers if _may_use(offer, brief)]):
        for shape, parameters in zip(state.match.students, state.match.parameters, strict=True):
            for tokens in TOKEN_GRID:
                predicted = accuracy.predict(parameters, tokens)
                too_short = predicted is None and brief.targets.accuracy is not None and tokens < PILOT_TOKENS
                if tokens > _tried(state, shape) and not too_short:
                    yield _candidate(context, task, offer, shape, tokens, predicted)


def _cheapest_of_each_kind(offers: Sequence[Offer]) -> list[Offer]:
    """Of servers nobody here can use, the cheapest of each kind: a dearer one of equal hardware is beaten in any case."""
    kept: dict[tuple[object, ...], Offer] = {}
    for offer in sorted(offers, key=lambda offer: (offer.usd_per_hour, offer.id)):
        hardware = (offer.accelerator, offer.accelerator_count, None if offer.accelerator else offer.vcpus)
        kept.setdefault((offer.id,) if offer.executable else hardware, offer)
    return list(kept.values())


def _may_use(offer: Offer, brief: Brief) -> bool:
    limits = brief.limits
    if limits.accelerators and offer.accelerator not in resolve(limits.accelerators):
        return False
    if limits.regions and not offer.executable and not offer.region.lower().startswith(limits.regions):
        return False
    return limits.usd_per_month is None or offer.usd_per_hour * HOURS_PER_MONTH <= limits.usd_per_month


def _tried(state: RunState, shape: StudentShape) -> int:
    """Tokens this student was already trained for; as many or fewer would give nothing new."""
    return max((attempt.tokens for attempt in state.attempts if attempt.candidate.student == shape.name), default=0)


def _candidate(
    context: Context, task: Task, offer: Offer, shape: StudentShape, tokens: int, accuracy: Prediction | None
) -> Candidate:
    state = context.state
    assert state.machine is not None
    assert state.match is not None
    assert state.complexity is not None
    parameters = state.match.parameters[state.match.students.index(shape)]
    # A longer training continues the earlier one from before its decay, so that only the rest is paid.
    done = round(_tried(state, shape) * (1 - DECAY_SHARE))
    hours = predict_train(
        parameters=parameters,
        layers=shape.layers,
        train_tokens=tokens - done,
        offer=offer,
        machine=state.machine,
        threads=context.settings.threads,
    )
    if offer.accelerator is None:
        figures = {name: CPU_RECIPE_FACTOR * getattr(hours, name) for name in ("value", "low", "high")}
        hours = hours.model_copy(update=figures)
    latency = predict_latency_p95_ms(
        parameters=parameters,
        layers=shape.layers,
        output_tokens=state.complexity.rationale_tokens_p95,
        input_tokens=task.max_prompt_tokens,
        offer=offer,
        machine=state.machine,
    )
    return Candidate(
        # The attempt's number keeps a plan that is tried again (its clock ran out) apart from the one before.
        id=f"{offer.id}|{shape.name}|{tokens // 1000}k tokens|attempt {len(state.attempts) + 1}",
        offer_id=offer.id,
        executable=offer.executable,
        teacher=state.match.teacher,
        student=shape.name,
        parameters=parameters,
        precision="fp32",
        strategy=STRATEGY,
        train_tokens=tokens,
        accuracy=accuracy,
        latency_p95_ms=latency,
        hours=hours,
        usd=predict_dollars(hours, offer),
    )


def _why_none(front: Front, brief: Brief) -> str:
    wanted = "; ".join(front.nearest_arithmetic)
    return f"{front.reason}. The nearest falls short in this: {wanted}" if wanted else front.reason


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
