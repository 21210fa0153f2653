"""The search of adapters chooses by validation loss among adapters trained by themselves, and leaves the decoder as it was."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import copy
from dataclasses import replace

import pytest
from stratos.tools.sites.heads.adapter import AdapterSpec
from stratos.tools.sites.heads.adapter_search import AdapterBank, search
from stratos.tools.sites.heads.weight_sharing import By, Searching
from stratos.tools.sites.learning.local import mean_loss

from .test_writing import writer
from .writing_world import examples

SHORT = Searching(
    rounds=2, bank_steps=8, controller_steps=4, finalists=2, candidates=5, final_steps=30, batch=16, rate=5e-3, seed=1
)


@pytest.mark.parametrize("by", ["controller", "random"])
def test_the_best_of_the_finalists_is_chosen_and_the_usual_one_is_among_them(by: By) -> None:
    made, validation = writer(), examples(30, 3)
    before, untaught = copy.deepcopy(made.backbone.state_dict()), -mean_loss(made, validation)
    found = search(made, examples(60, 2), validation, by, SHORT)
    assert found.finalists[0][0] == AdapterSpec()
    assert len(found.finalists) == 3
    assert found.validation == max(score for _, score in found.finalists) > untaught + 0.5
    assert found.spec == next(spec for spec, score in found.finalists if score == found.validation)
    assert len(found.rewards) == (2 if by == "controller" else 0)
    assert all(weight.equal(before[name]) for name, weight in made.backbone.state_dict().items())


def test_the_same_seed_finds_the_same_adapter() -> None:
    short = replace(SHORT, rounds=1, bank_steps=2, final_steps=3)
    found = [search(writer(), examples(40, 2), examples(20, 3), "controller", short) for _ in range(2)]
    assert found[0] == found[1]


def test_the_bank_teaches_what_it_is_told_to_use_and_no_more() -> None:
    made, some = writer(), examples(30, 3)
    bank = AdapterBank(made, examples(60, 2), some, SHORT)
    lower = AdapterSpec(ranks=((4,) * 6, (0,) * 6))
    first = bank.score(lower)
    assert first == pytest.approx(-mean_loss(made, some))
    for _ in range(12):
        bank.step(lower)
    assert bank.score(lower) > first
    assert bank.score(AdapterSpec(ranks=((0,) * 6, (4,) * 6))) == pytest.approx(first)
    assert bank.composed(lambda _, options: 0) == AdapterSpec()
