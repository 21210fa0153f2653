"""Tiles as tokens: `1m`..`9m 1p`..`9p 1s`..`9s 1z`..`7z`, numbered 0..33, and hands as 34 counts."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

Counts = tuple[int, ...]
"""Copies held of each tile: 34 for a hand, 9 for a number suit, 7 for the honours."""

TILES: tuple[str, ...] = tuple(f"{n}{s}" for s in "mps" for n in range(1, 10)) + tuple(f"{n}z" for n in range(1, 8))
INDEX: dict[str, int] = {tile: i for i, tile in enumerate(TILES)}
SUITS: tuple[tuple[int, int], ...] = ((0, 9), (9, 18), (18, 27), (27, 34))
"""First and one-past-last tile of m, p, s and z."""
HONOURS_FROM = 27
COPIES = 4

_CACHE = 1 << 16

HAND_SIZE = {"win": 14, "waits": 13, "discard": 14}
"""Tiles in the question of each task."""


def suit_of(tile: int) -> int:
    """0, 1, 2 for m, p, s and 3 for honours."""
    return min(tile // 9, 3)


def count(tiles: Iterable[int]) -> Counts:
    """Tile numbers as 34 counts."""
    counts = [0] * len(TILES)
    for tile in tiles:
        counts[tile] += 1
    return tuple(counts)


def spread(counts: Sequence[int]) -> list[int]:
    """34 counts as sorted tile numbers."""
    return [tile for tile, copies in enumerate(counts) if copies for _ in range(copies)]


def tiles_by_suit(counts: Counts) -> list[tuple[int, ...]]:
    """The sorted tile numbers of each suit."""
    return [_tiles(counts[start:end], start) for start, end in SUITS]


@lru_cache(maxsize=_CACHE)
def _tiles(suit: Counts, start: int) -> tuple[int, ...]:
    return tuple([start + tile for tile in spread(suit)])


def suits(counts: Counts) -> Iterator[Counts]:
    """A hand's four suits: three of 9 counts, then 7 honour counts."""
    for start, end in SUITS:
        yield counts[start:end]


def with_change(counts: Counts, tile: int, change: int) -> Counts:
    """The same counts with `change` more of one tile."""
    return (*counts[:tile], counts[tile] + change, *counts[tile + 1 :])


def write_prompt(task: str, counts: Counts) -> str:
    """The canonical question: the task's word, then the sorted tiles."""
    return " ".join([task, *[TILES[tile] for tile in spread(counts)]])


def read_prompt(prompt: str) -> Counts:
    """The tiles of a well-formed prompt; raises KeyError on a word that is no tile."""
    return count(INDEX[word] for word in prompt.split(" ")[1:])
