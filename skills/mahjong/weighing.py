"""What *discard* is taught to write: how the hand's tiles make blocks, what closes these, and what the hand can do without."""

from functools import lru_cache

from .blocks import closing, clusters, splits
from .completions import AGAIN, AND, LEFT, NO, YES, write_steps
from .discard import best_discards, nearest_discards
from .tiles import SUITS, TILES, Counts, spread, suits

_CACHE = 1 << 16


def written_weighing(counts: Counts) -> tuple[str, int]:
    """The weighing as text, and the first of the best discards.

    A line for every split of tiles close to each other: its blocks, what is left over behind each, and behind `yes` the tiles
    that would close a block. Behind `no` the discards that leave the lowest shanten.
    """
    lines = [
        line
        for part, (start, end) in zip(suits(counts), SUITS, strict=True)
        for first, cluster in clusters(part)
        for line in _written_splits(cluster, start + first, start, end)
    ]
    lines.append(" ".join([NO, *map(TILES.__getitem__, nearest_discards(counts))]))
    return f" {AGAIN} ".join(lines), best_discards(counts)[0]


@lru_cache(maxsize=_CACHE)
def _written_splits(cluster: Counts, first: int, start: int, end: int) -> tuple[str, ...]:
    """The lines of a cluster that begins with the tile `first`, in a suit of the tiles from `start` to before `end`."""
    lines: list[str] = []
    for blocks in splits(cluster):
        steps = [write_steps(blocks, cluster, first) if blocks else f"{LEFT} {_names(spread(cluster), first)}"]
        if closed_by := closing(blocks, cluster, range(start - first, end - first)):
            steps.append(f"{YES} {_names(closed_by, first)}")
        lines.append(f" {AND} ".join(steps))
    return tuple(lines)


def _names(tiles: list[int], start: int) -> str:
    return " ".join(TILES[start + tile] for tile in tiles)
