"""What completions must get right, task by task; asks only the independent verifier and counts tiles."""

from collections.abc import Sequence

from . import discard_verdicts, judge, waits_verdicts
from .completions import AGAIN, AND, LEFT, NO, NONE, YES, Lines, Written, read_groups, settled
from .groups import Group, tiles_of
from .tiles import INDEX, TILES, Counts, count, spread, suit_of

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
