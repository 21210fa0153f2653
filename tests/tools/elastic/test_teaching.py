"""Cuts learn from the whole model: the losses by hand, and a model whose small cuts get nearer to it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import itertools
import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from stratos.tools.elastic.costs import Costs, measure_costs
from stratos.tools.elastic.cutting import CUTS, Cut, cut_model, kept
from stratos.tools.elastic.importance import Importance, measure
from stratos.tools.elastic.teaching import Recipe, hidden_difference, sandwich, soft_cross_entropy, teach
from stratos.tools.elastic.units import layout_of

from .toys import TOYS

SMALLEST = CUTS[-1]


def test_soft_cross_entropy_by_hand() -> None:
    student = torch.tensor([[0.0, math.log(3)], [9.0, 9.0]])  # 1/4 and 3/4
    teacher = torch.tensor([[math.log(3), 0.0], [0.0, 5.0]])  # 3/4 and 1/4
    found = soft_cross_entropy(student, teacher, torch.tensor([True, False]), 1.0)
    assert found.item() == pytest.approx(0.75 * math.log(4) + 0.25 * math.log(4 / 3))


def test_hidden_states_stand_for_the_layers_that_were_kept() -> None:
    """Layers 0 and 2 of four: the first stands for layer 0, the last for the last."""
    states = [torch.full((1, 2, 3), float(value)) for value in (7, 1, 2, 3, 4)]
    own = [torch.zeros(1, 2, 3) for _ in range(3)]
    found = hidden_difference(own, states, (0, 2), torch.tensor([[True, False]]))
    assert found.item() == pytest.approx(1.0 + 16.0)


def test_a_step_teaches_both_ends_and_some_between() -> None:
    drawn = [sandwich(CUTS, 2, random.Random(seed)) for seed in range(20)]
    assert all(cuts[:2] == [Cut(width=1, depth=1), SMALLEST] and len(set(cuts)) == 4 for cuts in drawn)
    assert len(set(itertools.chain(*drawn))) > 10
    assert sandwich([SMALLEST], 2, random.Random(0)) == [SMALLEST]


def distance(model: Any, teacher: Any, importance: Importance, cut: Cut, batch: dict[str, Any]) -> float:
    smaller = cut_model(model, layout_of(model), kept(layout_of(model), cut, importance))
    with torch.no_grad():
        own, others = (torch.log_softmax(each(**batch).logits, -1) for each in (smaller, teacher))
        return torch.nn.functional.kl_div(own, others, log_target=True, reduction="sum").item()


@pytest.mark.parametrize("name", TOYS)
def test_taught_cuts_come_nearer_to_the_whole_model(name: str) -> None:
    model, batch = TOYS[name]()
    teacher, _ = TOYS[name]()
    with torch.no_grad():
        for each in (model, teacher):
            head = (
                each.get_output_embeddings() if name == "decoder" else getattr(each, "classifier", None) or each.score
            )
            head.weight.mul_(20)
    layout = layout_of(model)
    importance = measure(model, layout, [batch], lambda given: (model(**given).logits.logsumexp(-1).sum(), 6))
    before = {cut: distance(model, teacher, importance, cut, batch) for cut in CUTS}
    losses: list[float] = []
    batches: Iterator[Any] = itertools.repeat(batch)
    teach(
        model,
        layout,
        importance,
        batches,
        Recipe(steps=60, rate=3e-3),
        reached=lambda step, loss: losses.append(loss),
    )
    after = {cut: distance(model, teacher, importance, cut, batch) for cut in CUTS}
    assert len(losses) == 60
    assert after[SMALLEST] < before[SMALLEST] / 3
    assert sum(after.values()) < sum(before.values()) / 3
    assert after[Cut(width=1, depth=1)] < before[SMALLEST] / 10


def test_a_loss_that_is_no_number_ends_before_the_weights_do() -> None:
    model, batch = TOYS["images"]()
    layout = layout_of(model)
    importance = measure(model, layout, [batch], lambda given: (model(**given).logits.sum(), 6))
    before = model.classifier.weight.detach().clone()
    broken = {"pixel_values": batch["pixel_values"] * float("nan")}
    with pytest.raises(ValueError, match=r"the loss of step 0 is nan: a lower rate than 0\.001 may help"):
        teach(model, layout, importance, itertools.repeat(broken), Recipe(steps=1))
    assert torch.equal(before, model.classifier.weight)


def test_costs_are_counted_from_the_model_itself() -> None:
    model, batch = TOYS["images"]()
    layout = layout_of(model)
    importance = measure(model, layout, [batch], lambda given: (model(**given).logits.sum(), 6))
    one = {"pixel_values": batch["pixel_values"][:1]}
    found: dict[Cut, Costs] = {}
    for cut in CUTS:
        smaller = cut_model(model, layout, kept(layout, cut, importance))
        found[cut] = measure_costs(smaller, one)
        assert found[cut].parameters == sum(weight.numel() for weight in smaller.parameters())
    whole, tokens, width = found[CUTS[0]], 17, 32
    projections = 4 * 2 * tokens * (4 * width * width + 2 * width * 48)
    attention = 4 * 2 * 2 * tokens * tokens * width
    patches, classes = 2 * 16 * 4 * width, 2 * width * 10
    assert whole.flops == projections + attention + patches + classes
    assert whole.bytes == 4 * whole.parameters
    assert found[SMALLEST].flops < whole.flops / 8
    assert whole.joules(10) == pytest.approx(whole.latency_ms / 100)
