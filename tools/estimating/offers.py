"""Hours, latency and dollars of a candidate on an offer: this machine's CPU, a cloud's, or accelerators.

It covers students built from scratch, of which parameters and layers tell enough; open models are predicted by `serving` and `training`.
It does not cover accuracy (that needs evidence) or the network to a cloud.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ...state.errors import Correctable, ToolFailed
from ...state.numbers import AS_SAID, shown
from ...state.plan import LOCAL, Offer, Prediction
from ..machine import Machine
from ..pricing.accelerators import AcceleratorFacts, accelerator_facts
from . import cpu_serving
from .bands import ASSUMED_BAND, DATASHEET_BAND, MEASURED_BAND
from .chips import TF32_OF_BF16, WEIGHT_BYTES, ServePrecision

TrainPrecision = Literal["fp32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class CpuTraining:
    """How one CPU thread trains small decoders: a share of the machine's probe, and what every layer costs a token."""

    efficiency: float
    """Training GFLOP/s over Machine.single_thread_gflops; above 1 where the float32 probe lacks the instructions."""
    layer_token_us: float
    """Microseconds per token and layer that do not shrink with the model: norms, softmax, optimiser."""


# Source, fp32: transformers' LlamaForCausalLM + AdamW, one thread of an AMD EPYC (family 25, probe about 62 GFLOP/s),
# five shapes of 0.16M to 4.8M parameters, batch 32 x 96 (16 x 96 for the largest): 27.1k, 8.9k, 3.6k, 3.3k, 1.8k tokens
# per CPU-second; the fit is within 8 % of four and 18 % of one. A trial elsewhere saw 7.9k at 0.8M, 10 % below the fit.
# Source, bf16: that trial's 17-21k at 0.8M on a CPU with avx512_bf16, middle of the range. One point, so a wide band.
CPU_TRAINING: Mapping[TrainPrecision, CpuTraining] = {
    "fp32": CpuTraining(efficiency=0.88, layer_token_us=6.0),
    "bf16": CpuTraining(efficiency=2.75, layer_token_us=6.0),
}
FLOPS_PER_PARAMETER_TOKEN = 6  # forward 2, backward 4: Kaplan et al. 2020, arXiv 2001.08361, section 2.1
THREADS_EXPONENT = 0.63  # two threads are 1.4-1.7 times one (measured on an idle 2-core machine): 2^0.63 = 1.55
JOB_START_HOURS = 6 / 3600  # importing torch 2.3 s and transformers 1.2 s (measured), the rest assumption: reading data

CLOUD_SETUP_HOURS = 5 / 60  # assumption: boot and set-up that are billed before the first step
TOKENS_PER_STEP = 16_384  # assumption: a batch that fills a GPU without slowing learning at these sizes
TRAIN_MFU = 0.35  # assumption: model FLOPs utilisation of plain PyTorch; 0.3-0.5 is usual
TRAIN_LAUNCH_LAYER_S = 1.5e-3  # assumption: about 150 kernels a layer for forward, backward and optimiser at 10 us each
TRAIN_LAUNCH_STEP_S = 5e-3  # assumption: data loading, loss and logging of a step
MULTI_GPU_EFFICIENCY = 0.9  # assumption: what data parallelism keeps inside one node

# Source: fitted to Qwen2.5's published speed table, 0.5B-7B, BF16, batch 1, vLLM 0.6.3 on one A100-80GB-SXM; within
# 7 % on all four.
GPU_SERVE_LAYER_S = 0.115e-3
GPU_BANDWIDTH_SHARE = 0.80
GPU_PREFILL_MFU = 0.4  # assumption
GPU_HTTP_S = 10e-3  # assumption: vLLM's API server and scheduler, one request
GPU_MEMORY_SHARE = 0.9  # vLLM's default gpu_memory_utilization
P95_OVER_MEAN = 1.5  # assumption: a lightly loaded server; queues at many clients are not in it

# assumption: half a server core, since a vCPU is a hyper-thread, and a share of the memory.
CLOUD_VCPU_GFLOPS, CLOUD_VCPU_GB_S = 35.0, 8.0


def hardware(offer: Offer, machine: Machine) -> Machine | AcceleratorFacts:
    """What an offer computes with: its accelerator's facts, this machine as measured, or an assumed cloud CPU.

    Raises ToolFailed for an accelerator whose speed is not in the table.
    """
    if offer.accelerator is not None:
        facts = accelerator_facts().get(offer.accelerator)
        if facts is None or facts.bf16_dense_tflops is None:
            raise ToolFailed(
                f"{offer.id!r}: no BF16 speed of {offer.accelerator!r} is known; choose another accelerator"
            )
        return facts
    if offer.cloud == LOCAL:
        return machine
    return Machine(
        cpu_model="assumed cloud CPU",
        cores=max(1, int(offer.vcpus or 1)),
        memory_gib=offer.memory_gib or 0.0,
        has_bf16=False,
        gpus=(),
        single_thread_gflops=CLOUD_VCPU_GFLOPS,
        memory_bandwidth_gb_s=CLOUD_VCPU_GB_S,
        measured=False,
    )


def predict_train(
    *,
    parameters: int,
    layers: int,
    train_tokens: int,
    offer: Offer,
    machine: Machine,
    precision: TrainPrecision = "fp32",
    threads: int = 1,
) -> Prediction:
    """Wall-clock hours of one training run on `offer`, billed set-up included.

    CPU: 6 FLOPs per parameter and token over the thread's speed, plus an overhead per token and layer. GPU: the larger
    of launch time and FLOPs over peak, per step. `threads` counts on a CPU only; bf16 on a CPU without it runs as fp32.
    """
    _positive(parameters=parameters, layers=layers, train_tokens=train_tokens, threads=threads)
    on = hardware(offer, machine)
    setup = JOB_START_HOURS + (0 if offer.cloud == LOCAL else CLOUD_SETUP_HOURS)
    if isinstance(on, Machine):
        used = "bf16" if precision == "bf16" and on.has_bf16 else "fp32"
        per_token = (
            cpu_train_seconds_per_token(parameters, layers, on, used) / min(threads, on.cores) ** THREADS_EXPONENT
        )
        # bf16 rests on one foreign point, so it is no better known than a datasheet.
        factor = (MEASURED_BAND if used == "fp32" else DATASHEET_BAND) if on.measured else ASSUMED_BAND
        return _prediction(
            setup + train_tokens * per_token / 3600, factor, f"CPU training model, {used}, {on.cpu_model}"
        )
    steps = math.ceil(train_tokens / TOKENS_PER_STEP)
    step = gpu_train_step_seconds(parameters, layers, on, offer.accelerator_count, precision)
    return _prediction(
        setup + steps * step / 3600, DATASHEET_BAND, f"GPU training roofline, {precision}, {on.accelerator} datasheet"
    )


def cpu_train_seconds_per_token(parameters: int, layers: int, machine: Machine, precision: TrainPrecision) -> float:
    """Seconds one thread needs for one training token: matrix products at a share of the probe, plus overhead."""
    how = CPU_TRAINING[precision]
    flops = FLOPS_PER_PARAMETER_TOKEN * parameters
    return flops / (machine.single_thread_gflops * 1e9 * how.efficiency) + layers * how.layer_token_us * 1e-6


def gpu_train_step_seconds(
    parameters: int, layers: int, facts: AcceleratorFacts, gpus: int = 1, precision: TrainPrecision = "bf16"
) -> float:
    """Seconds of one step of TOKENS_PER_STEP tokens: small models wait for launches, large ones for arithmetic."""
    assert facts.bf16_dense_tflops is not None
    peak = facts.bf16_dense_tflops * 1e12 * (1 if precision == "bf16" else TF32_OF_BF16)
    scale = gpus * MULTI_GPU_EFFICIENCY if gpus > 1 else 1
    compute = FLOPS_PER_PARAMETER_TOKEN * parameters * TOKENS_PER_STEP / (peak * TRAIN_MFU * scale)
    return max(TRAIN_LAUNCH_STEP_S + layers * TRAIN_LAUNCH_LAYER_S, compute)


def predict_latency_p95_ms(
    *,
    parameters: int,
    layers: int,
    output_tokens: int,
    offer: Offer,
    machine: Machine,
    input_tokens: int = 64,
    precision: ServePrecision = "fp32",
) -> Prediction:
    """95th percentile of one request's time at one client, milliseconds, without the network to a cloud.

    Prefill once, then every output token reads all weights and pays an overhead per layer. One accelerator serves.
    Raises ToolFailed when the weights do not fit it.
    """
    _positive(parameters=parameters, layers=layers, output_tokens=output_tokens, input_tokens=input_tokens)
    weights = parameters * WEIGHT_BYTES[precision]
    on = hardware(offer, machine)
    if isinstance(on, Machine):
        mean = cpu_serving.request_seconds(
            parameters=parameters, layers=layers, input_tokens=input_tokens, output_tokens=output_tokens, machine=on
        )
        factor = cpu_serving.BAND if on.measured else ASSUMED_BAND
        return _prediction(
            mean * cpu_serving.P95_OVER_P50 * 1e3, factor, f"CPU engine roofline, {precision}, {on.cpu_model}"
        )
    room = on.memory_gib * 1e9 * GPU_MEMORY_SHARE
    if weights > room:
        raise ToolFailed(
            f"{weights / 1e9:.1f} GB of {precision} weights do not fit "
            f"the {room / 1e9:.1f} GB usable on {on.accelerator!r}"
        )
    assert on.bf16_dense_tflops is not None
    compute = 2 * parameters * input_tokens / (on.bf16_dense_tflops * 1e12 * GPU_PREFILL_MFU)
    prefill = max(layers * GPU_SERVE_LAYER_S, compute)
    mean = GPU_HTTP_S + prefill + output_tokens * gpu_seconds_per_output_token(layers, on, weights)
    return _prediction(
        mean * P95_OVER_MEAN * 1e3, DATASHEET_BAND, f"vLLM roofline, {precision}, {on.accelerator} datasheet"
    )


def predict_throughput_rps(
    *, parameters: int, layers: int, output_tokens: int, offer: Offer, machine: Machine, input_tokens: int = 64
) -> Prediction:
    """Requests a second at 16 clients, each waiting for its answer, in float32; a copy of the model on each accelerator.

    Raises ToolFailed when the weights do not fit.
    """
    latency = predict_latency_p95_ms(
        parameters=parameters, layers=layers, output_tokens=output_tokens, offer=offer, machine=machine, input_tokens=input_tokens
    )  # fmt: skip
    on_cpu = offer.accelerator is None
    median_s = latency.value / 1e3 / (cpu_serving.P95_OVER_P50 if on_cpu else P95_OVER_MEAN)
    # assumption on a GPU: steps of so small a model wait for launches, so 16 answers take as long as one.
    gain = cpu_serving.RPS_AT_16_OVER_1 if on_cpu else 16.0 * max(1, offer.accelerator_count)
    factor = max(ASSUMED_BAND if not on_cpu else cpu_serving.BAND, latency.high / latency.value)
    return _prediction(gain / median_s, factor, f"{latency.source}, 16 clients")


def gpu_seconds_per_output_token(layers: int, facts: AcceleratorFacts, weight_bytes: float) -> float:
    """Seconds per output token at batch 1: launches of every layer plus the weights over the bandwidth reached."""
    return layers * GPU_SERVE_LAYER_S + weight_bytes / (facts.memory_bandwidth_gb_s * 1e9 * GPU_BANDWIDTH_SHARE)


def predict_dollars(hours: Prediction, offer: Offer, teacher_usd: float = 0.0) -> Prediction:
    """US dollars of a run: hours at the offer's price, billed by the second (assumption), plus the teacher."""

    def usd(duration: float) -> float:
        return duration * offer.usd_per_hour + teacher_usd

    dated = f", {offer.as_of}" if offer.as_of else ""
    source = (
        f"hours x ${shown(offer.usd_per_hour, AS_SAID)} ({offer.price_basis}{dated}) + teacher ${shown(teacher_usd)}"
    )
    return Prediction(value=usd(hours.value), low=usd(hours.low), high=usd(hours.high), source=source)


def _prediction(value: float, factor: float, source: str) -> Prediction:
    return Prediction(value=value, low=value / factor, high=value * factor, source=source)


def _positive(**figures: int) -> None:
    wrong = [f"{name} is {value!r}" for name, value in figures.items() if value <= 0]
    if wrong:
        raise Correctable(f"{', '.join(wrong)}; each must be a positive number")
