"""Examples of the three tasks: made from a hand drawn backwards, or solved for a hand given."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from ..protocol import Example
from . import families
from .completions import NO, NONE, YES, write_groups
from .discard import aim, best_discards
from .hands import discard_hand, waiting_hand
from .search import written_search
from .tiles import TILES, Counts, with_change, write_prompt
from .waits import wait_readings


def make_win(rng: Random) -> Example:
    """A complete hand or one that misses, each half of the time."""
    family, hand = families.draw(rng)
    return replace(solve_win(hand), family=family)


def make_waits(rng: Random) -> Example:
    """A hand that waits for at least one tile."""
    return solve_waits(waiting_hand(rng))


def make_discard(rng: Random) -> Example:
    """A hand one or two tiles from complete."""
    return solve_discard(discard_hand(rng))


def solve_win(counts: Counts) -> Example:
    """Yes with a decomposition, or no, and the search that found it or did not."""
    rationale, complete = written_search(counts)
    return Example(prompt=write_prompt("win", counts), rationale=rationale, answer=YES if complete else NO)


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
