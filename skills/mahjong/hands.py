"""Hands made in reverse: a complete hand first, then the tile that is swapped or taken out of it."""

from collections.abc import Sequence
from random import Random

from .groups import is_complete
from .tiles import COPIES, HONOURS_FROM, SUITS, TILES, Counts, spread, suit_of, suits, with_change

_SET_SHARE = 0.3
"""Share of sets among the melds of number suits; runs are more common in play, sets make the harder readings."""
SUIT_WEIGHTS = (3.0, 3.0, 3.0, 1.2)
"""How often a group is of m, p, s, z: honours less often than a number suit, as they can only be alike."""
_SWAPS = {1: 0.4, 2: 0.3, 3: 0.2, 4: 0.1}
"""How many tiles of a *discard* hand are swapped, and how often: hands in play are mostly two to four tiles from complete."""
_NEAR_SHARE = 0.7
"""Share of the tiles drawn for *discard* that lie within two steps of one held: a stray tile is an easy discard."""


def is_seven_pairs(counts: Counts) -> bool:
    """Seven different pairs: a special hand, outside the standard form unless it splits into melds as well."""
    return counts.count(2) == 7


def is_standard(counts: Counts) -> bool:
    """Whether 14 tiles are four melds and a pair."""
    parts = list(suits(counts))
    return [sum(part) % 3 for part in parts].count(2) == 1 and all(map(is_complete, parts))


def complete_hand(rng: Random) -> Counts:
    """Four melds and a pair, at most four copies of a tile."""
    return complete_hand_and_pair(rng, SUIT_WEIGHTS)[0]


def complete_hand_and_pair(rng: Random, weights: Sequence[float]) -> tuple[Counts, int]:
    """A complete hand and the tile of its pair; `weights` say how often a group is of m, p, s, z."""
    while True:
        counts = [0] * len(TILES)
        *melds, pair_suit = rng.choices(range(4), weights, k=5)
        for suit in melds:
            _add_meld(counts, suit, rng)
        pair = _draw(pair_suit, rng)
        counts[pair] += 2
        if max(counts) <= COPIES:
            return tuple(counts), pair


def _draw(suit: int, rng: Random) -> int:
    start, end = SUITS[suit]
    return start + int(rng.random() * (end - start))


def _add_meld(counts: list[int], suit: int, rng: Random) -> None:
    if suit == 3 or rng.random() < _SET_SHARE:
        counts[_draw(suit, rng)] += 3
        return
    low = SUITS[suit][0] + int(rng.random() * 7)
    for tile in (low, low + 1, low + 2):
        counts[tile] += 1


def waiting_hand(rng: Random) -> Counts:
    """A complete hand without one of its tiles: that tile, at least, is waited for."""
    complete = complete_hand(rng)
    return with_change(complete, any_of(complete, rng), -1)


def discard_hand(rng: Random) -> Counts:
    """A complete hand with some tiles swapped for others, so that it is no longer complete in any form."""
    while True:
        hand = complete_hand(rng)
        swaps = rng.choices(list(_SWAPS), list(_SWAPS.values()))[0]
        for _ in range(swaps):
            hand = with_change(hand, any_of(hand, rng), -1)
        for _ in range(swaps):
            hand = with_change(hand, _drawn(hand, rng), 1)
        if max(hand) <= COPIES and not is_standard(hand) and not is_seven_pairs(hand):
            return hand


def any_of(hand: Counts, rng: Random) -> int:
    """One of the tiles of a hand, each copy as often."""
    tiles = spread(hand)
    return tiles[int(rng.random() * len(tiles))]


def _drawn(hand: Counts, rng: Random) -> int:
    if rng.random() >= _NEAR_SHARE:
        return int(rng.random() * len(TILES))
    near = any_of(hand, rng)
    if near >= HONOURS_FROM:
        return near
    start, end = SUITS[suit_of(near)]
    return min(max(near + int(rng.random() * 5) - 2, start), end - 1)
