"""The part of a page about many sites: the family's sizes, each site's choice and result, and where the marks of their charts lie."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from ...state.canonical import Row
from ...state.evidence import Interval
from ...state.sites import CutFigures, Family, SiteResult, SitesAttempt
from .reading import mapping, parsed

FRONT_WIDTH, FRONT_HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 48, 616, 20, 276
HEAT_SIDE, HEAT_LABEL = 420, 96
"""Width of the squares together, and of the names beside them."""
BAR_WIDTH, BAR_HEIGHT, BAR_LABEL = 440, 18, 120
MOST_DRAWN = 40
"""Sites in a heat map or in bars: more could not be read."""
LABEL = 14
"""Characters of a name beside a chart."""


@dataclass(frozen=True, kw_only=True)
class SizeMark:
    """One size of the family on the chart."""

    x: float
    y: float
    low: float
    high: float
    on_front: bool
    sites: tuple[str, ...]
    words: str


@dataclass(frozen=True, kw_only=True)
class Square:
    """Two sites in the heat map."""

    x: float
    y: float
    side: float
    nearness: float
    """0: the farthest of all pairs; 1: no distance."""
    words: str


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One site's bytes."""

    y: float
    name: str
    down: float
    up: float
    words: str


@dataclass(frozen=True, kw_only=True)
class SitesFacts:
    """All of a run's sites at last."""

    family: Family
    attempt: SitesAttempt
    results: tuple[SiteResult, ...]
    cuts: dict[str, str]
    marks: tuple[SizeMark, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    squares: tuple[Square, ...]
    names: tuple[tuple[float, str], ...]
    """Of the heat map's rows."""
    bars: tuple[Bar, ...]

    @property
    def bytes_share(self) -> float | None:
        """Of central training's."""
        central = self.attempt.central_bytes
        return self.attempt.bytes / central if central else None


def sites_facts(rows: Sequence[Row]) -> SitesFacts | None:
    """The facts of a run's rows; None where it had no sites, or its rows cannot be read."""
    family = _last(rows, "tool build_family", "family")
    attempt = _last(rows, "tool customize", "attempt")
    try:
        return (
            _facts(Family.model_validate(family), SitesAttempt.model_validate(attempt)) if family and attempt else None
        )
    except ValidationError:
        return None


def _last(rows: Sequence[Row], name: str, key: str) -> dict[str, object]:
    found: list[dict[str, object]] = [mapping(parsed(row.output_json), key) for row in rows if row.name == name]
    return next((one for one in reversed(found) if one), dict[str, object]())


def _facts(family: Family, attempt: SitesAttempt) -> SitesFacts:
    cuts = {choice.site: choice.cut for choice in attempt.plan.choices}
    x_of, x_ticks = _log_scale([cut.bytes for cut in family.cuts])
    y_of, y_ticks = _share_scale([cut.accuracy for cut in family.cuts])
    marks = [
        SizeMark(
            x=x_of(cut.bytes),
            y=y_of(cut.accuracy.value),
            low=y_of(cut.accuracy.low),
            high=y_of(cut.accuracy.high),
            on_front=cut.on_front,
            sites=tuple(site for site, chosen in cuts.items() if chosen == cut.name),
            words=_size_words(cut),
        )
        for cut in family.cuts
    ]
    return SitesFacts(
        family=family,
        attempt=attempt,
        results=tuple(sorted(attempt.results, key=lambda one: one.test.value if one.test else -1.0)),
        cuts=cuts,
        marks=tuple(sorted(marks, key=lambda mark: (bool(mark.sites), mark.on_front))),
        x_ticks=x_ticks,
        y_ticks=y_ticks,
        squares=_squares(attempt),
        names=tuple(
            (round((number + 0.5) * HEAT_SIDE / len(attempt.distances), 1), site[:LABEL])
            for number, (site, _) in enumerate(attempt.distances)
        )
        if len(attempt.distances) <= MOST_DRAWN
        else (),
        bars=_bars(attempt.results),
    )


def _size_words(cut: CutFigures) -> str:
    front = "" if cut.on_front else "; another size beats it in everything"
    return (
        f"{cut.name}: {cut.accuracy.value:.1%} of the public development split, {cut.bytes / 1024:,.0f} KiB, {cut.latency_ms:.2f} ms, "
        f"{1000 * cut.joules:.2f} mJ (estimated), trade-off {cut.score:z.2f}{front}"
    )


def _log_scale(values: Sequence[int]) -> tuple[Callable[[float], float], tuple[tuple[float, str], ...]]:
    low, high = math.log2(max(1, min(values))), math.log2(max(1, *values))
    low, high = low - 0.15, high + 0.15

    def place(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (math.log2(max(1.0, value)) - low) / (high - low), 1)

    powers = [2**power for power in range(math.ceil(low), math.floor(high) + 1)]
    return place, tuple((place(value), f"{value / 1024:,.4g} KiB") for value in powers)


def _share_scale(shares: Sequence[Interval]) -> tuple[Callable[[float], float], tuple[tuple[float, str], ...]]:
    low, high = min(share.low for share in shares), max(share.high for share in shares)
    span = max(0.02, high - low)

    def place(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (value - low) / span, 1)

    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2) if span / step <= 8 or step == 0.2)
    first = math.ceil(low / step)
    ticks = [step * number for number in range(first, math.floor((low + span) / step) + 1)]
    return place, tuple((place(tick), f"{100 * tick:.0f} %") for tick in ticks)


def _squares(attempt: SitesAttempt) -> tuple[Square, ...]:
    count = len(attempt.distances)
    if not 1 < count <= MOST_DRAWN:
        return ()
    side = HEAT_SIDE / count
    most = max((max(row, default=0.0) for _, row in attempt.distances), default=0.0) or 1.0
    names = [site for site, _ in attempt.distances]
    return tuple(
        Square(
            x=round(HEAT_LABEL + column * side, 1),
            y=round(row * side, 1),
            side=round(side - 1, 1),
            nearness=round(1 - distance / most, 3),
            words=f"{site} and {other}: {distance:.3g}",
        )
        for row, (site, distances) in enumerate(attempt.distances)
        for column, (other, distance) in enumerate(zip(names, distances, strict=False))
    )


def _bars(results: Sequence[SiteResult]) -> tuple[Bar, ...]:
    largest = sorted(results, key=lambda one: -(one.down_bytes + one.up_bytes))[:MOST_DRAWN]
    most = max((one.down_bytes + one.up_bytes for one in largest), default=0) or 1
    return tuple(
        Bar(
            y=float(number * BAR_HEIGHT),
            name=one.site[:LABEL],
            down=round(BAR_WIDTH * one.down_bytes / most, 1),
            up=round(BAR_WIDTH * one.up_bytes / most, 1),
            words=f"{one.site}: {one.down_bytes:,} bytes down, {one.up_bytes:,} up",
        )
        for number, one in enumerate(largest)
    )
