"""What *discard* is taught to write: how the hand's tiles make blocks, what closes these, and what the hand can do without."""

from functools import lru_cache

from .blocks import closing, clusters, splits
from .completions import AGAIN, AND, LEFT, NO, YES, write_steps
from .discard import best_discards, nearest_discards
from .groups import Group
from .tiles import SUITS, TILES, Counts, spread, suits

_CACHE = 1 << 16


def written_weighing(counts: Counts) -> tuple[str, int]:
    """The weighing as text, and the first of the best discards.

    A line for every split of tiles close to each other: its blocks, what is left over behind each, and behind `yes` the tiles
    that would close a block. Behind `no` the discards that leave the lowest shanten.
    """
    lines = [
        line for part, (start, _) in zip(suits(counts), SUITS, strict=True) for line in _written_splits(part, start)
    ]
    lines.append(" ".join([NO, *map(TILES.__getitem__, nearest_discards(counts))]))
    return f" {AGAIN} ".join(lines), best_discards(counts)[0]


@lru_cache(maxsize=_CACHE)
def _written_splits(suit: Counts, start: int) -> tuple[str, ...]:
    """The lines of a suit whose tiles are numbered from `start`."""
    lines: list[str] = []
    for first, cluster in clusters(suit):
        for blocks in splits(cluster):
            alone = f"{LEFT} {_names(spread(cluster), start + first)}"
            steps = [write_steps(blocks, cluster, start + first) if blocks else alone]
            placed = tuple(Group(first + tile, kind) for tile, kind in blocks)
            if closed_by := closing(placed, suit):
                steps.append(f"{YES} {_names(closed_by, start)}")
            lines.append(f" {AND} ".join(steps))
    return tuple(lines)


def _names(tiles: list[int], start: int) -> str:
    return " ".join(TILES[start + tile] for tile in tiles)
