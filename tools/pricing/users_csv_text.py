"""What can be wrong with a CSV file before its values are read: encoding, emptiness, columns; and the lines its records are on."""

import codecs
import csv
import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 1 << 20
SHOWN_LINES = 20
"""Line numbers told of each kind of problem; the others are counted."""

MARKS = {
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
}


class TextProblem(Exception):
    """The text cannot be read as a table at all."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(problems))


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """A file's columns, how many line ends it has, and what is wrong with its header."""

    columns: tuple[str, ...]
    line_ends: int
    problems: tuple[str, ...]


def scan(path: Path, *, needed: Sequence[str], optional: Sequence[str]) -> Scanned:
    """Reads the bytes once. Raises TextProblem for what no further check can be made of."""
    try:
        line_ends = _check_encoding(path)
        columns = _header(path)
    except OSError as error:
        raise TextProblem([f"cannot be read: {error.strerror}"]) from error
    except csv.Error as error:
        raise TextProblem([f"line 1: {error}"]) from error
    problems = _header_problems(columns, needed, optional)
    if len(set(columns)) < len(columns):
        raise TextProblem(problems)
    return Scanned(columns=columns, line_ends=line_ends, problems=tuple(problems))


def _check_encoding(path: Path) -> int:
    """The number of line ends. Raises TextProblem naming the line of the first byte that is not UTF-8."""
    decoder, line_ends, size, pending = codecs.getincrementaldecoder("utf-8")(), 0, 0, b""
    last = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            if size == 0 and (mark := next((name for bom, name in MARKS.items() if chunk.startswith(bom)), None)):
                raise TextProblem([f"line 1: it is {mark}, not UTF-8: save it as UTF-8"])
            if (nul := chunk.find(b"\0")) >= 0:
                line = 1 + line_ends + chunk[:nul].count(b"\n")
                raise TextProblem([f"line {line}: a zero byte: it is UTF-16 or no text; save it as UTF-8"])
            pending = decoder.getstate()[0]
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                before = (pending + chunk)[: error.start]
                wrong = (pending + chunk)[error.start]
                raise TextProblem([_not_utf8(1 + line_ends + before.count(b"\n"), wrong)]) from error
            line_ends += chunk.count(b"\n")
            size += len(chunk)
            last = chunk
    if pending_end := decoder.getstate()[0]:
        raise TextProblem([_not_utf8(1 + line_ends, pending_end[0])])
    if size == 0:
        raise TextProblem(["it is empty"])
    return line_ends + (not last.endswith(b"\n"))


def _not_utf8(line: int, byte: int) -> str:
    return f"line {line}: byte 0x{byte:02x} ({bytes([byte]).decode('latin-1')!r} in Latin-1) is not UTF-8: save it as UTF-8"


def _header(path: Path) -> tuple[str, ...]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return tuple(column.strip() for column in next(csv.reader(lines, strict=True), list[str]()))


def _header_problems(columns: Sequence[str], needed: Sequence[str], optional: Sequence[str]) -> list[str]:
    valid = f"needed: {', '.join(needed)}; optional: {', '.join(optional)}"
    problems: list[str] = []
    if len(columns) == 1 and (other := next((mark for mark in ";\t|" if mark in columns[0]), None)):
        problems.append(f"line 1: its values are separated by {other!r}: separate them by ','")
    if missing := [column for column in needed if column not in columns]:
        problems.append(f"line 1: missing columns {', '.join(missing)} ({valid})")
    unknown = [column for column in columns if column not in (*needed, *optional)]
    if unknown:
        named = [f"{column!r}{_nearest(column, (*needed, *optional))}" for column in unknown]
        problems.append(f"line 1: unknown columns {', '.join(named)} ({valid})")
    if twice := sorted({column for column in columns if list(columns).count(column) > 1}):
        problems.append(f"line 1: columns named twice: {', '.join(twice)}")
    return problems


def _nearest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (nearest: {close[0]})" if close else ""


@dataclass(frozen=True, kw_only=True)
class Ragged:
    """A line with another number of values than the header."""

    line: int
    values: int


def records(path: Path, columns: int) -> Iterator[int | Ragged]:
    """The line each sound record begins on, and every line that is not; empty lines are no records. Memory stays bounded.

    Raises TextProblem for a quotation mark that is never closed.
    """
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, strict=True)
        begins = 1
        try:
            for number, row in enumerate(reader):
                if number and row:
                    yield begins if len(row) == columns else Ragged(line=begins, values=len(row))
                begins = reader.line_num + 1
        except csv.Error as error:
            raise TextProblem([f"line {begins}: {error} (a quotation mark that is not closed?)"]) from error


def told_lines(lines: Iterable[int], count: int) -> str:
    """Line numbers in words: the first ones, and how many there are in all."""
    shown = sorted(lines)[:SHOWN_LINES]
    listed = ", ".join(map(str, shown))
    if count == 1:
        return f"line {listed}"
    return f"lines {listed}" + (f", ... ({count:,} lines)" if count > len(shown) else "")
