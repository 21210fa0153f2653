"""A backbone from public examples: what it learned survives its cuts, whose costs are measured; texts and images alike."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import random
from pathlib import Path

import numpy as np
import pytest
from stratos.tools.elastic.cutting import CUTS, Cut
from stratos.tools.elastic.teaching import Recipe
from stratos.tools.sites.cloud.backbone import Elastic, build, cut_of, search_header
from stratos.tools.sites.cloud.shape import Shape
from stratos.tools.sites.heads.header import HeaderSpec
from stratos.tools.sites.heads.weight_sharing import Searching
from stratos.tools.sites.learning.examples import Examples
from stratos.tools.sites.learning.local import Fitting, right
from stratos.tools.sites.loop.loop_orders import load_backbone, save_backbone

from .world import bars

SMALLEST = CUTS[-1]
LESSON = Fitting(epochs=8, rate=3e-3, seed=1)
SHAPE = Shape(hidden=32, layers=4, heads=4, feed_forward=48, vocabulary=300, max_tokens=16)


def images(count: int, seed: int) -> Examples:
    pixels, labels = bars((0, 1, 2, 3, 4, 5), count, seed)
    return Examples(pixels=pixels[:, None], labels=labels.astype(np.intp))


def texts(count: int, seed: int) -> Examples:
    """The label is which of three animals is named among other words."""
    drawing = random.Random(seed)
    animals, others = ("cat", "dog", "owl"), ("runs", "far", "away", "today", "and", "sings")
    labels = [drawing.randrange(3) for _ in range(count)]
    made: list[str] = []
    for label in labels:
        words = drawing.sample(others, 4)
        words.insert(drawing.randrange(5), animals[label])
        made.append(" ".join(words))
    return Examples(texts=tuple(made), labels=np.array(labels, dtype=np.intp))


def built(kind: str) -> tuple[Elastic, Examples]:
    make, classes = (images, 6) if kind == "images" else (texts, 3)
    validation = make(120, 2)
    labels = [f"label-{number}" for number in range(classes)]
    return build(make(320, 1), validation, labels, SHAPE, LESSON, Recipe(steps=60, rate=2e-3, seed=1)), validation


@pytest.mark.parametrize("kind", ["images", "texts"])
def test_what_was_learned_survives_the_cuts(kind: str, tmp_path: Path) -> None:
    elastic, validation = built(kind)
    table = {measured.cut: measured for measured in elastic.table}
    assert list(table) == list(CUTS)
    assert table[CUTS[0]].accuracy > 0.85
    assert table[SMALLEST].accuracy > 0.6
    assert elastic.losses[-1] < elastic.losses[0]
    assert table[CUTS[0]].bytes > table[Cut(width=0.5, depth=1)].bytes > table[SMALLEST].bytes
    assert table[SMALLEST].joules == pytest.approx(table[SMALLEST].latency_ms * 0.015)
    smallest = cut_of(elastic.model, elastic.backbone.importance, SMALLEST)
    assert right(smallest, validation) / len(validation) == table[SMALLEST].accuracy
    save_backbone(elastic.backbone, tmp_path)
    again = load_backbone(tmp_path)
    assert np.array_equal(again.importance.vector(), elastic.backbone.importance.vector())
    assert again.tokenizer == elastic.backbone.tokenizer
    assert all(
        np.array_equal(weight.detach().numpy(), dict(again.model.named_parameters())[name].detach().numpy())
        for name, weight in elastic.backbone.model.named_parameters()
    )


def test_a_header_is_searched_for_a_cut_on_public_examples() -> None:
    elastic, validation = built("texts")
    short = Searching(rounds=1, bank_steps=10, controller_steps=3, finalists=1, candidates=4, final_steps=60, seed=1)
    found = search_header(elastic.backbone, Cut(width=0.5, depth=0.5), texts(320, 1), validation, 3, short)
    assert found.finalists[0][0] == HeaderSpec()
    assert found.validation == max(accuracy for _, accuracy in found.finalists) > 0.6


def test_units_are_in_order_of_importance() -> None:
    elastic, _ = built("images")
    layout = elastic.backbone.layout
    cuts = [elastic.backbone.importance.ordered(layer).neurons for layer in range(layout.layers)]
    # Measured again after the reordering: the same order but for units whose values are as good as equal.
    assert np.mean([np.corrcoef(order, range(layout.neurons))[0, 1] for order in cuts]) > 0.95
