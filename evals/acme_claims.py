"""What the `acme` eval claims of what it measured: each figure beside its goal, over the seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..tools.elastic.fronts import Rule
from .acme_worlds import Split
from .reporting import Claim

if TYPE_CHECKING:
    from .acme_baselines import Reached

BASELINES: tuple[Rule, ...] = ("accuracy", "size", "random", "grid")
CONTROLS = ("uniform", "each its own importances")
HEADERS = ("own models, header by controller", "own models, header by random")
OWN = "own models"
GOALS = {"one for all": 10.0, "alone from nothing": 0.0, "FedAvg, our bytes": 0.0, "central": -2.0}
"""Points above these ways at least."""
ASIDE = (
    (OWN, "one for all, of public data", "own models less one for all that learned public data alone"),
    (OWN, "one for all, told the labels", "own models less one for all that is told each site's labels"),
    (HEADERS[0], OWN, "header by the controller less the plain one"),
    (HEADERS[0], HEADERS[1], "header by the controller less by random search"),
    ("own models, over Flower", OWN, "over Flower's processes less in one"),
)
"""Comparisons without a goal."""
T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}
"""Student's t for the mean of so many seeds, both sides."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """All that was measured of one world, split and seed."""

    world: str
    split: Split
    seed: int
    reached: Mapping[str, "Reached"]
    """By the name of the way."""
    trade_off: Mapping[str, float]
    """Mean score over sites by rule."""


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the mean over seeds, by Student's t; null for one seed or more than are tabulated."""
    if len(values) not in T_95:
        return None
    half = T_95[len(values)] * statistics.stdev(values) / math.sqrt(len(values))
    return statistics.mean(values) - half, statistics.mean(values) + half


def claims(ran: Sequence[Ran]) -> list[Claim]:
    """The figures of one world and split over its seeds."""
    where = f"{ran[0].world}, {ran[0].split}"
    items = sum(sum(one.reached[OWN].items.values()) for one in ran)

    def claim(name: str, values: Sequence[float], unit: str, goal: str, met: bool | None) -> Claim:
        return Claim(
            name=f"{where}: {name}",
            value=statistics.mean(values),
            unit=unit,
            n=items,
            goal=goal,
            met=met,
            interval=mean_interval(values),
        )

    common = [way for way in ran[0].reached if all(way in one.reached for one in ran)]
    found = [claim(way, [one.reached[way].accuracy for one in ran], "share", "none", None) for way in common]

    def gains(better: str, worse: str) -> list[float]:
        """In points, of the seeds that have both."""
        both = [one.reached for one in ran if {better, worse} <= set(one.reached)]
        return [100 * (reached[better].accuracy - reached[worse].accuracy) for reached in both]

    for way, goal in GOALS.items():
        over = gains(OWN, way)
        found.append(
            claim(f"own models less {way}", over, "points", f">= {goal:g}", bool(statistics.mean(over) >= goal))
        )
    for way in CONTROLS:
        over = gains(OWN, way)
        interval = mean_interval(over)
        outside = interval is not None and bool(interval[0] > 0)
        found.append(claim(f"own models less {way}", over, "points", "outside the noise", outside))
    for better, worse, name in ASIDE:
        if over := gains(better, worse):
            found.append(claim(name, over, "points", "none", None))
    shares = [100 * one.reached[OWN].bytes / one.reached["central"].bytes for one in ran]
    found.append(claim("bytes over central's", shares, "%", "<= 6", bool(statistics.mean(shares) <= 6)))
    ups = [100 * one.reached[OWN].up_bytes / one.reached["central"].up_bytes for one in ran]
    found.append(claim("bytes up over central's", ups, "%", "none", None))
    for rule in BASELINES:
        ours, theirs = (statistics.mean(one.trade_off[each] for one in ran) for each in ("trade_off", rule))
        over = [one.trade_off["trade_off"] - one.trade_off[rule] for one in ran]
        if rule == "grid":
            found.append(claim("trade-off score less the grid's", over, "score", ">= 0", bool(min(over) >= 0)))
            continue
        # A score may be zero or less, where no share above it can be said.
        met = bool(ours >= 1.3 * theirs if theirs > 0 else ours > theirs)
        found.append(
            claim(f"trade-off score ({ours:.2f}) less {rule}'s ({theirs:.2f})", over, "score", "30 % above", met)
        )
    return found


def line(ran: Ran) -> str:
    """One run's shares right, while the eval goes on."""
    shares = ", ".join(f"{way} {100 * one.accuracy:.1f}" for way, one in ran.reached.items())
    return f"{ran.world}, {ran.split}, seed {ran.seed}: {shares}"


def told(ran: Ran, seconds: float) -> dict[str, object]:
    """One run as JSON."""
    return {
        "world": ran.world,
        "split": ran.split,
        "seed": ran.seed,
        "seconds": round(seconds, 1),
        "trade_off": dict(ran.trade_off),
        "ways": {
            way: {
                "right": dict(one.right),
                "items": dict(one.items),
                "up_bytes": one.up_bytes,
                "down_bytes": one.down_bytes,
                "cpu_seconds": round(one.cpu_seconds, 1),
                **one.details,
            }
            for way, one in ran.reached.items()
        },
    }
