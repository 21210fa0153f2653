"""What completions must get right, task by task; asks only the independent verifier and counts tiles."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby, starmap
from operator import sub

from . import discard_verdicts, judge, waits_verdicts
from .completions import AGAIN, AND, LEFT, NO, NONE, YES, Lines, Written, read_groups, settled
from .groups import Group, tiles_of
from .tiles import INDEX, TILES, Counts, count, suit_of, tiles_by_suit

_MELDS = 4
_CACHE = 1 << 17


def has_answer_form(task: str, answer: Sequence[str]) -> bool:
    """Whether the words after `=` are an answer at all, right or wrong."""
    if task == "win":
        return tuple(answer) in ((YES,), (NO,))
    named = all(word in INDEX for word in answer)
    return len(answer) == 1 and named if task == "discard" else bool(answer) and (named or tuple(answer) == (NONE,))


def answer_right(task: str, counts: Counts, answer: Sequence[str]) -> bool:
    """Whether the answer alone is right; any discard tied for best is, waits must be all of them in order."""
    if task == "win":
        return tuple(answer) == ((YES if judge.is_complete(counts) else NO),)
    if task == "waits":
        return list(answer) == ([TILES[tile] for tile in judge.waits(counts)] or [NONE])
    from . import reach

    return INDEX[answer[0]] in reach.best_discards(counts)


def is_decomposition(counts: Counts, lines: Lines | None) -> bool:
    """Whether the groups that stand in the end are four melds and a pair and use exactly the hand's tiles."""
    groups = settled(lines or ())
    kinds = [kind for _, kind in groups]
    return (
        kinds.count("pair") == 1
        and kinds.count("run") + kinds.count("set") == _MELDS == len(kinds) - 1
        and count(tiles_of(groups)) == counts
    )


def bears_out(task: str, counts: Counts, written: Written) -> bool:
    """Whether answer and rationale of a made example both hold."""
    if not (has_answer_form(task, written.answer) and answer_right(task, counts, written.answer)):
        return False
    if task == "waits":
        return waits_verdicts.search_holds(counts, written.rationale, written.answer)
    if task == "discard":
        return discard_verdicts.weighing_holds(counts, written.rationale, INDEX[written.answer[0]])
    lines = read_groups(written.rationale)
    return lines is not None and _win_holds(counts, written.rationale, lines, written.answer)


def _win_holds(counts: Counts, rationale: str, lines: Lines, answer: Sequence[str]) -> bool:
    """What is left over must be right at every step, every reading given up a dead end, and the last a proof of yes."""
    parts = tiles_by_suit(counts)
    read = [[(parts[suit], tuple(groups)) for suit, groups in groupby(line, _suit)] for line in lines]
    given_up = read if tuple(answer) == (NO,) else read[:-1]
    return (
        rationale == f" {AGAIN} ".join(f" {AND} ".join(starmap(_with_left_overs, line)) for line in read)
        and all(line and _is_dead_end(*line[-1]) for line in given_up)
        and is_decomposition(counts, lines) == (tuple(answer) == (YES,))
    )


def _suit(group: Group) -> int:
    return suit_of(group.tile)


@lru_cache(maxsize=_CACHE)
def _with_left_overs(part: tuple[int, ...], reading: tuple[Group, ...]) -> str:
    """A reading of one suit as it must be written: behind every group but a single tile, what is left over of the suit.

    Nothing where the suit does not hold the groups.
    """
    steps: list[str] = []
    left = list(part)
    for group in reading:
        tiles = tiles_of([group])
        if any(tiles.count(tile) > left.count(tile) for tile in tiles):
            return ""
        for tile in tiles:
            left.remove(tile)
        shown = [LEFT, *[TILES[tile] for tile in left]] if left and len(tiles) > 1 else []
        steps.append(" ".join([*[TILES[tile] for tile in tiles], *shown]))
    return f" {AND} ".join(steps)


@lru_cache(maxsize=_CACHE)
def _is_dead_end(part: tuple[int, ...], reading: tuple[Group, ...]) -> bool:
    """Whether a suit, without the pair that its reading sets apart, is no set of melds, and the reading ends so."""
    apart = count(tiles_of(group for group in reading if group.kind == "pair"))
    rest = tuple(map(sub, count(part), apart))
    return reading[-1].kind == "left" and not judge.is_only_melds(rest)
