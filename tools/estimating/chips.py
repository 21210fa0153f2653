"""How an accelerator computes at a precision: bytes of a weight, arithmetic peak, and the link to its neighbours."""

import math
import re
from collections.abc import Mapping
from typing import Literal, get_args

from ..pricing.accelerators import AcceleratorFacts

ServePrecision = Literal["fp32", "bf16", "fp16", "int8", "fp8", "int4", "fp4"]
Engine = Literal["vllm", "trtllm", "sglang"]
PRECISIONS: tuple[ServePrecision, ...] = get_args(ServePrecision)
ENGINES: tuple[Engine, ...] = get_args(Engine)

WEIGHT_BYTES: Mapping[ServePrecision, float] = {
    "fp32": 4,
    "bf16": 2,
    "fp16": 2,
    "int8": 1,
    "fp8": 1,
    "int4": 0.5 + 2 / 128,  # a 16-bit scale for each group of 128 weights: GPTQ's and AWQ's usual group
    "fp4": 0.5 + 1 / 16,  # NVFP4: an 8-bit scale for each block of 16 weights
}
EIGHT_BIT_CACHE = frozenset({"trtllm", "vllm"})
"""assumption: engines whose quantised deployments keep the cache in 8 bits. Chosen by cross-validation inside the fitted
half; the points do not say. vLLM and SGLang keep 16 bits unless told otherwise (vLLM: `--kv-cache-dtype fp8`), so an 8-bit vLLM
deployment without that option holds half as many requests as predicted."""
TF32_OF_BF16 = 0.5  # dense TF32 over dense BF16, NVIDIA A100 datasheet: 156 / 312
FP4_OF_FP8 = 2.0  # dense NVFP4 over dense FP8, NVIDIA HGX B200 datasheet: 9,000 / 4,500
HAS_FP4 = re.compile(r"^(B200|B300|GB200|GB300|RTX50\d0|RTXPRO6000)")
"""Blackwell: the only parts of the table with FP4 units."""

_LINK = re.compile(r"(?:NVLink|Infinity Fabric)[^;]*?([\d.]+) GB/s")
_PCIE = re.compile(r"PCIe (\d)\.0")
PCIE_GB_S: Mapping[str, float] = {"3": 16.0, "4": 32.0, "5": 64.0}
"""One direction of 16 lanes, PCI-SIG."""
UNKNOWN_LINK_GB_S = 16.0  # assumption: no better than PCIe 3 where the table names no link


def supports(facts: AcceleratorFacts, precision: ServePrecision) -> bool:
    """Whether the accelerator can be predicted at that precision: its BF16 speed is known, and FP4 needs FP4 units."""
    if facts.bf16_dense_tflops is None:
        return False
    return precision != "fp4" or HAS_FP4.match(facts.accelerator) is not None


def peak_tflops(facts: AcceleratorFacts, precision: ServePrecision) -> float:
    """Dense TFLOP/s of matrix products at the precision; NaN where `supports` says no.

    int8 and int4 are weights only (GPTQ, AWQ), multiplied in 16 bits; so is fp8 on parts without FP8 units.
    """
    if not supports(facts, precision):
        return math.nan
    assert facts.bf16_dense_tflops is not None
    fp8 = facts.fp8_dense_tflops or facts.bf16_dense_tflops
    match precision:
        case "fp32":
            return facts.bf16_dense_tflops * TF32_OF_BF16
        case "fp8":
            return fp8
        case "fp4":
            return fp8 * FP4_OF_FP8
        case _:
            return facts.bf16_dense_tflops


def link_gb_s(facts: AcceleratorFacts) -> float:
    """GB/s one way from an accelerator to the others of its machine.

    Datasheets give NVLink both ways together, so half of it. A bridge joins only pairs: where PCIe stands beside it, PCIe
    counts.
    """
    if pcie := _PCIE.search(facts.interconnect):
        return PCIE_GB_S[pcie[1]]
    if link := _LINK.search(facts.interconnect):
        return float(link[1]) / 2
    return UNKNOWN_LINK_GB_S


def kv_bytes(engine: Engine, precision: ServePrecision) -> float:
    """Bytes of one number in the cache."""
    if precision == "fp32":
        return 4.0
    return 1.0 if precision in ("fp8", "fp4") and engine in EIGHT_BIT_CACHE else 2.0
