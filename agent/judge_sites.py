"""The judge over many sites: what their models reach on their own examples, against the target, and what happens next.

Validation examples decide whether to go on; test examples are looked at once, when they do not ask for another attempt.
"""

from collections.abc import Mapping, Sequence

from ..state.brief import Sites, Targets
from ..state.evidence import Interval, Miss, Next, Verdict, wilson
from ..state.numbers import dollars, shown
from ..state.run import RunState
from ..state.sites import SiteResult, SitesAttempt
from ..tools.costs import fits
from ..tools.sites.choosing import below_target
from .judge import points_below

VALIDATION, TEST = "the sites' validation examples", "the sites' test examples"
LEVERS = "larger boxes for the sites below it, more examples there, or longer tuning"
NAMED = 5
"""Sites named in a line."""
AS_SENT = "the family's models as they were sent, tuned at no site"
ALONE = "each site alone, a model of its size from nothing"
"""The control."""


def judge_sites(state: RunState, max_attempts: int) -> Verdict:
    """The verdict on the newest attempt: on validation examples first, then, where nothing else is tried, on test examples; pure."""
    brief, attempt = state.known_brief, state.site_attempts[-1]
    assert brief.sites is not None
    opened = bool(state.verdicts) and state.verdicts[-1].attempt == attempt.number
    split = TEST if opened else VALIDATION
    misses = [
        *_accuracy_misses(brief.targets, brief.sites, attempt, split),
        *_slow(brief.targets, brief.sites, attempt),
        *_passed_limits(state),
    ]
    verdict_next, reason = _next(state, split, misses, max_attempts)
    if opened and verdict_next == "deploy" and (control := _control(brief.targets, brief.sites, attempt)):
        reason = f"{reason}; do not customize: {control!r} meets the accuracy target too"
    return Verdict(
        attempt=attempt.number,
        split=split,
        met=not misses,
        rule=brief.targets.accuracy_rule,
        misses=tuple(misses),
        cheaper_control=_control(brief.targets, brief.sites, attempt) if opened else None,
        next=verdict_next,
        reason=reason,
    )


def together(results: Sequence[SiteResult], of: str) -> Interval | None:
    """The share right of all sites' examples together: `of` names the field. Sites without a model count for nothing here."""
    shares = [share for result in results if (share := getattr(result, of)) is not None]
    n = sum(share.n for share in shares)
    return wilson(sum(round(share.value * share.n) for share in shares), n) if n else None


def mean_share(results: Sequence[SiteResult], of: str) -> float | None:
    """The mean of the sites' own shares, each counting alike."""
    shares = [share.value for result in results if (share := getattr(result, of)) is not None]
    return sum(shares) / len(shares) if shares else None


def _accuracy_misses(targets: Targets, sites: Sites, attempt: SitesAttempt, split: str) -> list[Miss]:
    """What of the attempt is below the target, sites without a model first."""
    lost = [result.site for result in attempt.results if result.failed]
    misses: list[Miss] = []
    if lost:
        reached = len(attempt.results) - len(lost)
        arithmetic = f"{len(lost)} of {len(attempt.results)} sites have no model: {_named(lost)}"
        misses.append(
            _miss(targets.accuracy or 0.0, reached / len(attempt.results), arithmetic, "what kept each from it")
        )
    if targets.accuracy is None:
        return misses
    shares = _judged(sites, attempt, "validation" if split == VALIDATION else "test")
    by_bound = targets.accuracy_rule == "lower_bound"
    below = {
        name: share for name, share in shares.items() if (share.low if by_bound else share.value) < targets.accuracy
    }
    if below:
        worst = min(below.values(), key=lambda share: share.low if by_bound else share.value)
        got = worst.low if by_bound else worst.value
        what = "the interval's lower end" if by_bound else "the measured value"
        said = [
            f"{name} {share.value:.1%} of {share.n} ({share.low:.1%} to {share.high:.1%})"
            for name, share in below.items()
        ]
        arithmetic = (
            f"{_named(said)}; {what} is {points_below(targets.accuracy, got)} points below {targets.accuracy:.1%}"
        )
        most = wilson(worst.n, worst.n).low
        few = by_bound and most < targets.accuracy
        levers = (
            f"more test examples: {worst.n} of {worst.n} right would show no more than {most:.1%}" if few else LEVERS
        )
        misses.append(_miss(targets.accuracy, got, arithmetic, levers))
    return misses


def _slow(targets: Targets, sites: Sites, attempt: SitesAttempt) -> list[Miss]:
    """The sites whose model takes longer there than their box allows: they were chosen by this machine's times."""
    limit = {site.name: site.max_latency_ms or targets.latency_p95_ms for site in sites.each}
    slow = [
        (result.latency_ms / most, result.site, result.latency_ms, most)
        for result in attempt.results
        if result.latency_ms is not None and (most := limit[result.site]) is not None and result.latency_ms > most
    ]
    if not slow:
        return []
    _, _, got, wanted = max(slow)
    said = _named([f"{site} {took:.3g} ms of at most {most:g}" for _, site, took, most in sorted(slow, reverse=True)])
    levers = "a smaller size for them, or a faster box"
    return [Miss(constraint="latency", wanted=wanted, got=got, arithmetic=f"at the sites: {said}", levers=levers)]


def _judged(sites: Sites, attempt: SitesAttempt, part: str) -> Mapping[str, Interval]:
    """The shares that must reach the target, by whose they are."""
    if sites.judged == "each":
        return {one.site: share for one in attempt.results if (share := getattr(one, part)) is not None}
    share = together(attempt.results, part)
    return {"all sites": share} if share is not None else {}


def _control(targets: Targets, sites: Sites, attempt: SitesAttempt) -> str | None:
    """The first control that reaches the target by the same rule on the same examples."""
    if targets.accuracy is None:
        return None
    for control, of in ((AS_SENT, "sent_test"), (ALONE, "alone_test")):
        shares = _judged(sites, attempt, of).values()
        lows = [share.low if targets.accuracy_rule == "lower_bound" else share.value for share in shares]
        if lows and min(lows) >= targets.accuracy:
            return control
    return None


def _miss(wanted: float, got: float, arithmetic: str, levers: str) -> Miss:
    return Miss(constraint="accuracy", wanted=wanted, got=got, arithmetic=arithmetic, levers=levers)


def _passed_limits(state: RunState) -> list[Miss]:
    usd, hours = state.known_brief.limits.usd, state.known_brief.limits.hours
    misses: list[Miss] = []
    if usd is not None and not fits(state.spent_usd, usd):
        said = f"${state.spent_usd:,.4f} spent, limit {dollars(usd)}"
        misses.append(
            Miss(constraint="dollars", wanted=usd, got=state.spent_usd, arithmetic=said, levers="fewer sites")
        )
    if hours is not None and state.hours_used > hours:
        said = f"{60 * state.hours_used:.1f} minutes of work, limit {shown(60 * hours)}"
        misses.append(Miss(constraint="hours", wanted=hours, got=state.hours_used, arithmetic=said, levers="more time"))
    return misses


def _next(state: RunState, split: str, misses: list[Miss], max_attempts: int) -> tuple[Next, str]:
    attempt = state.site_attempts[-1]
    worst = "; ".join(f"{miss.constraint}: {miss.arithmetic}" for miss in misses)
    if split == TEST:
        return (
            ("deploy", f"every target is met on {TEST}, looked at once")
            if not misses
            else ("stop", f"missed on {TEST} ({worst})")
        )
    if not misses:
        return "open_sealed", f"every target is met on {VALIDATION}; {TEST} decide"
    passed = any(miss.constraint in ("dollars", "hours") for miss in misses)
    can_change = bool(below_target(state)) and len(state.site_attempts) < max_attempts
    if can_change and not passed and _untried(state):
        return "replan", worst
    return (
        "open_sealed",
        f"nothing else can be tried ({worst}); {TEST} tell what was reached in attempt {attempt.number}",
    )


def _untried(state: RunState) -> bool:
    """Whether some site below the target was not yet given the most accurate size that it can hold."""
    below = below_target(state)
    return any(choice.site in below and choice.by == "trade_off" for choice in state.site_attempts[-1].plan.choices)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
