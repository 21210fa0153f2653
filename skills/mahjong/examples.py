"""Examples of the three tasks: made from a hand drawn backwards, or solved for a hand given."""

from collections.abc import Sequence
from random import Random

from ..protocol import Example
from .completions import NO, NONE, YES, write_groups
from .discard import aim, best_discards
from .groups import Group, is_whole, melds, tries
from .hands import discard_hand, is_standard, near_miss_pair, waiting_hand
from .tiles import SUITS, TILES, Counts, suits, with_change, write_prompt
from .waits import wait_readings


def make_win(rng: Random) -> Example:
    """A complete hand or its near miss, each half of the time."""
    complete, missed = near_miss_pair(rng)
    return _win(complete, YES) if rng.random() < 0.5 else _win(missed, NO)


def make_waits(rng: Random) -> Example:
    """A hand that waits for at least one tile."""
    return solve_waits(waiting_hand(rng))


def make_discard(rng: Random) -> Example:
    """A hand one or two tiles from complete."""
    return solve_discard(discard_hand(rng))


def solve_win(counts: Counts) -> Example:
    """Yes with a decomposition, or no with what was tried in the first suit that fails."""
    return _win(counts, YES if is_standard(counts) else NO)


def _win(counts: Counts, answer: str) -> Example:
    return Example(prompt=write_prompt("win", counts), rationale=write_groups(_trace(counts)), answer=answer)


def _trace(counts: Counts) -> list[tuple[Group, ...]]:
    """Suit by suit: its melds or, where a pair must be in it, each pair tried; ends at the first suit that fails."""
    lines: list[tuple[Group, ...]] = [()]
    for suit, (start, _) in zip(suits(counts), SUITS, strict=True):
        found = (melds(suit),) if sum(suit) % 3 != 2 else tries(suit)
        first, *more = [tuple(Group(start + tile, kind) for tile, kind in attempt) for attempt in found] or [
            _lowest(suit, start)
        ]
        lines[-1] += first
        lines += more
        if not is_whole(lines[-1]):
            break
    return lines


def _lowest(suit: Counts, start: int) -> tuple[Group, ...]:
    """What is written of a suit that needs a pair and holds none: its lowest tile is left."""
    return (Group(start + next(tile for tile, copies in enumerate(suit) if copies), "left"),)


def solve_waits(counts: Counts) -> Example:
    """The readings of the hand, then the tiles waited for."""
    readings, waits = wait_readings(counts)
    return Example(
        prompt=write_prompt("waits", counts), rationale=write_groups(readings), answer=_names(waits) if waits else NONE
    )


def solve_discard(counts: Counts) -> Example:
    """The complete hand to aim for, then the first of the best discards."""
    tile = best_discards(counts)[0]
    groups = aim(with_change(counts, tile, -1))
    return Example(prompt=write_prompt("discard", counts), rationale=write_groups([groups]), answer=TILES[tile])


def _names(tiles: Sequence[int]) -> str:
    return " ".join(TILES[tile] for tile in tiles)
