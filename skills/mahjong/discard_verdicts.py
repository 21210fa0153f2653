"""What a weighing of discards must get right; asks only the independent verifier and counts tiles.

Not judged: whether the splits written are all that there are. Each must be one, and there must be one of every tile.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from . import judge
from .completions import AGAIN, AND, LEFT, NO, YES, read_groups
from .groups import Group, tiles_of
from .tiles import COPIES, INDEX, TILES, Counts, count, spread, suit_of, with_change

_HONOURS = 3
_CACHE = 1 << 17


def weighing_holds(counts: Counts, rationale: str, discard: int) -> bool:
    """Whether the lines split the hand's tiles and the last names every discard that leaves the lowest shanten.

    `Shanten` is asked of the 14 tiles alone: no discard lowers it.
    """
    from . import reach

    *lines, last = rationale.split(f" {AGAIN} ")
    clusters = _clusters(spread(counts))
    found = [_split_tiles(line) for line in lines]
    return (
        last == " ".join([NO, *map(TILES.__getitem__, reach.nearest_discards(counts))])
        and list(dict.fromkeys(found)) == clusters
        and reach.lacking(with_change(counts, discard, -1)) == max(0, judge.shanten(counts)) + 1
    )


def _clusters(tiles: Sequence[int]) -> list[tuple[int, ...] | None]:
    """Sorted tiles, parted where no block joins two neighbours."""
    ends = [at for at, (one, other) in enumerate(pairwise(tiles), 1) if not _are_close(one, other)]
    return [tuple(tiles[start:end]) for start, end in pairwise([0, *ends, len(tiles)])]


def _are_close(one: int, other: int) -> bool:
    return one == other or (other - one <= 2 and suit_of(one) == suit_of(other) < _HONOURS)


@lru_cache(maxsize=_CACHE)
def _split_tiles(line: str) -> tuple[int, ...] | None:
    """The tiles that a line splits; None when it does not hold.

    Behind each block stands what is left over, in the end nothing that makes or closes a block; what closes a block makes a meld of it.
    """
    split, _, closed_by = line.partition(f" {AND} {YES} ")
    blocks: list[Group] = []
    tiles: list[int] | None = None
    left: list[int] = []
    for step in split.split(f" {AND} "):
        before, _, behind = f" {step} ".partition(f" {LEFT} ")
        groups, over = read_groups(before.strip()), [INDEX[word] for word in behind.split()]
        if groups is None or len(groups) != 1:
            return None
        together = sorted(tiles_of(groups[0]) + over)
        tiles = tiles or together
        if together != (left or tiles):
            return None
        left, blocks = over, [*blocks, *groups[0]]
    closing = sorted({tile for block in blocks for tile in _closing(block) if (tiles or []).count(tile) < COPIES})
    takes_all = not any(tile in left for tile in closing) and not any(_are_close(*two) for two in pairwise(left))
    return tuple(tiles or ()) if takes_all and closed_by.split() == [TILES[tile] for tile in closing] else None


@lru_cache(maxsize=_CACHE)
def _closing(block: Group) -> list[int]:
    """The tiles that make a meld of a block of two, by the package."""
    tiles = tiles_of([block])
    near = range(max(0, tiles[0] - 2), min(len(TILES), tiles[-1] + 3))
    return [tile for tile in near if len(tiles) == 2 and _are_meld(tile, tiles)]


def _are_meld(tile: int, others: Sequence[int]) -> bool:
    return suit_of(tile) == suit_of(others[0]) and judge.is_only_melds(count([tile, *others]))
