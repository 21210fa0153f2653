"""Hands as in play: dealt at random and played forward, one draw and one best discard after another, until they wait.

One player alone, who sees no tile but the own ones and takes any of the tied best discards; nothing is made in reverse.
"""

from collections.abc import Iterator
from random import Random

from .discard import best_discards, lacking
from .tiles import COPIES, TILES, Counts, count, with_change

_DEALT = 13


def positions(rng: Random) -> Iterator[Counts]:
    """The hands of one deal as they come: 14 tiles before each discard, and last the 13 that lack one tile.

    A deal may wait at once: then those 13 tiles are all there is.
    """
    wall = [tile for tile in range(len(TILES)) for _ in range(COPIES)]
    _shuffle(wall, rng)
    hand = count(wall[:_DEALT])
    for drawn in wall[_DEALT:]:
        if lacking(hand) == 1:
            break
        hand = with_change(hand, drawn, 1)
        yield hand
        best = best_discards(hand)
        hand = with_change(hand, best[int(rng.random() * len(best))], -1)
    yield hand


def waiting_hand(rng: Random) -> Counts:
    """The 13 tiles at which a deal waits."""
    *_, last = positions(rng)
    return last


def _shuffle(tiles: list[int], rng: Random) -> None:
    """Fisher and Yates, by `random` alone: the same on every Python."""
    for last in range(len(tiles) - 1, 0, -1):
        other = int(rng.random() * (last + 1))
        tiles[last], tiles[other] = tiles[other], tiles[last]
