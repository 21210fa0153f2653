"""Hands worked out on paper, and symmetries: what the solvers and the independent verifier both must say."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stratos.skills.mahjong import judge, reach
from stratos.skills.mahjong.search import written_search
from stratos.skills.mahjong.skill import SKILL
from stratos.skills.mahjong.symmetry import rename
from stratos.skills.mahjong.tiles import count, read_prompt, spread, with_change, write_prompt

Symmetry = tuple[list[int], list[bool], list[int]]
SYMMETRIES = st.tuples(
    st.permutations(range(3)), st.lists(st.booleans(), min_size=3, max_size=3), st.permutations(range(7))
)


def ask(task: str, hand: str) -> str:
    return SKILL.parse_question(task, hand)


def moved(prompt: str, symmetry: Symmetry) -> str:
    order, mirrored, honours = symmetry
    tiles = spread(read_prompt(prompt))
    task = prompt.split(" ")[0]
    return write_prompt(task, count(rename(t, order=order, mirrored=mirrored, honours=honours) for t in tiles))


def hand_of(task: str, seed: int) -> str:
    return SKILL.make(task, seed=seed, block=0, count=1)[0].prompt


@pytest.mark.parametrize(
    ("hand", "suits"),
    [
        (
            "123m456p789s11122z",
            [
                "1m 2m 3m",
                "4p 5p 6p",
                "7s 8s 9s",
                "1z 1z 1z | 2z 2z , 2z / 1z 1z | 1z 2z 2z , 1z / 2z 2z | 1z 1z 1z , 1z 1z 1z",
            ],
        ),
        (
            "11123m111222333z",
            [
                "1m 1m 1m | 2m 3m , 2m / 1m 1m | 1m 2m 3m , 1m 2m 3m",
                "1z 1z 1z | 2z 2z 2z 3z 3z 3z , 2z 2z 2z | 3z 3z 3z , 3z 3z 3z",
            ],
        ),
        (
            "123m123m123p55577s",
            [
                "1m 2m 3m | 1m 2m 3m , 1m 2m 3m",
                "1p 2p 3p",
                "5s 5s 5s | 7s 7s , 7s / 5s 5s | 5s 7s 7s , 5s / 7s 7s | 5s 5s 5s , 5s 5s 5s",
            ],
        ),
    ],
)
def test_a_complete_hand_is_searched_until_nothing_is_left_over(hand: str, suits: list[str]) -> None:
    solved = SKILL.solve("win", ask("win", hand))
    assert (solved.rationale, solved.answer) == (" , ".join(suits), "yes")


@pytest.mark.parametrize(
    ("hand", "search"),
    [
        ("124m456p789s11122z", "1m"),
        ("24m123456789p111s", "2m"),
        ("11m234m55p678p1112s", "1m 2m 3m | 1m 4m , 1m / 1m 1m | 2m 3m 4m , 2m 3m 4m , 5p 6p 7p | 5p 8p , 5p"),
        ("1222234m2233556s", "1m 2m 3m | 2m 2m 2m 4m , 2m 2m 2m | 4m , 4m / 2m 2m | 1m 2m 2m 3m 4m , 1m 2m 3m | 2m 4m , 2m"),
    ],
)  # fmt: skip
def test_the_search_ends_at_the_first_suit_that_cannot_be_read(hand: str, search: str) -> None:
    """The third hand has two suits that lack a pair; only one is given it."""
    solved = SKILL.solve("win", ask("win", hand))
    assert (solved.rationale, solved.answer) == (search, "no")


@given(tiles=st.permutations([tile for tile in range(34) for _ in range(4)]))
@settings(max_examples=200)
def test_the_search_finds_what_the_verifier_calls_complete_in_any_deal(tiles: list[int]) -> None:
    """Deals from few tiles, so that some are complete."""
    near = [tile for tile in tiles if tile < 5 or tile in (9, 10, 11, 30)]
    hand = count(near[:14])
    assert written_search(hand)[1] == judge.is_complete(hand)


@pytest.mark.parametrize(
    ("hand", "waits"),
    [
        ("1112345678999m", "1m 2m 3m 4m 5m 6m 7m 8m 9m"),
        ("23m456p789s11122z", "1m 4m"),
        ("12m456p789s11122z", "3m"),
        ("13m456p789s11122z", "2m"),
        ("11m456p789s22555z", "1m 2z"),
        ("5m456p789s111222z", "5m"),
        ("23456m456p789s11z", "1m 4m 7m"),
        ("3334m456p789s111z", "2m 4m 5m"),
    ],
)
def test_waits_on_paper(hand: str, waits: str) -> None:
    assert SKILL.solve("waits", ask("waits", hand)).answer == waits


@pytest.mark.parametrize("suits", [range(9), range(9, 27), range(18, 34), range(34)])
def test_the_waits_are_the_tiles_that_the_package_calls_complete_one_by_one(suits: range) -> None:
    rng, deck = Random(len(suits)), [tile for tile in suits for _ in range(4)]
    dealt = [count(rng.sample(deck, 13)) for _ in range(60)]
    for hand in [*dealt, *(read_prompt(example.prompt) for example in SKILL.make("waits", seed=4, block=0, count=60))]:
        free = [tile for tile in range(34) if hand[tile] < 4]
        assert judge.waits(hand) == [tile for tile in free if judge.is_complete(with_change(hand, tile, 1))]


def test_a_tile_held_four_times_is_no_wait() -> None:
    """12m waits for 3m in shape, but 3333m are in the hand; 1111m waits for a fifth copy as its own pair."""
    assert SKILL.solve("waits", ask("waits", "123333m234p555s1z")).answer == "1z"
    assert SKILL.solve("waits", ask("waits", "1111m234p567p789s")).answer == "none"


def test_a_mirrored_hand_has_the_mirrored_waits() -> None:
    assert SKILL.solve("waits", ask("waits", "2333344m789p111z")).answer == "1m 2m 4m 5m"
    assert SKILL.solve("waits", ask("waits", "6677778m789p111z")).answer == "5m 6m 8m 9m"


@pytest.mark.parametrize(
    ("hand", "best"),
    [
        ("123m456p78s11122z9m", ["9m"]),
        ("23m456p789s11122z7z", ["7z"]),
        ("2m45p123456789s11z", ["2m"]),
        ("13m1m456p789s11122z", ["3m", "1m"]),
    ],
)
def test_best_discards_on_paper(hand: str, best: list[str]) -> None:
    prompt = ask("discard", hand)
    right = [
        tile for tile in dict.fromkeys(prompt.split(" ")[1:]) if SKILL.verify("discard", prompt, f"= {tile}").exact
    ]
    assert SKILL.solve("discard", prompt).answer in right
    assert set(right) <= set(best)


@pytest.mark.parametrize("task", ["win", "waits", "discard"])
@given(seed=st.integers(0, 10_000), symmetry=SYMMETRIES)
@settings(max_examples=60)
def test_canonical_form_is_invariant(task: str, seed: int, symmetry: Symmetry) -> None:
    prompt = hand_of(task, seed)
    assert SKILL.canonical(task, moved(prompt, symmetry)) == SKILL.canonical(task, prompt)


@given(seed=st.integers(0, 10_000), symmetry=SYMMETRIES)
@settings(max_examples=60)
def test_waits_move_with_the_hand(seed: int, symmetry: Symmetry) -> None:
    prompt = hand_of("waits", seed)
    order, mirrored, honours = symmetry
    waits = judge.waits(read_prompt(prompt))
    expected = sorted(rename(t, order=order, mirrored=mirrored, honours=honours) for t in waits)
    assert judge.waits(read_prompt(moved(prompt, symmetry))) == expected


@given(seed=st.integers(0, 10_000), symmetry=SYMMETRIES)
@settings(max_examples=30)
def test_completeness_and_discards_move_with_the_hand(seed: int, symmetry: Symmetry) -> None:
    won, prompt = hand_of("win", seed), hand_of("discard", seed)
    order, mirrored, honours = symmetry
    assert SKILL.solve("win", moved(won, symmetry)).answer == SKILL.solve("win", won).answer
    best = reach.best_discards(read_prompt(prompt))
    expected = sorted(rename(t, order=order, mirrored=mirrored, honours=honours) for t in best)
    assert reach.best_discards(read_prompt(moved(prompt, symmetry))) == expected


def test_canonical_form_tells_different_hands_apart() -> None:
    assert SKILL.canonical("win", ask("win", "123m456p789s11122z")) != SKILL.canonical(
        "win", ask("win", "123m456p678s11122z")
    )


def test_canonical_form_is_itself_canonical() -> None:
    prompt = SKILL.canonical("waits", ask("waits", "23m456p789s11122z"))
    assert SKILL.canonical("waits", prompt) == prompt
    assert sum(read_prompt(prompt)) == 13


def test_distances_agree_with_the_package_shanten() -> None:
    hands = [read_prompt(example.prompt) for example in SKILL.make("discard", seed=11, block=0, count=300)]
    assert [reach.lacking(hand) - 1 for hand in hands] == [judge.shanten(hand) for hand in hands]
