"""The cloud's part: a backbone from public examples, made elastic, and every cut of it measured.

The public examples are the cloud's own; sites' never come here. Imports torch at its top, and is itself imported only where a backbone
is built.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from ....state.brief import Answers
from ...elastic.cutting import Cut, cut_model, distinct, kept, reorder
from ...elastic.fronts import Measured
from ...elastic.importance import Importance
from ...elastic.teaching import Recipe, teach
from ...elastic.units import layout_of
from ..heads import adapter_search
from ..heads.adapter import AdapterSpec
from ..heads.header import HeaderSpec, new_header
from ..heads.header_search import Features, search
from ..heads.weight_sharing import By, Found, Searching
from ..learning.examples import Examples
from ..learning.local import PAD, Fitting, Model, SiteModel, bare, batches, fit, importance, right, tokenizer_of
from ..learning.writing import UNCOUNTED, Writer
from ..loop.server import Backbone
from .checkpoint import load
from .shape import Shape

END = "<end>"
"""Of an answer, in a tokenizer that is made here."""
ModelT = TypeVar("ModelT", bound=Model)

WATTS = 15.0
"""assumption: what a small box draws at work; energies are this times measured seconds, and are only compared with each other."""


@dataclass(frozen=True, kw_only=True)
class Elastic:
    """A backbone whose cuts are taught and measured."""

    backbone: Backbone
    model: Any
    """The whole one: a `SiteModel` with the public header, or a `Writer`."""
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
    answers: Answers = "labels",
    given: Path | None = None,
    spec: HeaderSpec | None = None,
    watts: float = WATTS,
    reached: Callable[[str, int, int, float], None] = lambda stage, done, of, loss: None,
) -> Elastic:
    """Trains a backbone on the public examples, orders its units, teaches its cuts and measures each on the validation examples.

    `given` is the folder of a checkpoint that is the backbone in place of one from scratch; of the shape it takes `max_tokens` alone.
    `reached` hears of each step of the teaching: what is done, how far, and the loss. Raises Correctable for a checkpoint that
    cannot be cut.
    """
    torch.manual_seed(fitting.seed)
    backbone, text = load(given, answers, shape.max_tokens) if given else _from_scratch(train, shape, answers)
    tokenizer = None if text is None else tokenizer_of(text, backbone.config)
    spec = spec or HeaderSpec()
    model: Writer | SiteModel
    if answers == "texts":
        model = Writer(backbone=backbone, tokenizer=tokenizer, spec=AdapterSpec(), max_tokens=shape.max_tokens)
    else:
        header = new_header(spec.parts(), backbone.config.hidden_size, len(labels))
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
    head, lessons = _lessons(model, train, fitting)
    teach(model.backbone, layout_of(backbone), ordered, lessons, recipe, head=head, reached=heard)
    model.train(False)
    table = tuple(_measured(model, ordered, cut, validation, watts) for cut in distinct(layout_of(backbone), ordered))
    return Elastic(
        backbone=Backbone(
            model=model.backbone,
            importance=ordered,
            tokenizer=text,
            labels=tuple(labels),
            header=None if spec.blocks or isinstance(model, Writer) else model.header,
        ),
        model=model,
        table=table,
        losses=tuple(losses),
    )


def _lessons(model: Writer | SiteModel, train: Examples, fitting: Fitting) -> tuple[Any, Iterator[dict[str, Any]]]:
    """What makes logits of a backbone's output, and the batches that it is taught with."""
    if isinstance(model, Writer):
        return _Answered(), (model.lesson(batch) for batch in batches(train, fitting))
    return _Headed(model.header, model.spec), (model.inputs(batch) for batch in batches(train, fitting))


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
) -> Found[HeaderSpec]:
    """The header that suits a cut of the backbone best, found on the public examples: the edge's part in ACME."""
    sized = SiteModel(
        backbone=_sized(backbone, cut),
        header=None,
        spec=HeaderSpec(),
        tokenizer=None if backbone.tokenizer is None else tokenizer_of(backbone.tokenizer, backbone.model.config),
        max_tokens=max_tokens,
    )
    return search(_features(sized, train), _features(sized, validation), classes, by, searching)


def search_adapter(
    backbone: Backbone,
    cut: Cut,
    train: Examples,
    validation: Examples,
    searching: Searching,
    *,
    by: By = "controller",
    max_tokens: int = 64,
) -> Found[AdapterSpec]:
    """The same for a decoder: the adapter that a cut of it learns the public examples best with."""
    assert backbone.tokenizer is not None
    tokenizer = tokenizer_of(backbone.tokenizer, backbone.model.config)
    writer = Writer(backbone=_sized(backbone, cut), tokenizer=tokenizer, spec=AdapterSpec(), max_tokens=max_tokens)
    return adapter_search.search(writer, train, validation, by, searching)


def _sized(backbone: Backbone, cut: Cut) -> Any:
    whole = backbone.layout
    return cut_model(backbone.model, whole, kept(whole, cut, backbone.importance))


def _features(model: SiteModel, examples: Examples) -> Features:
    """Of all examples at once, padded to the longest."""
    model.backbone.train(False)
    with torch.no_grad():
        features, mask = model.features(examples)
    return Features(features=features, mask=mask, labels=torch.from_numpy(examples.labels))


def cut_of(model: ModelT, ordered: Importance, cut: Cut) -> ModelT:
    """A smaller model with weights of its own; a header stays the same."""
    layout = layout_of(model.backbone)
    smaller = model.over(cut_model(model.backbone, layout, kept(layout, cut, ordered)))
    smaller.train(False)
    return smaller


def _measured(model: Model, ordered: Importance, cut: Cut, validation: Examples, watts: float) -> Measured:
    smaller = cut_of(model, ordered, cut)
    costs = smaller.costs(validation.take([0]))
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


class _Answered(nn.Module):
    """The logits of a decoder that say the tokens of answers, as `teach` wants them: the others were never learned."""

    def forward(self, output: Any, inputs: Any) -> Any:
        return output.logits[:, :-1][inputs["labels"][:, 1:] != UNCOUNTED]


def _from_scratch(train: Examples, shape: Shape, answers: Answers) -> tuple[Any, str | None]:
    """A backbone with random weights, and its tokenizer's file where the inputs are texts."""
    if answers == "texts":
        return _decoder(shape), _answering_tokenizer(train, shape)
    return (
        (_text_backbone(shape), _tokenizer(train.texts, shape))
        if train.texts
        else (_image_backbone(train, shape), None)
    )


def _decoder(shape: Shape) -> Any:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        head_dim=shape.hidden // shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=2 * shape.max_tokens,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    return Qwen3ForCausalLM(config)


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


def _tokenizer(texts: Sequence[str], shape: Shape) -> str:
    """The file of a byte-level BPE of the public texts, all in small letters."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return _trained(made, texts, shape, [PAD])


def _answering_tokenizer(train: Examples, shape: Shape) -> str:
    """The same of prompts and answers, which come back out of it as they were."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return _trained(made, (*train.texts, *train.answers), shape, [PAD, END])


def _trained(made: Any, texts: Sequence[str], shape: Shape, special: list[str]) -> str:
    from tokenizers import pre_tokenizers, trainers

    trainer: Any = trainers.BpeTrainer(
        vocab_size=shape.vocabulary, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator(iter(texts), trainer)
    return made.to_str()
