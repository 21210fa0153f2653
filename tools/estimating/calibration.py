"""The few constants that physics leaves open, as fitted to measured points and shipped in `calibrated.json`.

A constant's logarithm is a sum of effects: one of all, one of the engine, the accelerator, the precision, and the cell where
all three meet. Few points leave an effect near zero, so a part never measured gets the average of those that were.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from ...state.brief import Record

CALIBRATED_JSON = Path(__file__).with_name("calibrated.json")

ConstantName = Literal[
    "bandwidth_share", "cache_share", "compute_share", "layer_us", "step_ms", "sequence_us", "all_reduce_us", "link_share",
    "interference", "request_ms", "first_token_steps", "queue_factor", "queue_power", "memory_share",
]  # fmt: skip
Measure = Literal["tpot_ms", "ttft_ms"]


@dataclass(frozen=True, kw_only=True)
class ConstantPrior:
    """What is held of a constant before any measurement."""

    value: float
    spread: float
    """Standard deviation of its logarithm."""
    varies: float
    """Standard deviation of each effect's logarithm: how much engines, accelerators and precisions may differ."""
    highest: float
    unit: str
    meaning: str


# assumption: centres and spreads are what such figures usually are; the points move them where they say something.
CONSTANTS: Mapping[ConstantName, ConstantPrior] = {
    "bandwidth_share": ConstantPrior(
        value=0.75, spread=0.2, varies=0.1, highest=0.97, unit="1", meaning="memory bandwidth reached over the datasheet's"
    ),
    "cache_share": ConstantPrior(
        value=0.6, spread=0.4, varies=0.2, highest=0.97, unit="1", meaning="the same while attention reads the cache"
    ),
    "compute_share": ConstantPrior(
        value=0.5, spread=0.3, varies=0.2, highest=0.95, unit="1", meaning="FLOP/s reached over the datasheet's"
    ),
    "layer_us": ConstantPrior(
        value=30, spread=1.0, varies=0.3, highest=500, unit="us", meaning="launches and small kernels of a layer, a step"
    ),
    "step_ms": ConstantPrior(
        value=0.5, spread=0.7, varies=0.3, highest=10, unit="ms", meaning="scheduling and sampling of a decoding step"
    ),
    "sequence_us": ConstantPrior(
        value=10, spread=1.0, varies=0.4, highest=300, unit="us", meaning="each sequence's share of a decoding step"
    ),
    "all_reduce_us": ConstantPrior(
        value=10, spread=0.5, varies=0.3, highest=100, unit="us", meaning="latency of one all-reduce"
    ),
    "link_share": ConstantPrior(
        value=0.6, spread=0.3, varies=0.0, highest=0.95, unit="1", meaning="link bandwidth reached over the datasheet's"
    ),
    "interference": ConstantPrior(
        value=0.8, spread=0.3, varies=0.2, highest=1.5, unit="1", meaning="part of a prefill that delays the others' tokens"
    ),
    "request_ms": ConstantPrior(
        value=30, spread=0.7, varies=0.5, highest=1000, unit="ms", meaning="HTTP, tokenising and scheduling of a request"
    ),
    # Engines handle a step's tokens while the next one runs (overlap scheduling), and some send tokens in groups: TensorRT-LLM's
    # `stream_interval` is about 16 in part of the points, which do not name it.
    "first_token_steps": ConstantPrior(
        value=2, spread=1.0, varies=0.5, highest=60, unit="1", meaning="decoding steps until the first token is sent"
    ),
    "queue_factor": ConstantPrior(
        value=0.7, spread=0.7, varies=0.5, highest=5, unit="1", meaning="prefills ahead of one's own, at two clients"
    ),
    "queue_power": ConstantPrior(
        value=0.5, spread=0.3, varies=0.2, highest=1.0, unit="1", meaning="how that grows with the other clients' number"
    ),
    "memory_share": ConstantPrior(
        value=0.9, spread=0.05, varies=0.02, highest=1.0, unit="1", meaning="memory an engine may fill"
    ),
}  # fmt: skip


class Source(Record):
    """Where fitted figures come from."""

    data: str
    data_sha256: str
    terms: str
    points: int = Field(description="fitted to; the held-out half is not among them")
    fitted_on: str = Field(description="date, ISO")
    commit: str
    command: str


class Spread(Record):
    """A measure's 80 % band as logarithms around the prediction, of all groups and of each with points of its own."""

    low: dict[str, float]
    high: dict[str, float]


class Calibrated(Record):
    """The shipped fit: effects as logarithms by constant and level, and bands by measure and level."""

    effects: dict[ConstantName, dict[str, float]]
    bands: dict[Measure, Spread]
    points: dict[str, int] = Field(description="points fitted to, by cell")
    sizes: dict[str, tuple[int, int]] = Field(description="parameters of the smallest and largest model, by cell")
    source: Source

    def value(self, constant: ConstantName, engine: str, accelerator: str, precision: str) -> float:
        """A constant in its own unit."""
        effects = self.effects[constant]
        log = sum(effects.get(level, 0.0) for level in levels(engine, accelerator, precision))
        return min(math.exp(log), CONSTANTS[constant].highest)

    def band(
        self, measure: Measure, engine: str, accelerator: str, precision: str, parameters: int
    ) -> tuple[float, float]:
        """Factors of the 80 % band: the cell's own where such a model was measured in it, else that of unmeasured ones."""
        spread = self.bands[measure]
        level = cell(engine, accelerator, precision)
        low, high = self.sizes_known(engine, accelerator, precision)
        level = level if low <= parameters <= high and level in spread.low else UNMEASURED
        return math.exp(spread.low[level]), math.exp(spread.high[level])

    def sizes_known(self, engine: str, accelerator: str, precision: str) -> tuple[float, float]:
        """Parameters of the smallest and largest model that the cell's band holds for; an empty range where none does."""
        sizes = self.sizes.get(cell(engine, accelerator, precision))
        return (sizes[0] / SIZE_REACH, sizes[1] * SIZE_REACH) if sizes else (math.inf, -math.inf)

    def points_of(self, engine: str, accelerator: str, precision: str) -> int:
        """Measured points behind this very cell."""
        return self.points.get(cell(engine, accelerator, precision), 0)


ALL, UNMEASURED = "all", "unmeasured"
SIZE_REACH = 2.0
"""assumption: a cell's band holds for models up to twice as large or half as small as those measured in it."""


def cell(engine: str, accelerator: str, precision: str) -> str:
    """The name of the level where all three meet."""
    return f"cell:{engine}/{accelerator}/{precision}"


def levels(engine: str, accelerator: str, precision: str) -> tuple[str, ...]:
    """The levels whose effects add up for one cell."""
    return (
        ALL,
        f"engine:{engine}",
        f"accelerator:{accelerator}",
        f"precision:{precision}",
        cell(engine, accelerator, precision),
    )


def prior_effects() -> dict[ConstantName, dict[str, float]]:
    """Effects before any measurement."""
    return {name: {ALL: math.log(prior.value)} for name, prior in CONSTANTS.items()}


@lru_cache(maxsize=1)
def shipped() -> Calibrated:
    """The fit in the package, read once."""
    return Calibrated.model_validate_json(CALIBRATED_JSON.read_text(encoding="utf-8"))


def all_levels(cells: Iterable[tuple[str, str, str]]) -> list[str]:
    """Every level that the cells touch, in a fixed order."""
    return sorted({level for one in cells for level in levels(*one)})
