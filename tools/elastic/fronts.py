"""Which cut serves which site: the exact front of what was measured, the best cut within a site's limits, and baselines.

The trade-off score is ACME's: accuracy - 0.5 (size + energy), each min-max normalised over the cuts that are compared. Its Pareto
Front Grid, after Xu et al. (IEEE Trans. Evol. Comput. 2023), is here as a baseline only: it keeps what is best in some cell of a grid,
which much that is dominated is.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...state.errors import Correctable
from ..front.nondominated import non_dominated
from .cutting import Cut

Floats = NDArray[np.float64]

Rule = Literal["trade_off", "accuracy", "size", "random", "grid"]
"""trade_off: the best score on the front. The others are baselines: accuracy first, size first, any, the best score that the
Pareto Front Grid keeps."""
GRID_CELLS = 5
"""assumption: cells along each objective; the paper names no number."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One cut and what was measured of it."""

    cut: Cut
    accuracy: float
    """Share right on validation data, 0 to 1."""
    latency_ms: float
    bytes: int
    joules: float
    """Estimated: measured time times the power the device is said to draw."""
    flops: int = 0
    """Of one pass; told, and no part of the front."""

    def costs(self) -> tuple[float, float, float, float]:
        """What a front makes small: less accuracy is worse."""
        return -self.accuracy, self.latency_ms, float(self.bytes), self.joules


@dataclass(frozen=True, kw_only=True)
class SiteLimits:
    """What a site's box allows; null: anything."""

    max_bytes: int | None = None
    max_latency_ms: float | None = None

    def allow(self, measured: Measured) -> bool:
        """Whether a cut fits."""
        return (self.max_bytes is None or measured.bytes <= self.max_bytes) and (
            self.max_latency_ms is None or measured.latency_ms <= self.max_latency_ms
        )

    def __str__(self) -> str:
        said = [
            None if self.max_bytes is None else f"at most {self.max_bytes:,} bytes",
            None if self.max_latency_ms is None else f"at most {self.max_latency_ms:g} ms",
        ]
        return " and ".join(filter(None, said)) or "no limits"


def front(table: Sequence[Measured]) -> list[Measured]:
    """The cuts that no other beats in accuracy, latency, size and energy together, in their order."""
    return [table[row] for row in non_dominated(np.array([measured.costs() for measured in table]))]


def scores(table: Sequence[Measured]) -> list[float]:
    """ACME's trade-off score of each cut: accuracy - 0.5 (size + energy), each scaled to 0 .. 1 over the table."""
    rows = [(measured.accuracy, measured.bytes, measured.joules) for measured in table]
    accuracy, size, energy = (_scaled(column) for column in zip(*rows, strict=True))
    return [float(score) for score in accuracy - 0.5 * (size + energy)]


def _scaled(values: Sequence[float]) -> Floats:
    """From 0 for the smallest to 1 for the largest; all 0 where they are alike."""
    row = np.array(values, dtype=np.float64)
    span = row.max() - row.min()
    return (row - row.min()) / span if span else np.zeros(len(row))


def choose(table: Sequence[Measured], limits: SiteLimits, rule: Rule = "trade_off", seed: int = 0) -> Measured:
    """The cut for a site by a rule, among those that fit. Scores are those over the whole table, so that sites compare.

    Raises Correctable where none fits, with the smallest there is.
    """
    fitting = [measured for measured in table if limits.allow(measured)]
    if not fitting:
        smallest = min(table, key=lambda measured: measured.bytes)
        raise Correctable(
            f"none of {len(table)} cuts fits a site with {limits}: the smallest, {smallest.cut.name}, has "
            f"{smallest.bytes:,} bytes and takes {smallest.latency_ms:.3g} ms"
        )
    scored = dict(zip((measured.cut for measured in table), scores(table), strict=True))
    if rule == "accuracy":
        return max(fitting, key=lambda measured: (measured.accuracy, -measured.bytes))
    if rule == "size":
        return min(fitting, key=lambda measured: (measured.bytes, -measured.accuracy))
    if rule == "random":
        return random.Random(seed).choice(fitting)
    kept = grid(fitting) if rule == "grid" else front(fitting)
    return max(kept, key=lambda measured: scored[measured.cut])


def grid(table: Sequence[Measured], cells: int = GRID_CELLS) -> list[Measured]:
    """The Pareto Front Grid: for each objective, and each cell that the others make, what is best in that objective there."""
    costs = np.array([measured.costs() for measured in table])
    span = np.ptp(costs, axis=0)
    places = np.minimum(cells - 1, ((costs - costs.min(axis=0)) / np.where(span, span, 1) * cells).astype(int))
    kept: set[int] = set()
    for objective in range(costs.shape[1]):
        best: dict[tuple[int, ...], int] = {}
        for row, place in enumerate(np.delete(places, objective, axis=1)):
            cell = tuple(int(number) for number in place)
            if cell not in best or costs[row, objective] < costs[best[cell], objective]:
                best[cell] = row
        kept.update(best.values())
    return [table[row] for row in sorted(kept)]
