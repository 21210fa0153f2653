"""The judge: compares what was measured with what was wanted, with the arithmetic, and says what happens next."""

from ..state.brief import Brief, Targets
from ..state.evidence import Evaluation, Miss, Next, Score, Verdict
from ..state.numbers import AS_SAID, dollars, shown
from ..state.run import RunState
from ..tools.costs import fits
from ..tools.distill import ANSWERS_ONLY, ANSWERS_ONLY_BEFORE, NATURAL_MIX
from ..tools.evaluate import UNTUNED, sealed_left
from ..tools.generate_data import DEVELOPMENT
from ..tools.speed import matters, missed, speed_misses

ENDPOINT = "the endpoint"
"""What a verdict is on that is no split's."""

PATIENCE = 2
"""Attempts in all, diverged ones included, as a multiple of those allowed that told something."""


def judge(state: RunState, max_attempts: int) -> Verdict:
    """The verdict on the newest evaluation of the newest attempt; pure."""
    brief, attempt = state.known_brief, state.attempts[-1]
    evaluation = attempt.evaluations[-1]
    misses = [*_missed(brief.targets, evaluation), *_passed_limits(state, brief)]
    stand_in = _stand_in(brief.targets, evaluation) if [miss.constraint for miss in misses] == ["accuracy"] else None
    cheaper = stand_in or _cheaper_control(brief.targets, evaluation)
    if stand_in is None:
        verdict_next, reason = _next(state, evaluation, misses, cheaper, max_attempts)
    else:
        verdict_next, reason = _by_control(evaluation, misses[0], stand_in)
    return Verdict(
        attempt=attempt.number,
        split=evaluation.split,
        met=not misses or stand_in is not None,
        rule=brief.targets.accuracy_rule,
        misses=tuple(misses),
        cheaper_control=cheaper,
        next=verdict_next,
        reason=f"{reason}; {state.price_note}" if state.price_note else reason,
    )


def judge_endpoint(state: RunState, max_attempts: int) -> Verdict:
    """The verdict on the endpoint that the newest attempt's model was served at, which was slower than the brief wants; pure."""
    brief, attempt = state.known_brief, state.attempts[-1]
    misses = [*speed_misses(brief.targets, attempt.endpoint), *_passed_limits(state, brief)]
    verdict_next, reason = _after_misses(state, ENDPOINT, misses, max_attempts, sealed=True)
    return Verdict(
        attempt=attempt.number,
        split=ENDPOINT,
        met=False,
        rule=brief.targets.accuracy_rule,
        misses=tuple(misses),
        cheaper_control=None,
        next=verdict_next,
        reason=f"{reason}; predicted p95 {attempt.candidate.latency_p95_ms.value:,.1f} ms",
    )


def _accuracy_miss(targets: Targets, score: Score) -> Miss | None:
    if targets.accuracy is None:
        return None
    by_bound = targets.accuracy_rule == "lower_bound"
    got = score.exact.low if by_bound else score.exact.value
    if got >= targets.accuracy:
        return None
    measured = f"{score.exact.value:.1%} of {score.exact.n} items, 95 % interval {score.exact.low:.1%} to {score.exact.high:.1%}"
    what = "the interval's lower end" if by_bound else "the measured value"
    arithmetic = f"{measured}; {what} is {points_below(targets.accuracy, got)} points below {targets.accuracy:.1%}"
    return missed("accuracy", targets.accuracy, got, arithmetic)


def points_below(wanted: float, got: float) -> str:
    """How many points a share is below what was wanted; a miss is never by 0.0."""
    gap = 100 * (wanted - got)
    return f"{gap:.1f}" if gap >= 0.1 else f"{gap:.1g}"


def _missed(targets: Targets, evaluation: Evaluation) -> list[Miss]:
    accuracy = _accuracy_miss(targets, evaluation.student)
    return [*([accuracy] if accuracy else []), *speed_misses(targets, evaluation.latency)]


def _passed_limits(state: RunState, brief: Brief) -> list[Miss]:
    usd, hours = brief.limits.usd, brief.limits.hours
    misses: list[Miss] = []
    if usd is not None and not fits(state.spent_usd, usd):
        misses.append(missed("dollars", usd, state.spent_usd, f"${state.spent_usd:,.4f} spent, limit {dollars(usd)}"))
    if hours is not None and state.hours_used > hours:
        arithmetic = f"{60 * state.hours_used:.1f} minutes of work, limit {shown(60 * hours, AS_SAID)}"
        misses.append(missed("hours", hours, state.hours_used, arithmetic))
    return misses


def _cheaper_control(targets: Targets, evaluation: Evaluation) -> str | None:
    """The first control that reaches the accuracy target by the same rule as the student."""
    if targets.accuracy is None:
        return None
    cheaper = (control for control in evaluation.controls if control.name != NATURAL_MIX)
    return next((control.name for control in cheaper if _accuracy_miss(targets, control) is None), None)


def _stand_in(targets: Targets, evaluation: Evaluation) -> str | None:
    """The first control that reaches the accuracy target and can be served in the student's place. Speed is measured of the student
    alone: the same model that writes less is as fast, of another it is not known."""
    as_fast = (NATURAL_MIX, ANSWERS_ONLY, ANSWERS_ONLY_BEFORE)
    served = as_fast if matters(targets) else (*as_fast, UNTUNED)
    met = (one.name for one in evaluation.controls if _accuracy_miss(targets, one) is None)
    return next((name for name in met if name in served), None)


def _by_control(evaluation: Evaluation, miss: Miss, control: str) -> tuple[Next, str]:
    """What follows where the student misses what a control of it meets."""
    advice = "" if control == NATURAL_MIX else "do not distil: "
    why = f"{advice}{control!r} meets the accuracy target on {evaluation.split}, and the student does not ({miss.arithmetic})"
    if evaluation.split == DEVELOPMENT:
        return "open_sealed", f"{why}; the sealed split decides"
    return "deploy", why


def _in_its_place(control: str) -> str:
    """What follows where a control that is a model meets the target too."""
    is_model = control in (ANSWERS_ONLY, ANSWERS_ONLY_BEFORE, UNTUNED)
    return ", and is served and given away in the student's place" if is_model else ""


def _next(
    state: RunState, evaluation: Evaluation, misses: list[Miss], cheaper: str | None, max_attempts: int
) -> tuple[Next, str]:
    sealed = evaluation.split != DEVELOPMENT
    if not misses and not sealed:
        return "open_sealed", "every target is met on the development split; the sealed split decides"
    if not misses:
        as_it_is = not state.attempts[-1].candidate.trains
        also = "; do not distil: the model's own prompt meets the target" if as_it_is else ""
        also += f"; do not distil: {cheaper!r} meets the accuracy target too{_in_its_place(cheaper)}" if cheaper else ""
        return "deploy", f"every target is met on {evaluation.split}, which was opened once{also}"
    return _after_misses(state, evaluation.split, misses, max_attempts, sealed=sealed)


def _after_misses(
    state: RunState, where: str, misses: list[Miss], max_attempts: int, *, sealed: bool
) -> tuple[Next, str]:
    """Whether another plan is made; `sealed`: a sealed split was opened for this attempt."""
    worst = "; ".join(f"{miss.constraint}: {miss.arithmetic}" for miss in misses)
    if sealed and not sealed_left(state):
        return (
            "stop",
            f"missed on {where}, and no sealed split is left to judge another attempt by ({worst})",
        )
    if any(miss.constraint in ("dollars", "hours") for miss in misses):
        return "stop", f"a limit is reached ({worst})"
    sound = sum(not attempt.diverged for attempt in state.attempts)
    if sound >= max_attempts or len(state.attempts) >= PATIENCE * max_attempts:
        return "stop", f"missed after {len(state.attempts)} attempts, the most allowed ({worst})"
    return "replan", worst
