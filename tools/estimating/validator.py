"""Refuses figures that no hardware can reach: weights read faster than the bandwidth, FLOPs above peak, memory there is not.

It judges one operating point of plain decoding: speculative decoding and shared prefixes can be faster than it allows, and a
figure that passes is possible, not true.
"""

from ...state.brief import Record
from ...state.errors import Correctable
from ...state.numbers import shown
from ..pricing.accelerators import AcceleratorFacts
from .architecture import Architecture
from .chips import Engine, ServePrecision, kv_bytes, peak_tflops, supports

ALLOWANCE = 1.03
"""Rounding of measurements and of datasheets; assumption."""
CACHE_BYTES = 128e6
"""Weights on one accelerator that may stay in its level-2 cache (B200: 126 MB) and are no claim on its memory."""
FORWARD_BACKWARD_FLOPS = 4
"""The least a training does for a weight and token: forward, and backward through frozen weights (LoRA)."""
PLAUSIBLE_FACTOR = 1000
"""assumption: a figure so many times slower than predicted is a wrong unit or a wrong column, not a slow server."""


class Claim(Record):
    """Figures of one deployment, measured or claimed; null: not stated."""

    ttft_ms: float | None = None
    tpot_ms: float | None = None
    latency_ms: float | None = None
    """Of a whole request."""
    throughput_tokens_per_s: float | None = None


def check_claim(
    claim: Claim,
    architecture: Architecture,
    accelerator: AcceleratorFacts,
    *,
    precision: ServePrecision,
    tensor_parallel: int = 1,
    engine: Engine = "vllm",
    concurrency: int = 1,
    input_tokens: int = 1,
    output_tokens: int = 1,
) -> tuple[str, ...]:
    """Why these figures cannot be, each with its arithmetic; empty when they can.

    Raises Correctable for counts or figures that are not positive.
    """
    _positive(
        claim, tensor_parallel=tensor_parallel, concurrency=concurrency, input_tokens=input_tokens,
        output_tokens=output_tokens,
    )  # fmt: skip
    bounds = _Bounds(architecture, accelerator, precision, tensor_parallel, input_tokens, output_tokens, engine)
    problems = [bounds.memory_problem(), bounds.read_problem(claim.tpot_ms), bounds.prefill_problem(claim.ttft_ms)]
    if claim.throughput_tokens_per_s is not None:
        problems += bounds.throughput_problems(claim.throughput_tokens_per_s, claim.tpot_ms, concurrency)
    elif claim.tpot_ms is not None and claim.ttft_ms is not None:
        cycle_ms = claim.ttft_ms + (output_tokens - 1) * claim.tpot_ms
        implied = concurrency * output_tokens / cycle_ms * 1e3
        problems += bounds.throughput_problems(implied, None, concurrency)
    if claim.latency_ms is not None:
        problems.append(bounds.latency_problem(claim.latency_ms))
    return tuple(problem for problem in problems if problem)


def check_plausible(what: str, measured: float, predicted: float) -> str | None:
    """Why a figure is too slow to be believed although hardware could do it, or None."""
    if measured <= PLAUSIBLE_FACTOR * predicted:
        return None
    return (
        f"{what} is {measured:g}, {measured / predicted:,.0f} times the {predicted:.3g} predicted; over {PLAUSIBLE_FACTOR:,} "
        "times is no measurement of this deployment: check the unit (milliseconds) and the columns"
    )


class _Bounds:
    """What the hardware could do at best."""

    def __init__(
        self,
        architecture: Architecture,
        accelerator: AcceleratorFacts,
        precision: ServePrecision,
        ways: int,
        input_tokens: int,
        output_tokens: int,
        engine: Engine,
    ) -> None:
        import numpy as np

        from . import grids
        from .physics import active_parameters, read_bytes, stored_bytes

        models = grids.models_array([architecture])
        self._cache_bytes = kv_bytes(engine, precision)
        formats = grids.formats_array([precision], np.array([self._cache_bytes]))
        self._stored = float(stored_bytes(models, formats).item())
        self._read = float(read_bytes(models, formats, np.ones(1)).item())
        self._active = float(active_parameters(models).item())
        self._head = float(models.head_parameters.item())
        self._bandwidth = ways * accelerator.memory_bandwidth_gb_s * 1e9
        self._peak = ways * peak_tflops(accelerator, precision) * 1e12 if supports(accelerator, precision) else None
        self._memory = ways * accelerator.memory_gib * 1.074e9  # read as GiB, the most it can mean
        self._cached = self._stored / ways <= CACHE_BYTES
        self._tokens = (input_tokens, output_tokens)
        self._kv_token = architecture.kv_elements_per_token * self._cache_bytes
        self._on = f"{ways} x {accelerator.accelerator}"

    @property
    def _step_ms(self) -> float:
        return 0.0 if self._cached else self._read / self._bandwidth * 1e3

    @property
    def _prefill_ms(self) -> float:
        return 0.0 if self._peak is None else 2 * self._active * self._tokens[0] / self._peak * 1e3

    def memory_problem(self) -> str | None:
        """Weights and one request's cache in the memory there is."""
        cache = self._kv_token * sum(self._tokens)
        if self._stored + cache <= self._memory:
            return None
        return (
            f"{self._stored / 1e9:.1f} GB of weights and {cache / 1e9:.2f} GB of cache for one request are more than the "
            f"{self._memory / 1e9:.1f} GB of {self._on}"
        )

    def read_problem(self, tpot_ms: float | None) -> str | None:
        """Every token reads the weights once."""
        if tpot_ms is None or tpot_ms * ALLOWANCE >= self._step_ms:
            return None
        return (
            f"TPOT {shown(tpot_ms)} ms: {self._read / 1e9:.2f} GB of weights at {self._bandwidth / 1e9:,.0f} GB/s of {self._on} take "
            f"{shown(self._step_ms)} ms"
        )

    def prefill_problem(self, ttft_ms: float | None) -> str | None:
        """The first token needs the prompt multiplied with the weights."""
        if ttft_ms is None or self._peak is None or ttft_ms * ALLOWANCE >= self._prefill_ms:
            return None
        return (
            f"TTFT {shown(ttft_ms)} ms: {self._tokens[0]:,} tokens x 2 x {self._active / 1e9:.2f}e9 weights at "
            f"{self._peak / 1e12:,.0f} TFLOP/s of {self._on} take {shown(self._prefill_ms)} ms"
        )

    def latency_problem(self, latency_ms: float) -> str | None:
        """A whole request: its prefill, and its tokens after the first."""
        least = self._prefill_ms + (self._tokens[1] - 1) * self._step_ms
        if latency_ms * ALLOWANCE >= least:
            return None
        return f"a request in {shown(latency_ms)} ms: prefill and {self._tokens[1]:,} tokens take at least {shown(least)} ms on {self._on}"

    def throughput_problems(self, tokens_per_s: float, tpot_ms: float | None, concurrency: int) -> list[str | None]:
        """Tokens a second: the clients' own pace, the pace of reading, and all arithmetic."""
        problems: list[str | None] = []
        least_ms = max(tpot_ms or 0.0, self._step_ms)
        most = concurrency / least_ms * 1e3 if least_ms else float("inf")
        # A request of one token has no TPOT; its first token is not held to the pace of the later ones.
        if self._tokens[1] > 1 and tokens_per_s > most * ALLOWANCE * self._tokens[1] / (self._tokens[1] - 1):
            problems.append(
                f"{tokens_per_s:,.0f} tokens/s: {concurrency} clients that get a token every {shown(least_ms)} ms make {most:,.0f}"
            )
        if self._peak is not None:
            prompt = self._tokens[0] / self._tokens[1]
            flops = 2 * (self._active * (1 + prompt) + self._head) * tokens_per_s
            if flops > self._peak * ALLOWANCE:
                problems.append(
                    f"{tokens_per_s:,.0f} tokens/s and their prompts need {flops / 1e12:,.0f} TFLOP/s, above the "
                    f"{self._peak / 1e12:,.0f} of {self._on}"
                )
        return problems


def check_training_claim(
    hours: float, *, parameters: int, train_tokens: int, accelerator: AcceleratorFacts, count: int = 1
) -> tuple[str, ...]:
    """Why a training cannot have taken so few hours; empty when it can, or where the accelerator's peak is not known.

    Counts FORWARD_BACKWARD_FLOPS for each weight and token at the fastest format the accelerator has.
    """
    _positive(None, hours=hours, parameters=parameters, train_tokens=train_tokens, count=count)
    peaks = [peak for peak in (accelerator.bf16_dense_tflops, accelerator.fp8_dense_tflops) if peak]
    if not peaks:
        return ()
    flops = FORWARD_BACKWARD_FLOPS * parameters * train_tokens
    least = flops / (count * max(peaks) * 1e12) / 3600
    if hours * ALLOWANCE >= least:
        return ()
    return (
        f"{shown(hours)} h: {FORWARD_BACKWARD_FLOPS} x {parameters:,} weights x {train_tokens:,} tokens = {flops:.2e} FLOP take "
        f"{shown(least)} h at {max(peaks):,.0f} TFLOP/s on {count} x {accelerator.accelerator}",
    )


def _positive(claim: Claim | None, **figures: float) -> None:
    stated = {name: value for name, value in (claim.model_dump() if claim else {}).items() if value is not None}
    wrong = [f"{name} is {value!r}" for name, value in {**stated, **figures}.items() if not 0 < value < float("inf")]
    if wrong:
        raise Correctable(f"{', '.join(wrong)}; each must be a positive number")
