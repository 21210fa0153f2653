"""The families of hands that a *win* model is asked: drawn apart from the training data, and what their names say."""

import pytest
from stratos.evals import hands
from stratos.evals.hands import FAMILIES, drawn
from stratos.skills.mahjong import judge
from stratos.skills.mahjong.tiles import COPIES, HONOURS_FROM, suits

ITEMS = 200


def complete_share(family: str) -> float:
    return sum(map(judge.is_complete, drawn(family, 0, ITEMS))) / ITEMS


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.startswith("complete")])
def test_what_is_named_complete_is(family: str) -> None:
    assert complete_share(family) == 1


@pytest.mark.parametrize("family", [family for family in FAMILIES if not family.startswith("complete")])
def test_most_of_the_others_are_not(family: str) -> None:
    assert complete_share(family) < (0.4 if "one suit" in family else 0.1)


def test_two_different_honours_are_never_a_pair() -> None:
    assert complete_share("the pair replaced by two different honours") == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_every_hand_can_be_held_and_is_asked_of_the_skill(family: str) -> None:
    found = drawn(family, 1, ITEMS)
    assert {sum(hand) for hand in found} == {14}
    assert max(map(max, found)) <= COPIES
    assert not any(map(judge.is_special_shape, found))
    assert drawn(family, 1, ITEMS) == found != drawn(family, 2, ITEMS)


@pytest.mark.parametrize("family", [family for family in FAMILIES if "one suit" in family and "honours" not in family])
def test_one_suit_is_one_number_suit(family: str) -> None:
    assert all(sum(map(any, suits(hand))) == 1 and not any(hand[HONOURS_FROM:]) for hand in drawn(family, 0, ITEMS))


def test_the_eval_takes_nothing_from_the_making_of_training_data() -> None:
    """Else a mistake of the one would be a mistake of the other."""
    makers = {f"stratos.skills.mahjong.{name}" for name in ("hands", "families", "examples", "groups", "search")}
    assert makers.isdisjoint(getattr(value, "__module__", None) for value in vars(hands).values())
