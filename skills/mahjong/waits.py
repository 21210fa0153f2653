"""The solver of *waits*: the readings of a 13-tile hand, each with the tiles that would complete it."""

from collections.abc import Iterator
from itertools import product

from .groups import Group, is_complete, readings
from .tiles import COPIES, SUITS, Counts, suit_of, suits

Reading = tuple[Group, ...]


def wait_readings(counts: Counts) -> tuple[list[Reading], list[int]]:
    """The readings that each add a wait, and all waits in order; both empty when the hand waits for nothing.

    A reading covers the suits that are not yet melds: the others hold 3 n tiles and need nothing. A tile of which the
    hand holds all four copies is no wait.
    """
    kept: list[Reading] = []
    waits: set[int] = set()
    for reading in _readings(counts):
        new = {tile for tile in waits_of(reading) if counts[tile] < COPIES} - waits
        if new:
            kept.append(reading)
            waits |= new
    return kept, sorted(waits)


def waits_of(reading: Reading) -> list[int]:
    """What completes a reading: its open block or, where there is none, either of its two pairs."""
    opens = [group for group in reading if group[1] in ("side", "gap", "left")]
    if not opens:
        return [tile for tile, kind in reading if kind == "pair"]
    tile, kind = opens[0]
    start, end = SUITS[suit_of(tile)]
    return [t for t in {"side": (tile - 1, tile + 2), "gap": (tile + 1,), "left": (tile,)}[kind] if start <= t < end]


def _readings(counts: Counts) -> Iterator[Reading]:
    parts = list(suits(counts))
    sizes = [sum(part) % 3 for part in parts]
    if not all(is_complete(part) for part, size in zip(parts, sizes, strict=True) if size == 0):
        return
    ones, twos = [i for i in range(4) if sizes[i] == 1], [i for i in range(4) if sizes[i] == 2]
    if len(ones) == 1 and not twos:
        for pairs, opens in ((0, 1), (1, 1), (2, 0)):
            yield from _placed(parts, ones[0], pairs, opens)
    if len(twos) == 2 and not ones:
        first, second = twos
        for a, b in (((1, 0), (1, 0)), ((1, 0), (0, 1)), ((0, 1), (1, 0))):
            for left, right in product(_placed(parts, first, *a), _placed(parts, second, *b)):
                yield (*left, *right)


def _placed(parts: list[Counts], suit: int, pairs: int, opens: int) -> list[Reading]:
    start = SUITS[suit][0]
    return [tuple(Group(start + tile, kind) for tile, kind in found) for found in readings(parts[suit], pairs, opens)]
