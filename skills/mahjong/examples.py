"""Examples of the three tasks: made from a hand drawn backwards, or solved for a hand given."""

from collections.abc import Sequence
from random import Random

from ..protocol import Example
from .completions import NO, NONE, YES, write_groups
from .discard import aim, best_discards
from .groups import Group, cover
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
    """Yes with a decomposition, or no with the groups and tiles left over that show why."""
    return _win(counts, YES if is_standard(counts) else NO)


def _win(counts: Counts, answer: str) -> Example:
    return Example(prompt=write_prompt("win", counts), rationale=write_groups([_split(counts)]), answer=answer)


def _split(counts: Counts) -> list[Group]:
    """Every suit's cover: a complete hand shows four melds and one pair, another shows what is over or missing."""
    return [
        Group(start + tile, kind)
        for suit, (start, _) in zip(suits(counts), SUITS, strict=True)
        for tile, kind in cover(suit)
    ]


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
