"""Searches the header that suits a backbone's features, by `weight_sharing`; its reward is the accuracy on validation examples.

Imports torch at its top, and is itself imported only where a search runs.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from .header import OPERATIONS, POOLS, HeaderSpec, all_parts, composed, new_header
from .weight_sharing import By, Choose, Found, Searching, explore


@dataclass(frozen=True, kw_only=True)
class Features:
    """What a frozen backbone makes of some examples."""

    features: Any
    """(examples, tokens, width), float32."""
    mask: Any
    """(examples, tokens)."""
    labels: Any
    """(examples)."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Any) -> "Features":
        """Some of them."""
        return Features(features=self.features[rows], mask=self.mask[rows], labels=self.labels[rows])


def search(train: Features, validation: Features, classes: int, by: By, searching: Searching) -> Found[HeaderSpec]:
    """The header that does best on the validation examples."""
    torch.manual_seed(searching.seed)
    return explore(HeaderBank(train, validation, classes, searching), by, searching)


class HeaderBank:
    """As of `weight_sharing.Bank`."""

    plain = HeaderSpec()

    def __init__(self, train: Features, validation: Features, classes: int, searching: Searching) -> None:
        self._train, self._validation, self._classes, self._searching = train, validation, classes, searching
        self.kinds: Sequence[int] = (len(OPERATIONS), len(POOLS), searching.blocks)
        self._header = self._new(all_parts(searching.blocks, searching.cells))
        self._batches = _batches(train, searching.batch, searching.seed)
        self._checks = _batches(validation, searching.batch, searching.seed + 1)
        self._optimiser = torch.optim.AdamW(self._header.parameters(), lr=searching.rate)

    def _new(self, parts: list[str]) -> Any:
        return new_header(parts, self._train.features.shape[-1], self._classes)

    def composed(self, choose: Choose) -> HeaderSpec:
        """For each block its two inputs and two operations, then the pool."""
        return composed(choose, self._searching.blocks, self._searching.cells)

    def step(self, spec: HeaderSpec) -> None:
        """As of `Bank`."""
        _step(self._header.train(), spec, next(self._batches), self._optimiser)

    def reward(self, spec: HeaderSpec) -> float:
        """As of `Bank`."""
        return _accuracy(self._header, spec, next(self._checks))

    def score(self, spec: HeaderSpec) -> float:
        """As of `Bank`."""
        return _accuracy(self._header, spec, self._validation)

    def alone(self, spec: HeaderSpec) -> float:
        """As of `Bank`."""
        told = self._searching
        torch.manual_seed(told.seed)
        header = self._new(spec.parts())
        optimiser = torch.optim.AdamW(header.parameters(), lr=told.rate)
        for _, batch in zip(range(told.final_steps), _batches(self._train, told.batch, told.seed), strict=False):
            _step(header.train(), spec, batch, optimiser)
        return _accuracy(header, spec, self._validation)


def _step(header: Any, spec: HeaderSpec, batch: Features, optimiser: Any) -> None:
    optimiser.zero_grad(set_to_none=True)
    functional.cross_entropy(header(batch.features, batch.mask, spec), batch.labels).backward()
    optimiser.step()


def _accuracy(header: Any, spec: HeaderSpec, examples: Features) -> float:
    with torch.no_grad():
        logits = header.eval()(examples.features, examples.mask, spec)
    return float((logits.argmax(-1) == examples.labels).float().mean())


def _batches(examples: Features, size: int, seed: int) -> Iterator[Features]:
    """Without end, each epoch in an order of its own."""
    drawing = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(examples), generator=drawing)
        for at in range(0, len(order), size):
            yield examples.take(order[at : at + size])
