"""What a model costs to hold and to run, measured: its bytes, its operations on one input, its time on this machine.

Energy is no measurement: it is the measured time times the power that the device is said to draw, and is labelled so.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

REPEATS, WARM_UP = 15, 3


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of one model and one input."""

    parameters: int
    bytes: int
    """Of its weights as they are, tied ones once."""
    flops: int
    """Floating-point operations of one pass: matrix products and convolutions, a multiplication and an addition as two."""
    latency_ms: float
    """Median of one pass, on as many threads as torch has here."""

    def joules(self, watts: float) -> float:
        """Estimated energy of one pass: the measured time at the power that the device is said to draw."""
        return self.latency_ms / 1000 * watts


def measure_costs(model: Any, inputs: Mapping[str, Any], timed: Callable[[], object] | None = None) -> Costs:
    """The costs of one pass over the inputs; `timed`: what is done for one input, where that is not one pass."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    weights = {weight.data_ptr(): weight for weight in model.parameters()}.values()
    used = model.config._attn_implementation
    with torch.no_grad():
        model.set_attn_implementation("eager")  # its products are counted, those of a fused attention are not on a CPU
        with FlopCounterMode(display=False) as counter:
            model(**inputs)
        model.set_attn_implementation(used)
        return Costs(
            parameters=sum(weight.numel() for weight in weights),
            bytes=sum(weight.numel() * weight.element_size() for weight in weights),
            flops=counter.get_total_flops(),
            latency_ms=_median_ms(timed or (lambda: model(**inputs))),
        )


def _median_ms(timed: Callable[[], object]) -> float:
    taken: list[float] = []
    for _ in range(WARM_UP + REPEATS):
        began = time.perf_counter()
        timed()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken[WARM_UP:])
