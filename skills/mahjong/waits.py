"""The search that *waits* is taught to write down: which tile, or which two, can stand open beside melds.

First every suit in threes, whose last ones tell what is open: one suit of 3 n + 1 tiles holds a single tile, or a pair and
another two; two suits of 3 n + 2 tiles hold one two each, of which one is the pair. Such suits are tried from their lowest tile
up; every try is one look at the tiles that the step before left over.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from .completions import AGAIN, AND, LEFT, YES, in_suit, write_steps
from .groups import Group, Kind, is_stuck, melds, take, tiles_of
from .tiles import COPIES, HONOURS_FROM, SUITS, TILES, Counts, spread, suits, with_change

_CACHE = 1 << 16
_SINGLE: tuple[Kind, ...] = ("left",)
_TWOS: tuple[Kind, ...] = ("pair", "side", "gap")
_MELDS: tuple[Kind, ...] = ("set", "run")
_CLOSED_BY: dict[Kind, tuple[int, ...]] = {"left": (0,), "pair": (0,), "side": (-1, 2), "gap": (1,)}
"""The tiles that close an open single tile or two, counted from its lowest."""


class _Searched(NamedTuple):
    """A suit's search as lines of text, the waits that it found, and whether it may be melds and a pair."""

    lines: tuple[str, ...]
    waits: frozenset[int]
    holds_pair: bool


def written_search(counts: Counts) -> tuple[str, list[int]]:
    """The search through 13 tiles as text, and the tiles waited for, in order.

    Suits of 3 n tiles are written in threes alone: where a hand waits, nothing in them is open.
    """
    searched = [_searched(part, start) for part, (start, _) in zip(suits(counts), SUITS, strict=True)]
    in_threes = [_in_threes(part, start) for part, (start, _) in zip(suits(counts), SUITS, strict=True) if any(part)]
    return f" {AGAIN} ".join([*in_threes, *(line for one in searched for line in one.lines)]), waits_of(counts)


@lru_cache(maxsize=_CACHE)
def waits_of(counts: Counts) -> list[int]:
    """The tiles waited for, in order; none where some suit of 3 n tiles is not melds."""
    parts = list(suits(counts))
    searched = [_searched(part, start) for part, (start, _) in zip(parts, SUITS, strict=True)]
    over = [sum(part) % 3 for part in parts]
    if any(is_stuck(melds(part)) for part, size in zip(parts, over, strict=True) if size == 0):
        return []
    open_suits = [one for one, size in zip(searched, over, strict=True) if size]
    if len(open_suits) == 1:
        return sorted(open_suits[0].waits)
    if len(open_suits) != 2:
        return []
    one, other = open_suits
    return sorted((one.waits if other.holds_pair else set[int]()) | (other.waits if one.holds_pair else set[int]()))


def _in_threes(suit: Counts, start: int) -> str:
    tiles = _names(spread(suit), start)
    return f" {AND} ".join(" ".join(tiles[at : at + 3]) for at in range(0, len(tiles), 3))


@lru_cache(maxsize=_CACHE)
def _searched(suit: Counts, start: int) -> _Searched:
    """The tries of a suit, whose tiles are numbered from `start`."""
    tried = _tried(suit)
    lines = [in_suit(line, start) for line in tried.lines]
    return _Searched(tuple(lines), frozenset([start + tile for tile in tried.waits]), tried.holds_pair)


@lru_cache(maxsize=_CACHE)
def _tried(suit: Counts) -> _Searched:
    """The tries of a suit as one of m, or as z, and the waits numbered from its first tile: none where it holds 3 n tiles.

    A line is what was set apart and what that left over, then every try from the lowest tile of these.
    """
    start = 0 if len(suit) == 9 else HONOURS_FROM
    lines, waits, holds_pair = list[str](), set[int](), False
    for pair, apart, rest in _stages(suit):
        steps = [_write_left([apart], rest, start)] if apart else []
        for opened, left in _tries(rest, pair, single=pair is None and sum(suit) % 3 == 1):
            read = melds(left)
            steps += [_write_left([opened], left, start), *([write_steps(read, left, start)] if read else [])]
            if is_stuck(read):
                continue
            may_be_pair = opened.kind == "pair" and pair is None
            closing = [tile for tile in _closing(opened, pair, len(suit)) if suit[tile] < COPIES]
            steps.append(" ".join([YES, *_names([*closing, *([opened.tile] if may_be_pair else [])], start)]))
            waits.update(closing)
            holds_pair = holds_pair or may_be_pair
        lines += [f" {AND} ".join(steps)] if steps else []
    return _Searched(tuple(lines), frozenset(waits), holds_pair)


def _stages(suit: Counts) -> Iterator[tuple[int | None, Group | None, Counts]]:
    """The pair that is settled, if any, what was set apart last, and the tiles left over to try from."""
    over = sum(suit) % 3
    if over:
        yield from ((None, apart, rest) for apart, rest in _melds_apart(None, suit))
    if over == 1:
        for tile, copies in enumerate(suit):
            rest = with_change(suit, tile, -2)
            if copies >= 2 and any(rest):
                yield from ((tile, apart, left) for apart, left in _melds_apart(Group(tile, "pair"), rest))


def _melds_apart(apart: Group | None, rest: Counts) -> Iterator[tuple[Group | None, Counts]]:
    """These tiles, then what every meld from their lowest tile leaves over, and so on."""
    yield apart, rest
    low = _lowest(rest)
    for kind in _MELDS:
        if (left := take(rest, low, kind)) is not None and any(left):
            yield from _melds_apart(Group(low, kind), left)


def _tries(rest: Counts, pair: int | None, *, single: bool) -> Iterator[tuple[Group, Counts]]:
    """What may stand open at the lowest tile, and the tiles that it leaves over; of two pairs the lower is settled first."""
    low = _lowest(rest)
    for kind in _SINGLE if single else _TWOS:
        if kind == "pair" and pair is not None and low <= pair:
            continue
        if (left := take(rest, low, kind)) is not None:
            yield Group(low, kind), left


def _closing(opened: Group, pair: int | None, width: int) -> list[int]:
    """The tiles that close what is open; of two pairs either may be the one that becomes a set."""
    closing = [opened.tile + step for step in _CLOSED_BY[opened.kind]]
    settled = [pair] if pair is not None and opened.kind == "pair" else []
    return [*settled, *(tile for tile in closing if 0 <= tile < width)]


def _lowest(suit: Counts) -> int:
    return next(tile for tile, copies in enumerate(suit) if copies)


def _write_left(groups: Sequence[Group], left: Counts, start: int) -> str:
    over = [LEFT, *_names(spread(left), start)] if any(left) else []
    return " ".join([*_names(tiles_of(groups), start), *over])


def _names(tiles: Iterable[int], start: int) -> list[str]:
    return [TILES[start + tile] for tile in tiles]
