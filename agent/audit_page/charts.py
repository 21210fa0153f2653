"""Where the marks of the page's charts lie, in the units of their SVG boxes; the template draws them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...state.numbers import shown
from ..scales import LATENCY_WORDS, LogScale, OddsScale, Tick, latency_bounds, latency_class, shown_limit
from .records import Band, Candidate, Plan

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 48, 624, 16, 316
FREE_SLOT = 64
"""Width kept at the left for candidates that cost nothing: a logarithm has no place for them."""

TICK_GAP = 20
RADII = (4.5, 3.0, 2.0)
"""Of the mark of a fast, a middling and a slow candidate."""

STRIP_WIDTH, STRIP_PAD = 160, 6
LOSS_WIDTH, LOSS_HEIGHT, LOSS_PAD = 320, 96, 8


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A candidate: its point, its accuracy's band, and what it is in words."""

    x: float
    y: float
    band_top: float
    band_bottom: float
    here: bool
    chosen: bool
    words: str
    radius: float
    runner_up: int
    """1 for the first runner-up; 0 for none."""


@dataclass(frozen=True, kw_only=True)
class FrontChart:
    """Dollars against accuracy. `unplaced` counts candidates that lack one of the two."""

    marks: tuple[Mark, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    target_y: float | None
    limit_x: float | None
    free_until: float | None
    unplaced: int
    latency: str
    """What the sizes of the marks mean."""

    @property
    def chosen(self) -> Mark | None:
        """The plan's mark."""
        return next((mark for mark in self.marks if mark.chosen), None)


def front_chart(
    plan: Plan, target: float | None, limit_usd: float | None, target_ms: float | None = None
) -> FrontChart | None:
    """The chart of a plan's front; None when no candidate has both figures."""
    placed = [(one, one.usd, one.accuracy) for one in plan.front if one.usd is not None and one.accuracy is not None]
    if not placed:
        return None
    paid = [usd.value for _, usd, _ in placed if usd.value > 0]
    free = sorted(
        (one for one, usd, _ in placed if usd.value <= 0), key=lambda one: one.hours.value if one.hours else 0
    )
    start = LEFT + FREE_SLOT if free and paid else LEFT
    free_until = (start if paid else RIGHT) if free else None
    limit = shown_limit(limit_usd, paid)
    x_of = LogScale([*paid, limit] if limit else paid, start, RIGHT) if paid else None
    shares = [share for _, _, accuracy in placed for share in (accuracy.low, accuracy.high)]
    y_of = OddsScale([*shares, *([target] if target is not None else [])], BOTTOM, TOP)

    def x_for(one: Candidate, usd: float) -> float:
        if x_of is not None and usd > 0:
            return x_of(usd)
        width = (free_until or RIGHT) - LEFT
        return round(LEFT + width * (free.index(one) + 1) / (len(free) + 1), 1)

    known = [one.latency_p95_ms.value for one, _, _ in placed if one.latency_p95_ms]
    bounds = latency_bounds(known, target_ms)

    def radius_of(one: Candidate) -> float:
        return RADII[latency_class(one.latency_p95_ms.value, bounds) if one.latency_p95_ms else -1]

    marks = [
        Mark(
            x=x_for(one, usd.value),
            y=y_of(accuracy.value),
            band_top=y_of(accuracy.high),
            band_bottom=y_of(accuracy.low),
            here=one.here,
            chosen=one.chosen,
            words=_words(one, usd, accuracy),
            radius=radius_of(one),
            runner_up=one.runner_up,
        )
        for one, usd, accuracy in placed
    ]
    return FrontChart(
        marks=tuple(sorted(marks, key=lambda mark: (mark.chosen, bool(mark.runner_up), mark.here))),
        x_ticks=x_of.ticks() if x_of else (),
        y_ticks=y_of.ticks(TICK_GAP),
        target_y=y_of(target) if target is not None else None,
        limit_x=x_of(limit) if x_of and limit else None,
        free_until=free_until,
        unplaced=len(plan.front) - len(placed),
        latency=f"{LATENCY_WORDS[0]} up to {shown(bounds[0])} ms, {LATENCY_WORDS[2]} above {shown(bounds[1])} ms"
        if known
        else "",
    )


def _words(one: Candidate, usd: Band, accuracy: Band) -> str:
    tokens = f" for {one.tokens / 1e6:g}M tokens" if one.tokens else ""
    return (
        f"{one.student}{tokens} on {one.server}: {accuracy.value:.1%} exact (80 % band {accuracy.low:.1%} to "
        f"{accuracy.high:.1%}), ${shown(usd.value)}{_p95(one)}{_place(one)}"
    )


def _p95(one: Candidate) -> str:
    return f", p95 {shown(one.latency_p95_ms.value)} ms" if one.latency_p95_ms else ""


def _place(one: Candidate) -> str:
    return f"; runner-up {one.runner_up}" if one.runner_up else ""


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A band on a line: its ends, the predicted or measured figure, and another figure beside it."""

    low: float
    high: float
    value: float
    other: float | None


def strip(band: Band, other: float | None = None, *, share: bool = False) -> Strip:
    """The band's strip, over 0 to 1 for a share, else over what it and the other figure span."""
    figures = [band.low, band.high, band.value, *([other] if other is not None else [])]
    start, end = (0.0, 1.0) if share else (min(figures), max(figures))
    width = (end - start) or 1.0

    def place(value: float) -> float:
        inside = min(1.0, max(0.0, (value - start) / width))
        return round(STRIP_PAD + (STRIP_WIDTH - 2 * STRIP_PAD) * inside, 1)

    return Strip(
        low=place(band.low),
        high=place(band.high),
        value=place(band.value),
        other=place(other) if other is not None else None,
    )


def loss_line(curve: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The places of a loss curve: tokens to the right, loss upward and logarithmic where it is positive."""
    if not curve:
        return ()
    logarithmic = all(loss > 0 for _, loss in curve)
    losses = [math.log10(loss) if logarithmic else loss for _, loss in curve]
    most = max(tokens for tokens, _ in curve) or 1.0
    low, span = min(losses), (max(losses) - min(losses)) or 1.0
    return tuple(
        (
            round(LOSS_PAD + (LOSS_WIDTH - 2 * LOSS_PAD) * tokens / most, 1),
            round(LOSS_HEIGHT - LOSS_PAD - (LOSS_HEIGHT - 2 * LOSS_PAD) * (loss - low) / span, 1),
        )
        for (tokens, _), loss in zip(curve, losses, strict=True)
    )
