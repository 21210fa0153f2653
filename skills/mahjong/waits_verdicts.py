"""What a search for waits must get right, step by step; asks only the independent verifier and counts tiles."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from . import judge
from .completions import AGAIN, AND, LEFT, NONE, YES
from .tiles import COPIES, INDEX, SUITS, TILES, Counts, count, suit_of, tiles_by_suit

_CACHE = 1 << 17

_Tiles = list[int]
"""Tile numbers, sorted."""


def search_holds(counts: Counts, rationale: str, answer: Sequence[str]) -> bool:
    """Whether the hand stands in threes first, every line after that holds, and the waits found make the answer."""
    lines = rationale.split(f" {AGAIN} ")
    parts = tiles_by_suit(counts)
    threes = [_in_threes(part) for part in parts if part]
    tried: list[list[str]] = [[] for _ in SUITS]
    for line in lines[len(threes) :]:
        tried[suit_of(INDEX.get(line[:2], 0))].append(line)
    found = [_searched(part, tuple(lines)) for part, lines in zip(parts, tried, strict=True)]
    return (
        lines[: len(threes)] == threes
        and None not in found
        and list(answer) == ([TILES[tile] for tile in _together([one for one in found if one is not None])] or [NONE])
    )


@lru_cache(maxsize=_CACHE)
def _searched(part: tuple[int, ...], lines: tuple[str, ...]) -> "_Suit | None":
    """What the lines of one suit find; None when one of them does not hold."""
    suit = _Suit(list(part))
    return suit if all(suit.holds(line.split(f" {AND} ")) for line in lines) else None


@lru_cache(maxsize=_CACHE)
def _in_threes(part: tuple[int, ...]) -> str:
    names = [TILES[tile] for tile in part]
    return f" {AND} ".join(" ".join(names[at : at + 3]) for at in range(0, len(names), 3))


def _together(found: "list[_Suit]") -> list[int]:
    """The waits of the suits; of two that are open, those of one count when the other may be melds and the pair."""
    parts = [one for one in found if len(one.tiles) % 3]
    if not all(_are_only_melds(tuple(one.tiles)) for one in found if one not in parts) or len(parts) > 2:
        return []
    if len(parts) == 1:
        return sorted(parts[0].waits)
    return sorted({tile for one, other in (parts, parts[::-1]) for tile in one.waits if other.holds_pair})


@dataclass
class _Suit:
    """The tries of one suit: its tiles, what was set apart from so far, and what was found."""

    tiles: _Tiles
    known: list[_Tiles] = field(default_factory=list[_Tiles])
    waits: set[int] = field(default_factory=set[int])
    holds_pair: bool = False

    def holds(self, steps: Sequence[str]) -> bool:
        """Whether a line holds: what it sets apart, if anything, then its tries, one after another."""
        before = self.tiles
        apart, left = _parted(steps[0])
        if self._is_apart(apart):
            if sorted(apart + left) not in (self.tiles, *self.known):
                return False
            before, steps = left, steps[1:]
        self.known.append(before)
        opened: _Tiles = []
        tried = rest = before
        for step in steps:
            group, left = _parted(step)
            if step.startswith(YES):
                right, opened = bool(opened) and not rest and self._finds(group, opened), []
            elif not opened:
                right, opened, tried, rest = sorted(group + left) == before, group, left, left
            elif len(group) == 1:
                right, opened = group[0] in rest and not left and not _are_only_melds(tuple(tried)), []
            else:
                right, rest = sorted(group + left) == rest and _are_only_melds(tuple(group)), left
            if not right:
                return False
        return not opened

    def _is_apart(self, group: _Tiles) -> bool:
        """Melds are never tried as open, nor is a pair first where one tile of a suit is."""
        return len(group) == 3 or (len(group) == 2 and group[0] == group[1] and len(self.tiles) % 3 == 1)

    def _finds(self, tiles: _Tiles, opened: _Tiles) -> bool:
        """Whether the tiles named complete the suit; a pair that may be the hand's own is named last."""
        single = len(self.tiles) % 3 == 1
        if not single and len(set(opened)) == 1:
            if not tiles or tiles[-1] != opened[0] or not _are_complete(tuple(self.tiles)):
                return False
            tiles, self.holds_pair = tiles[:-1], True
        self.waits.update(tiles)
        completes = _are_complete if single else _are_only_melds
        return all(self.tiles.count(tile) < COPIES and completes(tuple(sorted([*self.tiles, tile]))) for tile in tiles)


def _parted(step: str) -> tuple[_Tiles, _Tiles]:
    """The tiles before and behind `|`."""
    before, _, behind = step.partition(f" {LEFT} ")
    return [INDEX[word] for word in before.split() if word != YES], [INDEX[word] for word in behind.split()]


@lru_cache(maxsize=_CACHE)
def _are_only_melds(tiles: tuple[int, ...]) -> bool:
    return judge.is_only_melds(count(tiles))


@lru_cache(maxsize=_CACHE)
def _are_complete(tiles: tuple[int, ...]) -> bool:
    return judge.is_complete(count(tiles))
