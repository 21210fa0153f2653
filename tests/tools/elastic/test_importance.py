"""Importance is what the loss would change by, to first order; a silent unit has none."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from typing import Any

import numpy as np
import pytest
import torch
from stratos.tools.elastic.importance import Importance, measure
from stratos.tools.elastic.units import layout_of

from .toys import TOYS


def loss_with(model: Any, labels: torch.Tensor) -> Any:
    def loss_of(batch: dict[str, Any]) -> tuple[Any, int]:
        logits = model(**batch).logits
        return torch.nn.functional.cross_entropy(logits, labels, reduction="sum"), len(labels)

    return loss_of


def test_importance_is_the_slope_of_the_loss_in_a_units_strength() -> None:
    """Of one image, against a finite difference: the unit's way out is weakened by a thousandth."""
    model, batch = TOYS["images"]()
    model.double()
    layout = layout_of(model)
    one = {"pixel_values": batch["pixel_values"][:1].double()}
    loss_of = loss_with(model, torch.tensor([3]))
    found = measure(model, layout, [one], loss_of)
    whole = loss_of(one)[0].item()
    down = model.get_parameter("vit.layers.2.mlp.fc2.weight")
    out = model.get_parameter("vit.layers.1.attention.o_proj.weight")
    step = 1e-4
    for weight, places, value in (
        (down, slice(7, 8), found.neurons[2, 7]),
        (out, slice(16, 24), found.heads[1].values[2, 0]),
    ):
        before = weight.detach().clone()
        with torch.no_grad():
            weight[:, places] *= 1 - step
            slope = abs(loss_of(one)[0].item() - whole) / step
            weight.copy_(before)
        assert value == pytest.approx(slope, rel=1e-2, abs=1e-9)


def test_effects_of_texts_do_not_cancel() -> None:
    model, batch = TOYS["texts"]()
    layout = layout_of(model)
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    together = measure(model, layout, [batch], loss_with(model, labels))
    apart = [
        measure(
            model,
            layout,
            [{name: tensor[at : at + 1] for name, tensor in batch.items()}],
            loss_with(model, labels[at : at + 1]),
        ).vector()
        for at in range(len(labels))
    ]
    assert np.allclose(together.vector(), np.mean(apart, axis=0), atol=1e-6)


def test_texts_that_count_alike_have_a_length_of_one() -> None:
    model, batch = TOYS["texts"]()
    layout = layout_of(model)
    one = {name: tensor[1:2] for name, tensor in batch.items()}
    loss_of = loss_with(model, torch.tensor([1]))
    plain = measure(model, layout, [one], loss_of).vector()
    alike = measure(model, layout, [one, one], lambda given: (loss_of(given)[0] * 9, 1), alike=True).vector()
    assert np.linalg.norm(alike) == pytest.approx(1)
    assert np.allclose(alike, plain / np.linalg.norm(plain), atol=1e-7)


def test_a_silent_neuron_has_no_importance_and_weights_stay_as_they_were() -> None:
    model, batch = TOYS["decoder"]()
    layout = layout_of(model)
    with torch.no_grad():
        model.get_parameter("model.layers.1.mlp.up_proj.weight")[4] = 0
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def loss_of(given: dict[str, Any]) -> tuple[Any, int]:
        return model(**given, labels=given["input_ids"]).loss * 5, 5

    found = measure(model, layout, [batch, batch], loss_of)
    assert found.neurons[1, 4] == 0
    assert np.count_nonzero(found.neurons[1]) == layout.neurons - 1
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(weight.grad is not None for weight in model.parameters())


def test_a_vector_and_back() -> None:
    model, _ = TOYS["decoder"]()
    layout = layout_of(model)
    vector = np.arange(layout.layers * (layout.heads + layout.neurons), dtype=np.float64)
    assert np.array_equal(Importance.of_vector(layout, vector).vector(), vector)
    with pytest.raises(ValueError, match="12 heads and 60 neurons"):
        Importance.of_vector(layout, vector[1:])


def test_a_loss_that_is_no_number_and_no_texts_are_refused() -> None:
    model, batch = TOYS["images"]()
    layout = layout_of(model)
    with pytest.raises(ValueError, match="the loss is nan on texts 0 to 5"):
        measure(model, layout, [batch], lambda given: (model(**given).logits.sum() * float("nan"), 6))
    with pytest.raises(ValueError, match="at least one text"):
        measure(model, layout, [], lambda given: (0, 0))
