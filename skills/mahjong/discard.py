"""The solver of *discard*: what each suit lacks to become m melds and p pairs, joined over the suits.

A hand's distance is the number of tiles it must draw to become four melds and a pair without a fifth copy of any tile;
its shanten is one less.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import chain, product
from operator import mul

from .tiles import COPIES, SUITS, Counts, suits, with_change

_MELDS = 4
_FAR = 99
_CACHE = 1 << 18
_RECENT = 1 << 8
"""Hands kept: a hand as in play is solved when it is played, and once more when it is taught."""

Costs = bytes
"""Tiles lacking for p pairs and m melds, which is form 5 p + m, in order of forms."""
_WHOLE_HAND = 5 + _MELDS
_FITTING = [(i, j) for i, j in product(range(10), repeat=2) if i // 5 + j // 5 <= 1 and i % 5 + j % 5 <= _MELDS]
"""Forms of two parts that one hand can have."""


def best_discards(counts: Counts) -> list[int]:
    """The discards that leave the lowest shanten and, among those, accept most tiles; in tile order.

    A tile is accepted when drawing it lowers the shanten; it counts once for each copy that the 14 tiles leave over.
    """
    return list(_best_discards(counts))


def nearest_discards(counts: Counts) -> list[int]:
    """The discards that leave the lowest shanten: what a nearest complete hand can do without, or any of a complete one."""
    return list(_nearest_discards(counts))


@lru_cache(maxsize=_RECENT)
def _best_discards(counts: Counts) -> tuple[int, ...]:
    discards = _nearest_discards(counts)
    if len(discards) == 1:
        return discards
    copies = {tile: sum([COPIES - counts[other] for other in _accepted_after(counts, tile)]) for tile in discards}
    most = max(copies.values())
    return tuple(tile for tile, accepted in copies.items() if accepted == most)


@lru_cache(maxsize=_RECENT)
def _nearest_discards(counts: Counts) -> tuple[int, ...]:
    parts = tuple(suits(counts))
    spare = chain.from_iterable(map(_spare, parts, _others(parts)))
    nearest = tuple(tile for tile, is_spare in enumerate(spare) if is_spare)
    return nearest or tuple(tile for tile, copies in enumerate(counts) if copies)


def _accepted_after(counts: Counts, discard: int) -> list[int]:
    """The tiles that the 13 tiles left by a discard accept, in order.

    The discard itself is accepted only where it broke a complete hand. Every discard does so there, and so it prefers none.
    """
    parts = tuple(suits(with_change(counts, discard, -1)))
    return [
        start + tile
        for part, others, (start, _) in zip(parts, _others(parts), SUITS, strict=True)
        for tile in _accepted_in(part, others)
    ]


def lacking(counts: Counts) -> int:
    """The tiles that the nearest complete hand has and these have not."""
    a, b, c, d = map(_costs, suits(counts))
    return _join(_join(a, b), _join(c, d))[_WHOLE_HAND]


def _others(parts: Sequence[Counts]) -> tuple[Costs, ...]:
    """For each suit, what the other three lack together."""
    a, b, c, d = map(_costs, parts)
    ab, cd = _join(a, b), _join(c, d)
    return _join(b, cd), _join(a, cd), _join(ab, d), _join(ab, c)


@lru_cache(maxsize=_CACHE)
def _spare(suit: Counts, others: Costs) -> tuple[bool, ...]:
    """Which tiles of a suit a nearest complete hand can do without: none where the hand is complete."""
    table, steps, starts = _table(len(suit)), _STEPS[len(suit)], _nearest_costs(suit, others)
    held = [(tile, step) for tile, step in enumerate(steps) if suit[tile]]
    spare = {tile for start in starts for tile, step in held if table[start - step] == table[start]}
    return tuple([tile in spare for tile in range(len(suit))])


@lru_cache(maxsize=_CACHE)
def _accepted_in(suit: Counts, others: Costs) -> tuple[int, ...]:
    """The tiles of a suit that any of the nearest complete hands lacks."""
    table, steps, starts = _table(len(suit)), _STEPS[len(suit)], _nearest_costs(suit, others)
    free = [(tile, step) for tile, step in enumerate(steps) if suit[tile] < COPIES]
    lacking = {tile for start in starts for tile, step in free if table[start + step] < table[start]}
    return tuple(sorted(lacking))


def _nearest_costs(suit: Counts, others: Costs) -> list[int]:
    """Where the table holds the costs of a suit for the forms that it has in the nearest complete hands."""
    number, suits_in_table = _number(suit), 5 ** len(suit)
    return [number + suits_in_table * form for form in _nearest_forms(_costs(suit), others, _WHOLE_HAND)]


@lru_cache(maxsize=_CACHE)
def _nearest_forms(a: Costs, b: Costs, wanted: int) -> tuple[int, ...]:
    """The forms of one part of a hand where it and another lack least together for the form wanted."""
    pairs, melds = divmod(wanted, 5)
    forms = [5 * p + m for p in range(pairs + 1) for m in range(melds + 1)]
    return tuple(form for form in forms if a[form] + b[wanted - form] == _join(a, b)[wanted])


@lru_cache(maxsize=_CACHE)
def _join(a: Costs, b: Costs) -> Costs:
    """What two parts of a hand lack together, with few different costs in all: nearly every join is a known one."""
    total = [_FAR] * 10
    for i, j in _FITTING:
        if (cost := a[i] + b[j]) < total[i + j]:
            total[i + j] = cost
    return bytes(total)


@lru_cache(maxsize=_CACHE)
def _costs(suit: Counts) -> Costs:
    return _table(len(suit))[_number(suit) :: 5 ** len(suit)]


@cache
def _table(width: int) -> bytes:
    from .distances import cost_table

    return cost_table(width)


_STEPS = {width: [5**after for after in reversed(range(width))] for width in (9, 7)}
"""How far apart in the table two suits are that differ by one tile."""


def _number(suit: Counts) -> int:
    """The counts as digits in base 5."""
    return sum(map(mul, suit, _STEPS[len(suit)]))
