"""Searches the adapter that a decoder learns most with, by `weight_sharing`; its reward is the loss on validation examples, turned.

The bank is the adapter of the highest ranks; a lower rank is its leading rows. Imports torch at its top, and is itself imported only
where a search runs.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import copy
from collections.abc import Sequence

import torch

from ..learning.examples import Examples
from ..learning.local import Fitting, batches, mean_loss
from ..learning.writing import Writer
from .adapter import PLACEMENTS, RANKS, AdapterSpec, largest
from .adapter_modules import Adapters
from .weight_sharing import By, Choose, Found, Searching, explore


def search(writer: Writer, train: Examples, validation: Examples, by: By, searching: Searching) -> Found[AdapterSpec]:
    """The adapter that does best on the validation examples. The writer stays as it is."""
    torch.manual_seed(searching.seed)
    return explore(AdapterBank(writer, train, validation, searching), by, searching)


class AdapterBank:
    """As of `weight_sharing.Bank`."""

    plain = AdapterSpec()

    def __init__(self, writer: Writer, train: Examples, validation: Examples, searching: Searching) -> None:
        self._writer, self._train, self._validation, self._searching = writer, train, validation, searching
        self.kinds: Sequence[int] = (len(RANKS),)
        self._taught, self._adapters = self._with(largest(searching.groups))
        self._batches = batches(train, self._order(0))
        self._checks = batches(validation, self._order(1))
        self._optimiser = torch.optim.AdamW(self._adapters.parameters(), lr=searching.rate)

    def _order(self, more: int) -> Fitting:
        return Fitting(epochs=1, batch=self._searching.batch, seed=self._searching.seed + more)

    def _with(self, spec: AdapterSpec) -> tuple[Writer, Adapters]:
        """A copy of the writer with a fresh adapter."""
        writer = self._writer.over(copy.deepcopy(self._writer.backbone))
        return writer, Adapters(writer.backbone, spec)

    def composed(self, choose: Choose) -> AdapterSpec:
        """A rank for each group and placement; where all are 0 the plain one is meant."""
        ranks = tuple(tuple(RANKS[choose(0, len(RANKS))] for _ in PLACEMENTS) for _ in range(self._searching.groups))
        return AdapterSpec(ranks=ranks) if any(map(any, ranks)) else self.plain

    def step(self, spec: AdapterSpec) -> None:
        """As of `Bank`."""
        self._adapters.use(spec)
        _step(self._taught, next(self._batches), self._optimiser)

    def reward(self, spec: AdapterSpec) -> float:
        """As of `Bank`."""
        self._adapters.use(spec)
        return -mean_loss(self._taught, next(self._checks))

    def score(self, spec: AdapterSpec) -> float:
        """As of `Bank`."""
        self._adapters.use(spec)
        return -mean_loss(self._taught, self._validation)

    def alone(self, spec: AdapterSpec) -> float:
        """As of `Bank`."""
        torch.manual_seed(self._searching.seed)
        writer, adapters = self._with(spec)
        optimiser = torch.optim.AdamW(adapters.parameters(), lr=self._searching.rate)
        for _, batch in zip(range(self._searching.final_steps), batches(self._train, self._order(0)), strict=False):
            _step(writer, batch, optimiser)
        return -mean_loss(writer, self._validation)


def _step(writer: Writer, batch: Examples, optimiser: torch.optim.Optimizer) -> None:
    writer.train(True)
    optimiser.zero_grad(set_to_none=True)
    (writer.loss(batch) / len(batch)).backward()
    optimiser.step()
