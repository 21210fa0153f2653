"""The search finds headers that see what a plain one cannot, chooses by validation alone, and its controller learns."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from dataclasses import replace

import pytest
import torch
from stratos.tools.sites.heads.header import OPERATIONS, POOLS, HeaderSpec, composed
from stratos.tools.sites.heads.header_search import Features, search
from stratos.tools.sites.heads.weight_sharing import By, Controller, Searching

SHORT = Searching(rounds=4, bank_steps=40, controller_steps=10, finalists=3, candidates=12, final_steps=200, seed=1)


def neighbours(count: int, seed: int) -> Features:
    """Whether token kind 1 ever stands right behind kind 0: every text holds both, so no mean of tokens tells."""
    drawing = torch.Generator().manual_seed(seed)
    kinds = torch.full((count, 8), 2)
    labels = torch.randint(0, 2, (count,), generator=drawing)
    for row, label in zip(kinds, labels, strict=True):
        place = int(torch.randint(0, 3, (1,), generator=drawing))
        row[place] = 0
        row[place + 1 if label else place + 4] = 1
    features = torch.randn(3, 24, generator=torch.Generator().manual_seed(9))[kinds]
    return Features(features=features, mask=torch.ones(count, 8), labels=labels)


@pytest.mark.parametrize("by", ["controller", "random"])
def test_a_search_finds_what_a_plain_header_cannot_see(by: By) -> None:
    found = search(neighbours(600, 0), neighbours(200, 1), 2, by, SHORT)
    plain = next(accuracy for spec, accuracy in found.finalists if spec == HeaderSpec())
    assert plain < 0.7
    assert found.validation > 0.95
    assert found.validation == max(accuracy for _, accuracy in found.finalists)
    assert any(
        operation in ("conv_3", "conv_5", "mean_3", "max_3")
        for block in found.spec.blocks
        for operation in block.operations
    )
    assert len(found.rewards) == (4 if by == "controller" else 0)


def test_the_same_seed_finds_the_same() -> None:
    short = replace(SHORT, rounds=1, bank_steps=5, final_steps=10)
    found = [search(neighbours(100, 0), neighbours(50, 1), 2, "controller", short) for _ in range(2)]
    assert found[0] == found[1]


def test_a_controller_learns_what_is_rewarded() -> None:
    """Headers with a maximum as their pool are right, others are not."""
    torch.manual_seed(0)
    kinds = len(OPERATIONS), len(POOLS), 2
    controller = Controller(kinds, lambda choose: composed(choose, blocks=2, cells=1), 1e-2)

    def reward(spec: HeaderSpec) -> float:
        return float(spec.pool == "max")

    first = sum(reward(controller.draw()[0]) for _ in range(60)) / 60
    last = [controller.learn(reward, 50) for _ in range(6)][-1]
    assert first < 0.6
    assert last > 0.9
