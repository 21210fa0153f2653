"""What a search for waits must get right, step by step; asks only the independent verifier and counts tiles."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import add

from . import judge
from .completions import AGAIN, AND, LEFT, NONE, YES
from .tiles import COPIES, INDEX, SUITS, TILES, Counts, count, spread, suit_of, with_change

_Words = Sequence[str]
_CACHE = 1 << 17


def search_holds(counts: Counts, rationale: str, answer: _Words) -> bool:
    """Whether the hand stands in threes first, every line after that holds, and the waits found make the answer."""
    lines = rationale.split(f" {AGAIN} ")
    threes = _in_threes(counts)
    tried: list[list[str]] = [[] for _ in SUITS]
    for line in lines[len(threes) :]:
        tried[suit_of(INDEX.get(line[:2], 0))].append(line)
    parts = [_only(counts, suit) for suit in range(len(SUITS))]
    found = [_searched(part, tuple(lines)) for part, lines in zip(parts, tried, strict=True)]
    return (
        lines[: len(threes)] == threes
        and None not in found
        and list(answer) == ([TILES[tile] for tile in _together([one for one in found if one is not None])] or [NONE])
    )


@lru_cache(maxsize=_CACHE)
def _searched(part: Counts, lines: tuple[str, ...]) -> "_Suit | None":
    """What the lines of one suit find; None when one of them does not hold."""
    suit = _Suit(part)
    return suit if all(suit.holds([step.split() for step in line.split(f" {AND} ")]) for line in lines) else None


def _only(counts: Counts, suit: int) -> Counts:
    """The tiles of one suit, as a hand."""
    start, end = SUITS[suit]
    return tuple(copies if start <= tile < end else 0 for tile, copies in enumerate(counts))


def _in_threes(counts: Counts) -> list[str]:
    held = [[TILES[tile] for tile in spread(counts) if suit_of(tile) == suit] for suit in range(len(SUITS))]
    return [f" {AND} ".join(" ".join(names[at : at + 3]) for at in range(0, len(names), 3)) for names in held if names]


def _together(found: "list[_Suit]") -> list[int]:
    """The waits of the suits; of two that are open, those of one count when the other may be melds and the pair."""
    parts = [one for one in found if sum(one.tiles) % 3]
    if not all(judge.is_only_melds(one.tiles) for one in found if one not in parts) or len(parts) > 2:
        return []
    if len(parts) == 1:
        return sorted(parts[0].waits)
    return sorted({tile for one, other in (parts, parts[::-1]) for tile in one.waits if other.holds_pair})


@dataclass
class _Suit:
    """The tries of one suit: its tiles, what was set apart from so far, and what was found."""

    tiles: Counts
    known: list[Counts] = field(default_factory=list[Counts])
    waits: set[int] = field(default_factory=set[int])
    holds_pair: bool = False

    def holds(self, steps: Sequence[_Words]) -> bool:
        """Whether a line holds: what it sets apart, if anything, then its tries, one after another."""
        before = self.tiles
        if self._sets_apart(steps[0]):
            apart, before = _parted(steps[0])
            if _sum(apart, before) not in (self.tiles, *self.known):
                return False
            steps = steps[1:]
        self.known.append(before)
        opened: Counts | None = None
        tried = rest = before
        for step in steps:
            group, left = _parted(step)
            if step[0] == YES:
                right, opened = opened is not None and not any(rest) and self._finds(step[1:], opened), None
            elif opened is None:
                right, opened, tried, rest = _sum(group, left) == before, group, left, left
            elif sum(group) == 1:
                right, opened = group in map(_single, spread(rest)) and not judge.is_only_melds(tried), None
            else:
                right, rest = _sum(group, left) == rest and judge.is_only_melds(group), left
            if not right:
                return False
        return opened is None

    def _sets_apart(self, step: _Words) -> bool:
        """Melds are never tried as open, nor is a pair first where one tile of a suit is."""
        group, _ = _parted(step)
        return sum(group) == 3 or (sum(group) == 2 and max(group) == 2 and sum(self.tiles) % 3 == 1)

    def _finds(self, words: _Words, opened: Counts) -> bool:
        """Whether the tiles named complete the suit; a pair that may be the hand's own is named last."""
        tiles = [INDEX[word] for word in words]
        single = sum(self.tiles) % 3 == 1
        if not single and max(opened) == 2:
            if not tiles or opened[tiles.pop()] != 2 or not judge.is_complete(self.tiles):
                return False
            self.holds_pair = True
        self.waits.update(tiles)
        completes = judge.is_complete if single else judge.is_only_melds
        return all(self.tiles[tile] < COPIES and completes(with_change(self.tiles, tile, 1)) for tile in tiles)


def _parted(step: _Words) -> tuple[Counts, Counts]:
    """The tiles before and behind `|`."""
    before, _, behind = " ".join(step).partition(f" {LEFT} ")
    return count(INDEX[word] for word in before.split() if word != YES), count(INDEX[word] for word in behind.split())


def _sum(one: Counts, other: Counts) -> Counts:
    return tuple(map(add, one, other))


def _single(tile: int) -> Counts:
    return count([tile])
