"""Hands made in reverse: a complete hand first, then the tile that is swapped or taken out of it."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from random import Random

from .groups import is_complete
from .shortcuts import stray_tiles, sums_allow
from .tiles import COPIES, HONOURS_FROM, SUITS, TILES, Counts, spread, suit_of, suits, with_change

_SET_SHARE = 0.3
"""Share of sets among the melds of number suits; runs are more common in play, sets make the harder readings."""
_SUIT_WEIGHTS = (3.0, 3.0, 3.0, 1.2)
"""How often a group is of m, p, s, z: honours less often than a number suit, as they can only be alike."""
_CACHE = 1 << 17
_SWAPPED_ONCE_SHARE = 0.6
"""Share of *discard* hands one tile from complete; the others have two tiles swapped."""
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
    while True:
        counts = [0] * len(TILES)
        *melds, pair = rng.choices(range(4), _SUIT_WEIGHTS, k=5)
        for suit in melds:
            _add_meld(counts, suit, rng)
        counts[_draw(pair, rng)] += 2
        if max(counts) <= COPIES:
            return tuple(counts)


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


def near_miss_pair(rng: Random) -> tuple[Counts, Counts]:
    """A complete hand, and the same hand with one tile swapped within its suit so that it is no longer complete.

    The caller keeps one of the two, so that both answers come from the same complete hands.
    """
    swaps = rng.choices(_SWAPS, _SWAP_SHARES)[0]
    while True:
        complete = complete_hand(rng)
        parts = list(suits(complete))
        found = [swaps(part) for part in parts]
        pick = int(rng.random() * sum(map(len, found)))
        if not any(found) or is_seven_pairs(complete):
            continue
        suit = 0
        while pick >= len(found[suit]):
            pick -= len(found[suit])
            suit += 1
        missed = tuple(chain.from_iterable([*parts[:suit], found[suit][pick], *parts[suit + 1 :]]))
        if not is_seven_pairs(missed):
            return complete, missed


def _swapped(suit: Counts) -> Iterator[Counts]:
    held = [tile for tile, copies in enumerate(suit) if copies]
    free = [tile for tile, copies in enumerate(suit) if copies < COPIES]
    for out in held:
        rest = with_change(suit, out, -1)
        yield from (with_change(rest, into, 1) for into in free if into != out)


@lru_cache(maxsize=_CACHE)
def _plain_swaps(suit: Counts) -> tuple[Counts, ...]:
    """Every incomplete suit that differs in one tile."""
    return tuple(other for other in _swapped(suit) if not is_complete(other))


@lru_cache(maxsize=_CACHE)
def _subtle_swaps(suit: Counts) -> tuple[Counts, ...]:
    """Those that no stray tile and no sum of tile numbers betrays."""
    return tuple(
        other for other in _swapped(suit) if sums_allow(other) and not stray_tiles(other) and not is_complete(other)
    )


@lru_cache(maxsize=_CACHE)
def _subtlest_swaps(suit: Counts) -> tuple[Counts, ...]:
    """Those that keep the numbers of singles, pairs, threes and fours as well."""
    return tuple(other for other in _subtle_swaps(suit) if sorted(other) == sorted(suit))


_SWAPS = (_plain_swaps, _subtle_swaps, _subtlest_swaps)
_SWAP_SHARES = (0.2, 0.6, 0.2)
"""Plain swaps alone would leave shortcuts: a stray tile answers for 82 % of such hands."""


def waiting_hand(rng: Random) -> Counts:
    """A complete hand without one of its tiles: that tile, at least, is waited for."""
    complete = complete_hand(rng)
    return with_change(complete, _any_of(complete, rng), -1)


def discard_hand(rng: Random) -> Counts:
    """A complete hand with one or two tiles swapped for others, so that it is no longer complete in any form."""
    while True:
        hand = complete_hand(rng)
        swaps = 1 if rng.random() < _SWAPPED_ONCE_SHARE else 2
        for _ in range(swaps):
            hand = with_change(hand, _any_of(hand, rng), -1)
        for _ in range(swaps):
            hand = with_change(hand, _drawn(hand, rng), 1)
        if max(hand) <= COPIES and not is_standard(hand) and not is_seven_pairs(hand):
            return hand


def _any_of(hand: Counts, rng: Random) -> int:
    tiles = spread(hand)
    return tiles[int(rng.random() * len(tiles))]


def _drawn(hand: Counts, rng: Random) -> int:
    if rng.random() >= _NEAR_SHARE:
        return int(rng.random() * len(TILES))
    near = _any_of(hand, rng)
    if near >= HONOURS_FROM:
        return near
    start, end = SUITS[suit_of(near)]
    return min(max(near + int(rng.random() * 5) - 2, start), end - 1)
