"""Where the units of a Hugging Face model are: which parameters, along which axis, in which order.

Read from the model's structure: transformers names the projections alike in its decoders (Llama, Qwen, Mistral, Gemma) and in
its encoders with a head width of their own (ViT, DINOv2, DeiT, EuroBERT). Models whose projections are fused or whose head width
follows from the number of heads (Phi-3, GPT-2, BERT) cannot lose heads and stay loadable: they are refused.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...state.errors import Correctable

QUERY, KEY, VALUE = "q_proj", "k_proj", "v_proj"
OUT = ("o_proj", "out_proj")
UP = ("gate_proj", "up_proj", "fc1")
DOWN = ("down_proj", "fc2")


@dataclass(frozen=True, kw_only=True)
class LayerUnits:
    """Units of one layer, by their numbers, in an order."""

    heads: tuple[tuple[int, ...], ...]
    """Query heads, those that share a key head together. In a whole model 0 .. heads - 1; group g is of key head g."""
    keys: tuple[int, ...]
    """The key (and value) head of each group."""
    neurons: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a model is made of, as far as it can be cut. Every layer has the same numbers of units."""

    layers_path: str
    """Of the list of layers within the model, such as `model.layers`."""
    attention: str
    feed_forward: str
    """Paths of the two blocks within a layer."""
    out: str
    up: tuple[str, ...]
    down: str
    """Names of the projections within them."""
    layers: int
    key_heads: int
    queries_per_key: int
    head_dim: int
    neurons: int
    heads_allowed: tuple[int, ...]
    """Numbers of query heads that the model's configuration takes: some, such as Llama's, ask that they divide the hidden width."""

    @property
    def heads(self) -> int:
        """Query heads of a layer."""
        return self.key_heads * self.queries_per_key

    def whole_layer(self) -> LayerUnits:
        """All units of a layer, as they lie in the model."""
        each = self.queries_per_key
        groups = tuple(tuple(range(key * each, (key + 1) * each)) for key in range(self.key_heads))
        return LayerUnits(heads=groups, keys=tuple(range(self.key_heads)), neurons=tuple(range(self.neurons)))

    def rows(self, layer: int, units: LayerUnits) -> Iterator[tuple[str, int, list[int]]]:
        """For each projection's weights and biases of that layer: name, axis, and the places along it that the units have."""
        width = self.head_dim
        heads = [head * width + place for group in units.heads for head in group for place in range(width)]
        keys = [key * width + place for key in units.keys for place in range(width)]
        neurons = list(units.neurons)
        attention, forward = (f"{self.layers_path}.{layer}.{block}" for block in (self.attention, self.feed_forward))
        for name, rows in ((QUERY, heads), (KEY, keys), (VALUE, keys)):
            yield f"{attention}.{name}.weight", 0, rows
            yield f"{attention}.{name}.bias", 0, rows
        for name in self.up:
            yield f"{forward}.{name}.weight", 0, neurons
            yield f"{forward}.{name}.bias", 0, neurons
        yield f"{attention}.{self.out}.weight", 1, heads
        yield f"{forward}.{self.down}.weight", 1, neurons


def layout_of(model: Any) -> Layout:
    """The layout of a loaded model. Raises Correctable, naming what is missing, for one that cannot be cut."""
    config = model.config
    path, layers = _layers(model, int(getattr(config, "num_hidden_layers", 0)))
    attention, attention_block = _only(layers[0], QUERY)
    down = _one_of(layers[0], DOWN)
    forward, forward_block = _only(layers[0], down)
    out = _one_of(layers[0], OUT)
    width = int(attention_block.head_dim)
    heads, keys = (getattr(attention_block, name).weight.shape[0] // width for name in (QUERY, KEY))
    layout = Layout(
        layers_path=path,
        attention=attention,
        feed_forward=forward,
        out=out,
        up=tuple(name for name in UP if hasattr(forward_block, name)),
        down=down,
        layers=len(layers),
        key_heads=keys,
        queries_per_key=heads // keys,
        head_dim=width,
        neurons=getattr(forward_block, down).weight.shape[1],
        heads_allowed=tuple(count for count in range(1, heads + 1) if _takes(config, count, keys)),
    )
    _check_alike(model, layout)
    return layout


def _takes(config: Any, heads: int, keys: int) -> bool:
    """Whether a configuration with so many heads can be read back from its file."""
    from huggingface_hub.errors import StrictDataclassClassValidationError

    try:
        type(config).from_dict(
            config.to_dict() | {"num_attention_heads": heads, "num_key_value_heads": min(heads, keys)}
        )
    except StrictDataclassClassValidationError:
        return False
    return True


def _layers(model: Any, count: int) -> tuple[str, Any]:
    """Path and list of the layers: the only list of that many modules with attention and feed-forward blocks."""
    import torch

    found = [
        (path, module)
        for path, module in model.named_modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == count and _has(module[0], (QUERY,))
    ]
    if len(found) != 1:
        raise _cannot(model, f"{len(found)} lists of {count} layers with a {QUERY}")
    return found[0]


def _has(layer: Any, names: Sequence[str]) -> bool:
    return any(path.rpartition(".")[2] in names for path, _ in layer.named_modules())


def _one_of(layer: Any, names: Sequence[str]) -> str:
    """The only one of the names that a projection of the layer has."""
    found = {path.rpartition(".")[2] for path, _ in layer.named_modules()} & set(names)
    if len(found) != 1:
        raise _cannot(layer, f"{len(found)} of the projections {', '.join(names)} in a layer")
    return found.pop()


def _only(layer: Any, projection: str) -> tuple[str, Any]:
    """Path and module of the only block of a layer that has this projection."""
    found = [path.rpartition(".")[0] for path, _ in layer.named_modules() if path.rpartition(".")[2] == projection]
    if len(found) != 1 or not found[0]:
        raise _cannot(layer, f"{len(found)} blocks with a {projection} in a layer")
    return found[0], layer.get_submodule(found[0])


def _check_alike(model: Any, layout: Layout) -> None:
    """Raises Correctable where a layer is of another shape, or the units do not fill their projections."""
    parameters: Mapping[str, Any] = dict(model.named_parameters())
    whole = layout.whole_layer()
    problems = [
        f"{name} has {parameters[name].shape[axis]} rows for {len(rows)}"
        for layer in range(layout.layers)
        for name, axis, rows in layout.rows(layer, whole)
        if name in parameters and parameters[name].shape[axis] != len(rows)
    ]
    needed = [name for layer in range(layout.layers) for name, _, _ in layout.rows(layer, whole) if ".weight" in name]
    problems += [f"no {name}" for name in needed if name not in parameters]
    if not layout.up:
        problems.append(f"none of the projections {', '.join(UP)}")
    if problems:
        raise _cannot(model, "; ".join(problems[:3]))


def _cannot(model: Any, found: str) -> Correctable:
    return Correctable(
        f"{type(model).__name__} cannot be cut: {found}. What can: models of transformers whose layers are alike and name their "
        f"projections {QUERY}, {KEY}, {VALUE}, {' or '.join(OUT)}, {', '.join(UP)} and {' or '.join(DOWN)} "
        "(Llama, Qwen, Mistral, Gemma, ViT, DINOv2, DeiT, EuroBERT)"
    )
