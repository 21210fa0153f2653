"""Solver and verifier of *discard* against slow definitions, on hands that are never made, and apart from each other."""

import subprocess
import sys
from dataclasses import replace
from functools import cache
from itertools import product
from operator import ge
from random import Random

import pytest
from stratos.skills.mahjong import judge, reach
from stratos.skills.mahjong.blocks import splits
from stratos.skills.mahjong.discard import best_discards
from stratos.skills.mahjong.distances import cost_table
from stratos.skills.mahjong.groups import Group, tiles_of
from stratos.skills.mahjong.skill import SKILL
from stratos.skills.mahjong.tiles import COPIES, TILES, Counts, count, read_prompt, with_change

Way = tuple[Counts, tuple[Group, ...]]
FORMS = range(10)
DECKS = {
    "all": range(34),
    "one suit": range(9),
    "two suits": range(9, 27),
    "a suit and honours": range(18, 34),
    "honours": range(27, 34),
    "few tiles": (0, 1, 2, 8, 9, 20, 33),
}
LYING_PACKAGE = """
from mahjong.agari import Agari
Agari.is_agari = staticmethod(lambda hand: False)
from stratos.skills.mahjong import reach
print(reach.lacking((3, 3, 3, 3, 2) + (0,) * 29))
"""


def drawn(deck: str, tiles: int, hands: int) -> list[Counts]:
    rng, pool = Random(f"{deck} {tiles}"), [tile for tile in DECKS[deck] for _ in range(COPIES)]
    return [count(rng.sample(pool, tiles)) for _ in range(hands)]


@cache
def ways(width: int) -> dict[int, list[Way]]:
    """All ways to p pairs and m melds (form 5 p + m) without a fifth copy of a tile, in the order that is taught.

    Of two ways, the first has fewer pairs, then sets, then runs at the lowest tile where they differ.
    """
    found: dict[int, list[Way]] = {form: [] for form in FORMS}

    def place(tile: int, used: Counts, groups: tuple[Group, ...], pairs: int, melds: int) -> None:
        if tile == width:
            found[5 * pairs + melds].append((used, groups))
            return
        longest = 4 if width == 9 and tile + 2 < width else 0
        for p, s, r in product(range(2 - pairs), range(2), range(longest + 1)):
            now = list(used)
            now[tile] += 2 * p + 3 * s
            for step in range(3 if r else 0):
                now[tile + step] += r
            if max(now) <= COPIES and melds + s + r <= 4:
                here = [Group(tile, "set")] * s + [Group(tile, "run")] * r + [Group(tile, "pair")] * p
                place(tile + 1, tuple(now), (*groups, *here), pairs + p, melds + s + r)

    place(0, (0,) * width, (), 0, 0)
    return found


def lacks(suit: Counts, target: Counts) -> int:
    return sum(want - have for want, have in zip(target, suit, strict=True) if want > have)


def first_cheapest(suit: Counts, form: int) -> tuple[int, tuple[Group, ...]]:
    return min(((lacks(suit, used), groups) for used, groups in ways(len(suit))[form]), key=lambda way: way[0])


@pytest.mark.parametrize("width", [9, 7])
def test_costs_are_those_of_the_cheapest_way(width: int) -> None:
    rng, table = Random(width), cost_table(width)
    suits_drawn = [tuple(rng.choices(range(5), (5, 3, 3, 2, 1), k=width)) for _ in range(6)]
    for suit in [*suits_drawn, (0,) * width, (1,) * width, (4,) * width, (4, *[0] * (width - 1))]:
        number = int("".join(map(str, suit)), 5)
        assert list(table[number :: 5**width]) == [first_cheapest(suit, form)[0] for form in FORMS]


@pytest.mark.parametrize(
    ("hand", "lines", "best"),
    [
        (
            "23m456p789s1112z34z",
            ["2m 3m , yes 1m 4m", "4p 5p 6p", "7s 8s 9s", "1z 1z 1z", "| 2z", "| 3z", "| 4z", "no 2z 3z 4z"],
            "2z",
        ),
        (
            "56m33444p1128s22z6z",
            [
                "5m 6m , yes 4m 7m",
                "3p 3p | 4p 4p 4p , 4p 4p 4p , yes 3p",
                "1s 1s | 2s , yes 1s",
                "1s 2s | 1s , yes 3s",
                "| 8s",
                "2z 2z , yes 2z",
                "| 6z",
                "no 1s 2s 8s 6z",
            ],
            "8s",
        ),
    ],
)
def test_a_hand_is_weighed_by_its_blocks(hand: str, lines: list[str], best: str) -> None:
    solved = SKILL.solve("discard", SKILL.parse_question("discard", hand))
    assert (solved.rationale.split(" / "), solved.answer) == (lines, best)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("1z 1z 1z", "1z 1z | 1z"),  # nothing said of what closes the pair
        ("yes 1m 4m", "yes 1m"),
        ("4p 5p 6p", "4p 5p | 6p , yes 3p 6p"),
        ("no 2z 3z 4z", "no 2z 3z"),
        ("no 2z 3z 4z", "no 1z 2z 3z 4z"),
        ("| 2z / | 3z", "| 2z"),
        ("| 2z / | 3z", "| 2z 3z"),
    ],
)
def test_a_weighing_that_claims_what_is_not_so_is_caught(right: str, wrong: str) -> None:
    example = SKILL.solve("discard", SKILL.parse_question("discard", "23m456p789s1112z34z"))
    assert SKILL.check("discard", example)
    assert right in example.rationale
    assert not SKILL.check("discard", replace(example, rationale=example.rationale.replace(right, wrong)))


def all_splits(tiles: tuple[int, ...]) -> set[tuple[tuple[int, ...], ...]]:
    """Every set of blocks that some tiles hold, each as its tiles, sorted."""
    if not tiles:
        return {()}
    low, found = tiles[0], all_splits(tiles[1:])
    for block in {(low, low, low), (low, low + 1, low + 2), (low, low), (low, low + 1), (low, low + 2)}:
        if all(tiles.count(tile) >= block.count(tile) for tile in block):
            rest = list(tiles)
            for tile in block:
                rest.remove(tile)
            found |= {tuple(sorted([block, *more])) for more in all_splits(tuple(rest))}
    return found


@pytest.mark.parametrize("seed", range(12))
def test_the_splits_written_are_those_that_no_other_beats(seed: int) -> None:
    """By melds and worth (a block's tiles less one), if it has a pair where the other has one."""
    tiles = tuple(sorted(Random(seed).sample([tile for tile in range(9) for _ in range(COPIES)], 7)))
    cluster = tuple(map(tiles.count, range(9)))
    worths = {split: worth(split) for split in all_splits(tiles)}
    written = [tuple(sorted(tuple(tiles_of([block])) for block in blocks)) for blocks in splits(cluster)]
    assert set(written) <= set(worths)
    for split in written:
        assert not any(beats(other, worths[split]) for other in worths.values())
    unbeaten = {worth for worth in worths.values() if not any(beats(other, worth) for other in worths.values())}
    assert {worths[split][:2] for split in written} == {worth[:2] for worth in unbeaten}


def beats(one: tuple[int, int, bool], other: tuple[int, int, bool]) -> bool:
    return one[:2] != other[:2] and all(map(ge, one, other))


def worth(split: tuple[tuple[int, ...], ...]) -> tuple[int, int, bool]:
    melds = sum(len(block) == 3 for block in split)
    return melds, melds + len(split), any(len(set(block)) == 1 and len(block) == 2 for block in split)


@pytest.mark.parametrize("deck", DECKS)
def test_solver_and_verifier_agree_on_any_hand(deck: str) -> None:
    hands = drawn(deck, 14, 150)
    assert [best_discards(hand) for hand in hands] == [reach.best_discards(hand) for hand in hands]


@pytest.mark.parametrize("deck", DECKS)
def test_both_agree_with_the_definition_by_the_package_shanten(deck: str) -> None:
    complete = [read_prompt(example.prompt) for example in SKILL.make("win", seed=2, block=0, count=3)]
    for hand in [*drawn(deck, 14, 3), *complete]:
        assert best_discards(hand) == reach.best_discards(hand) == by_shanten(hand)


def by_shanten(hand: Counts) -> list[int]:
    after = {tile: with_change(hand, tile, -1) for tile in range(len(TILES)) if hand[tile]}
    shanten = {tile: judge.shanten(rest) for tile, rest in after.items()}
    lowest = min(shanten.values())
    accepted = {
        tile: sum(
            COPIES - hand[draw]
            for draw in range(len(TILES))
            if rest[draw] < COPIES and judge.shanten(with_change(rest, draw, 1)) < lowest
        )
        for tile, rest in after.items()
        if shanten[tile] == lowest
    }
    return [tile for tile, copies in accepted.items() if copies == max(accepted.values())]


@pytest.mark.parametrize("deck", DECKS)
@pytest.mark.parametrize("tiles", [13, 14])
def test_distances_agree_with_the_package_on_any_hand(deck: str, tiles: int) -> None:
    hands = drawn(deck, tiles, 60)
    assert [reach.lacking(hand) - 1 for hand in hands] == [judge.shanten(hand) for hand in hands]


def test_distances_are_to_what_the_package_calls_complete() -> None:
    other = subprocess.run([sys.executable, "-c", LYING_PACKAGE], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == "14"


def test_the_verifier_loads_nothing_of_the_solver() -> None:
    program = (
        "import sys; from stratos.skills.mahjong import judge, reach;"
        "print(*sorted(name for name in sys.modules if name.startswith('stratos.skills.mahjong.')))"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout.split() == [f"stratos.skills.mahjong.{name}" for name in ("judge", "reach", "tiles")]


def test_the_skill_loads_no_numpy_before_it_is_needed() -> None:
    program = "import sys; from stratos.skills.mahjong.skill import SKILL; print('numpy' in sys.modules)"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == "False"


@pytest.mark.parametrize("error", [-1, 1])
def test_an_example_does_not_pass_when_the_package_sees_another_shanten(
    error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    example, shanten = SKILL.make("discard", seed=4, block=0, count=1)[0], judge.shanten
    assert SKILL.check("discard", example)
    monkeypatch.setattr(judge, "shanten", lambda counts: shanten(counts) + error)  # pyright: ignore
    assert not SKILL.check("discard", example)
