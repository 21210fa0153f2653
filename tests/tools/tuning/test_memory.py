"""Memory told before a tuning: hand-worked figures, refusals with what to lower, and how near the peak it comes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stratos.state.errors import Correctable
from stratos.tools.estimating.architecture import Architecture
from stratos.tools.tuning import memory
from stratos.tools.tuning.memory import MemoryUse

SHAPE = Architecture(
    parameters=1_000_000,
    active_parameters=1_000_000,
    layers=2,
    hidden=64,
    heads=4,
    kv_heads=2,
    head_dim=16,
    feed_forward=128,
    vocabulary=1000,
)
GIB = 2**30


def use(**changes: Any) -> MemoryUse:
    given: dict[str, Any] = {
        "method": "full",
        "rank": 8,
        "batch_tokens": 100,
        "precision": "float32",
        "checkpointing": False,
        "process_gib": 0.5,
        "available_gib": 8.0,
    }
    return memory.estimate(SHAPE, **{**given, **changes})


def test_the_parts_of_a_full_tuning_worked_by_hand() -> None:
    found = use()
    assert found.weights_gib * GIB == pytest.approx(4e6)
    assert found.states_gib * GIB == pytest.approx(12e6)
    # 6 x 64 + 2 x 64 + 2 x 32 + 4 x 128 = 1088 numbers a token and layer; 1.25 x 100 tokens x (2 x 1088 x 4 + 1000 x 16) bytes
    assert found.activations_gib * GIB == pytest.approx(1.25 * 100 * (8704 + 16000))
    assert found.needed_gib == pytest.approx(found.weights_gib + found.states_gib + found.activations_gib + 0.5)


def test_adapters_have_few_states_and_a_reference_doubles_the_weights() -> None:
    # rank 8 x (2 x (64 + 64) + 2 x (64 + 32) + 3 x (64 + 128)) x 2 layers
    assert memory.adapter_parameters(SHAPE, 8) == 8 * 1024 * 2
    assert use(method="lora").states_gib * GIB == pytest.approx(12 * 16384)
    assert use(method="lora", precision="bfloat16").weights_gib * GIB == pytest.approx(2e6 + 4 * 16384)
    assert use(copies=1.0).weights_gib * GIB == pytest.approx(8e6)


def test_checkpointing_and_smaller_batches_take_less() -> None:
    assert use(checkpointing=True).activations_gib < use().activations_gib
    assert use(batch_tokens=50).activations_gib == pytest.approx(use().activations_gib / 2)


def test_what_cannot_fit_is_refused_with_what_to_lower() -> None:
    memory.refuse_what_cannot_fit(use(), "full", False)
    with pytest.raises(Correctable, match=r"0\.10 GiB are free: lower batch_tokens.*gradient_checkpointing.*'lora'"):
        memory.refuse_what_cannot_fit(use(available_gib=0.1), "full", False)
    assert "gradient_checkpointing" not in memory.what_to_lower(use(), "lora", True)


def test_a_disk_too_small_is_refused_with_the_figures(tmp_path: Path) -> None:
    huge = replace(SHAPE, parameters=10**15, active_parameters=10**15)
    with pytest.raises(Correctable, match=r"needs about .* GiB for 3 checkpoints .* make room"):
        memory.refuse_a_small_disk(tmp_path, huge, "full", 8, keeps_best=False)
    memory.refuse_a_small_disk(tmp_path, SHAPE, "full", 8, keeps_best=True)
