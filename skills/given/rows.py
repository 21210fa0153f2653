"""Rows of a user's file or data set, each with its number, and what is wrong with those that are no rows.

Reads JSONL, JSON (a list), CSV, TSV and Parquet files, and what the package `datasets` loads: folders, and data sets by name
(these need a network or a cache), each as `NAME`, `NAME:SPLIT` or `NAME:CONFIG:SPLIT`.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ...state.errors import RequestError

MAX_BYTES = 2 * 2**30
"""assumption: more text than that is no data set for a small model, and would not fit in memory beside its training."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row; `fields` is what is wrong with it where it cannot be read."""

    number: int
    fields: Mapping[str, Any] | str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A file's rows in order, and what their numbers count: lines, items or rows."""

    name: str
    unit: str
    rows: list[Row]

    @property
    def columns(self) -> list[str]:
        """Every field that a row has, in the order they are met."""
        names: dict[str, None] = {}
        for row in self.rows:
            if not isinstance(row.fields, str):
                names.update(dict.fromkeys(row.fields))
        return list(names)


def read_table(name: str) -> Table:
    """The rows of a file, a folder or a data set. Raises RequestError where nothing of it can be read."""
    path = Path(name).expanduser()
    if path.is_file():
        readers: dict[str, tuple[str, Callable[[Path], Iterator[Row]]]] = {
            ".jsonl": ("line", _json_lines),
            ".ndjson": ("line", _json_lines),
            ".json": ("item", _json_list),
            ".csv": ("line", lambda file: _separated(file, ",")),
            ".tsv": ("line", lambda file: _separated(file, "\t")),
            ".parquet": ("row", _parquet),
        }
        if path.suffix.lower() not in readers:
            raise RequestError([f"{name}: a file of kind {path.suffix!r} is not read; valid: {', '.join(readers)}"])
        if path.stat().st_size > MAX_BYTES:
            raise RequestError([f"{name}: larger than {MAX_BYTES / 2**30:g} GiB"])
        unit, reader = readers[path.suffix.lower()]
        return Table(name=name, unit=unit, rows=_read(name, path, reader))
    return Table(name=name, unit="row", rows=_from_datasets(name))


def _read(name: str, path: Path, reader: Callable[[Path], Iterator[Row]]) -> list[Row]:
    try:
        rows = list(reader(path))
    except OSError as error:
        raise RequestError([f"{name}: cannot be opened: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise RequestError([f"{name}: no UTF-8 text ({error.reason}, byte {error.start}): save it as UTF-8"]) from error
    if not rows:
        raise RequestError([f"{name}: it holds no rows"])
    return rows


def _json_lines(path: Path) -> Iterator[Row]:
    # Not splitlines: a line of JSON may hold other characters that Unicode calls line ends.
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), 1):
        if line.strip():
            yield Row(number=number, fields=_object(line))


def _object(line: str) -> dict[str, Any] | str:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        return f"no JSON ({error.msg} at column {error.colno})"
    except (ValueError, RecursionError) as error:  # a number of too many digits, too many brackets
        return f"no JSON ({error})"
    return cast("dict[str, Any]", value) if isinstance(value, dict) else f"no JSON object but {type(value).__name__}"


def _json_list(path: Path) -> Iterator[Row]:
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise RequestError([f"{path}: no JSON ({error}); one object a line is a .jsonl file"]) from error
    if not isinstance(value, list):
        raise RequestError([f"{path}: a JSON file must hold a list of objects, not {type(value).__name__}"])
    for number, item in enumerate(value, 1):
        fields = item if isinstance(item, dict) else f"no object but {type(item).__name__}"
        yield Row(number=number, fields=cast("dict[str, Any] | str", fields))


def _separated(path: Path, separator: str) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, delimiter=separator, strict=True)
        try:
            header = [column.strip() for column in next(reader, [])]
            if len(set(header)) < len(header) or not all(header):
                raise RequestError([f"{path}: line 1: columns must have names, each another: {', '.join(header)}"])
            yield from _records(reader, header)
        except csv.Error as error:
            raise RequestError(
                [f"{path}: line {reader.line_num}: {error}; a quotation mark inside quotes is written twice"]
            ) from error


def _records(reader: Any, header: list[str]) -> Iterator[Row]:
    number = reader.line_num + 1
    for values in reader:
        if values:
            ragged = f"{len(values)} values where line 1 names {len(header)} columns"
            fields = dict(zip(header, values, strict=True)) if len(values) == len(header) else ragged
            yield Row(number=number, fields=fields)
        number = reader.line_num + 1  # a quoted value may hold line ends: a record is known by its first line


def _parquet(path: Path) -> Iterator[Row]:
    import duckdb

    try:
        with duckdb.connect() as database:
            found = database.execute("SELECT * FROM read_parquet(?)", [str(path)])
            names = [column[0] for column in found.description or ()]
            for number, values in enumerate(found.fetchall(), 1):
                yield Row(number=number, fields=dict(zip(names, values, strict=True)))
    except duckdb.Error as error:
        raise RequestError([f"{path}: no Parquet file ({str(error).splitlines()[0]})"]) from error


def is_of_a_hub(name: str) -> bool:
    """Whether a name is no file or folder here and may be a data set elsewhere."""
    where = name.partition(":")[0]
    return not Path(name).expanduser().is_file() and not Path(where).expanduser().is_dir() and _may_be_a_data_set(where)


def _from_datasets(name: str) -> list[Row]:
    where, *parts = name.split(":")
    folder = Path(where).expanduser()
    if not folder.is_dir() and not _may_be_a_data_set(where):
        raise RequestError([f"{name}: there is no such file or folder"])
    import datasets

    try:
        loaded = _loaded(datasets, where, folder, parts)
    except Exception as error:  # datasets and what lies under it raise whatever their loaders do
        raise RequestError(
            [f"{name}: `datasets` cannot load it: {type(error).__name__}: {str(error)[:300]}"]
        ) from error
    if hasattr(loaded, "keys"):
        raise RequestError(
            [f"{name}: it has the splits {', '.join(map(str, loaded))}: name one, as {name}:{next(iter(loaded))}"]
        )
    if not len(loaded):
        raise RequestError([f"{name}: it holds no rows"])
    return [Row(number=number, fields=dict(fields)) for number, fields in enumerate(loaded, 1)]


def _may_be_a_data_set(name: str) -> bool:
    """Whether it looks like `owner/name`: no suffix, no path of this machine."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and not Path(name).suffix


def _loaded(datasets: Any, where: str, folder: Path, parts: list[str]) -> Any:
    split = parts[-1] if parts else None
    if (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file():
        loaded = datasets.load_from_disk(str(folder))
        return loaded[split] if split else loaded
    return datasets.load_dataset(where, parts[0] if len(parts) > 1 else None, split=split)
