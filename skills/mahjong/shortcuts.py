"""Cheap features of a prompt that could leak its answer: each is tried as a control; hands are made against them."""

from collections.abc import Callable, Mapping
from functools import cache
from operator import mul

from .tiles import HONOURS_FROM, TILES, Counts, read_prompt, spread, suits

Feature = Callable[[str], str]


def stray_tiles(suit: Counts) -> list[int]:
    """Tiles of a suit held once that are in no run of held tiles."""
    if 1 not in suit:
        return []
    runs = _in_runs(tuple(map(bool, suit)))
    return [tile for tile, copies in enumerate(suit) if copies == 1 and tile not in runs]


@cache
def _in_runs(held: tuple[bool, ...]) -> frozenset[int]:
    """The tiles of a suit that are in a run of held ones."""
    lows = [low for low in range(len(held) - 2) if len(held) == 9 and all(held[low : low + 3])]
    return frozenset(low + step for low in lows for step in range(3))


def sums_allow(suit: Counts) -> bool:
    """Whether tile numbers, modulo three, allow a suit to be melds, or melds and a pair that is there to take.

    A run or a set adds up to a multiple of three, so what remains belongs to the pair.
    """
    if len(suit) != 9:
        return True
    total = sum(map(mul, range(9), suit)) % 3
    size = sum(suit) % 3
    return total == 0 if size == 0 else size == 2 and max(suit[total * 2 % 3 :: 3]) >= 2


def _all_stray(counts: Counts) -> list[int]:
    strays: list[int] = []
    for part, start in zip(suits(counts), (0, 9, 18, HONOURS_FROM), strict=True):
        strays += [start + tile for tile in stray_tiles(part)]
    return strays


def _feature(of: Callable[[Counts], object]) -> Feature:
    return lambda prompt: str(of(read_prompt(prompt)))


def _names(tiles: list[int]) -> str:
    return " ".join(TILES[tile] for tile in tiles)


def _number_sum(counts: Counts) -> int:
    return sum(tile % 9 + 1 for tile in spread(counts) if tile < HONOURS_FROM) % 3


_SHARED: dict[str, Feature] = {
    "suit sizes modulo 3": _feature(lambda hand: [sum(part) % 3 for part in suits(hand)]),
    "number of pairs": _feature(lambda hand: len(hand) - hand.count(0) - hand.count(1)),
    "number of different tiles": _feature(lambda hand: len(hand) - hand.count(0)),
    "number of honours": _feature(lambda hand: sum(hand[HONOURS_FROM:])),
    "sum of numbers modulo 3": _feature(_number_sum),
}

WIN: Mapping[str, Feature] = {
    **_SHARED,
    "has a stray tile": _feature(lambda hand: bool(_all_stray(hand))),
    "suit sums allow melds": _feature(lambda hand: all(map(sums_allow, suits(hand)))),
    "number of single tiles": _feature(lambda hand: hand.count(1)),
    "number of threes": _feature(lambda hand: hand.count(3)),
}
NAMING: Mapping[str, Feature] = {
    **_SHARED,
    "stray tiles": _feature(lambda hand: _names(_all_stray(hand))),
    "last stray tile": _feature(lambda hand: _names(_all_stray(hand)[-1:])),
    "pairs": _feature(lambda hand: _names([tile for tile, copies in enumerate(hand) if copies == 2])),
}
"""For *waits* and *discard*, whose answers name tiles."""
