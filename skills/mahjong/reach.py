"""The independent verifier of *discard*: distances to the suits that the `mahjong` package calls complete.

Imported at the point of use: it needs NumPy, and takes some 0.3 s to make its tables when first asked.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache, reduce
from itertools import chain, groupby, product
from operator import mul

import numpy as np
from mahjong.agari import Agari
from numpy.typing import NDArray

from .tiles import COPIES, HONOURS_FROM, SUITS, TILES, Counts, suit_of, suits, with_change

_FORMS = [(melds, pairs) for melds in range(5) for pairs in range(2)]
"""Numbers of melds and pairs in the order that the tables keep them."""
_FITTING = [
    (i, j)
    for (i, (melds_a, pairs_a)), (j, (melds_b, pairs_b)) in product(enumerate(_FORMS), repeat=2)
    if melds_a + melds_b <= 4 and pairs_a + pairs_b <= 1
]
"""Forms of two parts that one hand can have."""
_CACHE = 1 << 18

Kept = bytes
"""Most tiles of a suit, or of several, kept in complete ones, for each form."""


def best_discards(counts: Counts) -> list[int]:
    """The discards that leave the lowest shanten and, among those, accept most tiles, by distance to a complete hand.

    The package's shanten takes 25 to 80 microseconds, and a hand would need some 250: here the package says, once,
    which suits are complete, and distances to those are counted. Examples are held against its shanten as well.
    """
    kept, nearest = _nearest(counts)
    if len(nearest) == 1:
        return list(nearest)
    copies = _copies_raising(kept, counts, nearest)
    best = max(copies.values())
    return [tile for tile, most in copies.items() if most == best]


def nearest_discards(counts: Counts) -> list[int]:
    """The discards that leave the lowest shanten."""
    return list(_nearest(counts)[1])


def lacking(counts: Counts) -> int:
    """The number of tiles by which the nearest complete hand exceeds these."""
    m, p, s, z = map(_kept, suits(counts))
    return 14 - _together(_together(m, p), _together(s, z))[-1]


@lru_cache(maxsize=1)
def _nearest(counts: Counts) -> tuple[int, tuple[int, ...]]:
    """Most tiles kept in a complete hand after a discard, and the discards that let it."""
    left = _kept_after_discard(counts)
    kept = max(left)
    return kept, tuple(tile for tile, most in enumerate(left) if most == kept)


def _copies_raising(kept: int, counts: Counts, discards: Sequence[int]) -> dict[int, int]:
    """For each discard, the copies left over of the tiles that, drawn after it, let a complete hand keep more.

    A tile just discarded is one only where the hand was complete, where that is so of every discard.
    """
    copies: dict[int, int] = {}
    for suit, here in groupby(discards, suit_of):
        part, *others = sorted(enumerate(suits(counts)), key=lambda numbered: numbered[0] != suit)
        a, b, c = [_kept(other) for _, other in others]
        beside = [_together(b, c), _together(a, c), _together(a, b)]
        together, elsewhere = _together(a, beside[0]), dict[Kept, int]()
        for tile in here:
            left = with_change(part[1], tile - SUITS[suit][0], -1)
            if (now := _kept(left)) not in elsewhere:
                raised = [
                    _copies_raising_in(o, _together(now, two), kept) for (_, o), two in zip(others, beside, strict=True)
                ]
                elsewhere[now] = sum(raised)
            copies[tile] = elsewhere[now] + _copies_raising_in(left, together, kept)
    return copies


@lru_cache(maxsize=_CACHE)
def _copies_raising_in(suit: Counts, others: Kept, kept: int) -> int:
    table, start = _kept_by_suit(len(suit)), _start(suit)
    free = [(COPIES - copies, start + step) for copies, step in zip(suit, _steps(suit), strict=True) if copies < COPIES]
    return sum([left for left, drawn in free if _whole(table, drawn, others) > kept])


def _kept_after_discard(counts: Counts) -> list[int]:
    """Most tiles kept in a complete hand once each tile is discarded; 0 where it is not held."""
    parts = tuple(suits(counts))
    return list(chain.from_iterable(map(_kept_after_discard_in, parts, _others(parts))))


def _others(parts: tuple[Counts, ...]) -> tuple[Kept, ...]:
    """For each suit, most tiles kept in the other three."""
    m, p, s, z = map(_kept, parts)
    mp, sz = _together(m, p), _together(s, z)
    return _together(p, sz), _together(m, sz), _together(mp, z), _together(mp, s)


@lru_cache(maxsize=_CACHE)
def _kept_after_discard_in(suit: Counts, others: Kept) -> tuple[int, ...]:
    table, start = _kept_by_suit(len(suit)), _start(suit)
    copies_left = zip(suit, [start - step for step in _steps(suit)], strict=True)
    return tuple([_whole(table, left, others) if copies else 0 for copies, left in copies_left])


def _whole(table: Kept, start: int, others: Kept) -> int:
    """Most tiles kept in a complete hand by the suit at a place of the table and the others."""
    return _together(table[start : start + len(_FORMS)], others)[-1]


@lru_cache(maxsize=_CACHE)
def _together(a: Kept, b: Kept) -> Kept:
    most = [0] * len(_FORMS)
    for i, j in _FITTING:
        if (kept := a[i] + b[j]) > most[i + j]:
            most[i + j] = kept
    return bytes(most)


@lru_cache(maxsize=_CACHE)
def _kept(suit: Counts) -> Kept:
    start = _start(suit)
    return _kept_by_suit(len(suit))[start : start + len(_FORMS)]


_STEPS = [len(_FORMS) * (COPIES + 1) ** after for after in range(8, -1, -1)]
"""How far apart in the table two suits are that differ by one tile."""


def _steps(suit: Counts) -> list[int]:
    return _STEPS[-len(suit) :]


def _start(suit: Counts) -> int:
    return sum(map(mul, suit, _steps(suit)))


@lru_cache(maxsize=2)
def _kept_by_suit(width: int) -> bytes:
    """`Kept` of every suit in order of counts: which suits are part of a complete one, then the largest part of each."""
    table = np.zeros((COPIES + 1,) * width + (len(_FORMS),), np.int8)
    for form, complete in enumerate(_complete_suits(width)):
        table[(*complete.T, form)] = 1
    for axis in range(width):
        along = np.moveaxis(table, axis, 0)
        for copies in range(COPIES, 0, -1):
            np.maximum(along[copies - 1], along[copies], out=along[copies - 1])
    tiles: NDArray[np.int8] = reduce(np.add.outer, [np.arange(COPIES + 1, dtype=np.int8)] * width)
    table *= tiles[..., None]
    for axis in range(width):
        along = np.moveaxis(table, axis, 0)
        for copies in range(COPIES):
            np.maximum(along[copies + 1], along[copies], out=along[copies + 1])
    return table.tobytes()


def _complete_suits(width: int) -> Iterator[NDArray[np.int8]]:
    """Every suit that the package calls complete, for each number of melds and pairs."""
    ones = np.eye(width, dtype=np.int8)
    melds = np.concatenate([3 * ones, ones[:-2] + ones[1:-1] + ones[2:]]) if width == 9 else 3 * ones
    found = np.zeros((1, width), np.int8)
    for _ in range(5):
        for shapes in (found, _sums(found, 2 * ones)):
            yield shapes[[_package_agrees(suit) for suit in shapes.tolist()]]
        found = _sums(found, melds)


def _sums(left: NDArray[np.int8], right: NDArray[np.int8]) -> NDArray[np.int8]:
    sums = (left[:, None] + right).reshape(-1, left.shape[1])
    possible = sums[sums.max(axis=1) <= COPIES]
    numbers = np.ravel_multi_index(tuple(possible.T), (COPIES + 1,) * left.shape[1])
    return possible[np.unique(numbers, return_index=True)[1]]


def _package_agrees(suit: list[int]) -> bool:
    start, _ = SUITS[0] if len(suit) == 9 else SUITS[3]
    hand = [0] * len(TILES)
    hand[start : start + len(suit)] = suit
    if sum(suit) % 3 == 0:
        hand[HONOURS_FROM - 1] = 2
    return Agari.is_agari(hand)
