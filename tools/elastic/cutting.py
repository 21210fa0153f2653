"""Cuts of a model: which units a width and a depth keep, the tensors of what is kept, and the plain model it is exported as."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...state.errors import Correctable
from .importance import Importance
from .units import LayerUnits, Layout, layout_of

SHARES = (1.0, 0.75, 0.5, 0.25)
"""Widths and depths of ACME's backbones (section IV)."""


@dataclass(frozen=True, kw_only=True, order=True)
class Cut:
    """A size: the share of units that every layer keeps, and the share of layers."""

    width: float
    depth: float

    @property
    def name(self) -> str:
        """Such as `w0.75-d0.5`."""
        return f"w{self.width:g}-d{self.depth:g}"


CUTS = tuple(Cut(width=width, depth=depth) for width in SHARES for depth in SHARES)
"""All sixteen sizes, largest first; see `distinct`."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a cut keeps: the layers, by their numbers in the whole model, and the units of each."""

    layers: tuple[int, ...]
    units: tuple[LayerUnits, ...]

    @property
    def heads(self) -> int:
        """Query heads of a layer."""
        return sum(map(len, self.units[0].heads))


def kept(layout: Layout, cut: Cut, importance: Importance) -> Kept:
    """The most important units of each layer and the layers that the cut keeps.

    A layer keeps at least one head and one neuron. Where query heads share key heads, so many key heads and so many queries of each
    are kept, the same in all layers since a configuration has room for one number, as together hold the most importance among the
    ways that come nearest to the wanted number of heads, the smaller of two that are as near. Layers are floor(i / depth), as in
    ACME. Raises Correctable for a share
    outside (0, 1].
    """
    wrong = [f"{name} {share!r}" for name, share in (("width", cut.width), ("depth", cut.depth)) if not 0 < share <= 1]
    if wrong:
        raise Correctable(f"a share of units or layers is above 0 and at most 1, not {' and '.join(wrong)}")
    layers = _spread(layout.layers, cut.depth)
    ordered = [importance.ordered(layer) for layer in layers]
    keys, queries = _heads(layout, cut.width, [importance.heads[layer] for layer in layers])
    neurons = max(1, round(cut.width * layout.neurons))
    return Kept(layers=layers, units=tuple(_first(units, keys, queries, neurons) for units in ordered))


def distinct(layout: Layout, importance: Importance) -> tuple[Cut, ...]:
    """The sizes that differ in what they keep, largest first: a shallow or narrow model has fewer than sixteen."""
    first = {kept(layout, cut, importance): cut for cut in reversed(CUTS)}
    return tuple(cut for cut in CUTS if cut in first.values())


def _spread(layers: int, depth: float) -> tuple[int, ...]:
    """Numbers of the layers kept, from the first on, evenly spread."""
    return tuple(min(layers - 1, int(number / depth)) for number in range(max(1, round(depth * layers))))


def _first(units: LayerUnits, keys: int, queries: int, neurons: int) -> LayerUnits:
    return LayerUnits(
        heads=tuple(group[:queries] for group in units.heads[:keys]),
        keys=units.keys[:keys],
        neurons=units.neurons[:neurons],
    )


def _heads(layout: Layout, width: float, importance: Sequence[Any]) -> tuple[int, int]:
    """How many key heads are kept and how many queries of each."""
    wanted = max(1, round(width * layout.heads))
    ways = [
        (keys, each)
        for keys in range(1, layout.key_heads + 1)
        for each in range(1, layout.queries_per_key + 1)
        if keys * each in layout.heads_allowed
    ]
    nearest = min((abs(keys * each - wanted), keys * each) for keys, each in ways)

    def held(way: tuple[int, int]) -> tuple[float, int]:
        keys, each = way
        return sum(float(layer.ordered_groups()[:keys, :each].sum()) for layer in importance), -keys

    return max((way for way in ways if (abs(way[0] * way[1] - wanted), way[0] * way[1]) == nearest), key=held)


def chosen(layout: Layout, kept: Kept) -> NDArray[np.bool_]:
    """Which of the layout's units are kept, in the order of `Importance.vector`; the layers must be all of them."""
    heads = np.zeros((layout.layers, layout.heads), dtype=bool)
    neurons = np.zeros((layout.layers, layout.neurons), dtype=bool)
    for layer, units in zip(kept.layers, kept.units, strict=True):
        heads[layer, [head for group in units.heads for head in group]] = True
        neurons[layer, list(units.neurons)] = True
    return np.concatenate([heads.reshape(-1), neurons.reshape(-1)])


def kept_of(layout: Layout, choice: NDArray[np.bool_]) -> Kept:
    """The inverse of `chosen`, units in the model's order. Raises ValueError for a choice that no model can have: other numbers of
    units in different layers, or of queries on different key heads."""
    heads, neurons = np.split(choice, [layout.layers * layout.heads])
    of_keys = heads.reshape(layout.layers, layout.key_heads, layout.queries_per_key)
    of_layers = neurons.reshape(layout.layers, layout.neurons)
    units = tuple(_units(layout, keys, row) for keys, row in zip(of_keys, of_layers, strict=True))
    shapes = {(len(each.keys), *sorted({len(group) for group in each.heads}), len(each.neurons)) for each in units}
    if len(shapes) != 1 or len(shape := shapes.pop()) != 3 or 0 in shape:
        raise ValueError("the choice does not leave every layer the same numbers of key heads, queries and neurons")
    return Kept(layers=tuple(range(layout.layers)), units=units)


def _units(layout: Layout, heads: NDArray[np.bool_], neurons: NDArray[np.bool_]) -> LayerUnits:
    keys = [key for key in range(layout.key_heads) if heads[key].any()]
    each = layout.queries_per_key
    groups = tuple(tuple(key * each + int(place) for place in np.flatnonzero(heads[key])) for key in keys)
    return LayerUnits(heads=groups, keys=tuple(keys), neurons=tuple(int(place) for place in np.flatnonzero(neurons)))


def leading(layout: Layout, like: Kept) -> Kept:
    """As many units of each layer as another choice keeps, but the first ones: of a model in order of importance the most important."""
    units = like.units[0]
    first = _first(layout.whole_layer(), len(units.keys), len(units.heads[0]), len(units.neurons))
    return Kept(layers=like.layers, units=(first,) * len(like.layers))


def take(tensors: Mapping[str, Any], layout: Layout, kept: Kept) -> dict[str, Any]:
    """The tensors of what is kept, under the names that they have in the smaller model; gradients flow back into the whole ones.

    Layers are numbered anew. What belongs to no layer is passed on as it is.
    """
    prefix = f"{layout.layers_path}."
    taken = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
    for number, (layer, units) in enumerate(zip(kept.layers, kept.units, strict=True)):
        rows = {name: (axis, places) for name, axis, places in layout.rows(layer, units)}
        for name, tensor in tensors.items():
            if name.startswith(f"{prefix}{layer}."):
                axis, places = rows.get(name, (0, None))
                own = name.replace(f"{prefix}{layer}.", f"{prefix}{number}.", 1)
                taken[own] = tensor if places is None else tensor.index_select(axis, _index(tensor, places))
    return taken


def _index(tensor: Any, places: Sequence[int]) -> Any:
    import torch

    return torch.tensor(places, device=tensor.device)


def config_of(config: Any, layout: Layout, kept: Kept) -> Any:
    """The configuration of the smaller model."""
    smaller = copy.deepcopy(config)
    smaller.num_hidden_layers = len(kept.layers)
    smaller.num_attention_heads = kept.heads
    if hasattr(smaller, "num_key_value_heads"):
        smaller.num_key_value_heads = len(kept.units[0].keys)
    smaller.head_dim = layout.head_dim
    smaller.intermediate_size = len(kept.units[0].neurons)
    if getattr(smaller, "layer_types", None):
        smaller.layer_types = [config.layer_types[layer] for layer in kept.layers]
    return smaller


def skeleton(model: Any, layout: Layout, kept: Kept) -> Any:
    """The smaller model without weights, for `torch.func.functional_call` with `take` of the whole one's."""
    import torch

    with torch.device("meta"):
        smaller = _built(model, layout, kept)
    smaller.set_attn_implementation(model.config._attn_implementation)
    return smaller.train(model.training)


def _built(model: Any, layout: Layout, kept: Kept) -> Any:
    """A model of the same class and the smaller configuration, without the parts that this one was made without, such as a pooler."""
    smaller = type(model)(config_of(model.config, layout, kept))
    for name, _ in list(smaller.named_children()):
        if getattr(model, name, None) is None:
            setattr(smaller, name, None)
    return smaller


def cut_model(model: Any, layout: Layout, kept: Kept) -> Any:
    """The smaller model with weights of its own."""
    import torch

    with torch.no_grad():
        tensors = take(dict(model.named_parameters()), layout, kept)
        smaller = _built(model, layout, kept).to(next(model.parameters()).dtype)
        missing, unknown = smaller.load_state_dict(tensors, strict=False)
    assert not unknown, unknown
    missing = set(missing) - set(_tied(smaller)) - {name for name, _ in smaller.named_buffers()}
    assert not missing, missing
    smaller.set_attn_implementation(model.config._attn_implementation)
    return smaller.train(model.training)


def _tied(model: Any) -> Mapping[str, str]:
    return getattr(model, "_tied_weights_keys", None) or {}


def reorder(model: Any, importance: Importance) -> Any:
    """A model that computes the same with the most important units of each layer first, so that every cut is a prefix."""
    layout = layout_of(model)
    units = tuple(importance.ordered(layer) for layer in range(layout.layers))
    return cut_model(model, layout, Kept(layers=tuple(range(layout.layers)), units=units))
