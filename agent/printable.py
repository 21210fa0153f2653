"""Text from outside as it may reach a terminal: no secrets, and nothing that moves the cursor or turns text around.

It does not tell characters that look alike apart.
"""

import unicodedata
from collections.abc import Collection, Mapping
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
    return printable_value(text)


def printable_record(record: RecordT) -> RecordT:
    """The record with all its texts printable."""
    return type(record).model_validate(printable_value(record.model_dump()))


def printable_value(value: object) -> Any:
    """The value with all texts in it printable, keys too."""
    return _clean(value, secrets_from_environment())


def _clean(value: object, secrets: Collection[str]) -> Any:
    if isinstance(value, str):
        return _seen(masked(value, secrets))
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {_clean(key, secrets): _clean(item, secrets) for key, item in items}
    if isinstance(value, list | tuple):
        items = [_clean(item, secrets) for item in cast("list[object]", value)]
        return items if isinstance(value, list) else tuple(items)
    return value


def _seen(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    unseen = unicodedata.category(character) in UNSEEN and character not in HARMLESS
    return character.encode("unicode_escape", "backslashreplace").decode() if unseen else character
