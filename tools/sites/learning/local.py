"""What a site does with its own examples: it fits its model, measures what matters, and judges.

A model of labels is here; one that writes texts in `writing`. Imports torch at its top, and is itself imported only where a site works.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ...elastic.costs import Costs, measure_costs
from ...elastic.importance import Importance, measure
from ...elastic.units import Layout
from ..heads.header import HeaderSpec
from .examples import Examples

Floats = NDArray[np.float64]

PAD = "<pad>"
"""Of every tokenizer that is made here."""

EVALUATED_AT_ONCE = 128
LABEL_SMOOTHING = 0.05
WEIGHT_DECAY = 0.01
WARM_UP_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """How a site's model is trained."""

    epochs: int
    rate: float = 1e-3
    batch: int = 32
    seed: int = 0


class Model(Protocol):
    """What a site fits, cuts and judges, whatever kind of answers it gives."""

    backbone: Any

    def features(self, examples: Examples) -> tuple[Any, Any]:
        """What the backbone makes of the inputs: (examples, tokens, width), and which tokens are there (examples, tokens)."""
        ...

    def loss(self, examples: Examples, *, smoothing: float = 0.0) -> Any:
        """The sum of each example's mean cross-entropy, nats: a scalar with a graph."""
        ...

    def right(self, examples: Examples) -> int:
        """How many are answered rightly."""
        ...

    def costs(self, example: Examples) -> Costs:
        """Of the answer to one example."""
        ...

    def parameters(self) -> list[Any]:
        """All that is trained."""
        ...

    def train(self, mode: bool) -> None:
        """As of torch's modules."""
        ...

    def adapted(self) -> AbstractContextManager[None]:
        """While it holds, what is trained is what a site trains; after it the backbone has taken up what was learned."""
        ...

    def over(self, backbone: Any) -> Self:
        """The same on another backbone."""
        ...


@dataclass
class SiteModel:
    """A backbone with a header on it, and how its inputs are made."""

    backbone: Any
    header: Any
    spec: HeaderSpec
    tokenizer: Any | None
    """Of texts; null: the inputs are pixels."""
    max_tokens: int = 64

    def inputs(self, examples: Examples) -> dict[str, Any]:
        """What the backbone is called with: `pixel_values`, or `input_ids` and `attention_mask` (examples, tokens)."""
        if self.tokenizer is None:
            return {"pixel_values": torch.from_numpy(examples.pixels)}
        given = self.tokenizer(
            list(examples.texts), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
        )
        return {"input_ids": given["input_ids"], "attention_mask": given["attention_mask"]}

    def features(self, examples: Examples) -> tuple[Any, Any]:
        """What the backbone makes of them: (examples, tokens, width), and which tokens are there (examples, tokens)."""
        inputs = self.inputs(examples)
        hidden = self.backbone(**inputs).last_hidden_state
        return hidden, inputs.get("attention_mask", torch.ones(hidden.shape[:2]))

    def logits(self, examples: Examples) -> Any:
        """(examples, classes)."""
        features, mask = self.features(examples)
        return self.header(features, mask, self.spec)

    def loss(self, examples: Examples, *, smoothing: float = 0.0) -> Any:
        """As of `Model`."""
        labels = torch.from_numpy(examples.labels)
        return functional.cross_entropy(self.logits(examples), labels, label_smoothing=smoothing, reduction="sum")

    def right(self, examples: Examples, *, among: NDArray[np.intp] | None = None) -> int:
        """As of `Model`; `among`: where it may choose among these labels alone."""
        logits = self.logits(examples)
        if among is not None:
            barred = torch.ones(logits.shape[-1], dtype=torch.bool)
            barred[torch.from_numpy(among)] = False
            logits = logits.masked_fill(barred, -math.inf)
        return int((logits.argmax(-1) == torch.from_numpy(examples.labels)).sum())

    def costs(self, example: Examples) -> Costs:
        """As of `Model`."""
        return measure_costs(self.backbone, self.inputs(example))

    def parameters(self) -> list[Any]:
        """All that is trained."""
        return [*self.backbone.parameters(), *self.header.parameters()]

    def train(self, mode: bool) -> None:
        """As of torch's modules."""
        self.backbone.train(mode)
        self.header.train(mode)

    def adapted(self) -> AbstractContextManager[None]:
        """As of `Model`: header and backbone are trained as they are."""
        return nullcontext()

    def over(self, backbone: Any) -> Self:
        """As of `Model`, with the same header."""
        return replace(self, backbone=backbone)


def tokenizer_of(text: str, config: Any) -> Any:
    """The tokenizer of such a file's text; the backbone's configuration says which of its tokens fill up and end."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer.from_str(text)
    ids = {"pad_token": config.pad_token_id, "eos_token": config.eos_token_id}
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_input_names=["input_ids", "attention_mask"],
        **{name: made.id_to_token(number) for name, number in ids.items() if number is not None},
    )


def bare(backbone: Any) -> Any:
    """The backbone without a pooler: no header reads it."""
    if getattr(backbone, "pooler", None) is not None:
        backbone.pooler = None
    return backbone


def fit(model: Model, examples: Examples, fitting: Fitting) -> float:
    """Trains a model for so many epochs; returns the last loss. Raises ValueError where it is no number."""
    steps = max(1, fitting.epochs * math.ceil(len(examples) / fitting.batch))
    optimiser = torch.optim.AdamW(model.parameters(), lr=fitting.rate, weight_decay=WEIGHT_DECAY)
    torch.manual_seed(fitting.seed)
    model.train(True)
    loss = math.nan
    for step, batch in zip(range(steps), batches(examples, fitting), strict=False):
        for group in optimiser.param_groups:
            group["lr"] = fitting.rate * min((step + 1) / max(1, WARM_UP_SHARE * steps), (steps - step) / steps, 1.0)
        goal = model.loss(batch, smoothing=LABEL_SMOOTHING) / len(batch)
        loss = goal.item()
        if not math.isfinite(loss):
            raise ValueError(f"the loss of step {step} is {loss!r}: a lower rate than {fitting.rate:g} may help")
        optimiser.zero_grad(set_to_none=True)
        goal.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    model.train(False)
    return loss


def batches(examples: Examples, fitting: Fitting) -> Iterator[Examples]:
    """Without end, each epoch in an order of its own."""
    rng = np.random.default_rng(fitting.seed)
    while True:
        order = rng.permutation(len(examples))
        for at in range(0, len(order), fitting.batch):
            yield examples.take([int(row) for row in order[at : at + fitting.batch]])


def right(model: Model, examples: Examples, *, among: NDArray[np.intp] | None = None) -> int:
    """How many the model answers rightly; `among`: where a model of labels may choose among these alone."""
    only: dict[str, Any] = {} if among is None else {"among": among}
    model.train(False)
    with torch.no_grad():
        return sum(model.right(some, **only) for some in _some(examples))


def mean_loss(model: Model, examples: Examples) -> float:
    """Cross-entropy of the right answers, nats: finer than their count, where a choice is made by few examples."""
    model.train(False)
    with torch.no_grad():
        return sum(model.loss(some).item() for some in _some(examples)) / len(examples)


def pooled(model: Model, examples: Examples) -> Floats:
    """The mean of the backbone's features over the tokens of each example: (examples, width)."""
    model.train(False)
    rows: list[Floats] = []
    with torch.no_grad():
        for some in _some(examples):
            features, mask = model.features(some)
            there = mask[..., None].to(features.dtype)
            rows.append(((features * there).sum(1) / there.sum(1)).double().numpy())
    return np.concatenate(rows)


def importance(model: Model, layout: Layout, examples: Examples, *, alike: bool = False) -> Importance:
    """Of the backbone's units, for these examples; `alike` as of `measure`."""
    model.train(False)
    return measure(model.backbone, layout, _some(examples), lambda some: (model.loss(some), len(some)), alike=alike)


def _some(examples: Examples) -> Iterator[Examples]:
    for at in range(0, len(examples), EVALUATED_AT_ONCE):
        yield examples.take(range(at, min(at + EVALUATED_AT_ONCE, len(examples))))
