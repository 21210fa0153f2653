"""The independent verifier: what the `mahjong` package says of a hand; it shares no code with the solvers.

It covers the standard form only: a hand complete as seven pairs or thirteen orphans alone is not complete here.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from .tiles import COPIES, HONOURS_FROM, SUITS, TILES, Counts, suit_of, suits, with_change

_ORPHANS = (0, 8, 9, 17, 18, 26, *range(HONOURS_FROM, len(TILES)))
_FORMS = [(melds, pairs) for melds in range(5) for pairs in range(2)]
"""Numbers of melds and pairs in the order that the tables keep them."""
_FAR = 99


def is_complete(counts: Counts) -> bool:
    """Whether 14 tiles are four melds and a pair, by `Agari`; by `Shanten` where a special form could hide it."""
    from mahjong.agari import Agari

    return Agari.is_agari(counts) and (not is_special_shape(counts) or shanten(counts) == -1)


def is_special_shape(counts: Counts) -> bool:
    """Whether 14 tiles are seven different pairs or thirteen orphans."""
    return counts.count(2) == 7 or (all(counts[tile] for tile in _ORPHANS) and sum(counts[t] for t in _ORPHANS) == 14)


def is_special_only(counts: Counts) -> bool:
    """Whether 13 tiles wait, or 14 are complete, as seven pairs or thirteen orphans and not in the standard form."""
    from mahjong.shanten import Shanten

    ready = 13 - sum(counts)
    special = (
        Shanten.calculate_shanten_for_chiitoitsu_hand(counts),
        Shanten.calculate_shanten_for_kokushi_hand(counts),
    )
    return min(special) <= ready < shanten(counts)


def shanten(counts: Counts) -> int:
    """Shanten of the standard form, by `Shanten`."""
    from mahjong.shanten import Shanten

    return Shanten.calculate_shanten_for_regular_hand(counts)


def waits(counts: Counts) -> list[int]:
    """The tiles that complete 13 tiles, without those of which the hand holds all four."""
    from mahjong.agari import Agari

    hand, found, open_suits = list(counts), list[int](), _open_suits(counts)
    for tile in range(len(TILES)):
        if counts[tile] < COPIES and suit_of(tile) in open_suits and _touches(counts, tile):
            hand[tile] += 1
            if Agari.is_agari(hand) and is_complete(tuple(hand)):
                found.append(tile)
            hand[tile] -= 1
    return found


def _open_suits(counts: Counts) -> list[int]:
    """The suits that one more tile could complete: in a complete hand one suit holds 3 n + 2 tiles, the others 3 n."""
    sizes = [sum(part) % 3 for part in suits(counts)]
    return [
        suit for suit in range(4) if sorted((*sizes[:suit], (sizes[suit] + 1) % 3, *sizes[suit + 1 :])) == [0, 0, 0, 2]
    ]


def _touches(counts: Counts, tile: int) -> bool:
    """Whether the hand holds the tile or one within two steps: the tile drawn must be in a group with another."""
    if tile >= HONOURS_FROM:
        return counts[tile] > 0
    start = tile // 9 * 9
    return any(counts[max(start, tile - 2) : min(start + 9, tile + 3)])


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
