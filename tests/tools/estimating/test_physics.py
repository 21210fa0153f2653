"""The serving arithmetic against sums done by hand, and the laws it must keep whatever the figures are."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stratos.tools.estimating import grids
from stratos.tools.estimating.architecture import Architecture
from stratos.tools.estimating.calibration import ConstantName
from stratos.tools.estimating.physics import (
    Array,
    Chips,
    Constants,
    Formats,
    all_reduce_s,
    decode_step_s,
    operating_point,
    prefill_s,
    read_bytes,
    stored_bytes,
)

LLAMA_8B = Architecture(
    parameters=8_030_000_000, active_parameters=8_030_000_000, layers=32, hidden=4096, heads=32, kv_heads=8,
    head_dim=128, feed_forward=14336, vocabulary=128_256,
)  # fmt: skip
MIXTURE = Architecture(
    parameters=30_500_000_000, active_parameters=3_300_000_000, layers=48, hidden=2048, heads=32, kv_heads=4,
    head_dim=128, feed_forward=768, vocabulary=151_936,
)  # fmt: skip
PERFECT: dict[ConstantName, float] = {
    "bandwidth_share": 1, "cache_share": 1, "compute_share": 1, "layer_us": 0, "step_ms": 0, "sequence_us": 0,
    "all_reduce_us": 0, "link_share": 1, "interference": 0, "request_ms": 0, "first_token_steps": 1, "queue_factor": 0,
    "queue_power": 1, "memory_share": 1,
}  # fmt: skip


def constants(**changes: float) -> Constants:
    values: dict[str, float] = {**PERFECT, **changes}
    return grids.constants_array(lambda name: np.array([values[name]]))


def chip(memory: float = 80e9, bandwidth: float = 2e12, peak: float = 1e15, link: float = 4e11) -> Chips:
    return Chips(
        memory_bytes=np.array([memory]),
        bandwidth_bytes_s=np.array([bandwidth]),
        peak_flops=np.array([peak]),
        link_bytes_s=np.array([link]),
    )


def bf16() -> Formats:
    return grids.formats_array(["bf16"], np.array([2.0]))


def number(value: float) -> Array:
    return np.array([float(value)])


def point(architecture: Architecture = LLAMA_8B, on: Chips | None = None, **asked: Any) -> Any:
    known = asked.pop("known", constants())
    wanted = {"ways": 1, "concurrency": 1, "input_tokens": 100, "output_tokens": 100, **asked}
    return operating_point(
        grids.models_array([architecture]), on or chip(), bf16(), known, **{k: number(v) for k, v in wanted.items()}
    )


def test_a_token_at_batch_1_reads_the_weights_without_the_embedding():
    # 8.030e9 - 128,256 x 4096 (the embedding is a look-up) = 7.5047e9 weights x 2 bytes over 2 TB/s.
    step = decode_step_s(grids.models_array([LLAMA_8B]), chip(), bf16(), constants(), number(1), number(1), number(0))
    assert step.item() == pytest.approx(7.5047e-3, rel=1e-4)


def test_all_weights_are_stored():
    assert stored_bytes(grids.models_array([LLAMA_8B]), bf16()).item() == pytest.approx(16.06e9)


def test_the_cache_of_a_context_is_read_too():
    # 2 x 32 layers x 8 heads x 128 = 65,536 numbers a token x 2 bytes x 1000 tokens x 4 sequences = 524.3 MB.
    models = grids.models_array([LLAMA_8B])
    with_cache, without = (
        decode_step_s(models, chip(), bf16(), constants(), number(1), number(4), number(tokens)) for tokens in (1000, 0)
    )
    assert (with_cache - without).item() == pytest.approx(524.288e6 / 2e12, rel=1e-6)


def test_overheads_of_a_step_add_up():
    # 32 layers x 50 us + 0.4 ms + 3 sequences x 20 us = 2.06 ms.
    models = grids.models_array([LLAMA_8B])
    bare, loaded = (
        decode_step_s(models, chip(), bf16(), known, number(1), number(3), number(0))
        for known in (constants(), constants(layer_us=50, step_ms=0.4, sequence_us=20))
    )
    assert (loaded - bare).item() == pytest.approx(2.06e-3)


def test_an_all_reduce_by_hand():
    # 4 ways: 2 x 3/4 x 8 MB over 400 GB/s = 30 us, and 10 us of latency.
    assert all_reduce_s(number(8e6), number(4), number(4e11), number(10e-6)).item() == pytest.approx(40e-6)
    assert all_reduce_s(number(8e6), number(1), number(4e11), number(10e-6)).item() == 0


def test_tensor_parallel_reads_a_share_and_reduces_twice_a_layer():
    # 15.0094 GB / 4 / 2 TB/s = 1.8762 ms; 64 reductions of (10 us + 2 x 3/4 x 8,192 bytes / 400 GB/s = 0.031 us).
    models = grids.models_array([LLAMA_8B])
    step = decode_step_s(models, chip(), bf16(), constants(all_reduce_us=10), number(4), number(1), number(0))
    assert step.item() == pytest.approx(1.8762e-3 + 64 * 10.0307e-6, rel=1e-4)


def test_a_large_batch_waits_for_arithmetic():
    # 2 x 7.5047e9 x 1000 FLOP at 1 PFLOP/s = 15.009 ms, longer than reading 15 GB at 2 TB/s.
    models = grids.models_array([LLAMA_8B])
    step = decode_step_s(models, chip(), bf16(), constants(), number(1), number(1000), number(0))
    assert step.item() == pytest.approx(15.009e-3, rel=1e-4)


def test_a_prefill_by_hand():
    # Layers hold 8.030e9 - 2 x 128,256 x 4096 = 6.9793e9 weights: 2 x that x 2000 tokens, and 2 x 32 x 4096 x 2000^2.
    seconds = prefill_s(grids.models_array([LLAMA_8B]), chip(), constants(), number(1), number(2000))
    assert seconds.item() == pytest.approx((2 * 6.9793e9 * 2000 + 1.048576e12) / 1e15, rel=1e-4)


def test_experts_read_grow_with_the_batch_up_to_all_of_them():
    models = grids.models_array([MIXTURE])
    one, eight, many = (read_bytes(models, bf16(), number(batch)).item() for batch in (1, 8, 10_000))
    embedding = 151_936 * 2048
    assert one == pytest.approx(2 * (MIXTURE.active_parameters - embedding), rel=1e-6)
    assert many == pytest.approx(2 * (MIXTURE.parameters - embedding), rel=1e-6)
    share = (one - _common(models)) / (many - _common(models))  # k / E
    assert eight == pytest.approx(_common(models) + (1 - (1 - share) ** 8) * (many - _common(models)), rel=1e-6)


def _common(models: Any) -> float:
    return 2 * (models.shared_parameters + models.head_parameters).item()


def test_other_clients_prefills_delay_tokens():
    # With interference 1, nine others' prefills fall between 100 tokens.
    quiet, busy = (point(concurrency=10, known=constants(interference=share)) for share in (0, 1))
    assert (busy.tpot_ms - quiet.tpot_ms).item() == pytest.approx(quiet.prefill_ms.item() * 9 / 100)


def test_clients_beyond_the_cache_wait_for_a_place():
    # 20 GB hold 16.06 GB of weights, 1.5 GB of reserve, and 2.44 GB of cache: 2,048 tokens x 131,072 bytes = 268 MB each.
    found = point(on=chip(memory=20e9), concurrency=20, input_tokens=1024, output_tokens=1024)
    assert found.max_concurrency.item() == pytest.approx(9.089, rel=1e-3)
    service = 1024 * found.tpot_ms.item()
    # Little's law: of 20 clients 9.089 are served, so each waits for (20 / 9.089 - 1) service times.
    assert found.ttft_ms.item() == pytest.approx((20 / 9.089 - 1) * service, rel=0.05)


FACTORS = st.floats(1.0, 20.0)
SIZES = st.integers(1, 10_000)


@given(FACTORS, FACTORS, st.integers(1, 512), SIZES, SIZES)
def test_more_bandwidth_is_never_slower(bandwidth: float, more: float, clients: int, reads: int, writes: int):
    asked: dict[str, Any] = {
        "concurrency": clients,
        "input_tokens": reads,
        "output_tokens": writes,
        "known": constants(layer_us=20),
    }
    slow, fast = (point(on=chip(bandwidth=1e11 * of), **asked) for of in (bandwidth, bandwidth * more))
    assert fast.tpot_ms.item() <= slow.tpot_ms.item() * (1 + 1e-9)
    assert request_ms(fast, writes) <= request_ms(slow, writes) * (1 + 1e-9)


@given(FACTORS, FACTORS, SIZES, SIZES)
def test_more_arithmetic_is_never_slower(peak: float, more: float, reads: int, writes: int):
    asked: dict[str, Any] = {
        "concurrency": 8,
        "input_tokens": reads,
        "output_tokens": writes,
        "known": constants(interference=1),
    }
    slow, fast = (point(on=chip(peak=1e13 * of), **asked) for of in (peak, peak * more))
    assert fast.tpot_ms.item() <= slow.tpot_ms.item() * (1 + 1e-9)
    assert request_ms(fast, writes) <= request_ms(slow, writes) * (1 + 1e-9)


@given(st.integers(2_000_000_000, 30_000_000_000), FACTORS, SIZES, SIZES)
def test_a_bigger_model_is_never_faster_alone(parameters: int, more: float, reads: int, writes: int):
    def of(size: int) -> Architecture:
        return replace(LLAMA_8B, parameters=size, active_parameters=size)

    asked: dict[str, Any] = {"on": chip(memory=4e12), "input_tokens": reads, "output_tokens": writes}
    small, large = (point(of(size), **asked) for size in (parameters, int(parameters * more)))
    assert large.tpot_ms.item() >= small.tpot_ms.item()
    assert large.ttft_ms.item() >= small.ttft_ms.item()


@given(st.integers(1, 400), st.integers(1, 400), SIZES, SIZES)
def test_more_clients_never_make_a_token_faster(few: int, added: int, reads: int, writes: int):
    known = constants(interference=1, sequence_us=10, queue_factor=0.5)
    asked: dict[str, Any] = {"input_tokens": reads, "output_tokens": writes, "known": known}
    quiet, busy = (point(concurrency=clients, **asked) for clients in (few, few + added))
    assert busy.tpot_ms.item() >= quiet.tpot_ms.item() * (1 - 1e-9)
    assert request_ms(busy, writes) >= request_ms(quiet, writes) * (1 - 1e-9)


def request_ms(found: Any, output_tokens: int) -> float:
    return found.ttft_ms.item() + (output_tokens - 1) * found.tpot_ms.item()


def test_prompts_alone_can_fill_the_accelerator():
    # 50 clients that want one token each wait for all 50 prompts.
    found = point(concurrency=50, input_tokens=4000, output_tokens=1)
    assert found.ttft_ms.item() == pytest.approx(50 * found.prefill_ms.item())
