"""Training predictions: hours by hand, what each method adds, and memory that decides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stratos.state.errors import Correctable
from stratos.tools.estimating import grids, training_physics
from stratos.tools.estimating.architecture import student_architecture
from stratos.tools.estimating.training import (
    METHODS,
    SETUP_HOURS,
    Method,
    TrainingTable,
    training_step,
    training_table,
)
from stratos.tools.pricing import accelerator_facts
from stratos.tools.training.students import SHAPES

from ...building import architecture

SEVEN = architecture("Qwen/Qwen2.5-7B-Instruct")
SMALL = architecture("Qwen/Qwen2.5-0.5B-Instruct")
A100, L4 = accelerator_facts()["A100-80GB-SXM"], accelerator_facts()["L4"]


def trained(method: Method = "full", tokens: int = 16_384 * 100, **changes: object) -> TrainingTable:
    asked: dict[str, object] = {"accelerators": [A100], "sequence_tokens": 1024, "teacher": None, **changes}
    return training_table([SEVEN], methods=[method], train_tokens=[tokens], **asked)  # pyright: ignore[reportArgumentType]


def memory(*, lora: bool = False, checkpointing: bool = False, count: float = 1) -> training_physics.TrainingMemory:
    return training_physics.memory(
        grids.models_array([SEVEN]), grids.chips_array([A100], np.array([312.0])), count=np.array([count]),
        sequence_tokens=np.array([1024.0]), lora=lora, checkpointing=checkpointing, weight_bytes=2,
        teacher_bytes=np.zeros(1),
    )  # fmt: skip


def test_hours_of_full_training_by_hand():
    # Weights multiplied: 7.616e9 - 152,064 x 3584 (the embedding) = 7.0706e9. Attention: 2 x 28 x 3584 x 1024 = 2.055e8 a
    # token forward. Forward and backward: 3 x (2 x 7.0706e9 + 2.055e8) x 16,384 over 312e12 x 0.35 = 6.458 s a step;
    # AdamW: 7.616e9 x 28 bytes / 2,039 GB/s = 0.1046 s.
    found = trained()
    assert found.student_hours.item() * 3600 == pytest.approx(100 * (6.458 + 0.1046), rel=1e-3)
    assert found.hours.item() == pytest.approx(found.student_hours.item() + SETUP_HOURS)


def test_a_step_of_the_smallest_student_waits_for_launches():
    # 5 ms of a step and 3 layers x 1.5 ms; 0.35M weights x 28 bytes over 2 TB/s are 5 us more.
    seconds, tokens = training_step(student_architecture(SHAPES[0], 337_152), A100.accelerator, 1, "fp32", 128)
    assert (seconds, tokens) == (pytest.approx(9.5e-3, rel=1e-3), 16_384)


def test_adapters_skip_the_frozen_weights_gradients_and_states():
    full, lora = trained(), trained("lora")
    assert lora.student_hours.item() == pytest.approx(full.student_hours.item() * 2 / 3, rel=0.03)
    assert memory().optimiser.item() > 50 * 2**30
    assert memory(lora=True).optimiser.item() < 2**30
    assert (full.fits.item(), lora.fits.item()) == (False, True)


def test_adapter_weights_of_rank_16_by_hand():
    # A layer of Qwen2.5-7B: q and o 3584+3584, k and v 3584+512, gate, up and down 3584+18944:
    # 16 x (2 x 7168 + 2 x 4096 + 3 x 22528) = 1.44M; 28 layers: 40.4M. (PEFT counts 40,370,176.)
    count = training_physics.lora_parameters(grids.models_array([SEVEN])).item()
    assert count == pytest.approx(40_370_176, rel=0.01)


def test_memory_of_full_training_is_16_bytes_a_weight():
    found = memory()
    assert (found.weights + found.gradients + found.optimiser).item() == pytest.approx(16 * 7.6156e9, rel=1e-4)
    assert memory(count=8).optimiser.item() == pytest.approx(found.optimiser.item() / 8)
    assert trained().memory_gib.item() == pytest.approx(found.needed.item() / 2**30)


def test_checkpointing_trades_a_forward_pass_for_activations():
    assert trained(checkpointing=True).student_hours > 1.25 * trained().student_hours
    assert memory(checkpointing=True).activations < memory().activations / 1.5


def test_a_teacher_pass_is_two_flops_a_weight_and_token():
    teacher = architecture("Qwen/Qwen3-32B")
    found = trained("logit", teacher=teacher, counts=[8])
    # (2 x (32.762e9 - 0.778e9) + 2 x 64 x 8192 x 1024) x 1,638,400 tokens over 8 x 312e12 x 0.45.
    by_hand = 6.504e10 * 1_638_400 / (8 * 312e12 * 0.45)
    assert found.teacher_hours.item() * 3600 == pytest.approx(by_hand, rel=2e-3)
    held = (found.memory_gib - trained(counts=[8]).memory_gib).item()
    assert held == pytest.approx(2 * 32.762e9 / 8 / 2**30, rel=1e-3)


def test_each_method_has_its_own_parts():
    found = {method: trained(method, teacher=SEVEN) for method in METHODS}
    assert {name for name, one in found.items() if one.teacher_hours.item()} == {"logit", "on_policy", "grpo"}
    assert {name for name, one in found.items() if one.generation_hours.item()} == {"on_policy", "grpo"}


def test_a_method_without_its_teacher_is_corrected():
    with pytest.raises(Correctable, match="method 'logit' needs a teacher"):
        trained("logit")


def test_senseless_counts_are_told_together():
    with pytest.raises(Correctable, match=r"counts is 0.*train_tokens is -5.*sequence_tokens is 0"):
        trained(tokens=-5, counts=[0], sequence_tokens=0)


def test_unknown_speed_has_no_hours_and_fits_nowhere():
    found = trained(accelerators=[accelerator_facts()["K80"]])
    assert np.isnan(found.hours.item())
    assert not found.fits.item()


def test_a_cell_of_a_grid_is_what_is_answered_alone():
    models, chips, counts, tokens = [SMALL, SEVEN], [A100, L4], [1, 4], [10**6, 10**8]
    table = training_table(
        models, chips, methods=METHODS, counts=counts, train_tokens=tokens, sequence_tokens=1024, teacher=SEVEN
    )
    assert table.hours.shape == (2, 2, 5, 2, 2)
    for at, method in enumerate(METHODS):
        alone = trained(method, tokens=10**8, accelerators=[L4], counts=[4], teacher=SEVEN)
        assert alone.hours.item() == pytest.approx(table.hours[1, 1, at, 1, 1])
        assert alone.memory_gib.item() == pytest.approx(table.memory_gib[1, 1, at, 1, 1])


@given(st.integers(1, 10**11), st.integers(1, 100))
def test_more_tokens_never_train_faster(tokens: int, more: int):
    assert trained(tokens=tokens * more).hours >= trained(tokens=tokens).hours
