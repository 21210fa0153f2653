"""The solver of *discard*: what each suit lacks to become m melds and p pairs, joined over the suits.

A hand's distance is the number of tiles it must draw to become four melds and a pair without a fifth copy of any tile;
its shanten is one less.
"""

from functools import lru_cache

from .groups import Group, tiles_of
from .tiles import COPIES, SUITS, TILES, Counts, suits, with_change

_MELDS = 4
_FAR = 99
_CACHE = 1 << 18

Costs = tuple[int, ...]
"""Tiles lacking for m melds and p pairs, at index 5 p + m."""
_Shape = tuple[int, int, tuple[Group, ...]]
"""Tiles lacking, which they are in any of the cheapest ways (a bit each), and the groups of the first of those ways."""
_WHOLE_HAND = 5 + _MELDS


def best_discards(counts: Counts) -> list[int]:
    """The discards that leave the lowest shanten and, among those, accept most tiles; in tile order.

    A tile is accepted when drawing it lowers the shanten; it counts once for each copy that the 14 tiles leave over.
    """
    hands = {tile: with_change(counts, tile, -1) for tile, copies in enumerate(counts) if copies}
    reach = {tile: distance(hand) for tile, hand in hands.items()}
    nearest = min(reach.values())
    accepted = {
        tile: sum(COPIES - counts[drawn] for drawn in accepted_tiles(hand))
        for tile, hand in hands.items()
        if reach[tile] == nearest
    }
    most = max(accepted.values())
    return [tile for tile, copies in accepted.items() if copies == most]


def distance(counts: Counts) -> int:
    """Tiles to draw until the hand can be four melds and a pair: its shanten plus one."""
    a, b, c, d = (_costs(part) for part in suits(counts))
    return _join(_join(a, b), _join(c, d))[_WHOLE_HAND]


def accepted_tiles(counts: Counts) -> list[int]:
    """The tiles lacking in any of the complete hands nearest to these tiles."""
    tables, reach = [_costs(part) for part in suits(counts)], distance(counts)
    tiles: list[int] = []
    for suit, (part, (start, end)) in enumerate(zip(suits(counts), SUITS, strict=True)):
        a, b, c = (table for i, table in enumerate(tables) if i != suit)
        others, lacks = _join(_join(a, b), c), 0
        for index, (cost, missing, _) in enumerate(_shapes(part, len(part) == 9, 0, 0)):
            if cost + others[_WHOLE_HAND - index] == reach:
                lacks |= missing
        tiles += [tile for tile in range(start, end) if lacks >> (end - tile) & 1]
    return tiles


def aim(counts: Counts) -> tuple[Group, ...]:
    """The groups of the first of the complete hands nearest to these tiles, in tile order."""
    groups: list[Group] = []
    left, wanted = distance(counts), _WHOLE_HAND
    parts = list(suits(counts))
    for suit, (_, end) in enumerate(SUITS):
        others = _nothing()
        for part in parts[suit + 1 :]:
            others = _join(others, _costs(part))
        index, cost, found = next(
            (index, cost, found)
            for index, (cost, _, found) in enumerate(_shapes(parts[suit], suit < 3, 0, 0))
            if index // 5 <= wanted // 5 and index % 5 <= wanted % 5 and cost + others[wanted - index] == left
        )
        groups += [Group(end - from_end, kind) for from_end, kind in found]
        left, wanted = left - cost, wanted - index
    return tuple(groups)


def surplus(counts: Counts, groups: tuple[Group, ...]) -> list[int]:
    """The tiles of a hand that some groups do not use."""
    used = [0] * len(TILES)
    for tile in tiles_of(groups):
        used[tile] += 1
    return [tile for tile, copies in enumerate(counts) if copies > used[tile]]


def _nothing() -> Costs:
    return (0, *[_FAR] * 9)


@lru_cache(maxsize=_CACHE)
def _join(a: Costs, b: Costs) -> Costs:
    """What two parts of a hand lack together."""
    total = [_FAR] * 10
    for i, cost_a in enumerate(a):
        for j, cost_b in enumerate(b):
            if i // 5 + j // 5 <= 1 and i % 5 + j % 5 <= _MELDS and cost_a + cost_b < total[i + j]:
                total[i + j] = cost_a + cost_b
    return tuple(total)


@lru_cache(maxsize=_CACHE)
def _costs(suit: Counts) -> Costs:
    return tuple(cost for cost, _, _ in _shapes(suit, len(suit) == 9, 0, 0))


@lru_cache(maxsize=_CACHE)
def _shapes(rest: Counts, has_runs: bool, begun: int, begun_before: int) -> tuple[_Shape, ...]:
    """The cheapest shape for each (m, p): `begun` runs need this tile and the next, `begun_before` runs this tile.

    Groups are placed by their distance from the end of the suit, so that suits with the same end share the work.
    """
    if not rest:
        return ((0, 0, ()) if begun == begun_before == 0 else (_FAR, 0, ()), *[(_FAR, 0, ())] * 9)
    best: list[_Shape] = [(_FAR, 0, ())] * 10
    place = len(rest)
    for pairs, sets, runs in _CHOICES:
        need = begun + begun_before + 3 * sets + runs + 2 * pairs
        if need > COPIES or (runs and not (has_runs and place > 2)):
            continue
        here = (Group(place, "set"),) * sets + (Group(place, "run"),) * runs + (Group(place, "pair"),) * pairs
        lack = max(0, need - rest[0])
        missing = 1 << place if lack else 0
        for index, (cost, more, groups) in enumerate(_shapes(rest[1:], has_runs, runs, begun)):
            total = index + sets + runs + 5 * pairs
            if cost < _FAR and index % 5 + sets + runs <= _MELDS and total < 10 and lack + cost <= best[total][0]:
                known = best[total]
                same = lack + cost == known[0]
                best[total] = (
                    (known[0], known[1] | missing | more, known[2])
                    if same
                    else (lack + cost, missing | more, here + groups)
                )
    return tuple(best)


_CHOICES = [(p, s, r) for p in (0, 1) for s in (0, 1) for r in range(5) if 3 * s + r + 2 * p <= COPIES]
