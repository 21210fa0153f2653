"""Hours, latency and dollars of a student built from scratch on an offer: this machine's CPU, a cloud's, or accelerators.

CPUs have formulas of their own; accelerators go by `serving` and `training`, as open models do. It does not cover accuracy (that
needs evidence) or the network to a cloud.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ...state.errors import Correctable, ToolFailed
from ...state.numbers import AS_SAID, shown
from ...state.plan import LOCAL, Offer, Prediction
from ..machine import Machine
from ..pricing.accelerators import AcceleratorFacts, accelerator_facts
from . import cpu_serving
from .architecture import Architecture
from .bands import ASSUMED_BAND, DATASHEET_BAND, MEASURED_BAND
from .chips import ServePrecision
from .serving import ServingPrediction, predict_serving
from .training import CLOUD_SETUP_HOURS, JOB_START_HOURS, TrainingPrecision, training_step


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
CPU_TRAINING: Mapping[TrainingPrecision, CpuTraining] = {
    "fp32": CpuTraining(efficiency=0.88, layer_token_us=6.0),
    "bf16": CpuTraining(efficiency=2.75, layer_token_us=6.0),
}
FLOPS_PER_PARAMETER_TOKEN = 6  # forward 2, backward 4: Kaplan et al. 2020, arXiv 2001.08361, section 2.1
THREADS_EXPONENT = 0.63  # two threads are 1.4-1.7 times one (measured on an idle 2-core machine): 2^0.63 = 1.55
CLIENTS = 16
"""Clients at which throughput is predicted, as evaluations measure it."""
SEQUENCE_TOKENS = 128  # assumption: of a training text; so small a student hardly notices its attention

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
    architecture: Architecture,
    train_tokens: int,
    offer: Offer,
    machine: Machine,
    precision: TrainingPrecision = "fp32",
    threads: int = 1,
) -> Prediction:
    """Wall-clock hours of one training run on `offer`, billed set-up included.

    CPU: 6 FLOPs per parameter and token over the thread's speed, plus an overhead per token and layer. `threads` counts on a
    CPU only; bf16 on a CPU without it runs as fp32.
    """
    _positive(train_tokens=train_tokens, threads=threads)
    on = hardware(offer, machine)
    setup = JOB_START_HOURS + (0 if offer.cloud == LOCAL else CLOUD_SETUP_HOURS)
    if isinstance(on, Machine):
        used = "bf16" if precision == "bf16" and on.has_bf16 else "fp32"
        per_token = cpu_train_seconds_per_token(architecture, on, used) / min(threads, on.cores) ** THREADS_EXPONENT
        # bf16 rests on one foreign point, so it is no better known than a datasheet.
        factor = (MEASURED_BAND if used == "fp32" else DATASHEET_BAND) if on.measured else ASSUMED_BAND
        return _prediction(
            setup + train_tokens * per_token / 3600, factor, f"CPU training model, {used}, {on.cpu_model}"
        )
    step_s, step_tokens = training_step(
        architecture, on.accelerator, max(1, offer.accelerator_count), precision, SEQUENCE_TOKENS
    )
    hours = setup + math.ceil(train_tokens / step_tokens) * step_s / 3600
    return _prediction(hours, DATASHEET_BAND, f"GPU training physics, {precision}, {on.accelerator} datasheet")


def cpu_train_seconds_per_token(architecture: Architecture, machine: Machine, precision: TrainingPrecision) -> float:
    """Seconds one thread needs for one training token: matrix products at a share of the probe, plus overhead."""
    how = CPU_TRAINING[precision]
    flops = FLOPS_PER_PARAMETER_TOKEN * architecture.parameters
    overhead = architecture.layers * how.layer_token_us * 1e-6
    return flops / (machine.single_thread_gflops * 1e9 * how.efficiency) + overhead


def predict_latency_p95_ms(
    *,
    architecture: Architecture,
    output_tokens: int,
    offer: Offer,
    machine: Machine,
    input_tokens: int = 64,
    precision: ServePrecision = "fp32",
) -> Prediction:
    """95th percentile of one request's time at one client, milliseconds, without the network to a cloud.

    One accelerator serves. Raises ToolFailed when the weights do not fit it.
    """
    _positive(output_tokens=output_tokens, input_tokens=input_tokens)
    on = hardware(offer, machine)
    if isinstance(on, Machine):
        mean = cpu_serving.request_seconds(
            parameters=architecture.parameters,
            layers=architecture.layers,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            machine=on,
        )
        factor = cpu_serving.BAND if on.measured else ASSUMED_BAND
        return _prediction(
            mean * cpu_serving.P95_OVER_P50 * 1e3, factor, f"CPU engine roofline, {precision}, {on.cpu_model}"
        )
    return _widened(_served(architecture, on.accelerator, precision, input_tokens, output_tokens, 1).latency_p95_ms)


def predict_throughput_rps(
    *,
    architecture: Architecture,
    output_tokens: int,
    offer: Offer,
    machine: Machine,
    input_tokens: int = 64,
    precision: ServePrecision = "fp32",
) -> Prediction:
    """Requests a second at CLIENTS clients, each waiting for its answer; a copy of the model on each accelerator.

    Raises ToolFailed when the weights do not fit.
    """
    if offer.accelerator is None:
        latency = predict_latency_p95_ms(
            architecture=architecture, output_tokens=output_tokens, offer=offer, machine=machine, input_tokens=input_tokens
        )  # fmt: skip
        median_s = latency.value / 1e3 / cpu_serving.P95_OVER_P50
        factor = max(cpu_serving.BAND, latency.high / latency.value)
        rate = cpu_serving.RPS_AT_16_OVER_1 / median_s
        return _prediction(rate, factor, f"{latency.source}, {CLIENTS} clients")
    on = hardware(offer, machine)
    assert isinstance(on, AcceleratorFacts)
    one = _widened(
        _served(architecture, on.accelerator, precision, input_tokens, output_tokens, CLIENTS).throughput_rps
    )
    copies = max(1, offer.accelerator_count)
    return Prediction(value=copies * one.value, low=copies * one.low, high=copies * one.high, source=one.source)


@lru_cache(maxsize=4096)
def _served(
    architecture: Architecture,
    accelerator: str,
    precision: ServePrecision,
    input_tokens: int,
    output_tokens: int,
    clients: int,
) -> ServingPrediction:
    """One copy on one accelerator; servers at many prices have the same one, so answers are kept."""
    return predict_serving(
        architecture,
        accelerator_facts()[accelerator],
        precision=precision,
        concurrency=clients,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
    )


def _widened(prediction: Prediction) -> Prediction:
    """With a band no narrower than an assumption's: no model a thousandth as large as those measured was measured."""
    return prediction.model_copy(
        update={
            "low": min(prediction.low, prediction.value / ASSUMED_BAND),
            "high": max(prediction.high, prediction.value * ASSUMED_BAND),
        }
    )


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
