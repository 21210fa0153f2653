"""The form of a completion: groups, `/` where a line of thought is given up, then `=` and the answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .groups import SHAPES, Group, Kind
from .tiles import INDEX, TILES

AGAIN = "/"
ANSWER = "="
YES, NO, NONE = "yes", "no", "none"

_KINDS: dict[str, Kind] = {kind: kind for kind in SHAPES}


@dataclass(frozen=True, kw_only=True)
class Written:
    """A completion taken apart."""

    lines: tuple[tuple[Group, ...], ...]
    """The groups written, cut at each `/`; one empty line when there is no rationale."""
    answer: tuple[str, ...]


def write_groups(lines: Iterable[Sequence[Group]]) -> str:
    """Lines of groups as text, such as `1m set 4p pair / 5p run`."""
    return f" {AGAIN} ".join(" ".join(f"{TILES[tile]} {kind}" for tile, kind in line) for line in lines)


def write_completion(rationale: str, answer: str) -> str:
    """Rationale, `=`, answer."""
    return f"{rationale} {ANSWER} {answer}".strip()


def read_completion(text: str) -> Written | None:
    """The parts of a completion, or None when it is not exactly of the expected form."""
    before, mark, answer = f" {text} ".partition(f" {ANSWER} ")
    lines = read_groups(before.strip())
    if not mark or lines is None or text != text.strip() or "  " in text:
        return None
    return Written(lines=lines, answer=tuple(answer.split()))


def read_groups(rationale: str) -> tuple[tuple[Group, ...], ...] | None:
    """The lines of a rationale; an empty rationale is one empty line. None when a word is out of place."""
    if not rationale:
        return ((),)
    lines = [_read_line(line.split()) for line in f" {rationale} ".split(f" {AGAIN} ")]
    found = tuple(line for line in lines if line)
    return found if len(found) == len(lines) else None


def _read_line(words: list[str]) -> tuple[Group, ...] | None:
    tiles, kinds = words[::2], words[1::2]
    if (
        len(tiles) != len(kinds)
        or not all(tile in INDEX for tile in tiles)
        or not all(kind in _KINDS for kind in kinds)
    ):
        return None
    return tuple(Group(INDEX[tile], _KINDS[kind]) for tile, kind in zip(tiles, kinds, strict=True))
