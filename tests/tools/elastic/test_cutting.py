"""Units are found in decoders and encoders, and what is cut from a model is what a hand would cut, as a plain model."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stratos.state.errors import Correctable
from stratos.tools.elastic.cutting import (
    CUTS,
    Cut,
    chosen,
    cut_model,
    distinct,
    kept,
    kept_of,
    reorder,
    skeleton,
    take,
)
from stratos.tools.elastic.importance import HeadImportance, Importance
from stratos.tools.elastic.units import Layout, layout_of
from torch.func import functional_call
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
)

from .toys import TOYS

WHOLE = Cut(width=1, depth=1)
LOADERS: dict[str, Any] = {
    "decoder": AutoModelForCausalLM,
    "images": AutoModelForImageClassification,
    "texts": AutoModelForSequenceClassification,
}


def importance_of(layout: Layout, seed: int = 0) -> Importance:
    rng = np.random.default_rng(seed)
    return Importance.of_vector(layout, rng.random(layout.layers * (layout.heads + layout.neurons)))


def logits_of(model: Any, batch: dict[str, Any]) -> torch.Tensor:
    with torch.no_grad():
        return model(**batch).logits


@pytest.mark.parametrize("name", TOYS)
def test_a_reordered_model_computes_the_same(name: str) -> None:
    model, batch = TOYS[name]()
    again = reorder(model, importance_of(layout_of(model)))
    assert not torch.equal(_down(model), _down(again))
    assert torch.allclose(logits_of(model, batch), logits_of(again, batch), atol=1e-5)


def _down(model: Any) -> torch.Tensor:
    layout = layout_of(model)
    return model.get_parameter(f"{layout.layers_path}.0.{layout.feed_forward}.{layout.down}.weight")


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.name)
def test_every_cut_is_a_plain_model_that_computes_what_its_tensors_do(name: str, cut: Cut, tmp_path: Path) -> None:
    model, batch = TOYS[name]()
    layout = layout_of(model)
    units = kept(layout, cut, importance_of(layout))
    cut_model(model, layout, units).save_pretrained(tmp_path)
    loaded = LOADERS[name].from_pretrained(tmp_path, local_files_only=True).eval()
    buffers = dict(model.named_buffers())
    tensors = take(dict(model.named_parameters()), layout, units)
    with torch.no_grad():
        called = functional_call(skeleton(model, layout, units), tensors | buffers, kwargs=batch).logits
    assert torch.allclose(logits_of(loaded, batch), called, atol=1e-6)
    assert len(loaded.get_submodule(layout.layers_path)) == max(1, round(cut.depth * layout.layers))
    assert loaded.config.intermediate_size == round(cut.width * layout.neurons)


@pytest.mark.parametrize("name", TOYS)
def test_what_is_cut_is_as_if_its_units_gave_nothing(name: str) -> None:
    """A cut in width equals the whole model whose other units are silenced by hand."""
    model, batch = TOYS[name]()
    layout = layout_of(model)
    units = kept(layout, Cut(width=0.5, depth=1), importance_of(layout))
    smaller = cut_model(model, layout, units)
    with torch.no_grad():
        for layer, of_layer in enumerate(units.units):
            rows = {path: places for path, _, places in layout.rows(layer, of_layer)}
            for block in (f"{layout.attention}.{layout.out}", f"{layout.feed_forward}.{layout.down}"):
                path = f"{layout.layers_path}.{layer}.{block}.weight"
                weight = model.get_parameter(path)
                silent = sorted(set(range(weight.shape[1])) - set(rows[path]))
                weight[:, silent] = 0
    assert torch.allclose(logits_of(model, batch), logits_of(smaller, batch), atol=1e-5)


def test_layers_are_spread_as_in_acme() -> None:
    model, _ = TOYS["images"]()
    layout = layout_of(model)
    layers = {
        depth: kept(layout, Cut(width=1, depth=depth), importance_of(layout)).layers for depth in (1, 0.75, 0.5, 0.25)
    }
    assert layers == {1: (0, 1, 2, 3), 0.75: (0, 1, 2), 0.5: (0, 2), 0.25: (0,)}


def test_the_most_important_units_are_kept() -> None:
    model, _ = TOYS["images"]()
    layout = layout_of(model)
    values = np.zeros(layout.layers * (layout.heads + layout.neurons))
    important = Importance.of_vector(layout, values)
    important.heads[1].values[2] = 1.0  # head 2 of layer 1
    important.neurons[3, 41] = 2.0
    units = kept(layout, Cut(width=0.25, depth=1), important).units
    assert [layer.heads for layer in units] == [((0,),), ((2,),), ((0,),), ((0,),)]
    assert [layer.neurons[0] for layer in units] == [0, 0, 0, 41]


def test_shared_key_heads_are_kept_where_the_importance_lies() -> None:
    """Half of four query heads on two key heads: both queries of one key head, or one query of each."""
    model, _ = TOYS["decoder"]()
    layout = layout_of(model)
    of_one_key = np.array([[5.0, 5.0], [1.0, 1.0]])
    of_both = np.array([[5.0, 1.0], [1.0, 5.0]])
    neurons = np.zeros((layout.layers, layout.neurons))
    half = Cut(width=0.5, depth=1)

    def heads(values: np.ndarray[Any, Any]) -> set[tuple[tuple[int, ...], ...]]:
        importance = Importance(heads=(HeadImportance(values=values),) * layout.layers, neurons=neurons)
        return {layer.heads for layer in kept(layout, half, importance).units}

    assert heads(of_one_key) == {((0, 1),)}
    assert heads(of_both) == {((0,), (3,))}


@pytest.mark.parametrize("name", TOYS)
def test_a_choice_of_units_and_back(name: str) -> None:
    """The same units in the model's order compute the same."""
    model, batch = TOYS[name]()
    layout = layout_of(model)
    units = kept(layout, Cut(width=0.5, depth=1), importance_of(layout))
    again = kept_of(layout, chosen(layout, units))
    assert {tuple(sorted(layer.neurons)) for layer in units.units} == {layer.neurons for layer in again.units}
    one, other = (logits_of(cut_model(model, layout, each), batch) for each in (units, again))
    assert torch.allclose(one, other, atol=1e-5)


def test_a_choice_that_no_model_can_have_is_refused() -> None:
    model, _ = TOYS["decoder"]()
    layout = layout_of(model)
    choice = chosen(layout, kept(layout, Cut(width=0.5, depth=1), importance_of(layout)))
    for wrong in (np.zeros_like(choice), choice ^ (np.arange(len(choice)) == len(choice) - 1)):
        with pytest.raises(ValueError, match="the same numbers of key heads, queries and neurons"):
            kept_of(layout, wrong)


def test_a_share_that_is_none_is_refused() -> None:
    model, _ = TOYS["images"]()
    layout = layout_of(model)
    with pytest.raises(Correctable, match=r"not width 0 and depth 1\.5"):
        kept(layout, Cut(width=0, depth=1.5), importance_of(layout))


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        (GPT2LMHeadModel(GPT2Config(n_layer=2, n_head=2, n_embd=8, vocab_size=20)), "GPT2LMHeadModel"),
        (
            BertModel(
                BertConfig(
                    hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, vocab_size=9
                )
            ),
            "BertModel",
        ),
    ],
)
def test_a_model_that_cannot_lose_heads_is_refused(model: Any, missing: str) -> None:
    with pytest.raises(Correctable, match=f"{missing} cannot be cut: 0 lists of 2 layers with a q_proj"):
        layout_of(model)


def test_a_shallow_model_has_fewer_sizes() -> None:
    model, _ = TOYS["images"]()
    layout = layout_of(model)
    assert distinct(layout, importance_of(layout)) == CUTS
    shallow = layout_of(cut_model(model, layout, kept(layout, Cut(width=1, depth=0.5), importance_of(layout))))
    found = distinct(shallow, importance_of(shallow))
    assert [cut.name for cut in found[:3]] == ["w1-d1", "w1-d0.5", "w0.75-d1"], found
    assert len(found) == 8
