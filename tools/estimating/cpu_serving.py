"""How long the CPU engine takes for a request, and how many it answers in a second: weights read for every token, and little else.

It covers students of a few million parameters in float32 on one thread, as `serving/cpu_engine.py` runs them; not larger ones.
"""

from ...state.plan import Machine

# Source of the constants: `python -m stratos.evals.cpu_engine`, 2026-11-24, one thread of an AMD EPYC (probe 112 GFLOP/s, 34 GB/s),
# 24 points: four shapes of 0.35M to 5M parameters, answers of 8, 32 and 96 tokens, two runs. Least squares in the logarithm
# of the median time; off by 9 % in the median, by 25 % at most but for one point (39 %).
HTTP_S = 1.6e-3
"""One request through the Python server on loopback, tokenising included."""
LAYER_S = 3.6e-6
"""What every layer costs a token beside its weights."""
CACHED_GB_S = 36.0
CACHE_BYTES = 8.6e6
"""Weights beyond this come from memory at every token."""
UNCACHED_SHARE = 0.31
"""Of the bandwidth that copying reaches (`Machine.memory_bandwidth_gb_s`), what reading a matrix for one vector reaches."""
P95_OVER_P50 = 1.4
"""Median of 12 points of the second run, two other jobs beside it; 1.1 on an idle machine."""
RPS_AT_16_OVER_1 = 2.4
"""Requests a second of sixteen clients over one client's, median of 24 points (1.8 to 3.8): batches share the reading of weights."""
BAND = 1.6
"""assumption: 80 % of machines and moments; the fit's own points lie within 1.25, but they are one machine's."""


def seconds_per_output_token(layers: int, weight_bytes: float, machine: Machine) -> float:
    """Of one sequence: weights over bandwidth, the part that no cache keeps at memory's own, and an overhead per layer.

    Arithmetic never decides: 2 FLOPs for every 4 bytes of float32 keep one core waiting for the weights.
    """
    cached = min(weight_bytes, CACHE_BYTES)
    from_memory_gb_s = min(CACHED_GB_S, UNCACHED_SHARE * machine.memory_bandwidth_gb_s)
    reading = cached / (CACHED_GB_S * 1e9) + (weight_bytes - cached) / (from_memory_gb_s * 1e9)
    return reading + layers * LAYER_S


def request_seconds(*, parameters: int, layers: int, input_tokens: int, output_tokens: int, machine: Machine) -> float:
    """Median time of one request at one client: the server, the prompt at once, then token by token."""
    prefill = input_tokens * 2 * parameters / (machine.single_thread_gflops * 1e9) + layers * LAYER_S
    return HTTP_S + prefill + output_tokens * seconds_per_output_token(layers, 4.0 * parameters, machine)
