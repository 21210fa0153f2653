"""What *discard* is taught to write: how the hand's tiles make blocks, what closes these, and what the hand can do without."""

from functools import lru_cache

from .blocks import closing, clusters, splits
from .completions import AGAIN, AND, LEFT, NO, YES, in_suit, write_steps
from .discard import best_discards, nearest_discards
from .tiles import HONOURS_FROM, SUITS, TILES, Counts, spread, suits

_CACHE = 1 << 16


def written_weighing(counts: Counts) -> tuple[str, int]:
    """The weighing as text, and the first of the best discards.

    A line for every split of tiles close to each other: its blocks, what is left over behind each, and behind `yes` the tiles
    that would close a block. Behind `no` the discards that leave the lowest shanten.
    """
    lines = [
        in_suit(line, start)
        for part, (start, _) in zip(suits(counts), SUITS, strict=True)
        for first, cluster in clusters(part)
        for line in _written_splits(cluster, first, len(part))
    ]
    lines.append(" ".join([NO, *map(TILES.__getitem__, nearest_discards(counts))]))
    return f" {AGAIN} ".join(lines), best_discards(counts)[0]


@lru_cache(maxsize=_CACHE)
def _written_splits(cluster: Counts, first: int, width: int) -> tuple[str, ...]:
    """The lines of a cluster that begins with the tile `first` of a suit of so many tiles, as one of m or z."""
    start = first if width == 9 else HONOURS_FROM + first
    lines: list[str] = []
    for blocks in splits(cluster):
        steps = [write_steps(blocks, cluster, start) if blocks else f"{LEFT} {_names(spread(cluster), start)}"]
        if closed_by := closing(blocks, cluster, range(-first, width - first)):
            steps.append(f"{YES} {_names(closed_by, start)}")
        lines.append(f" {AND} ".join(steps))
    return tuple(lines)


def _names(tiles: list[int], start: int) -> str:
    return " ".join(TILES[start + tile] for tile in tiles)
