"""A request under rewriting: the text the rules read, and for each of its letters the user's own words it came from."""

import re
import unicodedata
from collections.abc import Callable

UNREAD = "\ufffd"
"""Stands for a figure that was seen and not understood, such as "a few" or 三四百: it is always refused."""

_SEPARATORS = {"，": ", ", "、": ", ", "；": "; ", "。": ". ", "：": ": ", "’": "'", "⁄": "/", "–": "-", "—": " - "}


class Wording:
    """Starts as the request in NFKC (full-width letters and digits made plain); each `sub` remembers what it replaced."""

    def __init__(self, said: str) -> None:
        self.said, self.text = said, ""
        self._origin: list[tuple[int, int]] = []
        for at, letter in enumerate(said):
            plain = _plain(letter)
            self.text += plain
            self._origin += [(at, at + 1)] * len(plain)

    def sub(self, pattern: str, new: str | Callable[[re.Match[str]], str]) -> None:
        """Replaces as `re.sub` does, in any case of letters."""
        text, origin, since = "", list[tuple[int, int]](), 0
        for match in re.finditer(pattern, self.text, re.I):
            start, end = match.span()
            written = match.expand(new) if isinstance(new, str) else new(match)
            text += self.text[since:start] + written
            origin += self._origin[since:start] + [self._source(start, end)] * len(written)
            since = end
        self.text, self._origin = text + self.text[since:], origin + self._origin[since:]

    def words(self, start: int, end: int) -> str:
        """What the user wrote where the text now has this stretch."""
        begin, until = self._source(start, end)
        return self.said[begin:until]

    def _source(self, start: int, end: int) -> tuple[int, int]:
        if start == end:
            at = self._origin[start - 1][1] if start else 0
            return at, at
        return min(begin for begin, _ in self._origin[start:end]), max(until for _, until in self._origin[start:end])


def _plain(letter: str) -> str:
    if letter in _SEPARATORS:
        return _SEPARATORS[letter]
    kind = unicodedata.decomposition(letter).partition(">")[0]
    plain = unicodedata.normalize("NFKC", letter)
    if kind == "<fraction":
        return " " + plain.replace("⁄", "/")
    return "; " if kind == "<circle" else plain
