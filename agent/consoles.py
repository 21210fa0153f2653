"""Consoles for what people read: as wide as the terminal, or where there is none as wide as the text itself."""

import os
import re
import sys
from typing import IO, Any, cast

from rich.console import Console

UNBROKEN = 1_000_000
"""Columns where the output is no terminal and COLUMNS says nothing: no line is broken, filled up, framed or cut short."""


class _Trimmed:
    """A stream that leaves out the spaces before a line's end: a file or a program has no use for a table's padding."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes what a console rendered, whole lines at a time."""
        return self._stream.write(re.sub(r" +(?=\n)", "", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def console(*, stderr: bool = False) -> Console:
    """Standard output or standard error; text in brackets is text, not style."""
    stream = sys.stderr if stderr else sys.stdout
    found = Console(file=stream, markup=False, emoji=False)
    if found.is_terminal:
        return found
    trimmed = Console(file=cast("IO[str]", _Trimmed(stream)), markup=False, emoji=False)
    if not os.environ.get("COLUMNS", "").isdigit():
        trimmed.width = UNBROKEN
    return trimmed


def is_unbroken(console: Console) -> bool:
    """Whether it has no width of its own to lay things out by."""
    return console.width >= UNBROKEN
