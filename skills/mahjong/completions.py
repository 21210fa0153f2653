"""The form of a completion: steps, `,` and `/` between them, then `=` and the answer.

A step is a group's tiles, and behind `|` the tiles left over. In *win* `/` begins the suit again; in *waits* and *discard* it begins
another line, and `yes` stands before tiles found.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .groups import SHAPES, Group, Kind, tiles_of
from .tiles import HONOURS_FROM, INDEX, TILES, Counts, spread, suit_of

AND = ","
AGAIN = "/"
LEFT = "|"
ANSWER = "="
YES, NO, NONE = "yes", "no", "none"

_KINDS: dict[tuple[int, ...], Kind] = {shape: kind for kind, shape in SHAPES.items()}

Lines = tuple[tuple[Group, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Written:
    """A completion taken apart."""

    rationale: str
    answer: tuple[str, ...]


def write_steps(groups: Iterable[Group], suit: Counts, start: int) -> str:
    """One reading of a suit, whose tiles are numbered from `start`: each group and what it leaves over.

    A single tile ends a reading, so what else it leaves does not matter.
    """
    rest, steps = spread(suit), list[str]()
    for group in groups:
        tiles = tiles_of([group])
        for tile in tiles:
            rest.remove(tile)
        over = rest if len(tiles) > 1 else []
        steps.append(" ".join([*_names(tiles, start), *([LEFT, *_names(over, start)] if over else [])]))
    return f" {AND} ".join(steps)


def _names(tiles: Iterable[int], start: int) -> list[str]:
    return [TILES[start + tile] for tile in tiles]


def in_suit(text: str, start: int) -> str:
    """Text about tiles of m, or of z, as it is of the suit that begins at `start`."""
    return text if start in (0, HONOURS_FROM) else text.replace(TILES[0][1], TILES[start][1])


def write_completion(rationale: str, answer: str) -> str:
    """Rationale, `=`, answer."""
    return f"{rationale} {ANSWER} {answer}".strip()


def read_completion(text: str) -> Written | None:
    """The parts of a completion; None when it has not exactly one `=` between words parted by single spaces."""
    before, mark, answer = f" {text} ".partition(f" {ANSWER} ")
    if not mark or text != " ".join(text.split()) or ANSWER in answer.split():
        return None
    return Written(rationale=before.strip(), answer=tuple(answer.split()))


def read_groups(rationale: str) -> Lines | None:
    """The lines of a rationale; an empty rationale is one empty line. None when a word is out of place."""
    if not rationale:
        return ((),)
    lines: list[tuple[Group, ...]] = []
    for line in f" {rationale} ".split(f" {AGAIN} "):
        groups = [_read_group(step.partition(f" {LEFT} ")[0]) for step in f" {line} ".split(f" {AND} ")]
        found = tuple(group for group in groups if group)
        if len(found) != len(groups):
            return None
        lines.append(found)
    return tuple(lines)


def has_steps_form(rationale: str) -> bool:
    """Whether a rationale of *waits* or *discard* is steps: tiles, behind `|` those left over; or `yes` or `no` and tiles."""
    steps = f" {rationale} ".replace(f" {AGAIN} ", f" {AND} ").split(f" {AND} ")
    return not rationale or all(map(_is_step, map(str.split, steps)))


def _is_step(words: Sequence[str]) -> bool:
    tiles = words[1:] if words and words[0] in (YES, NO) else words
    return bool(words) and words[-1] != LEFT and tiles.count(LEFT) <= 1 and all(w in INDEX or w == LEFT for w in tiles)


def settled(lines: Lines) -> tuple[Group, ...]:
    """The groups of *win* that stand in the end: each `/` takes back those of the suit read last."""
    kept: list[Group] = []
    for number, line in enumerate(lines):
        again = suit_of(kept[-1].tile) if number and kept else None
        while kept and suit_of(kept[-1].tile) == again:
            kept.pop()
        kept += line
    return tuple(kept)


@lru_cache(maxsize=1 << 12)
def _read_group(text: str) -> Group | None:
    """The group that some tiles are: of one suit, in order, and no row of honours."""
    words = text.split()
    if not words or not all(word in INDEX for word in words):
        return None
    tiles = [INDEX[word] for word in words]
    kind = _KINDS.get(tuple(tile - tiles[0] for tile in tiles))
    in_suit = suit_of(tiles[-1]) == suit_of(tiles[0])
    alike = tiles[-1] == tiles[0]
    return Group(tiles[0], kind) if kind and in_suit and (alike or tiles[0] < HONOURS_FROM) else None
