"""Examples of the three tasks: made from a hand drawn backwards, or solved for a hand given."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from ..protocol import Example
from . import families, play
from .completions import NO, NONE, YES
from .discard import lacking
from .hands import discard_hand, is_seven_pairs, waiting_hand
from .search import written_search as win_search
from .tiles import HAND_SIZE, TILES, Counts, read_prompt, write_prompt
from .waits import written_search as waits_search
from .weighing import written_weighing

IN_PLAY_SHARE = {"waits": 0.1, "discard": 0.35}
"""Share of hands that are as in play and not made in reverse. One deal is one hand of *waits*, and fifteen of *discard*."""
IN_PLAY = "in play"
LONGEST = 320
"""Tokens: a hand of *waits* or *discard* whose rationale is longer (1 and 2 % of those made in reverse) is not made."""
_MANY_WAITS, _FAR = 4, 4
"""Strata from here on are one."""


def wins(rng: Random) -> Iterator[Example]:
    """Complete hands and ones that miss, each half of the time."""
    while True:
        family, hand = families.draw(rng)
        yield replace(solve_win(hand), family=family)


def waits(rng: Random) -> Iterator[Example]:
    """Hands that wait for at least one tile; the family says for how many, and whether a hand is as in play."""
    while True:
        in_play = rng.random() < IN_PLAY_SHARE["waits"]
        example = solve_waits(play.waiting_hand(rng) if in_play else waiting_hand(rng))
        if len(example.rationale.split()) <= LONGEST:
            yield replace(example, family=family_of("waits", example, in_play=in_play))


def discards(rng: Random) -> Iterator[Example]:
    """Hands some tiles from complete; the family says how many, and whether a hand is as in play."""
    hands_in_play = _hands_in_play(rng)
    while True:
        in_play = rng.random() < IN_PLAY_SHARE["discard"]
        example = solve_discard(next(hands_in_play) if in_play else discard_hand(rng))
        if len(example.rationale.split()) <= LONGEST:
            yield replace(example, family=family_of("discard", example, in_play=in_play))


def _hands_in_play(rng: Random) -> Iterator[Counts]:
    """Every hand to discard from, deal after deal: playing on costs what solving a hand costs."""
    while True:
        for hand in play.positions(rng):
            if sum(hand) == HAND_SIZE["discard"] and not is_seven_pairs(hand):
                yield hand


def family_of(task: str, example: Example, *, in_play: bool) -> str:
    """By what makes a hand hard: the number of tiles waited for, or the shanten that the best discard leaves."""
    if task == "waits":
        waiting_for = len(example.answer.split())
        many = f"{_MANY_WAITS} waits or more"
        stratum = many if waiting_for >= _MANY_WAITS else f"{waiting_for} wait{'s' * (waiting_for > 1)}"
    else:
        shanten = lacking(read_prompt(example.prompt)) - 1
        stratum = f"shanten {shanten}" if shanten < _FAR else f"shanten {_FAR} or more"
    return f"{stratum}, {IN_PLAY}" if in_play else stratum


def solve_win(counts: Counts) -> Example:
    """Yes with a decomposition, or no, and the search that found it or did not."""
    rationale, complete = win_search(counts)
    return Example(prompt=write_prompt("win", counts), rationale=rationale, answer=YES if complete else NO)


def solve_waits(counts: Counts) -> Example:
    """The search for what stands open, then the tiles waited for."""
    rationale, waits = waits_search(counts)
    return Example(prompt=write_prompt("waits", counts), rationale=rationale, answer=_names(waits) if waits else NONE)


def solve_discard(counts: Counts) -> Example:
    """What every discard gives up, then the first of the best."""
    rationale, tile = written_weighing(counts)
    return Example(prompt=write_prompt("discard", counts), rationale=rationale, answer=TILES[tile])


def _names(tiles: Sequence[int]) -> str:
    return " ".join(TILES[tile] for tile in tiles)
