"""Rows of a models file, CSV, YAML or JSON, each with its line; what a row means is decided in `records`."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, cast

SUFFIXES = (".csv", ".yaml", ".yml", ".json")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One entry of a file: its cells as text, nested scores where the format has them."""

    line: int
    cells: Mapping[str, str]
    scores: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Unreadable(Exception):
    """The file holds no rows at all; `problems` says why, with lines."""

    def __init__(self, *problems: str) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(problems))


def read_rows(path: Path) -> tuple[list[Row], list[str]]:
    """The rows of a file and what is wrong with single ones. Raises Unreadable when there are none to be had."""
    text = _text(path)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _csv_rows(text)
    if suffix in (".yaml", ".yml"):
        return _entries(_yaml_entries(text))
    if suffix == ".json":
        return _entries(_json_entries(text))
    raise Unreadable(f"a models file ends in {', '.join(SUFFIXES)}, this one in {suffix!r}")


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"it cannot be read: {error.strerror or error}") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"line {line}: byte {raw[error.start]:#04x} is not UTF-8; save the file as UTF-8") from error


def _csv_rows(text: str) -> tuple[list[Row], list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    problems: list[str] = []
    try:
        header = [column.strip() for column in next(reader, list[str]())]
        if len(header) == 1 and ";" in header[0]:
            raise Unreadable("line 1: its columns are separated by ';'; commas are valid")
        if repeated := sorted({column for column in header if header.count(column) > 1}):
            raise Unreadable(f"line 1: columns named twice: {', '.join(map(repr, repeated))}")
        line = reader.line_num + 1
        for cells in reader:
            if len(cells) > len(header):
                problems.append(f"line {line}: {len(cells)} cells under {len(header)} columns")
            elif any(cell.strip() for cell in cells):
                padded = [cell.strip() for cell in cells] + [""] * (len(header) - len(cells))
                rows.append(Row(line=line, cells=dict(zip(header, padded, strict=True))))
            line = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(f"line {reader.line_num}: {error}") from error
    return rows, problems


def _entries(entries: Iterator[tuple[int, Any]]) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    problems: list[str] = []
    for line, entry in entries:
        if not isinstance(entry, dict):
            problems.append(f"line {line}: an entry is a mapping of columns to values, not {type(entry).__name__}")
            continue
        given = cast("dict[Any, Any]", entry)
        scores: object = given.pop("scores", None) or dict[str, Any]()
        if not isinstance(scores, dict):
            problems.append(f"line {line}: 'scores' is a mapping of benchmarks, not {type(scores).__name__}")
            continue
        cells = {str(column): _cell(value) for column, value in given.items()}
        rows.append(Row(line=line, cells=cells, scores=cast("dict[str, Any]", scores)))
    return rows, problems


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, date):  # YAML reads 2025-04-28 as one
        return value.isoformat()
    if isinstance(value, list):
        return " ".join(str(part) for part in cast("list[object]", value))
    return str(value)


def _yaml_entries(text: str) -> Iterator[tuple[int, Any]]:
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if not isinstance(node, yaml.SequenceNode):
                raise Unreadable("line 1: it is no list of models, '- name: ...'")
            yield from [(item.start_mark.line + 1, _constructed(loader, item)) for item in node.value]
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Unreadable(f"line {line}: {error.problem}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:  # ValueError: a date that is none
        raise Unreadable(f"it is no YAML: {error}") from error


def _constructed(loader: Any, node: object) -> object:
    """A node's value; `Any` because the loader's own method is untyped."""
    return loader.construct_document(node)


def _json_entries(text: str) -> Iterator[tuple[int, Any]]:
    try:
        if not isinstance(json.loads(text), list):
            raise Unreadable("line 1: it is no list of models, [{...}]")
    except json.JSONDecodeError as error:
        raise Unreadable(f"line {error.lineno}: {error.msg}") from error
    except RecursionError as error:
        raise Unreadable("it is nested too deeply") from error
    decoder, at = json.JSONDecoder(), text.index("[") + 1
    while (at := _skip(text, at)) < len(text) and text[at] != "]":
        entry, end = decoder.raw_decode(text, at)
        yield text.count("\n", 0, at) + 1, entry
        at = end


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at
