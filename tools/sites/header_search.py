"""Searches the header that suits a backbone's features: one bank of weights for all headers, and a controller that learns which to try.

ENAS (Pham et al., arXiv 1802.03268) as ACME has it: an LSTM of 100 units, its reward the accuracy on validation examples. The control is
a search of the same cost without a controller: headers drawn evenly, and the controller's passes spent on more of them. Both end alike:
the best of the bank are trained by themselves, and validation examples choose. Test examples are never seen here.

Imports torch at its top, and is itself imported only where a search runs.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional

from .header import OPERATIONS, POOLS, Block, HeaderSpec, all_parts, drawn, new_header

By = Literal["controller", "random"]
CONTROLLER_UNITS = 100
BASELINE_DECAY = 0.9
ENTROPY_WEIGHT = 1e-3


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


@dataclass(frozen=True, kw_only=True)
class Searching:
    """How long a search looks. Its cost is counted in passes of one batch through one header."""

    blocks: int = 2
    cells: int = 1
    rounds: int = 10
    """Each trains the bank, then the controller."""
    bank_steps: int = 50
    controller_steps: int = 20
    """Of one header and one batch of validation examples each; the control trains the bank for as many instead."""
    finalists: int = 4
    """Headers of their own that are trained at the end."""
    candidates: int = 24
    """Headers that are tried with the bank's weights to find them; the simplest of all, which has no block, is always a finalist."""
    final_steps: int = 150
    batch: int = 64
    rate: float = 2e-3
    controller_rate: float = 3.5e-3
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Found:
    """The header that was chosen, and what the search saw."""

    spec: HeaderSpec
    validation: float
    """Its accuracy on the validation examples, trained by itself: the best of several, so a little too high."""
    finalists: tuple[tuple[HeaderSpec, float], ...]
    rewards: tuple[float, ...]
    """Mean reward of each round."""


def search(train: Features, validation: Features, classes: int, by: By, searching: Searching) -> Found:
    """The header that does best on the validation examples."""
    torch.manual_seed(searching.seed)
    drawing = random.Random(searching.seed)
    width = train.features.shape[-1]
    bank = new_header(all_parts(searching.blocks, searching.cells), width, classes)
    controller = _Controller(searching) if by == "controller" else None

    def tried() -> HeaderSpec:
        return controller.draw()[0] if controller else drawn(drawing, searching.blocks, searching.cells)

    batches = _batches(train, searching.batch, searching.seed)
    checks = _batches(validation, searching.batch, searching.seed + 1)
    optimiser = torch.optim.AdamW(bank.parameters(), lr=searching.rate)
    rewards: list[float] = []
    for _ in range(searching.rounds):
        steps = searching.bank_steps + (0 if controller else searching.controller_steps)
        bank.train()
        for _ in range(steps):
            _step(bank, tried(), next(batches), optimiser)
        bank.eval()
        if controller:
            rewards.append(
                controller.learn(lambda spec: _accuracy(bank, spec, next(checks)), searching.controller_steps)
            )
    candidates = {spec.model_dump_json(): spec for spec in (tried() for _ in range(searching.candidates))}
    ranked = sorted(candidates.values(), key=lambda spec: -_accuracy(bank, spec, validation))
    finalists = [HeaderSpec(), *(spec for spec in ranked if spec.blocks)][: searching.finalists + 1]
    judged = tuple((spec, _alone(spec, train, validation, classes, searching)) for spec in finalists)
    spec, accuracy = max(judged, key=lambda one: one[1])
    return Found(spec=spec, validation=accuracy, finalists=judged, rewards=tuple(rewards))


def _alone(spec: HeaderSpec, train: Features, validation: Features, classes: int, searching: Searching) -> float:
    """Validation accuracy of one header trained by itself."""
    torch.manual_seed(searching.seed)
    header = new_header(spec.parts(), train.features.shape[-1], classes)
    optimiser = torch.optim.AdamW(header.parameters(), lr=searching.rate)
    header.train()
    for _, batch in zip(range(searching.final_steps), _batches(train, searching.batch, searching.seed), strict=False):
        _step(header, spec, batch, optimiser)
    header.eval()
    return _accuracy(header, spec, validation)


def _step(header: Any, spec: HeaderSpec, batch: Features, optimiser: Any) -> None:
    optimiser.zero_grad(set_to_none=True)
    functional.cross_entropy(header(batch.features, batch.mask, spec), batch.labels).backward()
    optimiser.step()


def _accuracy(header: Any, spec: HeaderSpec, examples: Features) -> float:
    with torch.no_grad():
        logits = header(examples.features, examples.mask, spec)
    return float((logits.argmax(-1) == examples.labels).float().mean())


def _batches(examples: Features, size: int, seed: int) -> Iterator[Features]:
    """Without end, each epoch in an order of its own."""
    drawing = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(examples), generator=drawing)
        for at in range(0, len(order), size):
            yield examples.take(order[at : at + size])


class _Controller:
    """Says a header choice by choice: for each block its two inputs and two operations, then the pool."""

    def __init__(self, searching: Searching) -> None:
        self._searching = searching
        kinds = [OPERATIONS, POOLS, tuple(range(searching.blocks))]
        most = max(map(len, kinds))
        self._cell = nn.LSTMCell(CONTROLLER_UNITS, CONTROLLER_UNITS)
        self._said = nn.Embedding(1 + len(kinds) * most, CONTROLLER_UNITS)
        self._heads = nn.ModuleList([nn.Linear(CONTROLLER_UNITS, len(kind)) for kind in kinds])
        self._most, self._baseline = most, 0.0
        every = nn.ModuleList([self._cell, self._said, self._heads])
        self._optimiser = torch.optim.Adam(every.parameters(), lr=searching.controller_rate)

    def draw(self) -> tuple[HeaderSpec, Any, Any]:
        """A header, the log of its chance, and the entropy of the choices, nats."""
        state = torch.zeros(1, CONTROLLER_UNITS), torch.zeros(1, CONTROLLER_UNITS)
        said = torch.zeros(1, dtype=torch.long)
        chance, entropy = torch.zeros(()), torch.zeros(())

        def chosen(kind: int, options: int) -> int:
            nonlocal state, said, chance, entropy
            state = self._cell(self._said(said), state)
            choice = torch.distributions.Categorical(logits=self._heads[kind](state[0])[0, :options])
            place = choice.sample()
            chance, entropy = chance + choice.log_prob(place), entropy + choice.entropy()
            said = 1 + kind * self._most + place.reshape(1)
            return int(place)

        blocks: list[Block] = []
        for number in range(self._searching.blocks):
            inputs = chosen(2, number + 1), chosen(2, number + 1)
            operations = OPERATIONS[chosen(0, len(OPERATIONS))], OPERATIONS[chosen(0, len(OPERATIONS))]
            blocks.append(Block(inputs=inputs, operations=operations))
        pool = POOLS[chosen(1, len(POOLS))]
        return HeaderSpec(blocks=tuple(blocks), cells=self._searching.cells, pool=pool), chance, entropy

    def learn(self, reward_of: Callable[[HeaderSpec], float], steps: int) -> float:
        """Policy gradient (REINFORCE) with a moving mean of rewards as its baseline; the mean reward of these steps."""
        rewards: list[float] = []
        for _ in range(steps):
            spec, chance, entropy = self.draw()
            reward = reward_of(spec)
            self._baseline = (
                reward if not self._baseline else BASELINE_DECAY * self._baseline + (1 - BASELINE_DECAY) * reward
            )
            self._optimiser.zero_grad(set_to_none=True)
            (-(reward - self._baseline) * chance - ENTROPY_WEIGHT * entropy).backward()
            self._optimiser.step()
            rewards.append(reward)
        return sum(rewards) / max(1, len(rewards))
