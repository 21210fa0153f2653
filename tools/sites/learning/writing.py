"""A site's model whose answers are texts: a causal decoder that is given a prompt and writes on.

An example is the prompt, a line's end, the answer and the token that ends it; what is learned is the answer and its end. Imports torch at
its top, and is itself imported only where a model works.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch.nn import functional

from ...elastic.costs import Costs, measure_costs
from ..heads.adapter import AdapterSpec
from ..heads.adapter_modules import Adapters
from .examples import Examples

AFTER_PROMPT = "\n"
UNCOUNTED = -100
"""In the place of a token that is not learned, as transformers has it."""


@dataclass
class Writer:
    """A decoder with its tokenizer, and which adapter a site trains beside it."""

    backbone: Any
    tokenizer: Any
    spec: AdapterSpec
    max_tokens: int = 64
    """Of a prompt, the last ones; and of an answer with its end, the first ones."""
    adapters: Adapters | None = field(default=None, init=False)

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of each."""
        self.tokenizer.truncation_side = "left"
        asked = [text.strip() + AFTER_PROMPT for text in texts]
        return self.tokenizer(asked, truncation=True, max_length=self.max_tokens)["input_ids"]

    def written(self, answers: Sequence[str]) -> list[list[int]]:
        """Tokens of each, the end's the last."""
        stripped = [answer.strip() for answer in answers]
        rows = self.tokenizer(stripped, add_special_tokens=False)["input_ids"]
        return [[*row[: self.max_tokens - 1], self.tokenizer.eos_token_id] for row in rows]

    def lesson(self, examples: Examples) -> dict[str, Any]:
        """`input_ids`, `attention_mask` and `labels`, UNCOUNTED where no answer is (examples, tokens)."""
        pairs = list(zip(self.prompts(examples.texts), self.written(examples.answers), strict=True))
        labels = [[UNCOUNTED] * len(prompt) + answer for prompt, answer in pairs]
        return self._padded([prompt + answer for prompt, answer in pairs]) | {"labels": _filled(labels, UNCOUNTED)}

    def _padded(self, rows: Sequence[Sequence[int]], *, left: bool = False) -> dict[str, Any]:
        return {
            "input_ids": _filled(rows, self.tokenizer.pad_token_id, left=left),
            "attention_mask": _filled([[1] * len(row) for row in rows], 0, left=left),
        }

    def features(self, examples: Examples) -> tuple[Any, Any]:
        """As of `Model`, of the prompts."""
        inputs = self._padded(self.prompts(examples.texts))
        return self.backbone.base_model(**inputs).last_hidden_state, inputs["attention_mask"]

    def loss(self, examples: Examples, *, smoothing: float = 0.0) -> Any:
        """As of `Model`, over the tokens of the answers."""
        lesson = self.lesson(examples)
        labels = lesson.pop("labels")
        first = int((labels != UNCOUNTED).int().argmax(dim=1).min())
        # Of a large vocabulary, logits of every prompt's token would fill the memory.
        logits = self.backbone(**lesson, logits_to_keep=labels.shape[1] - first + 1).logits[:, :-1]
        wanted = labels[:, first:]
        losses = functional.cross_entropy(
            logits.transpose(1, 2), wanted, ignore_index=UNCOUNTED, label_smoothing=smoothing, reduction="none"
        )
        return (losses.sum(1) / (wanted != UNCOUNTED).sum(1)).sum()

    def right(self, examples: Examples) -> int:
        """As of `Model`: the same text but for spaces around it."""
        longest = max(map(len, self.written(examples.answers)))
        found = self.answers(examples.texts, longest)
        return sum(one == answer.strip() for one, answer in zip(found, examples.answers, strict=True))

    def answers(self, texts: Sequence[str], most_tokens: int | None = None) -> list[str]:
        """What it writes, the likeliest token each time, until it ends or has written so many."""
        inputs = self._padded(self.prompts(texts), left=True)
        made = self.backbone.generate(**inputs, do_sample=False, max_new_tokens=most_tokens or self.max_tokens)
        rows = made[:, inputs["input_ids"].shape[1] :]
        return [text.strip() for text in self.tokenizer.batch_decode(rows, skip_special_tokens=True)]

    def chance(self, text: str, answer: str) -> float:
        """That it gives to this answer with its end."""
        each = self.loss(Examples.answered((text,), (answer,))).item()
        return math.exp(-each * len(self.written((answer,))[0]))

    def costs(self, example: Examples) -> Costs:
        """As of `Model`: operations of one pass over prompt and answer, and the time of writing as many tokens as the answer has."""
        lesson = self.lesson(example)
        lesson.pop("labels")
        inputs, tokens = self._padded(self.prompts(example.texts)), len(self.written(example.answers)[0])
        fixed = {"do_sample": False, "min_new_tokens": tokens, "max_new_tokens": tokens}
        return measure_costs(self.backbone, lesson, lambda: self.backbone.generate(**inputs, **fixed))

    def parameters(self) -> list[Any]:
        """As of `Model`: the adapter where there is one."""
        return self.adapters.parameters() if self.adapters else list(self.backbone.parameters())

    def train(self, mode: bool) -> None:
        """As of torch's modules."""
        self.backbone.train(mode)

    @contextmanager
    def adapted(self) -> Generator[None]:
        """As of `Model`: an adapter is trained, and then added to the weights."""
        self.adapters = Adapters(self.backbone, self.spec)
        yield
        self.adapters.merge()
        self.adapters = None

    def over(self, backbone: Any) -> Self:
        """As of `Model`."""
        return replace(self, backbone=backbone)


def _filled(rows: Sequence[Sequence[int]], value: int, *, left: bool = False) -> Any:
    """(rows, longest)."""
    longest = max(map(len, rows))
    fill = [[value] * (longest - len(row)) for row in rows]
    return torch.tensor(
        [[*more, *row] if left else [*row, *more] for row, more in zip(rows, fill, strict=True)], dtype=torch.long
    )
