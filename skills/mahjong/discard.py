"""The solver of *discard*: what each suit lacks to become m melds and p pairs, joined over the suits.

A hand's distance is the number of tiles it must draw to become four melds and a pair without a fifth copy of any tile;
its shanten is one less.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import product
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
_BESIDE = [
    [(one, *[suit for suit in range(4) if suit not in (here, one)]) for one in range(4) if one != here]
    for here in range(4)
]
"""For each suit, the other three in turn, each followed by the two that are neither."""
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
    copies = _copies_accepted(counts, discards)
    most = max(copies.values())
    return tuple([tile for tile, accepted in copies.items() if accepted == most])


@lru_cache(maxsize=_RECENT)
def _nearest_discards(counts: Counts) -> tuple[int, ...]:
    parts = tuple(suits(counts))
    a, b, c, d = map(_costs, parts)
    ab, cd = _join(a, b), _join(c, d)
    spare = map(_spare, parts, (_join(b, cd), _join(a, cd), _join(ab, d), _join(ab, c)))
    nearest = tuple([start + tile for (start, _), tiles in zip(SUITS, spare, strict=True) for tile in tiles])
    return nearest or tuple([tile for tile, copies in enumerate(counts) if copies])


def _copies_accepted(counts: Counts, discards: Sequence[int]) -> dict[int, int]:
    """For each discard, the copies that the 13 tiles left accept, of those that they leave over.

    The discard itself is accepted only where it broke a complete hand. Every discard does so there, and so it prefers none.
    """
    parts, copies = tuple(suits(counts)), dict[int, int]()
    costs = tuple(map(_costs, parts))
    for suit, (start, end) in enumerate(SUITS):
        if not (here := [tile for tile in discards if start <= tile < end]):
            continue
        beside = [(parts[one], _join(costs[two], costs[three])) for one, two, three in _BESIDE[suit]]
        together = _join(costs[_BESIDE[suit][0][0]], beside[0][1])
        elsewhere: dict[Costs, int] = {}
        for tile in here:
            left = with_change(parts[suit], tile - start, -1)
            if (cost := _costs(left)) not in elsewhere:
                elsewhere[cost] = sum([_copies_accepted_in(other, _join(rest, cost)) for other, rest in beside])
            copies[tile] = elsewhere[cost] + _copies_accepted_in(left, together)
    return copies


def lacking(counts: Counts) -> int:
    """The tiles that the nearest complete hand has and these have not."""
    a, b, c, d = map(_costs, suits(counts))
    return _join(_join(a, b), _join(c, d))[_WHOLE_HAND]


@lru_cache(maxsize=_CACHE)
def _spare(suit: Counts, others: Costs) -> tuple[int, ...]:
    """The tiles of a suit that a nearest complete hand can do without: none where the hand is complete."""
    table, held, spare = _table(len(suit)), _steps(suit, 1, COPIES), set[int]()
    for start in _starts(suit, _nearest_forms(_costs(suit), others, _WHOLE_HAND)):
        cost = table[start]
        spare.update([tile for tile, step in held if table[start - step] == cost])
    return tuple(sorted(spare))


@lru_cache(maxsize=_CACHE)
def _copies_accepted_in(suit: Counts, others: Costs) -> int:
    """The copies left over of the tiles of a suit that any of the nearest complete hands lacks."""
    return _copies_lacked(suit, _nearest_forms(_costs(suit), others, _WHOLE_HAND))


@lru_cache(maxsize=_CACHE)
def _copies_lacked(suit: Counts, forms: Sequence[int]) -> int:
    """The same, where a suit has one of these forms in the nearest complete hands."""
    table, free, lacked = _table(len(suit)), _steps(suit, 0, COPIES - 1), set[int]()
    for start in _starts(suit, forms):
        cost = table[start]
        lacked.update([tile for tile, step in free if table[start + step] < cost])
    return sum([COPIES - suit[tile] for tile in lacked])


def _starts(suit: Counts, forms: Sequence[int]) -> list[int]:
    """Where the table holds the costs of a suit for some forms."""
    number, suits_in_table = _number(suit), 5 ** len(suit)
    return [number + suits_in_table * form for form in forms]


def _steps(suit: Counts, least: int, most: int) -> list[tuple[int, int]]:
    """The tiles of a suit of which it holds so many copies, each with how far apart in the table one copy of it is."""
    return [(tile, step) for tile, step in enumerate(_STEPS[len(suit)]) if least <= suit[tile] <= most]


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
