"""What the journal's hashes stand on: one text per JSON value, secrets masked, and rows chained by their hashes.

Masking finds a secret and what an error quotes of one ("sk-ab***yz"). It does not find a secret that was encoded
(base64, URL, split over two strings) or that is a number.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Literal, TypeAlias, cast

from .errors import JournalError, Tampered

Json: TypeAlias = Any
"""A plain JSON value: dict with string keys, list, str, int, finite float, bool or None."""

Kind = Literal["run", "decision", "effect", "note", "outcome"]
"""run: the first row; decision: computed, so computed again on replay; effect: only recorded; outcome: the last row."""

GENESIS = "0" * 64
"""The hash before a run's first row."""

MASK = "***"
ABSENT = "(absent)"
SECRET_SUFFIXES = ("_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "_SECRET_ACCESS_KEY", "_SECRET_KEY")
MIN_SECRET_LENGTH = 8
"""assumption: shorter values are words or switches, and masking them would blot out ordinary text."""

MIN_QUOTED_LENGTH = 4
"""assumption: fewer characters of a secret tell nothing of it."""

_LEFT_OUT = ("**", "...", "…")
"""What stands in a quotation for what was left out of it; a text without any of these quotes nothing in part."""

_QUOTED_IN_PART = re.compile(r"([\w+/=-]*)(?:\*{2,}|\.{3,}|…)([\w+/=-]*)")
"""The beginning and end of something whose middle was left out."""


def canonical(value: object) -> str:
    """The one ASCII text of a plain JSON value: sorted keys, no spaces, shortest round-tripping floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def plain(value: object, where: str = "value") -> Json:
    """The value as JSON gives it back (tuples become lists); JournalError names the place of what JSON cannot hold."""
    try:
        return _plain(value, where)
    except RecursionError as error:
        raise JournalError(f"{where} is nested too deeply or contains itself: the journal holds JSON values") from error


def _plain(value: object, where: str) -> Json:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise JournalError(f"{where} is {float(value)!r}: the journal holds finite numbers only")
        return float(value)
    if isinstance(value, list | tuple):
        items = cast("list[object]", value)
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(items)]
    if isinstance(value, dict):
        return {
            _key(key, where): _plain(item, f"{where}.{key}")
            for key, item in cast("dict[object, object]", value).items()
        }
    raise JournalError(
        f"{where} is of type {type(value).__name__}: the journal holds dict, list, str, int, float, bool and None"
        " (a pydantic model: pass model_dump(mode='json'))"
    )


def _key(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise JournalError(f"{where} has the key {key!r}: JSON keys are strings")
    return str.__str__(key)


def odd_part(value: object) -> str | None:
    """What of a plain value is valid in Python and not between programs, or None: half a character (a lone surrogate), a
    number that is not finite or has more than 64 bits."""
    if isinstance(value, str):
        half = any("\ud800" <= character <= "\udfff" for character in value)
        return f"{value[:60]!r} holds half a character" if half else None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value!r} is no finite number"
    if isinstance(value, int):
        return None if abs(value) < 2**63 else f"a number of {value.bit_length()} bits is too large"
    if isinstance(value, dict):
        parts: list[object] = [part for item in cast("dict[object, object]", value).items() for part in item]
    else:
        parts = list(cast("list[object]", value)) if isinstance(value, list | tuple) else []
    return next((found for part in parts if (found := odd_part(part))), None)


def first_difference(recorded: Json, actual: Json, where: str = "") -> tuple[str, Json, Json] | None:
    """Path of the first place where two plain values differ, and both sides there; None when they are the same."""
    if isinstance(recorded, dict) and isinstance(actual, dict):
        left, right = cast("dict[str, Json]", recorded), cast("dict[str, Json]", actual)
        for key in sorted({*left, *right}):
            if key not in left or key not in right:
                return f"{where}.{key}", left.get(key, ABSENT), right.get(key, ABSENT)
            if found := first_difference(left[key], right[key], f"{where}.{key}"):
                return found
        return None
    if isinstance(recorded, list) and isinstance(actual, list):
        ours, theirs = cast("list[Json]", recorded), cast("list[Json]", actual)
        for index, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            if found := first_difference(one, other, f"{where}[{index}]"):
                return found
        return None if len(ours) == len(theirs) else (f"{where} length", len(ours), len(theirs))
    leaf = where, cast("Json", recorded), actual
    return None if canonical(leaf[1]) == canonical(leaf[2]) else leaf


def masked(value: Json, secrets: Collection[str]) -> Json:
    """The plain value with every occurrence of a secret, in strings and in keys, replaced by `***`."""
    secrets = [secret for secret in secrets if secret]
    return _masked(value, secrets) if secrets else value


def _masked(value: Json, secrets: Collection[str]) -> Json:
    if isinstance(value, str):
        return _masked_text(value, secrets)
    if isinstance(value, list):
        return [_masked(item, secrets) for item in cast("list[Json]", value)]
    if isinstance(value, dict):
        result: dict[str, Json] = {}
        for key, item in sorted(cast("dict[str, Json]", value).items()):
            name = _masked_text(key, secrets)
            while name in result:  # two secret keys must not swallow each other's values
                name += "*"
            result[name] = _masked(item, secrets)
        return result
    return value


def _masked_text(text: str, secrets: Collection[str]) -> str:
    """Overlapping occurrences are replaced as one, so that no tail of a secret stays behind."""
    if not any(found in text for found in (*_LEFT_OUT, *secrets)):
        return text
    spans: list[tuple[int, int]] = []
    for secret in secrets:
        start = text.find(secret)
        while start >= 0:
            spans.append((start, start + len(secret)))
            start = text.find(secret, start + 1)
    result, position = "", 0
    for start, end in sorted(spans):
        if start >= position:
            result += text[position:start] + MASK
        position = max(position, end)
    return _QUOTED_IN_PART.sub(lambda found: _unquoted(found, secrets), result + text[position:])


def _unquoted(found: re.Match[str], secrets: Collection[str]) -> str:
    """The text found, or the mask where it begins and ends as a secret does."""
    begins, ends = found.groups()
    told = len(begins) + len(ends) >= MIN_QUOTED_LENGTH
    return MASK if told and any(one.startswith(begins) and one.endswith(ends) for one in secrets) else found.group()


def is_secret_name(name: str) -> bool:
    """Whether an environment variable's name says that its value is secret."""
    return f"_{name.upper()}".endswith(SECRET_SUFFIXES)


def secrets_from_environment(environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Values, 8 characters or more, of the variables whose names say that they are secret (`*_API_KEY`, `*_TOKEN`)."""
    values = (value.strip() for name, value in environ.items() if is_secret_name(name))
    return frozenset(value for value in values if len(value) >= MIN_SECRET_LENGTH)


@dataclass(frozen=True)
class Row:
    """One row, its fields as the table's columns."""

    run_id: str
    seq: int
    kind: Kind
    name: str
    input_json: str
    output_json: str
    recorded_at: str
    seconds: float
    prev_hash: str
    hash: str

    @property
    def input(self) -> Json:
        """What the step was given."""
        return self._parsed(self.input_json)

    @property
    def output(self) -> Json:
        """What came out of the step."""
        return self._parsed(self.output_json)

    def derived_hash(self) -> str:
        """SHA-256, in hex, of all other columns; a JSON list keeps their borders and types apart."""
        return hashlib.sha256(json.dumps(astuple(self)[:-1], separators=(",", ":")).encode()).hexdigest()

    def _parsed(self, text: str) -> Json:
        try:
            return json.loads(text)
        except (ValueError, TypeError) as error:
            raise Tampered(f"row {self.seq} of run {self.run_id!r} holds no JSON: {error}") from error


def chain_problem(rows: Sequence[Row]) -> tuple[int, str] | None:
    """The first place where a run's rows, in order, are not what was written: (seq, what is wrong)."""
    previous = GENESIS
    for expected, row in enumerate(rows):
        if row.seq != expected:
            return expected, f"row {expected} is missing: the next one is row {row.seq}"
        if row.derived_hash() != row.hash:
            return expected, f"row {expected} ({row.name}) was changed: its hash does not fit its columns"
        if row.prev_hash != previous:
            return expected, f"row {expected} ({row.name}) does not follow the row before it"
        if (row.kind == "run") != (expected == 0):
            return expected, f"row {expected} is of kind {row.kind!r}: a run has one row 'run', its first"
        if row.kind == "outcome" and expected != len(rows) - 1:
            return expected + 1, f"row {expected + 1} comes after the outcome"
        previous = row.hash
    return None
