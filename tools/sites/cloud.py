"""The cloud's part: a backbone from public examples, made elastic, and every cut of it measured.

The public examples are the cloud's own; sites' never come here. Imports torch at its top, and is itself imported only where a backbone
is built.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ..elastic.costs import measure_costs
from ..elastic.cutting import CUTS, Cut, cut_model, kept, reorder
from ..elastic.fronts import Measured
from ..elastic.importance import Importance
from ..elastic.teaching import Recipe, teach
from ..elastic.units import layout_of
from .cloud_shape import Shape
from .examples import Examples
from .header import HeaderSpec, new_header
from .header_search import By, Features, Found, Searching, search
from .local import PAD, Fitting, SiteModel, bare, batches, fit, importance, right, tokenizer_of
from .server import Backbone

WATTS = 15.0
"""assumption: what a small box draws at work; energies are this times measured seconds, and are only compared with each other."""


@dataclass(frozen=True, kw_only=True)
class Elastic:
    """A backbone whose cuts are taught and measured."""

    backbone: Backbone
    model: SiteModel
    """The whole one with the public header."""
    table: tuple[Measured, ...]
    losses: tuple[float, ...] = field(default=())


def build(
    train: Examples,
    validation: Examples,
    labels: Sequence[str],
    shape: Shape,
    fitting: Fitting,
    recipe: Recipe,
    *,
    spec: HeaderSpec | None = None,
    watts: float = WATTS,
    reached: Callable[[str, int, int, float], None] = lambda stage, done, of, loss: None,
) -> Elastic:
    """Trains a backbone on the public examples, orders its units, teaches its cuts and measures each on the validation examples.

    `reached` hears of each step of the teaching: what is done, how far, and the loss.
    """
    torch.manual_seed(fitting.seed)
    spec = spec or HeaderSpec()
    tokenizer, text = _tokenizer(train.texts, shape) if train.texts else (None, None)
    backbone = _text_backbone(shape) if train.texts else _image_backbone(train, shape)
    header = new_header(spec.parts(), shape.hidden, len(labels))
    model = SiteModel(backbone=backbone, header=header, spec=spec, tokenizer=tokenizer, max_tokens=shape.max_tokens)
    fit(model, train, fitting)
    model.backbone = reorder(model.backbone, importance(model, layout_of(model.backbone), train))
    model.train(False)
    ordered = importance(model, layout_of(model.backbone), train)
    losses: list[float] = []

    def heard(step: int, loss: float) -> None:
        losses.append(loss)
        reached("cuts", step, recipe.steps, loss)

    model.train(True)
    given = (model.inputs(batch) for batch in batches(train, fitting))
    teach(model.backbone, layout_of(backbone), ordered, given, recipe, head=_Headed(header, spec), reached=heard)
    model.train(False)
    table = tuple(_measured(model, ordered, cut, validation, watts) for cut in CUTS)
    return Elastic(
        backbone=Backbone(
            model=model.backbone,
            importance=ordered,
            tokenizer=text,
            labels=tuple(labels),
            header=None if spec.blocks else model.header,
        ),
        model=model,
        table=table,
        losses=tuple(losses),
    )


def search_header(
    backbone: Backbone,
    cut: Cut,
    train: Examples,
    validation: Examples,
    classes: int,
    searching: Searching,
    *,
    by: By = "controller",
    max_tokens: int = 64,
) -> Found:
    """The header that suits a cut of the backbone best, found on the public examples: the edge's part in ACME."""
    whole = backbone.layout
    sized = SiteModel(
        backbone=cut_model(backbone.model, whole, kept(whole, cut, backbone.importance)),
        header=None,
        spec=HeaderSpec(),
        tokenizer=None if backbone.tokenizer is None else tokenizer_of(backbone.tokenizer),
        max_tokens=max_tokens,
    )
    return search(_features(sized, train), _features(sized, validation), classes, by, searching)


def _features(model: SiteModel, examples: Examples) -> Features:
    """Of all examples at once, padded to the longest."""
    model.backbone.train(False)
    with torch.no_grad():
        features, mask = model.features(examples)
    return Features(features=features, mask=mask, labels=torch.from_numpy(examples.labels))


def cut_of(model: SiteModel, ordered: Importance, cut: Cut) -> SiteModel:
    """A smaller model with weights of its own under the same header."""
    layout = layout_of(model.backbone)
    smaller = SiteModel(
        backbone=cut_model(model.backbone, layout, kept(layout, cut, ordered)),
        header=model.header,
        spec=model.spec,
        tokenizer=model.tokenizer,
        max_tokens=model.max_tokens,
    )
    smaller.train(False)
    return smaller


def _measured(model: SiteModel, ordered: Importance, cut: Cut, validation: Examples, watts: float) -> Measured:
    smaller = cut_of(model, ordered, cut)
    costs = measure_costs(smaller.backbone, smaller.inputs(validation.take([0])))
    return Measured(
        cut=cut,
        accuracy=right(smaller, validation) / len(validation),
        latency_ms=costs.latency_ms,
        bytes=costs.bytes,
        joules=costs.joules(watts),
        flops=costs.flops,
    )


class _Headed(nn.Module):
    """A header on a backbone's output, as `teach` wants it."""

    def __init__(self, header: Any, spec: HeaderSpec) -> None:
        super().__init__()
        self.header, self.spec = header, spec

    def forward(self, output: Any, inputs: Any) -> Any:
        features = output.last_hidden_state
        mask = inputs.get("attention_mask")
        return self.header(features, torch.ones(features.shape[:2]) if mask is None else mask, self.spec)


def _text_backbone(shape: Shape) -> Any:
    from transformers import EuroBertConfig, EuroBertModel

    config = EuroBertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.max_tokens,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        mask_token_id=0,
    )
    return EuroBertModel(config)


def _image_backbone(train: Examples, shape: Shape) -> Any:
    from transformers import ViTConfig, ViTModel

    assert train.pixels is not None
    config = ViTConfig(
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        image_size=train.pixels.shape[-1],
        patch_size=shape.patch,
        num_channels=train.pixels.shape[1],
    )
    return bare(ViTModel(config))


def _tokenizer(texts: tuple[str, ...], shape: Shape) -> tuple[Any, str]:
    """A byte-level BPE of the public texts, and its file."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer: Any = trainers.BpeTrainer(
        vocab_size=shape.vocabulary, special_tokens=[PAD], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator(iter(texts), trainer)
    return tokenizer_of(made.to_str()), made.to_str()
