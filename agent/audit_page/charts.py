"""Where the marks of the page's charts lie, in the units of their SVG boxes; the template draws them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .records import Band, Candidate, Plan

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 48, 624, 16, 316
FREE_SLOT = 64
"""Width kept at the left for candidates that cost nothing: a logarithm has no place for them."""

ROUND_SHARES = (0.01, 0.05, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
TICK_GAP = 20
EXTREME_SHARE = 0.0005
"""Shares nearer to 0 or 1 are drawn there: their odds have no end."""

LEAST_USD, MOST_USD = 1e-9, 1e12
"""Sums outside are drawn at these ends: they are mistakes or forged."""

STRIP_WIDTH, STRIP_PAD = 160, 6
LOSS_WIDTH, LOSS_HEIGHT, LOSS_PAD = 320, 96, 8


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str


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

    @property
    def chosen(self) -> Mark | None:
        """The plan's mark."""
        return next((mark for mark in self.marks if mark.chosen), None)


def front_chart(plan: Plan, target: float | None, limit_usd: float | None) -> FrontChart | None:
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
    x_of = _LogScale(paid, start, RIGHT) if paid else None
    shares = [share for _, _, accuracy in placed for share in (accuracy.low, accuracy.high)]
    y_of = _OddsScale([*shares, *([target] if target is not None else [])], BOTTOM, TOP)

    def x_for(one: Candidate, usd: float) -> float:
        if x_of is not None and usd > 0:
            return x_of(usd)
        width = (free_until or RIGHT) - LEFT
        return round(LEFT + width * (free.index(one) + 1) / (len(free) + 1), 1)

    marks = [
        Mark(
            x=x_for(one, usd.value),
            y=y_of(accuracy.value),
            band_top=y_of(accuracy.high),
            band_bottom=y_of(accuracy.low),
            here=one.here,
            chosen=one.chosen,
            words=_words(one, usd, accuracy),
        )
        for one, usd, accuracy in placed
    ]
    return FrontChart(
        marks=tuple(sorted(marks, key=lambda mark: (mark.chosen, mark.here))),
        x_ticks=x_of.ticks() if x_of else (),
        y_ticks=y_of.ticks(),
        target_y=y_of(target) if target is not None else None,
        limit_x=x_of(limit_usd) if x_of and limit_usd and x_of.low <= limit_usd <= x_of.high else None,
        free_until=free_until,
        unplaced=len(plan.front) - len(placed),
    )


def _words(one: Candidate, usd: Band, accuracy: Band) -> str:
    tokens = f" for {one.tokens / 1e6:g}M tokens" if one.tokens else ""
    return (
        f"{one.student}{tokens} on {one.server}: {accuracy.value:.1%} exact (80 % band {accuracy.low:.1%} to "
        f"{accuracy.high:.1%}), ${usd.value:.4g}"
    )


class _LogScale:
    """Positive values to places, their range widened by a tenth on both sides."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        low, high = _log_usd(min(values)), _log_usd(max(values))
        margin = max(0.1, 0.06 * (high - low))
        self._low, self._high, self._start, self._end = low - margin, high + margin, start, end

    @property
    def low(self) -> float:
        """The value at the start."""
        return 10**self._low

    @property
    def high(self) -> float:
        """The value at the end."""
        return 10**self._high

    def __call__(self, value: float) -> float:
        """Where the value lies."""
        share = (_log_usd(value) - self._low) / (self._high - self._low)
        return round(self._start + (self._end - self._start) * share, 1)

    def ticks(self) -> tuple[Tick, ...]:
        """Powers of ten, and twice and five times them where there are few."""
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        factors = (1, 2, 5) if self._high - self._low < 2 else (1,)
        values = [factor * 10.0**power for power in powers for factor in factors]
        return tuple(
            Tick(at=self(value), label=f"${value:g}" if value >= 1e-4 else f"${value:.0e}")
            for value in values
            if self.low <= value <= self.high
        )


class _OddsScale:
    """Shares to places by their log odds, as the predictions are made: 95 and 99 % lie as far apart as 50 and 83 %."""

    def __init__(self, shares: Sequence[float], start: float, end: float) -> None:
        low, high = min(map(_log_odds, shares)), max(map(_log_odds, shares))
        margin = max(0.2, 0.06 * (high - low))
        self._low, self._high, self._start, self._end = low - margin, high + margin, start, end

    def __call__(self, share: float) -> float:
        """Where the share lies."""
        inside = (_log_odds(share) - self._low) / (self._high - self._low)
        return round(self._start + (self._end - self._start) * inside, 1)

    def ticks(self) -> tuple[Tick, ...]:
        """Round shares, none closer to the one before it than its label is high."""
        ticks: list[Tick] = []
        for share in ROUND_SHARES:
            place = self(share)
            if self._low <= _log_odds(share) <= self._high and (not ticks or ticks[-1].at - place >= TICK_GAP):
                ticks.append(Tick(at=place, label=f"{100 * share:g}"))
        return tuple(ticks)


def _log_odds(share: float) -> float:
    inside = min(1 - EXTREME_SHARE, max(EXTREME_SHARE, share))
    return math.log(inside / (1 - inside))


def _log_usd(value: float) -> float:
    return math.log10(min(MOST_USD, max(LEAST_USD, value)))


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
