"""What completions must get right, task by task; asks only the independent verifier and counts tiles."""

from collections.abc import Sequence

from . import judge
from .completions import AGAIN, AND, LEFT, NO, NONE, YES, Lines, Written, settled
from .groups import Group, tiles_of
from .tiles import COPIES, INDEX, TILES, Counts, count, spread, suit_of, with_change

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
    """Whether the groups that stand in the end are four melds and a pair and use exactly the hand's tiles."""
    groups = settled(lines or ())
    kinds = [kind for _, kind in groups]
    return (
        kinds.count("pair") == 1
        and kinds.count("run") + kinds.count("set") == _MELDS == len(kinds) - 1
        and count(tiles_of(groups)) == counts
    )


def bears_out(task: str, counts: Counts, rationale: str, written: Written) -> bool:
    """Whether answer and rationale of a made example both hold."""
    if not (has_answer_form(task, written.answer) and answer_right(task, counts, written.answer)):
        return False
    if written.lines is None:
        return False
    if task == "win":
        return _win_holds(counts, rationale, written.lines, written.answer)
    if task == "waits":
        return _waits_hold(counts, written.lines, written.answer)
    return _discard_holds(counts, written.lines, written.answer)


def _win_holds(counts: Counts, rationale: str, lines: Lines, answer: Sequence[str]) -> bool:
    """What is left over must be right at every step, every reading given up a dead end, and the last a proof of yes."""
    given_up = lines if tuple(answer) == (NO,) else lines[:-1]
    return (
        rationale == _with_left_overs(counts, lines)
        and all(_is_dead_end(counts, line) for line in given_up)
        and is_decomposition(counts, lines) == (tuple(answer) == (YES,))
    )


def _with_left_overs(counts: Counts, lines: Lines) -> str:
    """The lines as they must be written: behind every group but a single tile, what is left over of its suit."""
    written: list[str] = []
    for line in lines:
        steps: list[str] = []
        left: list[int] = []
        for number, group in enumerate(line):
            tiles = tiles_of([group])
            if number == 0 or suit_of(group.tile) != suit_of(line[number - 1].tile):
                left = [tile for tile in spread(counts) if suit_of(tile) == suit_of(group.tile)]
            left = spread([have - used for have, used in zip(count(left), count(tiles), strict=True)])
            shown = f" {LEFT} " + " ".join(TILES[tile] for tile in left) if left and len(tiles) > 1 else ""
            steps.append(" ".join(TILES[tile] for tile in tiles) + shown)
        written.append(f" {AND} ".join(steps))
    return f" {AGAIN} ".join(written)


def _is_dead_end(counts: Counts, line: Sequence[Group]) -> bool:
    """Whether the last suit of a line, without the pair set apart in it, is no set of melds, and the line ends so."""
    suit = suit_of(line[-1].tile)
    rest = [copies if suit_of(tile) == suit else 0 for tile, copies in enumerate(counts)]
    for tile, kind in line:
        if kind == "pair" and suit_of(tile) == suit:
            rest[tile] -= 2
    return line[-1].kind == "left" and not judge.is_only_melds(tuple(rest))


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
