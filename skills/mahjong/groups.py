"""Splits one suit into groups, memoised: the cover that *win* is taught, and the readings that *waits* is."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from .tiles import Counts

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

_COVER_KINDS: tuple[Kind, ...] = ("run", "set", "pair", "left")
_NUMBERS = 9
_CACHE = 1 << 17


def tiles_of(groups: Iterable[Group]) -> list[int]:
    """Every tile of some groups, in the order written."""
    return [tile + step for tile, kind in groups for step in SHAPES[kind]]


@lru_cache(maxsize=_CACHE)
def cover(suit: Counts, pair: bool = True) -> tuple[Group, ...]:
    """The split, from the lowest tile up, into melds, at most one pair and single tiles left over that leaves least over.

    Equal splits: the one with more melds, then runs before sets before the pair before a tile left, at the lowest tile.
    """
    if not any(suit):
        return ()
    low = next(tile for tile, copies in enumerate(suit) if copies)
    found: list[tuple[Group, ...]] = []
    for kind in _COVER_KINDS:
        rest = _take(suit, low, kind) if pair or kind != "pair" else None
        if rest is not None:
            found.append((Group(low, kind), *cover(rest, pair and kind != "pair")))
    return max(found, key=_covered)


def _covered(groups: tuple[Group, ...]) -> tuple[int, int]:
    """Tiles not left over, and how many of them are in melds."""
    kinds = [kind for _, kind in groups]
    in_melds = 3 * (kinds.count("run") + kinds.count("set"))
    return in_melds + 2 * kinds.count("pair"), in_melds


@lru_cache(maxsize=_CACHE)
def is_complete(suit: Counts) -> bool:
    """Whether a suit is melds, or melds and one pair."""
    return all(kind != "left" for _, kind in cover(suit))


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
