"""The families that *win* is taught on: each is what it says, and neither answer has families of its own to be told by."""

from collections import Counter, defaultdict
from functools import cache

import pytest
from stratos.skills.mahjong import judge
from stratos.skills.mahjong.families import COMPLETE, MISSED
from stratos.skills.mahjong.shortcuts import WIN
from stratos.skills.mahjong.skill import SKILL
from stratos.skills.mahjong.tiles import HONOURS_FROM, Counts, read_prompt, suits

MADE = 6000
SUBTLE = ("near miss", "near miss, same copies")


@cache
def made() -> dict[str, list[Counts]]:
    by_family: defaultdict[str, list[Counts]] = defaultdict(list)
    for example in SKILL.make("win", seed=21, block=0, count=MADE):
        by_family[example.family].append(read_prompt(example.prompt))
    return by_family


def suits_held(hand: Counts) -> int:
    return sum(map(any, suits(hand)))


@pytest.mark.parametrize(("families", "of_all"), [(COMPLETE, 0.5), (MISSED, 0.5)])
def test_every_family_is_made_as_often_as_declared(families: dict[str, float], of_all: float) -> None:
    assert sum(families.values()) == pytest.approx(1)
    for family, share in families.items():
        assert len(made()[family]) / MADE == pytest.approx(of_all * share, abs=0.02)


def test_the_verifier_finds_complete_what_is_named_so_and_nothing_else() -> None:
    assert set(made()) == {*COMPLETE, *MISSED}
    for family, hands in made().items():
        assert {judge.is_complete(hand) for hand in hands} == {family in COMPLETE}


def test_one_suit_is_one_suit_and_many_honours_are_more_than_usual() -> None:
    assert {suits_held(hand) for hand in made()["complete, one suit"]} == {1}
    few, many = (
        [sum(hand[HONOURS_FROM:]) for hand in made()[family]]
        for family in ("complete, mixed", "complete, many honours")
    )
    assert sum(many) / len(many) > 3 * sum(few) / len(few)


@pytest.mark.parametrize("family", [*SUBTLE, "one tile swapped", "pair broken"])
def test_one_tile_parts_a_miss_from_complete(family: str) -> None:
    assert {judge.shanten(hand) for hand in made()[family]} == {0}


def test_a_replaced_pair_is_at_most_two_tiles_from_complete() -> None:
    assert {judge.shanten(hand) for hand in made()["pair replaced"]} <= {0, 1}


def test_half_of_the_replaced_pairs_give_way_to_two_honours() -> None:
    """An honour held once is in no group of a complete hand."""
    hands = made()["pair replaced"]
    lone = sum(hand[HONOURS_FROM:].count(1) == 2 for hand in hands)
    assert lone / len(hands) > 0.35


@pytest.mark.parametrize("family", SUBTLE)
def test_a_near_miss_is_not_told_by_stray_tiles_or_sums(family: str) -> None:
    found = Counter((WIN["has a stray tile"](p), WIN["suit sums allow melds"](p)) for p in prompts(family))
    assert set(found) == {("False", "True")}


def prompts(family: str) -> list[str]:
    return [example.prompt for example in SKILL.make("win", seed=22, block=0, count=1000) if example.family == family]


def test_most_misses_are_subtle() -> None:
    assert sum(MISSED[family] for family in SUBTLE) >= 0.7


def test_one_suit_hands_are_as_often_complete_as_not() -> None:
    """So that holding one suit tells nothing; a plain miss of a one-suit hand mostly holds a tile of another."""
    complete = sum(suits_held(hand) == 1 for family in COMPLETE for hand in made()[family])
    missed = sum(suits_held(hand) == 1 for family in MISSED for hand in made()[family])
    assert 0.4 < complete / (complete + missed) < 0.6


def test_a_family_does_not_make_another_item_of_an_example() -> None:
    example = SKILL.make("win", seed=1, block=0, count=1)[0]
    assert example.family
    assert SKILL.solve("win", example.prompt) == example
