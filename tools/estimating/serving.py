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
from .calibration import UNMEASURED, Calibrated, ConstantName, Measure, cell, shipped
from .chips import ENGINES, PRECISIONS, Engine, ServePrecision, kv_bytes, supports

if TYPE_CHECKING:
    from .physics import Array

WAIT_P95_OVER_MEAN = 3.0  # assumption: waits are about exponential, whose 95th percentile is ln 20 times their mean
DECODE_P95_OVER_MEAN = 1.15  # assumption: steps of one request average out, so decoding varies little
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
    fits: "Array"
    """1 or 0 as booleans."""
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

    from .grids import chips_array, constants_array, formats_array, models_array, peaks_array
    from .physics import RESERVE_GB, operating_point

    _check(architectures, accelerators, precisions, tensor_parallel, engines, concurrency, input_tokens, output_tokens)
    known = calibration or shipped()
    sizes = tuple(map(len, (architectures, accelerators, precisions, tensor_parallel, engines, concurrency)))

    def on(*axes: int) -> tuple[int, ...]:
        return tuple(size if axis in axes else 1 for axis, size in enumerate(sizes))

    def figures(values: Sequence[int], axis: int) -> "Array":
        return np.array(values, dtype=np.float64).reshape(on(axis))

    cells = [(e, a.accelerator, p) for a in accelerators for p in precisions for e in engines]

    def constant(name: ConstantName) -> "Array":
        return np.array([known.value(name, *one) for one in cells]).reshape(on(1, 2, 4))

    models = models_array(architectures, on(0))
    chips = chips_array(accelerators, peaks_array(accelerators, precisions).reshape(on(1, 2)), on(1))
    cache = np.array([[kv_bytes(engine, precision) for engine in engines] for precision in precisions])
    formats = formats_array(precisions, cache.reshape(on(2, 4)), on(2))
    clients, constants = figures(concurrency, 5), constants_array(constant)
    with np.errstate(invalid="ignore"):
        point = operating_point(
            models,
            chips,
            formats,
            constants,
            ways=figures(tensor_parallel, 3),
            concurrency=clients,
            input_tokens=np.float64(input_tokens),
            output_tokens=np.float64(output_tokens),
        )
        fits = (point.max_concurrency >= 1) & ~np.isnan(chips.peak_flops)
        decode = point.tpot_ms * (output_tokens - 1)
        ttft = np.where(fits, point.ttft_ms, np.nan)
        request = ttft + decode
        wait = ttft - point.prefill_ms
        p95 = point.prefill_ms + WAIT_P95_OVER_MEAN * wait + DECODE_P95_OVER_MEAN * decode
        rps = clients / request * 1e3
    held = (point.weight_bytes + point.kv_bytes) / GIB + RESERVE_GB * 1e9 / GIB
    bands = {
        measure: _bands(known, measure, cells, architectures, on(0, 1, 2, 4)) for measure in ("tpot_ms", "ttft_ms")
    }
    return ServingTable(
        shape=sizes,
        ttft_ms=ttft,
        tpot_ms=np.where(fits, point.tpot_ms, np.nan),
        request_ms=request,
        latency_p95_ms=p95,
        rps=rps,
        memory_gib=held,
        weights_gib=point.weight_bytes / GIB,
        kv_cache_gib=point.kv_bytes / GIB,
        usable_gib=chips.memory_bytes * constants.memory_share / GIB,
        max_concurrency=np.floor(point.max_concurrency),
        fits=fits,
        ttft_band=bands["ttft_ms"],
        tpot_band=bands["tpot_ms"],
    )


def _bands(
    known: Calibrated,
    measure: Measure,
    cells: Sequence[tuple[str, str, str]],
    architectures: Sequence[Architecture],
    shape: tuple[int, ...],
) -> tuple["Array", "Array"]:
    """Lower and upper factors for every model and cell: a cell's own where such a model was measured in it."""
    import numpy as np

    spread = known.bands[measure]
    names = [cell(*one) if cell(*one) in spread.low else UNMEASURED for one in cells]
    parameters = np.array([float(one.parameters) for one in architectures])[:, None]
    smallest, largest = np.array([known.sizes_known(*one) for one in cells]).T
    inside = (parameters >= smallest) & (parameters <= largest)

    def factors(logs: dict[str, float]) -> "Array":
        own = np.array([logs[name] for name in names])
        return np.exp(np.where(inside, own, logs[UNMEASURED])).reshape(shape)

    return factors(spread.low), factors(spread.high)


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
