"""Splits one suit into groups, memoised: the cover that *win* is taught, and the readings that *waits* is."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from .tiles import Counts, with_change

Kind = Literal["set", "run", "pair", "side", "gap", "left"]
"""Three alike, three in a row, two alike, two in a row, two around a hole, one tile."""


class Group(NamedTuple):
    """The lowest tile of a group and its kind."""

    tile: int
    kind: Kind


SHAPES: dict[Kind, tuple[int, ...]] = {
    "set": (0, 0, 0),
    "run": (0, 1, 2),
    "pair": (0, 0),
    "side": (0, 1),
    "gap": (0, 2),
    "left": (0,),
}
"""The tiles of each kind, counted from its lowest."""

_COVERS: tuple[tuple[Kind, int, int], ...] = (("run", 3, 3), ("set", 3, 3), ("pair", 2, 0), ("left", 0, 0))
"""Kinds a cover may take, in order of preference: how many tiles each keeps from being left over, and in melds."""

_NUMBERS = 9
_CACHE = 1 << 17


def tiles_of(groups: Iterable[Group]) -> list[int]:
    """Every tile of some groups, in the order written."""
    return [tile + step for tile, kind in groups for step in SHAPES[kind]]


def cover(suit: Counts) -> tuple[Group, ...]:
    """The split, from the lowest tile up, into melds, at most one pair and single tiles left over that leaves least over.

    Equal splits: the one with more melds, then runs before sets before the pair before a tile left, at the lowest tile.
    """
    return _best_cover(suit, True)[2]


@lru_cache(maxsize=_CACHE)
def _best_cover(suit: Counts, pair: bool) -> tuple[int, int, tuple[Group, ...]]:
    """Tiles not left over, how many of them are in melds, and the split; `pair` says whether a pair may still be taken."""
    if not any(suit):
        return 0, 0, ()
    low = next(tile for tile, copies in enumerate(suit) if copies)
    best: tuple[int, int, tuple[Group, ...]] = (-1, -1, ())
    for kind, covered, in_melds in _COVERS:
        rest = _take(suit, low, kind) if pair or kind != "pair" else None
        if rest is None:
            continue
        found = _best_cover(rest, pair and kind != "pair")
        total = found[0] + covered, found[1] + in_melds
        if total > best[:2]:
            best = (*total, (Group(low, kind), *found[2]))
    return best


@lru_cache(maxsize=_CACHE)
def is_complete(suit: Counts) -> bool:
    """Whether a suit is melds, or melds and one pair."""
    size = sum(suit) % 3
    if size == 2:
        pairs = (tile for tile, copies in enumerate(suit) if copies >= 2)
        return any(_only_melds(with_change(suit, tile, -2)) for tile in pairs)
    return size == 0 and _only_melds(suit)


@lru_cache(maxsize=_CACHE)
def _only_melds(suit: Counts) -> bool:
    """Whether sets and runs from the lowest tile up leave nothing over.

    Taking a set wherever three are alike loses nothing: three equal runs are three sets as well.
    """
    rest = list(suit)
    for tile in range(len(suit)):
        runs = rest[tile] % 3
        if runs and (len(suit) != _NUMBERS or tile + 2 >= _NUMBERS or min(rest[tile + 1 : tile + 3]) < runs):
            return False
        if runs:
            rest[tile + 1] -= runs
            rest[tile + 2] -= runs
    return True


@lru_cache(maxsize=_CACHE)
def readings(suit: Counts, pairs: int, opens: int) -> tuple[tuple[Group, ...], ...]:
    """All splits of a suit into melds, `pairs` pairs and `opens` of side, gap or left, in a fixed order."""
    if not any(suit):
        return ((),) if pairs == opens == 0 else ()
    low = next(tile for tile, copies in enumerate(suit) if copies)
    found: list[tuple[Group, ...]] = []
    for kind in SHAPES:
        cost = (int(kind == "pair"), int(kind in ("side", "gap", "left")))
        rest = _take(suit, low, kind)
        if rest is None or cost[0] > pairs or cost[1] > opens:
            continue
        found += [
            (Group(low, kind), *more)
            for more in readings(rest, pairs - cost[0], opens - cost[1])
            if not (more and more[0].tile == low and _rank(more[0].kind) < _rank(kind))
        ]
    return tuple(found)


def _rank(kind: Kind) -> int:
    return list(SHAPES).index(kind)


def _take(suit: Counts, low: int, kind: Kind) -> Counts | None:
    shape = SHAPES[kind]
    if shape[-1] and (len(suit) != _NUMBERS or low + shape[-1] >= _NUMBERS):
        return None
    rest = list(suit)
    for step in shape:
        rest[low + step] -= 1
    return tuple(rest) if min(rest) >= 0 else None
