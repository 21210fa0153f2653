"""Where dollars, shares and latencies lie on a picture of a front, for the terminal and for the audit page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..state.numbers import AS_SAID, shown

ROUND_SHARES = (0.01, 0.05, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
EXTREME_SHARE = 0.0005
"""Shares nearer to 0 or 1 are drawn there: their odds have no end."""

LEAST_USD, MOST_USD = 1e-9, 1e12
"""Sums outside are drawn at these ends: they are mistakes or forged."""

LIMIT_NEAR = 10.0
"""A limit up to this many times the dearest, or a part of the cheapest, is drawn; one farther off would leave the marks no room."""
LATENCY_WORDS = ("fast", "middling", "slow")


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str


class LogScale:
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
            Tick(at=self(value), label=f"${shown(value, AS_SAID)}")
            for value in values
            if self.low <= value <= self.high
        )


class OddsScale:
    """Shares to places by their log odds, as the predictions are made: 95 and 99 % lie as far apart as 50 and 83 %."""

    def __init__(self, shares: Sequence[float], start: float, end: float) -> None:
        low, high = min(map(_log_odds, shares)), max(map(_log_odds, shares))
        margin = max(0.2, 0.06 * (high - low))
        self._low, self._high, self._start, self._end = low - margin, high + margin, start, end

    def __call__(self, share: float) -> float:
        """Where the share lies."""
        inside = (_log_odds(share) - self._low) / (self._high - self._low)
        return round(self._start + (self._end - self._start) * inside, 1)

    def ticks(self, gap: float) -> tuple[Tick, ...]:
        """Round shares, none closer than this to the one before it."""
        ticks: list[Tick] = []
        for share in ROUND_SHARES:
            place = self(share)
            if self._low <= _log_odds(share) <= self._high and (not ticks or abs(ticks[-1].at - place) >= gap):
                ticks.append(Tick(at=place, label=shown(100 * share, AS_SAID)))
        return tuple(ticks)


def _log_odds(share: float) -> float:
    inside = min(1 - EXTREME_SHARE, max(EXTREME_SHARE, share))
    return math.log(inside / (1 - inside))


def _log_usd(value: float) -> float:
    return math.log10(min(MOST_USD, max(LEAST_USD, value)))


def shown_limit(limit_usd: float | None, paid: Sequence[float]) -> float | None:
    """The limit where it lies near enough to what is paid to be drawn with it."""
    if not limit_usd or not paid or not min(paid) / LIMIT_NEAR <= limit_usd <= LIMIT_NEAR * max(paid):
        return None
    return limit_usd


def latency_bounds(latencies_ms: Sequence[float], target_ms: float | None) -> tuple[float, float]:
    """Up to where an answer counts as fast and up to where as middling, ms: half the target and the target, else the thirds of
    what there is."""
    if target_ms is not None:
        return target_ms / 2, target_ms
    ordered = sorted(latencies_ms) or [0.0]
    last = len(ordered) - 1
    return ordered[last // 3], ordered[2 * last // 3]


def latency_class(latency_ms: float, bounds: tuple[float, float]) -> int:
    """0, 1 or 2, a place in LATENCY_WORDS."""
    return sum(latency_ms > bound for bound in bounds)
