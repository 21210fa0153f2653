"""Training predictions: hours by hand, what each method adds, memory that decides, and one formula for grids."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stratos.state.errors import Correctable, ToolFailed
from stratos.tools.estimating import grids, training_physics
from stratos.tools.estimating.points import ARCHITECTURES
from stratos.tools.estimating.training import (
    METHODS,
    SETUP_HOURS,
    Method,
    TrainingPrediction,
    predict_training,
    rough_architecture,
    training_table,
)
from stratos.tools.pricing import accelerator_facts

SEVEN = ARCHITECTURES["Qwen/Qwen2.5-7B-Instruct"]
SMALL = ARCHITECTURES["Qwen/Qwen2.5-0.5B-Instruct"]
A100, L4 = accelerator_facts()["A100-80GB-SXM"], accelerator_facts()["L4"]


def trained(method: Method = "full", tokens: int = 16_384 * 100, **changes: object) -> TrainingPrediction:
    asked: dict[str, object] = {"accelerator": A100, "sequence_tokens": 1024, "teacher": None, **changes}
    return predict_training(SEVEN, method=method, train_tokens=tokens, **asked)  # pyright: ignore[reportArgumentType]


def test_hours_of_full_training_by_hand():
    # Weights multiplied: 7.616e9 - 152,064 x 3584 (the embedding) = 7.0710e9. Attention: 2 x 28 x 3584 x 1024 = 2.055e8 a
    # token forward. Forward and backward: 3 x (2 x 7.0710e9 + 2.055e8) x 16,384 over 312e12 x 0.35 = 6.458 s a step;
    # AdamW: 7.616e9 x 28 bytes / 2,039 GB/s = 0.1046 s.
    assert trained().parts.student * 3600 == pytest.approx(100 * (6.458 + 0.1046), rel=1e-3)
    assert trained().hours.value == pytest.approx(trained().parts.student + SETUP_HOURS)


def test_adapters_skip_the_frozen_weights_gradients_and_states():
    full, lora = trained(), trained("lora")
    assert lora.parts.student == pytest.approx(full.parts.student * 2 / 3, rel=0.03)
    assert full.memory.optimiser_gib > 50
    assert lora.memory.optimiser_gib < 1
    assert (full.fits, lora.fits) == (False, True)


def test_adapter_weights_of_rank_16_by_hand():
    # A layer of Qwen2.5-7B: q and o 3584+3584, k and v 3584+512, gate, up and down 3584+18944:
    # 16 x (2 x 7168 + 2 x 4096 + 3 x 22528) = 1.44M; 28 layers: 40.4M. (PEFT counts 40,370,176.)
    count = training_physics.lora_parameters(grids.models_array([SEVEN])).item()
    assert count == pytest.approx(40_370_176, rel=0.01)


def test_memory_of_full_training_is_16_bytes_a_weight():
    memory = trained().memory
    states = (memory.weights_gib + memory.gradients_gib + memory.optimiser_gib) * 2**30
    assert states == pytest.approx(16 * 7.616e9, rel=1e-4)
    assert trained(count=8).memory.optimiser_gib == pytest.approx(memory.optimiser_gib / 8)


def test_checkpointing_trades_a_forward_pass_for_activations():
    plain, kept = trained(), trained(checkpointing=True)
    assert kept.parts.student > 1.25 * plain.parts.student
    assert kept.memory.activations_gib < plain.memory.activations_gib / 1.5


def test_a_teacher_pass_is_two_flops_a_weight_and_token():
    found = trained("logit", teacher=ARCHITECTURES["Qwen/Qwen3-32B"], count=8)
    # (2 x (32.762e9 - 0.778e9) + 2 x 64 x 8192 x 1024) x 1,638,400 tokens over 8 x 312e12 x 0.45.
    assert found.parts.teacher * 3600 == pytest.approx(6.504e10 * 1_638_400 / (8 * 312e12 * 0.45), rel=2e-3)
    assert found.memory.teacher_gib == pytest.approx(2 * 32.762e9 / 8 / 2**30, rel=1e-3)


def test_each_method_has_its_own_parts():
    parts = {method: trained(method, teacher=SEVEN).parts for method in METHODS}
    assert {name for name, part in parts.items() if part.teacher} == {"logit", "on_policy", "grpo"}
    assert {name for name, part in parts.items() if part.generation} == {"on_policy", "grpo"}


def test_a_method_without_its_teacher_is_corrected():
    with pytest.raises(Correctable, match="method 'logit' needs a teacher"):
        trained("logit")


def test_senseless_counts_are_told_together():
    with pytest.raises(Correctable, match=r"counts is 0.*train_tokens is -5.*sequence_tokens is 0"):
        trained(tokens=-5, count=0, sequence_tokens=0)


def test_unknown_speed_is_refused():
    with pytest.raises(ToolFailed, match="no BF16 speed of 'K80'"):
        trained(accelerator=accelerator_facts()["K80"])


def test_dollars_are_hours_at_the_price_and_the_teacher():
    found = trained()
    usd = found.dollars(4.0, teacher_usd=1.5)
    for end in ("low", "value", "high"):
        assert getattr(usd, end) == pytest.approx(4 * getattr(found.hours, end) + 1.5)
    with pytest.raises(Correctable, match="neither may be negative"):
        found.dollars(-1)


def test_one_answer_equals_its_place_in_a_grid():
    models, chips, counts, tokens = [SMALL, SEVEN], [A100, L4], [1, 4], [10**6, 10**8]
    table = training_table(
        models, chips, methods=METHODS, counts=counts, train_tokens=tokens, sequence_tokens=512, teacher=SEVEN
    )
    assert table.hours.shape == (2, 2, 5, 2, 2)
    for at in itertools.product(*map(range, table.hours.shape)):
        one = predict_training(
            models[at[0]], method=METHODS[at[2]], train_tokens=tokens[at[4]], sequence_tokens=512,
            accelerator=chips[at[1]], count=counts[at[3]], teacher=SEVEN,
        )  # fmt: skip
        assert one.hours.value == pytest.approx(table.hours[at])
        assert one.memory.needed_gib == pytest.approx(table.memory_gib[at])
        assert one.fits == table.fits[at]


@given(st.integers(10**6, 10**11), st.integers(1, 100))
def test_a_rough_shape_has_the_size_it_was_asked_for(parameters: int, layers: int):
    shape = rough_architecture(parameters, layers)
    built = shape.vocabulary * shape.hidden + 12 * layers * shape.hidden**2
    assert built <= parameters
    assert (shape.parameters, shape.layers) == (parameters, layers)


@given(st.integers(1, 10**11), st.integers(1, 100))
def test_more_tokens_never_train_faster(tokens: int, more: int):
    assert trained(tokens=tokens * more).hours.value >= trained(tokens=tokens).hours.value
