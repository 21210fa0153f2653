"""Splits one suit into groups, memoised: the melds that *win* and *waits* are taught."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from operator import mul
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

_NUMBERS = 9
_CACHE = 1 << 17


def tiles_of(groups: Iterable[Group]) -> list[int]:
    """Every tile of some groups, in the order written."""
    return [tile + step for tile, kind in groups for step in SHAPES[kind]]


@lru_cache(maxsize=_CACHE)
def melds(suit: Counts) -> tuple[Group, ...]:
    """Melds from the lowest tile up, a set wherever three are alike; the first tile that fits in none ends it, alone.

    Taking a set wherever three are alike loses nothing: three equal runs are three sets as well. So no tile of a suit
    asks for a look ahead, once it is known where the pair is.
    """
    if not any(suit):
        return ()
    low = next(tile for tile, copies in enumerate(suit) if copies)
    for kind in ("set", "run"):
        if (rest := take(suit, low, kind)) is not None:
            return (Group(low, kind), *melds(rest))
    return (Group(low, "left"),)


def is_stuck(reading: Sequence[Group]) -> bool:
    """Whether a reading ends at a tile that fits in no meld."""
    return bool(reading) and reading[-1].kind == "left"


def readings_with_pair(suit: Counts) -> Iterator[tuple[Group, ...]]:
    """For each pair that a suit may give, lowest first: that pair, then the melds of the rest."""
    for tile, copies in enumerate(suit):
        if copies >= 2:
            yield (Group(tile, "pair"), *melds(with_change(suit, tile, -2)))


@lru_cache(maxsize=_CACHE)
def is_complete(suit: Counts) -> bool:
    """Whether a suit is melds, or melds and one pair."""
    size = sum(suit) % 3
    if size == 2:
        return any([_are_melds(with_change(suit, tile, -2)) for tile in _pairs_by_sum(suit)])
    return size == 0 and _are_melds(suit)


def _pairs_by_sum(suit: Counts) -> list[int]:
    """The pairs that may stand beside melds: numbers of a meld add up to a multiple of three, and what is over is the pair's."""
    first, step = (0, 1) if len(suit) != _NUMBERS else (2 * sum(map(mul, range(_NUMBERS), suit)) % 3, 3)
    return [tile for tile in range(first, len(suit), step) if suit[tile] >= 2]


def _are_melds(suit: Counts) -> bool:
    """Whether a suit is melds: what three alike leave of the lowest tile must begin runs."""
    if len(suit) != _NUMBERS:
        return all([copies in (0, 3) for copies in suit])
    last = earlier = 0  # runs begun one and two tiles before
    for copies in suit:
        if copies < last + earlier:
            return False
        last, earlier = (copies - last - earlier) % 3, last
    return last == earlier == 0


def take(suit: Counts, low: int, kind: Kind) -> Counts | None:
    """What a suit leaves over of a group that begins at a tile; None where it does not hold the group."""
    shape = SHAPES[kind]
    if shape[-1] and (len(suit) != _NUMBERS or low + shape[-1] >= _NUMBERS):
        return None
    rest = list(suit)
    for step in shape:
        rest[low + step] -= 1
    return tuple(rest) if min(rest) >= 0 else None
