"""What completions must get right, task by task; asks only the independent verifier and counts tiles."""

from collections.abc import Sequence

from . import judge
from .completions import NO, NONE, YES, Lines, Written
from .groups import Group, tiles_of
from .tiles import COPIES, INDEX, TILES, Counts, count, suit_of, with_change

_MELDS = 4


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
    """Whether there is one line of groups, four melds and a pair, that uses exactly the hand's tiles."""
    if lines is None:
        return False
    kinds = [kind for _, kind in lines[0]]
    return (
        len(lines) == kinds.count("pair") == 1
        and kinds.count("run") + kinds.count("set") == _MELDS == len(kinds) - 1
        and count(tiles_of(lines[0])) == counts
    )


def bears_out(task: str, counts: Counts, written: Written) -> bool:
    """Whether answer and rationale of a made example both hold."""
    if not (has_answer_form(task, written.answer) and answer_right(task, counts, written.answer)):
        return False
    if written.lines is None:
        return False
    if task == "win":
        return _win_holds(counts, written.lines, written.answer)
    if task == "waits":
        return _waits_hold(counts, written.lines, written.answer)
    return _discard_holds(counts, written.lines, written.answer)


def _win_holds(counts: Counts, lines: Lines, answer: Sequence[str]) -> bool:
    """The groups must be the whole hand: four melds and a pair for yes, anything else for no."""
    whole = len(lines) == 1 and count(tiles_of(lines[0])) == counts
    return whole and is_decomposition(counts, lines) == (tuple(answer) == (YES,))


def _waits_hold(counts: Counts, lines: Lines, answer: Sequence[str]) -> bool:
    """Each reading must be whole suits of the hand, what closes it must complete them, and that must be the answer."""
    closing: set[int] = set()
    for line in lines:
        open_suits = {suit_of(tile) for tile, _ in line}
        part = tuple(copies if suit_of(tile) in open_suits else 0 for tile, copies in enumerate(counts))
        free = [tile for tile in _closing(line) if counts[tile] < COPIES]
        if count(tiles_of(line)) != part or not all(judge.is_complete(with_change(part, tile, 1)) for tile in free):
            return False
        closing.update(free)
    return tuple(answer) == (tuple(TILES[tile] for tile in sorted(closing)) or (NONE,))


def _closing(line: Sequence[Group]) -> list[int]:
    """The tiles that close the one open block of a reading, or that make a set of one of its two pairs."""
    around = {"side": (-1, 2), "gap": (1,), "left": (0,)}
    steps = [(tile, step) for tile, kind in line for step in around.get(kind, ())]
    pairs = [tile for tile, kind in line if kind == "pair"]
    near = [tile + step for tile, step in steps if 0 <= tile + step < len(TILES)]
    return [tile for tile in near if suit_of(tile) == suit_of(steps[0][0])] if steps else pairs


def _discard_holds(counts: Counts, lines: Lines, answer: Sequence[str]) -> bool:
    """The aim must be complete, nearest to the hand left after the discard, and without the tile discarded.

    `Shanten` is asked of the 14 tiles alone: no discard lowers it, and so an aim that lacks as few tiles is nearest.
    """
    from . import reach

    after, target = with_change(counts, INDEX[answer[0]], -1), count(tiles_of(lines[0]))
    lacking = sum(target) - sum(map(min, target, after))
    return (
        is_decomposition(target, lines)
        and max(target) <= COPIES
        and lacking == reach.lacking(after) == max(0, judge.shanten(counts)) + 1
    )
