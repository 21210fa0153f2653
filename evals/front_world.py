"""Candidates for measuring the front at scale: the real price snapshot, made-up model shapes, and simple physics.

What it predicts is plausible in size and structure (prices, ties, models that do not fit), and is not to be believed: latency is
bytes over bandwidth and operations over FLOP/s, accuracy a power law whose constants nobody fitted. It serves to time and to check
algorithms; plans are made from `tools/`.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..state.plan import Offer
from ..tools.front.space import Choices, Floats, Points, Space
from ..tools.pricing import LookUpPrices, accelerator_facts, look_up_prices, planning_set

PRECISIONS = ("bf16", "fp8", "int4")
BYTES = np.array([2.0, 1.0, 0.55])
LOSS_OF_PRECISION = np.array([0.0, 0.004, 0.02])
SPEED_OF_PRECISION = np.array([1.0, 1.6, 1.0])
TENSOR_PARALLEL = np.array([1, 2, 4, 8])
TOKENS = np.geomspace(5e6, 2e9, 12)
SPOT_SHARES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
REPLICAS = 4
PROMPT, OUTPUT = 400.0, 200.0
MONTHS, REQUESTS_PER_S = 3.0, 2.0
HOURS_PER_MONTH = 730.0
SPOT_LOST = 0.25
"""assumption: a training wholly on spot servers takes a quarter longer."""
CPU_TFLOPS_A_CORE, CPU_GB_S = 0.05, 40.0


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Offers as columns."""

    count: Floats
    memory_gib: Floats
    gb_s: Floats
    tflops: Floats
    usd_per_hour: Floats
    spot_usd_per_hour: Floats

    def __len__(self) -> int:
        return len(self.count)


@dataclass(frozen=True, kw_only=True)
class Models:
    """Made-up models as columns, smallest first."""

    parameters: Floats
    layers: Floats


@cache
def offers(*, everything: bool) -> tuple[Offer, ...]:
    """Every choosable offer of the snapshot whose speed is known, or the planning set alone."""
    prices = look_up_prices(LookUpPrices())
    if not everything:
        return planning_set(prices)
    known = {name for name, facts in accelerator_facts().items() if facts.bf16_dense_tflops is not None}
    return tuple(
        one for one in prices.offers if not one.doubts and (one.accelerator is None or one.accelerator in known)
    )


def hardware(found: tuple[Offer, ...]) -> Hardware:
    """Offers as columns; a CPU counts as one accelerator of its cores and memory."""
    facts = accelerator_facts()
    columns: list[tuple[float, float, float, float]] = []
    for one in found:
        if one.accelerator is None:
            columns.append((1, one.memory_gib or 4, CPU_GB_S, CPU_TFLOPS_A_CORE * (one.vcpus or 2)))
        else:
            of = facts[one.accelerator]
            assert of.bf16_dense_tflops is not None
            memory = one.accelerator_memory_gib or of.memory_gib
            columns.append((one.accelerator_count, memory, of.memory_bandwidth_gb_s, of.bf16_dense_tflops))
    count, memory_gib, gb_s, tflops = np.array(columns, dtype=np.float64).T
    usd = np.array([one.usd_per_hour for one in found])
    spot = np.array([one.usd_per_hour if one.spot_usd_per_hour is None else one.spot_usd_per_hour for one in found])
    return Hardware(
        count=count,
        memory_gib=memory_gib,
        gb_s=gb_s,
        tflops=tflops,
        usd_per_hour=usd,
        spot_usd_per_hour=np.minimum(spot, usd),
    )


def models(count: int, seed: int = 0) -> Models:
    """So many shapes between 0.1 and 70 billion parameters."""
    rng = np.random.default_rng(seed)
    parameters = np.sort(np.geomspace(1e8, 7e10, count) * rng.uniform(0.8, 1.25, count))
    return Models(parameters=parameters, layers=np.round(12 * (parameters / 1e8) ** 0.3))


def space(on: Hardware, of: Models, *, spot: bool = True) -> Space:
    """Server x model x tokens x precision x tensor parallel x replicas x spot share; a point may be impossible."""
    found = {
        "offer": Choices(len(on)),
        "model": Choices(len(of.parameters)),
        "tokens": Choices(len(TOKENS)),
        "precision": Choices(len(PRECISIONS)),
        "parallel": Choices(len(TENSOR_PARALLEL)),
    }
    return {**found, "replicas": Choices(REPLICAS), "spot": Choices(len(SPOT_SHARES))} if spot else found


def evaluate(on: Hardware, of: Models, points: Points) -> tuple[Floats, Floats]:
    """Dollars, hours, minus accuracy and latency in ms; broken where more accelerators are asked for than there are, the model
    does not fit, or the servers cannot carry the traffic."""
    offer, model, precision = points["offer"], points["model"], points["precision"]
    parallel = TENSOR_PARALLEL[points["parallel"]].astype(np.float64)
    replicas = points["replicas"] + 1.0 if "replicas" in points else np.ones(len(offer))
    spot = SPOT_SHARES[points["spot"]] if "spot" in points else np.zeros(len(offer))
    parameters, tokens = of.parameters[model], TOKENS[points["tokens"]]
    count = on.count[offer]
    weights = parameters * BYTES[precision]
    token_s = weights / (0.6e9 * on.gb_s[offer] * parallel) + of.layers[model] * 8e-6 * (1 + 0.4 * np.log2(parallel))
    speed = 1e12 * on.tflops[offer]
    prefill_s = 2 * parameters * PROMPT / (0.4 * speed * SPEED_OF_PRECISION[precision] * parallel)
    answer_s = prefill_s + OUTPUT * token_s
    # A server holds count / parallel engines, each of which answers 16 requests at 6 times the speed of one.
    carried = 6.0 * np.floor(count / parallel) * replicas / answer_s
    hours = 6 * parameters * tokens / (0.35 * speed * count) / 3600 * (1 + SPOT_LOST * spot)
    price = on.usd_per_hour[offer] * (1 - spot) + on.spot_usd_per_hour[offer] * spot
    usd = 2e-7 * tokens + hours * price + MONTHS * HOURS_PER_MONTH * replicas * on.usd_per_hour[offer]
    error = 0.05 + 0.35 * (parameters / 1e8) ** -0.22 + 0.25 * (tokens / 5e6) ** -0.35 + LOSS_OF_PRECISION[precision]
    broken = misfit(on, of, points) + (REQUESTS_PER_S / np.maximum(carried, 1e-9) - 1).clip(0, 1e3)
    return np.column_stack([usd, hours, error - 1, 1.2e3 * answer_s]), broken


def misfit(on: Hardware, of: Models, points: Points) -> Floats:
    """By how much a model does not fit its accelerators, or these are more than the server has; 0 where it can be served."""
    parallel = TENSOR_PARALLEL[points["parallel"]]
    memory = 0.9 * on.memory_gib[points["offer"]] * 2**30 * parallel
    needed = 1.2 * of.parameters[points["model"]] * BYTES[points["precision"]]
    return np.maximum(needed / memory - 1, 0) + np.maximum(parallel - on.count[points["offer"]], 0)


def enumerated(model_count: int, seed: int = 0) -> Floats:
    """Objectives of every possible candidate over all offers x models x precisions x parallelism, at three training lengths."""
    on, of = hardware(offers(everything=True)), models(model_count, seed)
    parts: list[Floats] = []
    for tokens in (0, 6, 11):
        grid = [np.arange(size) for size in (len(on), model_count, len(PRECISIONS), len(TENSOR_PARALLEL))]
        names = ("offer", "model", "precision", "parallel")
        axes = np.meshgrid(*grid, indexing="ij")
        points: dict[str, NDArray[Any]] = {name: axis.ravel() for name, axis in zip(names, axes, strict=True)}
        points["tokens"] = np.full(len(points["offer"]), tokens)
        # What cannot carry the traffic by itself is a candidate all the same; what does not fit is none.
        parts.append(evaluate(on, of, points)[0][misfit(on, of, points) == 0])
    return np.concatenate(parts)
