"""The choice in words: why this candidate, and what would have to change for another to win."""

from collections.abc import Mapping, Sequence

from ...state.numbers import shown
from ...state.plan import Candidate, Prediction
from .rule import NEAR_THE_BEST, Rule
from .scoring import Change, Objective, changes_to_reach, score

UNKNOWN_ACCURACY = 0.0

BY_STRATEGY: Mapping[str, str] = {
    "cheapest": "the cheapest, then fastest,",
    "weighted": "the best by the brief's weights",
    "knee": "the knee of the front, where no aim gains much that another does not lose,",
    "pick": "picked by the user",
}


def described(candidate: Candidate) -> str:
    """A candidate's four figures."""
    accuracy = f"{candidate.accuracy.value:.1%}" if candidate.accuracy else "unknown"
    return (
        f"${shown(candidate.total_usd)}, {shown(candidate.hours.value)} h, accuracy {accuracy}, "
        f"p95 {shown(candidate.latency_p95_ms.value)} ms"
    )


def chosen_by(rule: Rule) -> str:
    """The beginning of a reason."""
    near = f" within {100 * NEAR_THE_BEST:g} points of the most accurate" if rule.enough is not None else ""
    return BY_STRATEGY[rule.strategy] + near


def figures_of(candidate: Candidate) -> dict[Objective, float]:
    """What one candidate is scored by."""
    return {
        "accuracy": _accuracy(candidate),
        "latency": candidate.latency_p95_ms.value,
        "usd": candidate.total_usd,
        "hours": candidate.hours.value,
    }


def changes_to_win(candidate: Candidate, chosen: Candidate, rule: Rule) -> tuple[Change, ...]:
    """For each objective, alone, the value at which a candidate would score as high as the chosen one; none without a score."""
    if not rule.scales:
        return ()
    return changes_to_reach(score(figures_of(chosen), rule.scales), figures_of(candidate), rule.scales)


def to_win(candidate: Candidate, chosen: Candidate, rule: Rule) -> str:
    """What would have to change for a candidate that meets every limit to be chosen in the place of another."""
    if rule.strategy == "pick":
        return f"the user picked another; this one is {described(candidate)}"
    if rule.scales:
        return _to_score_as_high(candidate, chosen, rule)
    if rule.enough is not None and _accuracy(candidate) < rule.enough:
        gap = rule.enough - _accuracy(candidate)
        return f"it would have to gain {gap:.2%} accuracy, to be within {100 * NEAR_THE_BEST:g} points of the most accurate"
    if rule.target is not None and candidate.total_usd <= chosen.total_usd and candidate.accuracy and chosen.accuracy:
        ours, theirs = (_chance(one.accuracy, rule.target) for one in (candidate, chosen))
        if ours < theirs:
            return (
                f"it reaches the target with a chance of {ours:.0%}, the chosen one of {theirs:.0%}: a miss would be followed by "
                "another attempt"
            )
    return _to_be_cheapest(candidate, chosen)


def _chance(accuracy: Prediction | None, target: float) -> float:
    from ..chances import chance_of

    return chance_of(accuracy, target)


def _to_score_as_high(candidate: Candidate, chosen: Candidate, rule: Rule) -> str:
    ours, best = score(figures_of(candidate), rule.scales), score(figures_of(chosen), rule.scales)
    if ours >= best:
        return f"it scores {ours:.3f} as the chosen one does, which is preferred: {_to_be_cheapest(candidate, chosen)}"
    by_hand = changes_to_win(candidate, chosen, rule)
    digits = 3 if best - ours >= 0.001 else 6
    scored = f"it scores {ours:.{digits}f}, the chosen one {best:.{digits}f}"
    if not by_hand:
        return f"{scored}: no one of its figures could make that up alone"
    return f"{scored}: it would have to {_either([_gain(change) for change in by_hand])}"


def _gain(change: Change) -> str:
    gap = abs(change.wanted - change.now)
    share = f" ({gap / change.now:.0%})" if change.now else ""
    match change.objective:
        case "accuracy":
            return f"gain {gap:.2%} accuracy"
        case "latency":
            return f"answer {shown(gap)} ms{share} sooner"
        case "usd":
            return f"cost ${shown(gap)}{share} less"
        case "hours":
            return f"take {shown(gap)} h{share} less"


def _either(ways: Sequence[str]) -> str:
    return ways[0] if len(ways) == 1 else f"{', '.join(ways[:-1])} or {ways[-1]}"


def _to_be_cheapest(candidate: Candidate, chosen: Candidate) -> str:
    gap_usd, gap_hours = candidate.total_usd - chosen.total_usd, candidate.hours.value - chosen.hours.value
    if gap_usd > 0 and chosen.total_usd <= 0:
        return f"it costs ${shown(candidate.total_usd)}, the chosen one nothing"
    if gap_usd > 0:
        share = gap_usd / candidate.total_usd
        return f"it would have to cost ${shown(gap_usd)} ({share:.0%}) less than its ${shown(candidate.total_usd)}"
    if gap_hours > 0:
        return f"at the same cost, it would have to take {shown(gap_hours)} h less than its {shown(candidate.hours.value)} h"
    if _accuracy(candidate) < _accuracy(chosen):
        same = "at the same cost and hours, " if (gap_usd, gap_hours) == (0, 0) else ""
        return f"{same}it would have to gain {_accuracy(chosen) - _accuracy(candidate):.2%} accuracy"
    gap_ms = candidate.latency_p95_ms.value - chosen.latency_p95_ms.value
    return (
        f"it is {shown(gap_ms)} ms slower and equal in all else"
        if gap_ms > 0
        else "it equals the chosen one, which is first by id"
    )


def _accuracy(candidate: Candidate) -> float:
    return candidate.accuracy.value if candidate.accuracy else UNKNOWN_ACCURACY
