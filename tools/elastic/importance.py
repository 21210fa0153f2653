"""How much each head and each neuron matters: the first-order effect on the loss of leaving it out.

|sum over a text's tokens of activation x gradient|, averaged over texts (Molchanov et al., arXiv 1611.06440, equation 7; Michel et
al., arXiv 1905.10650, for heads). Training data only: a test split must not choose what is kept.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .units import LayerUnits, Layout

Floats = NDArray[np.float64]
LossOfBatch = Callable[[Any], tuple[Any, int]]
"""Of one batch: the sum over its texts of each one's mean loss, a scalar tensor with a graph, and how many texts there are."""


@dataclass(frozen=True, kw_only=True)
class HeadImportance:
    """Of one layer's query heads: (key heads, queries of each), nats."""

    values: Floats

    def order(self) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
        """Key heads by the sum of their queries, and the queries of each by themselves, both most important first."""
        keys = _falling(self.values.sum(axis=1))
        each = self.values.shape[1]
        return keys, tuple(tuple(key * each + place for place in _falling(self.values[key])) for key in keys)

    def ordered_groups(self) -> Floats:
        """The values in that order."""
        keys, groups = self.order()
        flat = self.values.reshape(-1)
        return np.array([[flat[head] for head in group] for group in groups]).reshape(len(keys), -1)


@dataclass(frozen=True, kw_only=True)
class Importance:
    """Of all units of a model, nats of loss; `neurons` is (layers, neurons)."""

    heads: Sequence[HeadImportance]
    neurons: Floats

    def ordered(self, layer: int) -> LayerUnits:
        """All units of a layer, most important first."""
        keys, groups = self.heads[layer].order()
        return LayerUnits(heads=groups, keys=keys, neurons=_falling(self.neurons[layer]))

    def vector(self) -> Floats:
        """All values in one row: layer by layer its heads, then layer by layer its neurons."""
        return np.concatenate([*(layer.values.reshape(-1) for layer in self.heads), self.neurons.reshape(-1)])

    @classmethod
    def of_vector(cls, layout: Layout, vector: Floats) -> "Importance":
        """The inverse of `vector`. Raises ValueError for one that is not of the layout's length."""
        heads = layout.layers * layout.heads
        if vector.shape != (heads + layout.layers * layout.neurons,):
            raise ValueError(
                f"importance of shape {vector.shape!r} for {heads} heads and {layout.layers * layout.neurons} neurons"
            )
        each = vector[:heads].reshape(layout.layers, layout.key_heads, layout.queries_per_key)
        return cls(
            heads=tuple(HeadImportance(values=layer) for layer in each),
            neurons=vector[heads:].reshape(layout.layers, layout.neurons),
        )


def _falling(values: Floats) -> tuple[int, ...]:
    """Places of the values from the largest on; equal ones in their order."""
    return tuple(np.argsort(-values, kind="stable").tolist())


def measure(
    model: Any, layout: Layout, batches: Iterable[Any], loss_of: LossOfBatch, *, alike: bool = False
) -> Importance:
    """The importance of every unit over the batches. The model is left as it was.

    `alike`: each text's values are scaled to a length (L2) of 1, so that no text counts more than another, which a promise of privacy
    needs. Raises ValueError without a text or for a loss that is no number.
    """
    import torch

    total = torch.zeros(layout.layers * (layout.heads + layout.neurons), dtype=torch.float64)
    entered: list[tuple[int, Any]] = []  # how many units a projection reads, and what entered it
    texts = 0
    was_training = model.training
    model.eval()
    try:
        with ExitStack() as hooks:
            for block, units in (
                (f"{layout.attention}.{layout.out}", layout.heads),
                (f"{layout.feed_forward}.{layout.down}", layout.neurons),
            ):
                for layer in range(layout.layers):
                    projection = model.get_submodule(f"{layout.layers_path}.{layer}.{block}")
                    hooks.callback(projection.register_forward_pre_hook(_keeps(entered, units)).remove)
            for batch in batches:
                entered.clear()
                loss, count = loss_of(batch)
                if not bool(torch.isfinite(loss)):
                    raise ValueError(f"the loss is {loss.item()!r} on texts {texts} to {texts + count - 1}")
                gradients = torch.autograd.grad(loss, [tensor for _, tensor in entered])
                rows = _rows(entered, gradients)
                if alike:
                    rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
                total += rows.sum(0)
                texts += count
    finally:
        model.train(was_training)
    if not texts:
        raise ValueError("importance needs at least one text")
    return Importance.of_vector(layout, (total / texts).numpy())


def _keeps(entered: list[tuple[int, Any]], units: int) -> Callable[[Any, tuple[Any, ...]], None]:
    """A hook that notes what enters a projection."""

    def before(module: Any, inputs: tuple[Any, ...]) -> None:
        entered.append((units, inputs[0]))

    return before


def _rows(entered: Sequence[tuple[int, Any]], gradients: Sequence[Any]) -> Any:
    """Each text's effects (texts, units), in the order of `Importance.vector`, from one pass in the order of the layers."""
    import torch

    effects = [
        _effects(tensor.detach() * gradient, units)
        for (units, tensor), gradient in zip(entered, gradients, strict=True)
    ]
    return torch.cat([*effects[0::2], *effects[1::2]], dim=1)  # attention, then feed-forward, layer by layer


def _effects(products: Any, units: int) -> Any:
    """|sum over tokens and a unit's width| of each text: (texts, tokens, units x width) to (texts, units)."""
    by_text = products.double().sum(dim=tuple(range(1, products.dim() - 1)))
    return by_text.reshape(len(by_text), units, -1).sum(-1).abs().cpu()
