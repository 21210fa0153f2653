"""Text from outside as it may reach a terminal: no secrets, and nothing that moves the cursor or turns text around.

It does not tell characters that look alike apart.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from ..state.canonical import masked, secrets_from_environment

RecordT = TypeVar("RecordT", bound=BaseModel)

HARMLESS = frozenset("\n\t\u200c\u200d")
"""Line ends, tabs, and the joiners that Persian, Indic scripts and emoji are written with."""

UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories without a glyph of their own: controls, direction marks, half characters, other line ends."""


def printable(text: str) -> str:
    """The text with secrets masked and every unseen character written as Python writes it (`\\x1b`, `\\u202e`)."""
    return _seen(masked(text, secrets_from_environment()))


def printable_record(record: RecordT) -> RecordT:
    """The record with all its texts printable."""
    return type(record).model_validate(printable_value(record.model_dump()))


def printable_value(value: object) -> Any:
    """The value with all texts in it printable, keys too."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {
            printable_value(key): printable_value(item) for key, item in cast("Mapping[object, object]", value).items()
        }
    if isinstance(value, list | tuple):
        return type(value)(printable_value(item) for item in cast("list[object]", value))  # pyright: ignore[reportUnknownVariableType]
    return value


def _seen(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    unseen = unicodedata.category(character) in UNSEEN and character not in HARMLESS
    return character.encode("unicode_escape", "backslashreplace").decode() if unseen else character
