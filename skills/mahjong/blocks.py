"""Splits of tiles that are close to each other into blocks: melds, pairs, and two tiles that one more makes a run."""

from collections.abc import Iterator
from functools import cache, lru_cache
from operator import ge

from .groups import Group, Kind, take, tiles_of
from .tiles import COPIES, Counts, with_change

_CACHE = 1 << 17
_NUMBERS = 9
_BLOCKS: tuple[Kind, ...] = ("set", "run", "pair", "side", "gap")
_CLOSED_BY: dict[Kind, tuple[int, ...]] = {"pair": (0,), "side": (-1, 2), "gap": (1,)}
"""The tiles that make a meld of two, counted from the lowest."""

Blocks = tuple[Group, ...]

_Worth = tuple[int, int, bool]
"""Melds, worth, and whether there is a pair."""


def clusters(suit: Counts) -> Iterator[tuple[int, Counts]]:
    """The tiles of a suit parted where no block joins them: numbers three apart, and any two honours.

    Each with the number of its first tile, as a suit of nine tiles that begins with it.
    """
    reach = 2 if len(suit) == _NUMBERS else 0
    held = [tile for tile, copies in enumerate(suit) if copies]
    first = 0
    for at, tile in enumerate(held):
        if at + 1 == len(held) or held[at + 1] - tile > reach:
            tiles = suit[held[first] : tile + 1]
            yield held[first], (*tiles, *[0] * (_NUMBERS - len(tiles)))
            first = at + 1


@lru_cache(maxsize=_CACHE)
def splits(cluster: Counts) -> tuple[Blocks, ...]:
    """The splits of a cluster that no other one beats, in the order of their tiles.

    One beats another when it has more melds or a greater worth (two for a meld, one for another block), not less of the
    other, and a pair where the other has one: whatever else a hand holds, it is no farther from complete.
    """
    by_worth: dict[_Worth, list[Blocks]] = {}
    for blocks in _maximal(cluster, 0, 0):
        by_worth.setdefault(_worth(blocks), []).append(blocks)
    # A split that can grow is none of the taught ones, and beats none; one that cannot is all it takes for its worth to beat.
    worths = [worth for worth, alike in by_worth.items() if not all(_can_grow(blocks, cluster) for blocks in alike)]
    best = [worth for worth in worths if not any([_beats(other, worth) for other in worths])]
    unbeaten = [blocks for worth in best for blocks in by_worth[worth] if not _can_grow(blocks, cluster)]
    return tuple(sorted(unbeaten, key=lambda blocks: [tiles_of([block]) for block in blocks]))


def closing(blocks: Blocks, cluster: Counts, places: range) -> list[int]:
    """The tiles that make a meld of one of the blocks, in order, without those of which the cluster holds all four.

    `places` are those that the suit has, counted from the cluster's first tile.
    """
    near = {tile + step for tile, kind in blocks for step in _CLOSED_BY.get(kind, ())}
    return sorted(tile for tile in near if tile in places and not (0 <= tile < _NUMBERS and cluster[tile] == COPIES))


def _worth(blocks: Blocks) -> _Worth:
    kinds = [kind for _, kind in blocks]
    melds = kinds.count("set") + kinds.count("run")
    return melds, melds + len(kinds), "pair" in kinds


def _beats(one: _Worth, other: _Worth) -> bool:
    return one[:2] != other[:2] and all(map(ge, one, other))


def _can_grow(blocks: Blocks, cluster: Counts) -> bool:
    """Whether a tile left over makes a meld of one of the blocks."""
    left = list(cluster)
    for tile in tiles_of(blocks):
        left[tile] -= 1
    for tile, kind in blocks:
        for step in _CLOSED_BY.get(kind, ()):
            if 0 <= tile + step < _NUMBERS and left[tile + step] and cluster[tile + step] < COPIES:
                return True
    return False


@lru_cache(maxsize=_CACHE)
def _maximal(cluster: Counts, rank: int, may_be_left_from: int) -> tuple[Blocks, ...]:
    """The splits that leave no block over, each once.

    At the lowest tile blocks come in order of their kinds, from `rank` on, and a tile is left only when no other copy is;
    after it none may be left that makes a block with it.
    """
    if not any(cluster):
        return ((),)
    low = next(tile for tile, copies in enumerate(cluster) if copies)
    found: list[Blocks] = []
    for number, kind in enumerate(_BLOCKS[rank:], rank):
        if (rest := take(cluster, low, kind)) is not None:
            more = _maximal(rest, number if rest[low] else 0, may_be_left_from)
            block = _block(low, kind)
            found += [(block, *others) for others in more]
    if cluster[low] == 1 and low >= may_be_left_from:
        found += _maximal(with_change(cluster, low, -1), 0, low + 3)
    return tuple(found)


@cache
def _block(low: int, kind: Kind) -> Group:
    """One object for each block, however many splits hold it: the garbage collector walks through what the memos keep."""
    return Group(low, kind)
