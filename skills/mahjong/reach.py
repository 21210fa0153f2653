"""The independent verifier of *discard*: distances to the suits that the `mahjong` package calls complete.

Imported at the point of use: it needs NumPy, and takes about a second to make its tables when first asked.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from .tiles import COPIES, HONOURS_FROM, SUITS, TILES, Counts, suits, with_change

_FORMS = [(melds, pairs) for melds in range(5) for pairs in range(2)]
"""Numbers of melds and pairs in the order that the tables keep them."""
_FAR = 99


def best_discards(counts: Counts) -> list[int]:
    """The discards that leave the lowest shanten and, among those, accept most tiles, by distance to a complete hand.

    The package's shanten takes 40 to 80 microseconds, and a hand would need some 250: here the package says, once,
    which suits are complete, and distances to those are counted. Examples are held against its shanten as well.
    """
    hands = {tile: with_change(counts, tile, -1) for tile, copies in enumerate(counts) if copies}
    lowest = min(lacking(hand) for hand in hands.values())
    accepted = {
        tile: sum(COPIES - counts[t] for t, drawn in _draws(hand, counts) if lacking(drawn) < lowest)
        for tile, hand in hands.items()
        if lacking(hand) == lowest
    }
    most = max(accepted.values())
    return [tile for tile, copies in accepted.items() if copies == most]


def _draws(hand: Counts, seen: Counts) -> Iterator[tuple[int, Counts]]:
    for tile in range(len(TILES)):
        if seen[tile] < COPIES:
            yield tile, with_change(hand, tile, 1)


def lacking(counts: Counts) -> int:
    """The number of tiles by which the nearest complete hand exceeds these."""
    m, p, s, z = map(_kept, suits(counts))
    return 14 - _best_sum(_best_sum(m, p), _best_sum(s, z))[-1]


@lru_cache(maxsize=1 << 18)
def _best_sum(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    total = [-_FAR] * 10
    for (i, (melds_a, pairs_a)), (j, (melds_b, pairs_b)) in product(enumerate(_FORMS), repeat=2):
        if melds_a + melds_b <= 4 and pairs_a + pairs_b <= 1:
            total[i + j] = max(total[i + j], a[i] + b[j])
    return tuple(total)


@lru_cache(maxsize=1 << 18)
def _kept(suit: Counts) -> tuple[int, ...]:
    """Most tiles of a suit kept in any complete suit, for each number of melds (0 to 4) and pairs (0 or 1)."""
    return tuple(int(most) for most in _kept_by_suit(len(suit))[suit])


@lru_cache(maxsize=2)
def _kept_by_suit(width: int) -> NDArray[np.int8]:
    """`_kept` for every suit at once: which suits are part of a complete one, then the largest such part of each."""
    table = np.zeros((5,) * width + (len(_FORMS),), np.int8)
    for form, complete in enumerate(_complete_suits(width)):
        table[(*np.array(complete).T, form)] = 1
    for axis in range(width):
        along = np.moveaxis(table, axis, 0)
        for copies in range(COPIES, 0, -1):
            np.maximum(along[copies - 1], along[copies], out=along[copies - 1])
    table *= np.indices((5,) * width, dtype=np.int8).sum(axis=0, dtype=np.int8)[..., None]
    for axis in range(width):
        along = np.moveaxis(table, axis, 0)
        for copies in range(COPIES):
            np.maximum(along[copies + 1], along[copies], out=along[copies + 1])
    return table


def _complete_suits(width: int) -> Iterator[list[Counts]]:
    """Every suit that the package calls complete, for each number of melds and pairs."""
    groups = [tuple(3 * (i == tile) for i in range(width)) for tile in range(width)]
    if width == 9:
        groups += [tuple(int(low <= i < low + 3) for i in range(9)) for low in range(7)]
    pairs = [tuple(2 * (i == tile) for i in range(width)) for tile in range(width)]
    found: list[Counts] = [(0,) * width]
    for _ in range(5):
        for shapes in (found, _sums(found, pairs)):
            yield [suit for suit in shapes if _package_agrees(suit)]
        found = _sums(found, groups)


def _sums(left: list[Counts], right: list[Counts]) -> list[Counts]:
    sums = dict.fromkeys(tuple(map(int.__add__, a, b)) for a in left for b in right)
    return [suit for suit in sums if max(suit) <= COPIES]


def _package_agrees(suit: Counts) -> bool:
    from mahjong.agari import Agari

    start, _ = SUITS[0] if len(suit) == 9 else SUITS[3]
    hand = [0] * len(TILES)
    hand[start : start + len(suit)] = suit
    if sum(suit) % 3 == 0:
        hand[HONOURS_FROM - 1] = 2
    return Agari.is_agari(hand)
