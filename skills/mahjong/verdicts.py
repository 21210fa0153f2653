"""What completions must get right, task by task; asks only the independent verifier and counts tiles."""

from collections.abc import Sequence

from . import judge
from .completions import NO, NONE, YES, Written
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
    return INDEX[answer[0]] in judge.best_discards(counts)


def kept_groups(lines: Sequence[Sequence[Group]]) -> list[Group]:
    """What stands at the end: each `/` takes back the groups written so far of the suit written last."""
    kept: list[Group] = []
    for line in lines:
        if kept:
            suit = suit_of(kept[-1][0])
            kept = [group for group in kept if suit_of(group[0]) != suit]
        kept += line
    return kept


def is_decomposition(counts: Counts, lines: Sequence[Sequence[Group]]) -> bool:
    """Whether the groups that stand are four melds and a pair and use exactly the hand's tiles."""
    groups = kept_groups(lines)
    kinds = [kind for _, kind in groups]
    return (
        kinds.count("pair") == 1
        and kinds.count("run") + kinds.count("set") == _MELDS == len(kinds) - 1
        and all(map(_is_on_the_table, groups))
        and count(tiles_of(groups)) == counts
    )


def _is_on_the_table(group: Group) -> bool:
    """Whether a group stays within one suit and is not a run of honours."""
    tile, kind = group
    last = tiles_of([group])[-1]
    return (
        last < len(TILES) and suit_of(last) == suit_of(tile) and (tile == last or suit_of(tile) < 3) and kind != "left"
    )


def bears_out(task: str, counts: Counts, written: Written) -> bool:
    """Whether answer and rationale of a made example both hold."""
    if not (has_answer_form(task, written.answer) and answer_right(task, counts, written.answer)):
        return False
    if task == "win":
        return _win_holds(counts, written)
    return _waits_hold(counts, written) if task == "waits" else _discard_holds(counts, written)


def _win_holds(counts: Counts, written: Written) -> bool:
    if written.answer == (YES,):
        return is_decomposition(counts, written.lines)
    last = kept_groups(written.lines)
    return bool(last) and last[-1][1] == "left" and _uses_only(counts, last)


def _uses_only(counts: Counts, groups: Sequence[Group]) -> bool:
    tiles = tiles_of(groups)
    return max(tiles) < len(TILES) and all(map(int.__le__, count(tiles), counts))


def _waits_hold(counts: Counts, written: Written) -> bool:
    """Each reading must lie in the hand, and become melds and a pair with a tile of the answer."""
    answer = [INDEX[word] for word in written.answer]
    for line in written.lines:
        open_suits = {suit_of(tile) for tile, _ in line}
        part = tuple(copies if suit_of(tile) in open_suits else 0 for tile, copies in enumerate(counts))
        if count(tiles_of(line)) != part or not any(judge.is_complete(with_change(part, tile, 1)) for tile in answer):
            return False
    return True


def _discard_holds(counts: Counts, written: Written) -> bool:
    """The aim must be complete, nearest to the hand left after the discard, and without the tile discarded."""
    after, groups = with_change(counts, INDEX[written.answer[0]], -1), written.lines[0]
    target = count(tiles_of(groups))
    lacking = sum(max(0, want - have) for want, have in zip(target, after, strict=True))
    return (
        is_decomposition(target, written.lines)
        and max(target) <= COPIES
        and lacking == judge.lacking(after) == judge.shanten(after) + 1 == judge.shanten(counts) + 1
    )
