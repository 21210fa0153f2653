"""Turns architectures, accelerators and constants into the arrays that the physics is written in."""

from collections.abc import Callable, Sequence

import numpy as np

from ..pricing.accelerators import AcceleratorFacts
from .architecture import Architecture
from .calibration import ALL, CONSTANTS, UNMEASURED, Calibrated, ConstantName, Measure, cell
from .chips import WEIGHT_BYTES, ServePrecision, link_gb_s, peak_tflops
from .physics import Array, Chips, Constants, Formats, Models

GB = 1e9


def models_array(architectures: Sequence[Architecture], shape: tuple[int, ...] = (-1,)) -> Models:
    """Architectures as arrays; `shape` puts them on an axis of a larger grid.

    A mixture's attention and embeddings are used by every token; what is left of its weights are experts.
    """

    def column(of: Callable[[Architecture], float]) -> Array:
        return np.array([of(one) for one in architectures], dtype=np.float64).reshape(shape)

    def attention(one: Architecture) -> float:
        return one.layers * one.hidden * one.head_dim * (2 * one.heads + 2 * one.kv_heads)

    def shared(one: Architecture) -> float:
        blocks = one.parameters - one.embedding_parameters
        return blocks if one.active_parameters == one.parameters else min(attention(one), blocks)

    def expert_share(one: Architecture) -> float:
        experts = one.parameters - one.embedding_parameters - shared(one)
        active = one.active_parameters - one.embedding_parameters - shared(one)
        return min(max(active / experts, 0.0), 1.0) if experts > 0 else 1.0

    return Models(
        block_parameters=column(lambda one: max(one.parameters - one.embedding_parameters, 0)),
        shared_parameters=column(lambda one: max(shared(one), 0)),
        expert_share=column(expert_share),
        head_parameters=column(lambda one: one.vocabulary * one.hidden),
        stored_embedding_parameters=column(lambda one: one.embedding_parameters),
        layers=column(lambda one: one.layers),
        hidden=column(lambda one: one.hidden),
        kv_heads=column(lambda one: one.kv_heads),
        attention_width=column(lambda one: one.heads * one.head_dim),
        kv_elements=column(lambda one: one.kv_elements_per_token),
    )


def formats_array(precisions: Sequence[ServePrecision], kv_bytes: Array, shape: tuple[int, ...] = (-1,)) -> Formats:
    """Bytes of weights, head and cache; the head stays in 16 bits or more, as quantisers leave it."""
    weights = np.array([WEIGHT_BYTES[one] for one in precisions], dtype=np.float64).reshape(shape)
    return Formats(weight_bytes=weights, head_bytes=np.maximum(weights, 2.0), kv_bytes=kv_bytes)


def chips_array(
    accelerators: Sequence[AcceleratorFacts],
    peaks: Array,
    shape: tuple[int, ...] = (-1,),
) -> Chips:
    """Accelerators as arrays; `peaks` are TFLOP/s at the precision, already in the grid's shape."""

    def column(of: Callable[[AcceleratorFacts], float]) -> Array:
        return np.array([of(one) for one in accelerators], dtype=np.float64).reshape(shape)

    return Chips(
        memory_bytes=column(lambda one: one.memory_gib * GB),  # the table's figures are mostly decimal gigabytes
        bandwidth_bytes_s=column(lambda one: one.memory_bandwidth_gb_s * GB),
        peak_flops=peaks * 1e12,
        link_bytes_s=column(lambda one: link_gb_s(one) * GB),
    )


def peaks_array(accelerators: Sequence[AcceleratorFacts], precisions: Sequence[ServePrecision]) -> Array:
    """TFLOP/s of every accelerator (rows) at every precision (columns); NaN where it cannot be predicted."""
    return np.array([[peak_tflops(facts, precision) for precision in precisions] for facts in accelerators])


def constants_array(values: Callable[[ConstantName], Array]) -> Constants:
    """Constants from a function that gives each by its name."""
    return Constants(**{name: values(name) for name in CONSTANTS})


def constant_values(
    known: Calibrated,
    name: ConstantName,
    accelerators: Sequence[str],
    precisions: Sequence[str],
    engines: Sequence[str],
) -> Array:
    """A constant in its own unit for every (accelerator, precision, engine): the effects of the levels added up."""
    effects = known.effects[name]

    def of(level: str, names: Sequence[str]) -> Array:
        return np.array([effects.get(f"{level}:{one}", 0.0) for one in names])

    logs = effects.get(ALL, 0.0) + (
        of("accelerator", accelerators)[:, None, None]
        + of("precision", precisions)[None, :, None]
        + of("engine", engines)[None, None, :]
    )
    for (at, accelerator), (by, precision), (using, engine) in _measured(known, accelerators, precisions, engines):
        logs[at, by, using] += effects.get(cell(engine, accelerator, precision), 0.0)
    return np.minimum(np.exp(logs), CONSTANTS[name].highest)


def _measured(
    known: Calibrated, accelerators: Sequence[str], precisions: Sequence[str], engines: Sequence[str]
) -> list[tuple[tuple[int, str], tuple[int, str], tuple[int, str]]]:
    """Places and names of the cells that were measured, among all."""
    measured = {name.removeprefix("cell:").split("/")[1] for name in known.points}
    return [
        ((at, accelerator), (by, precision), (using, engine))
        for at, accelerator in enumerate(accelerators)
        if accelerator in measured
        for by, precision in enumerate(precisions)
        for using, engine in enumerate(engines)
        if cell(engine, accelerator, precision) in known.points
    ]


def band_factors(
    known: Calibrated,
    measure: Measure,
    parameters: Sequence[int],
    accelerators: Sequence[str],
    precisions: Sequence[str],
    engines: Sequence[str],
) -> tuple[Array, Array]:
    """Lower and upper factors of the 80 % band for every (model, accelerator, precision, engine).

    A cell's own where such a model was measured in it, else that of what was never measured.
    """
    spread = known.bands[measure]
    size = np.array(parameters, dtype=np.float64)
    shape = (len(size), len(accelerators), len(precisions), len(engines))
    low, high = np.full(shape, spread.low[UNMEASURED]), np.full(shape, spread.high[UNMEASURED])
    for (at, accelerator), (by, precision), (using, engine) in _measured(known, accelerators, precisions, engines):
        name = cell(engine, accelerator, precision)
        if name not in spread.low:
            continue
        smallest, largest = known.sizes_known(engine, accelerator, precision)
        inside = (size >= smallest) & (size <= largest)
        low[inside, at, by, using], high[inside, at, by, using] = spread.low[name], spread.high[name]
    return np.exp(low), np.exp(high)
