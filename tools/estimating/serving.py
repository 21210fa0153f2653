"""Serving predictions: TTFT, TPOT, latency, throughput and memory of model x precision x accelerator x engine x concurrency.

`predict_serving` answers for one combination, `serving_table` for a grid of them; both run the same arithmetic on arrays.
It does not cover the network between client and server.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from ...state.brief import Record
from ...state.errors import Correctable, ToolFailed
from ...state.plan import Prediction
from ..pricing.accelerators import AcceleratorFacts
from .architecture import Architecture
from .calibration import Calibrated, Measure, shipped
from .chips import ENGINES, PRECISIONS, Engine, ServePrecision, kv_bytes, supports

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .physics import Array, Point

WAIT_P95_OVER_MEAN = 3.0  # assumption: waits are about exponential, whose 95th percentile is ln 20 times their mean
ALONE_P95_OVER_MEAN = (
    1.15  # assumption: what a request does beside waiting averages out over its steps, so it varies little
)
P95_BAND = 1.3
"""assumption: how much less sure a 95th percentile is than a mean; the measured points hold means only."""
GIB = 2**30


class Memory(Record):
    """Memory one accelerator needs, GiB."""

    weights_gib: float
    kv_cache_gib: float = Field(description="of the requests served at once, each with its whole context")
    overhead_gib: float = Field(description="context, graphs and activations")
    usable_gib: float = Field(description="what the engine may fill")


class ServingPrediction(Record):
    """What a deployment will do at one operating point; every figure with its 80 % band."""

    ttft_ms: Prediction
    tpot_ms: Prediction
    request_ms: Prediction = Field(description="of a typical request, first to last token, milliseconds")
    latency_p95_ms: Prediction
    throughput_tokens_per_s: Prediction = Field(description="output tokens of all clients together")
    throughput_rps: Prediction
    memory: Memory
    max_concurrency: int = Field(description="requests whose whole context fits the cache at once")
    points: int = Field(description="measured points behind this accelerator, engine and precision")
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ServingTable:
    """Predictions of a grid: axes model, accelerator, precision, tensor parallel, engine, concurrency.

    Every array broadcasts to `shape`. A combination that `fits` says no to (memory, or no speed known) has NaN figures.
    """

    shape: tuple[int, ...]
    ttft_ms: "Array"
    tpot_ms: "Array"
    request_ms: "Array"
    latency_p95_ms: "Array"
    rps: "Array"
    memory_gib: "Array"
    """Of one accelerator: weights, cache and overhead."""
    weights_gib: "Array"
    kv_cache_gib: "Array"
    usable_gib: "Array"
    max_concurrency: "Array"
    fits: "NDArray[np.bool_]"
    ttft_band: tuple["Array", "Array"]
    """Factors of the lower and upper end of the 80 % band."""
    tpot_band: tuple["Array", "Array"]


def serving_table(
    architectures: Sequence[Architecture],
    accelerators: Sequence[AcceleratorFacts],
    *,
    precisions: Sequence[ServePrecision] = ("bf16",),
    tensor_parallel: Sequence[int] = (1,),
    engines: Sequence[Engine] = ("vllm",),
    concurrency: Sequence[int] = (1,),
    input_tokens: int,
    output_tokens: int,
    calibration: Calibrated | None = None,
) -> ServingTable:
    """Predictions of every combination of the given lists, as arrays of the axes' lengths.

    Raises Correctable for an empty list or a count below 1.
    """
    import numpy as np

    from . import grids
    from .physics import operating_point

    _check(architectures, accelerators, precisions, tensor_parallel, engines, concurrency, input_tokens, output_tokens)
    known = calibration or shipped()
    sizes = tuple(map(len, (architectures, accelerators, precisions, tensor_parallel, engines, concurrency)))
    cells = ([one.accelerator for one in accelerators], precisions, engines)

    def on(*axes: int) -> tuple[int, ...]:
        return tuple(size if axis in axes else 1 for axis, size in enumerate(sizes))

    def figures(values: Sequence[int], axis: int) -> "Array":
        return np.array(values, dtype=np.float64).reshape(on(axis))

    def band(measure: Measure) -> tuple["Array", "Array"]:
        low, high = grids.band_factors(known, measure, [one.parameters for one in architectures], *cells)
        return low.reshape(on(0, 1, 2, 4)), high.reshape(on(0, 1, 2, 4))

    chips = grids.chips_array(accelerators, grids.peaks_array(accelerators, precisions).reshape(on(1, 2)), on(1))
    cache = np.array([[kv_bytes(engine, precision) for engine in engines] for precision in precisions])
    formats = grids.formats_array(precisions, cache.reshape(on(2, 4)), on(2))
    constants = grids.constants_array(lambda name: grids.constant_values(known, name, *cells).reshape(on(1, 2, 4)))
    clients = figures(concurrency, 5)
    table = _empty_table(sizes, chips.memory_bytes * constants.memory_share / GIB, band("ttft_ms"), band("tpot_ms"))
    # A few models at a time: arrays that stay in the processor's cache are twice as fast as those that do not.
    block = max(1, BLOCK // math.prod(sizes[1:]))
    with np.errstate(invalid="ignore"):
        for start in range(0, len(architectures), block):
            models = grids.models_array(architectures[start : start + block], (-1, 1, 1, 1, 1, 1))
            point = operating_point(
                models,
                chips,
                formats,
                constants,
                ways=figures(tensor_parallel, 3),
                concurrency=clients,
                input_tokens=np.array(input_tokens, dtype=np.float64),
                output_tokens=np.array(output_tokens, dtype=np.float64),
            )
            _fill(table, slice(start, start + block), point, clients, output_tokens)
    table.fits[:] = (table.max_concurrency >= 1) & ~np.isnan(chips.peak_flops)
    return table


BLOCK = 1 << 15
"""Combinations reckoned at a time: 256 KiB an array."""


def _empty_table(
    shape: tuple[int, ...],
    usable_gib: "Array",
    ttft_band: tuple["Array", "Array"],
    tpot_band: tuple["Array", "Array"],
) -> ServingTable:
    import numpy as np

    full = ("ttft_ms", "tpot_ms", "request_ms", "latency_p95_ms", "rps", "memory_gib", "kv_cache_gib")
    few = (*shape[:-1], 1)  # what does not depend on the concurrency
    return ServingTable(
        shape=shape,
        **{name: np.empty(shape) for name in full},
        weights_gib=np.empty(few),
        max_concurrency=np.empty(few),
        fits=np.empty(few, dtype=np.bool_),
        usable_gib=usable_gib,
        ttft_band=ttft_band,
        tpot_band=tpot_band,
    )


def _fill(table: ServingTable, at: slice, point: "Point", clients: "Array", output_tokens: int) -> None:
    """Writes the figures of some models into the table; NaN where nothing fits."""
    import numpy as np

    from .physics import RESERVE_GB

    table.weights_gib[at] = point.weight_bytes / GIB
    table.max_concurrency[at] = np.floor(point.max_concurrency)
    table.kv_cache_gib[at] = point.kv_bytes / GIB
    table.memory_gib[at] = table.kv_cache_gib[at] + (table.weights_gib[at] + RESERVE_GB * 1e9 / GIB)
    possible = np.where(point.max_concurrency >= 1, 1.0, np.nan)
    ttft = point.ttft_ms * possible
    tpot = point.tpot_ms * possible
    decode = tpot * (output_tokens - 1)
    request = ttft + decode
    table.ttft_ms[at], table.tpot_ms[at], table.request_ms[at] = ttft, tpot, request
    alone = request - point.waiting_ms
    table.latency_p95_ms[at] = WAIT_P95_OVER_MEAN * point.waiting_ms + ALONE_P95_OVER_MEAN * alone
    table.rps[at] = clients / request * 1e3


def _check(*lists: object) -> None:
    """Raises Correctable naming every empty list and every count below 1."""
    names = (
        "architectures", "accelerators", "precisions", "tensor_parallel", "engines", "concurrency", "input_tokens",
        "output_tokens",
    )  # fmt: skip
    problems: list[str] = []
    for name, given in zip(names, lists, strict=True):
        values: Sequence[object] = given if isinstance(given, Sequence) else (given,)  # pyright: ignore[reportUnknownVariableType]
        if not values:
            problems.append(f"{name} is empty")
        problems += [
            f"{name} is {value!r}; it must be at least 1" for value in values if isinstance(value, int) and value < 1
        ]
        allowed: tuple[str, ...] = {"precisions": PRECISIONS, "engines": ENGINES}.get(name, ())
        problems += [
            f"{value!r} is none of {', '.join(allowed)}" for value in values if allowed and value not in allowed
        ]
    if problems:
        raise Correctable("; ".join(problems))


def predict_serving(
    architecture: Architecture,
    accelerator: AcceleratorFacts,
    *,
    precision: ServePrecision,
    tensor_parallel: int = 1,
    engine: Engine = "vllm",
    concurrency: int = 1,
    input_tokens: int,
    output_tokens: int,
    calibration: Calibrated | None = None,
) -> ServingPrediction:
    """What one deployment does with `concurrency` clients that each wait for their answer and ask again.

    Tokens are per request. Raises Correctable for senseless counts and ToolFailed where the accelerator's speed at the
    precision is not known or the model does not fit, with the arithmetic.
    """
    known = calibration or shipped()
    _refuse_unknown_speed(accelerator, precision)
    table = serving_table(
        [architecture],
        [accelerator],
        precisions=[precision],
        tensor_parallel=[tensor_parallel],
        engines=[engine],
        concurrency=[concurrency],
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        calibration=known,
    )

    def one(figures: "Array") -> float:
        return float(figures.item())

    memory = Memory(
        weights_gib=one(table.weights_gib),
        kv_cache_gib=one(table.kv_cache_gib),
        overhead_gib=one(table.memory_gib) - one(table.weights_gib) - one(table.kv_cache_gib),
        usable_gib=one(table.usable_gib),
    )
    if not table.fits.item():
        raise ToolFailed(_does_not_fit(accelerator, precision, tensor_parallel, input_tokens + output_tokens, memory))
    points = known.points_of(engine, accelerator.accelerator, precision)
    source = (
        f"{engine} at {precision} on {tensor_parallel} x {accelerator.accelerator}, {concurrency} clients: physics, "
        + (f"constants from {points} measured points" if points else "constants averaged over other accelerators")
    )
    ttft = _banded(one(table.ttft_ms), one(table.ttft_band[0]), one(table.ttft_band[1]), source)
    tpot = _banded(one(table.tpot_ms), one(table.tpot_band[0]), one(table.tpot_band[1]), source)
    request = _sum(ttft, tpot, output_tokens - 1, one(table.request_ms), source)
    p95 = one(table.latency_p95_ms) / request.value
    return ServingPrediction(
        ttft_ms=ttft,
        tpot_ms=tpot,
        request_ms=request,
        latency_p95_ms=_banded(
            request.value * p95, request.low / request.value / P95_BAND, request.high / request.value * P95_BAND, source
        ),
        throughput_tokens_per_s=_rate(concurrency * output_tokens, request, source),
        throughput_rps=_rate(concurrency, request, source),
        memory=memory,
        max_concurrency=int(one(table.max_concurrency)),
        points=points,
        assumptions=_assumptions(known, table, architecture, (engine, accelerator.accelerator, precision), concurrency),
    )


def _refuse_unknown_speed(accelerator: AcceleratorFacts, precision: ServePrecision) -> None:
    if precision in PRECISIONS and not supports(accelerator, precision):
        valid = [one for one in PRECISIONS if supports(accelerator, one)]
        instead = f"predictable there: {', '.join(valid)}" if valid else "choose another accelerator"
        raise ToolFailed(f"no speed of {accelerator.accelerator!r} at {precision} is known; {instead}")


def _does_not_fit(
    accelerator: AcceleratorFacts, precision: str, tensor_parallel: int, context: int, memory: Memory
) -> str:
    needed = memory.weights_gib + memory.overhead_gib + memory.kv_cache_gib
    return (
        f"does not fit: {memory.weights_gib:.1f} GiB of {precision} weights on each of {tensor_parallel} "
        f"{accelerator.accelerator!r} + {memory.kv_cache_gib:.2f} GiB cache for one request of {context:,} tokens + "
        f"{memory.overhead_gib:.1f} GiB overhead = {needed:.1f} GiB, and {memory.usable_gib:.1f} GiB are usable; "
        "choose more or larger accelerators, or fewer bits"
    )


def _assumptions(
    known: Calibrated, table: ServingTable, architecture: Architecture, where: tuple[str, str, str], concurrency: int
) -> tuple[str, ...]:
    found: list[str] = []
    low, high = known.sizes_known(*where)
    if math.isinf(low):
        found.append(f"{' '.join(where)} was never measured: averages of what was, with the widest band")
    elif not low <= architecture.parameters <= high:
        found.append("no model of this size was measured there: the widest band")
    places = float(table.max_concurrency.item())
    if concurrency > places:
        found.append(f"the cache holds {places:.0f} of {concurrency} requests; the others wait for a place")
    if architecture.active_parameters < architecture.parameters:
        found.append("experts are chosen uniformly; no mixture of experts was measured")
    return tuple(found)


def _banded(value: float, low: float, high: float, source: str) -> Prediction:
    return Prediction(value=value, low=value * low, high=value * high, source=source)


def _sum(ttft: Prediction, tpot: Prediction, tokens: int, value: float, source: str) -> Prediction:
    """First token and all others; bands add up as if both strayed together, which is never too narrow."""
    return Prediction(value=value, low=ttft.low + tokens * tpot.low, high=ttft.high + tokens * tpot.high, source=source)


def _rate(count: float, request: Prediction, source: str) -> Prediction:
    """`count` per request time in milliseconds, as a rate per second (Little's law)."""
    return Prediction(
        value=count / request.value * 1e3, low=count / request.high * 1e3, high=count / request.low * 1e3, source=source
    )
