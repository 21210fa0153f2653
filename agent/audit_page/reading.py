"""Reads recorded JSON loosely: rows of older or newer versions, or of a damaged run, give what they have and None else."""

import json
import math
from typing import Any, cast

from ...state.canonical import Json

SHOWN_CHARACTERS = 6000
"""Of one step's input or output; a list of prices has 200,000, and `stratos show --json` prints all of it."""


def parsed(text: str) -> Json:
    """The JSON value, or None where the text holds none."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None


def at(value: Json, *path: str) -> Json:
    """What lies at the path of keys, or None."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = cast("dict[str, Any]", value).get(key)
    return value


def number(value: Json, *path: str) -> float | None:
    """The finite number at the path, or None."""
    found = at(value, *path)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        return float(found) if math.isfinite(found) else None
    except OverflowError:
        return None


def text(value: Json, *path: str) -> str:
    """The text at the path, or its JSON where it is something else; empty where there is nothing."""
    found = at(value, *path)
    if found is None:
        return ""
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def listed(value: Json, *path: str) -> list[Any]:
    """The list at the path, or an empty one."""
    found = at(value, *path)
    return cast("list[Any]", found) if isinstance(found, list) else []


def mapping(value: Json, *path: str) -> dict[str, Any]:
    """The object at the path, or an empty one."""
    found = at(value, *path)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def texts(value: Json, *path: str) -> tuple[str, ...]:
    """The list at the path, each item as text."""
    return tuple(text(item) for item in listed(value, *path))


def printed(recorded: str) -> str:
    """A row's text indented for people and cut where it is long; as it is where it is no JSON."""
    value = parsed(recorded)
    shown = recorded if value is None else json.dumps(value, indent=2, ensure_ascii=False)
    if len(shown) <= SHOWN_CHARACTERS:
        return shown
    return f"{shown[:SHOWN_CHARACTERS]}\n… {len(shown) - SHOWN_CHARACTERS:,} more characters: stratos show RUN --json"
