"""The solver of *discard*: what each suit lacks to become m melds and p pairs, joined over the suits.

A hand's distance is the number of tiles it must draw to become four melds and a pair without a fifth copy of any tile;
its shanten is one less.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import chain
from operator import mul

from .groups import Group
from .tiles import COPIES, SUITS, Counts, suits, with_change

_MELDS = 4
_FAR = 99
_CACHE = 1 << 18

Costs = bytes
"""Tiles lacking for p pairs and m melds, which is form 5 p + m, in order of forms."""
_WHOLE_HAND = 5 + _MELDS
_NOTHING = bytes([0, *[_FAR] * 9])


def best_discards(counts: Counts) -> list[int]:
    """The discards that leave the lowest shanten and, among those, accept most tiles; in tile order.

    A tile is accepted when drawing it lowers the shanten; it counts once for each copy that the 14 tiles leave over.
    """
    parts = tuple(suits(counts))
    spare = chain.from_iterable(map(_spare, parts, _others(parts)))
    nearest = [tile for tile, is_spare in enumerate(spare) if is_spare]
    if len(nearest) == 1:
        return nearest
    discards = nearest or [tile for tile, copies in enumerate(counts) if copies]
    accepted = {tile: _accepted(with_change(counts, tile, -1)) for tile in discards}
    most = max(accepted.values())
    return [tile for tile, copies in accepted.items() if copies == most]


def aim(counts: Counts) -> tuple[Group, ...]:
    """The groups of the first of the complete hands nearest to these tiles, in tile order."""
    a, b, c, d = map(_costs, suits(counts))
    cd = _join(c, d)
    later = (_join(b, cd), cd, d, _NOTHING)
    groups: list[Group] = []
    wanted = _WHOLE_HAND
    for suit, (_, end), costs, others in zip(suits(counts), SUITS, (a, b, c, d), later, strict=True):
        form = _nearest_forms(costs, others, wanted)[0]
        groups += [Group(end - from_end, kind) for from_end, kind in _first_groups(suit, form)]
        wanted -= form
    return tuple(groups)


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


def _accepted(counts: Counts) -> int:
    """The copies outside a 13-tile hand that it accepts.

    The discard is outside too, and accepted only where it broke a complete hand. Every discard does so there: counting
    it prefers none.
    """
    parts = tuple(suits(counts))
    return sum(map(_accepted_in, parts, _others(parts)))


@lru_cache(maxsize=_CACHE)
def _accepted_in(suit: Counts, others: Costs) -> int:
    """The copies left of the tiles of a suit that any of the nearest complete hands lacks."""
    table, steps, starts = _table(len(suit)), _STEPS[len(suit)], _nearest_costs(suit, others)
    free = [(tile, step) for tile, step in enumerate(steps) if suit[tile] < COPIES]
    lacking = {tile for start in starts for tile, step in free if table[start + step] < table[start]}
    return sum([COPIES - suit[tile] for tile in lacking])


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
    for i, cost_a in enumerate(a):
        for j, cost_b in enumerate(b):
            if i // 5 + j // 5 <= 1 and i % 5 + j % 5 <= _MELDS and cost_a + cost_b < total[i + j]:
                total[i + j] = cost_a + cost_b
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


def _first_groups(suit: Counts, form: int) -> tuple[Group, ...]:
    found = _placed(suit, len(suit) == 9, 0, 0, form, _costs(suit)[form])
    assert found is not None, "the table holds what some groups lack"
    return found


@lru_cache(maxsize=_CACHE)
def _placed(rest: Counts, has_runs: bool, begun: int, ending: int, form: int, lack: int) -> tuple[Group, ...] | None:
    """The first groups of a form that the rest of a suit can be with `lack` tiles more; None when there are none.

    `begun` runs need this tile and the next, `ending` runs this tile. Groups are placed by their distance from the end
    of the suit, so that suits with the same end share the work.
    """
    wanted_pairs, wanted_melds = divmod(form, 5)
    wanted = 2 * begun + ending + 2 * wanted_pairs + 3 * wanted_melds
    if not wanted:
        return ()
    if not rest or wanted > sum(rest) + lack:
        return None
    copies = min(COPIES, rest[0] + lack) - begun - ending
    for pairs, sets, runs, need in _CHOICES:
        if need > copies or pairs > wanted_pairs or sets + runs > wanted_melds or (runs and not has_runs):
            continue
        missing = max(0, begun + ending + need - rest[0])
        more = _placed(rest[1:], has_runs, runs, begun, form - 5 * pairs - sets - runs, lack - missing)
        if more is not None:
            here = [Group(len(rest), "set")] * sets + [Group(len(rest), "run")] * runs
            return (*here, *[Group(len(rest), "pair")] * pairs, *more)
    return None


_CHOICES = [(p, s, r, 2 * p + 3 * s + r) for p in range(2) for s in range(2) for r in range(COPIES + 1)]
