"""Searches a space of descriptions with one bank of weights for all of them, and a controller that learns which to try.

ENAS (Pham et al., arXiv 1802.03268) as ACME has it: an LSTM of 100 units. The control is a search of the same cost without a
controller: descriptions drawn evenly, and the controller's passes spent on more of them. Both end alike: the best of the bank are
trained by themselves, and validation examples choose. Test examples are never seen here.

Imports torch at its top, and is itself imported only where a search runs.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

import torch
from torch import nn

from ....state.brief import Record

By = Literal["controller", "random"]
CONTROLLER_UNITS = 100
BASELINE_DECAY = 0.9
ENTROPY_WEIGHT = 1e-3

SpecT = TypeVar("SpecT", bound=Record)
Choose = Callable[[int, int], int]
"""Of a kind of question, by its number, with so many options: the place of the one chosen."""


@dataclass(frozen=True, kw_only=True)
class Searching:
    """How long a search looks. Its cost is counted in passes of one batch through one description."""

    blocks: int = 2
    cells: int = 1
    """Of headers."""
    groups: int = 2
    """Of layers, of adapters."""
    rounds: int = 10
    """Each trains the bank, then the controller."""
    bank_steps: int = 50
    controller_steps: int = 20
    """Of one description and one batch of validation examples each; the control trains the bank for as many instead."""
    finalists: int = 4
    """Trained by themselves at the end."""
    candidates: int = 24
    """Tried with the bank's weights to find them; the plain one is always a finalist."""
    final_steps: int = 150
    batch: int = 64
    rate: float = 2e-3
    controller_rate: float = 3.5e-3
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Found(Generic[SpecT]):
    """What was chosen, and what the search saw."""

    spec: SpecT
    validation: float
    """Its score on the validation examples, trained by itself: the best of several, so a little too high. Accuracy of a header; of an
    adapter the mean loss with its sign turned, nats."""
    finalists: tuple[tuple[SpecT, float], ...]
    rewards: tuple[float, ...]
    """Mean reward of each round."""


class Bank(Protocol[SpecT]):
    """A space, and the weights that all its descriptions share. Scores are better the higher they are."""

    kinds: Sequence[int]
    """The most options that a question of each kind has."""
    plain: SpecT

    def composed(self, choose: Choose) -> SpecT:
        """The description that the choices make."""
        ...

    def step(self, spec: SpecT) -> None:
        """Trains the shared weights that it uses on a batch."""
        ...

    def reward(self, spec: SpecT) -> float:
        """Its score on a batch of validation examples."""
        ...

    def score(self, spec: SpecT) -> float:
        """On all of them."""
        ...

    def alone(self, spec: SpecT) -> float:
        """On all of them, with weights of its own that were trained by themselves."""
        ...


def explore(bank: Bank[SpecT], by: By, searching: Searching) -> Found[SpecT]:
    """The description that does best on the validation examples."""
    drawing = random.Random(searching.seed)
    controller = Controller(bank.kinds, bank.composed, searching.controller_rate) if by == "controller" else None

    def tried() -> SpecT:
        return controller.draw()[0] if controller else bank.composed(lambda _, options: drawing.randrange(options))

    rewards: list[float] = []
    for _ in range(searching.rounds):
        for _ in range(searching.bank_steps + (0 if controller else searching.controller_steps)):
            bank.step(tried())
        if controller:
            rewards.append(controller.learn(bank.reward, searching.controller_steps))
    candidates = {spec.model_dump_json(): spec for spec in (tried() for _ in range(searching.candidates))}
    ranked = sorted(candidates.values(), key=lambda spec: -bank.score(spec))
    finalists = [bank.plain, *(spec for spec in ranked if spec != bank.plain)][: searching.finalists + 1]
    judged = tuple((spec, bank.alone(spec)) for spec in finalists)
    spec, score = max(judged, key=lambda one: one[1])
    return Found(spec=spec, validation=score, finalists=judged, rewards=tuple(rewards))


class Controller(Generic[SpecT]):
    """Says a description choice by choice."""

    def __init__(self, kinds: Sequence[int], composed: Callable[[Choose], SpecT], rate: float) -> None:
        self._composed = composed
        self._most, self._baseline = max(kinds), 0.0
        self._cell = nn.LSTMCell(CONTROLLER_UNITS, CONTROLLER_UNITS)
        self._said = nn.Embedding(1 + len(kinds) * self._most, CONTROLLER_UNITS)
        self._heads = nn.ModuleList([nn.Linear(CONTROLLER_UNITS, options) for options in kinds])
        every = nn.ModuleList([self._cell, self._said, self._heads])
        self._optimiser = torch.optim.Adam(every.parameters(), lr=rate)

    def draw(self) -> tuple[SpecT, Any, Any]:
        """A description, the log of its chance, and the entropy of the choices, nats."""
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

        return self._composed(chosen), chance, entropy

    def learn(self, reward_of: Callable[[SpecT], float], steps: int) -> float:
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
