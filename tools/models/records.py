"""What the rows of a models file mean: facts, or everything wrong with the file in one report; nothing is half read."""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from ...state.errors import Correctable
from ...state.model_facts import Benchmark, ModelFacts, Score
from .rows import Row, Unreadable, read_rows
from .sizes import parse_size

BENCHMARKS: tuple[Benchmark, ...] = get_args(Benchmark)
REQUIRED = ("name", "kind", "roles", "family", "instruct", "licence", "source")
COLUMNS = tuple(column for column in ModelFacts.model_fields if column != "scores")
_SIZES = ("parameters", "active_parameters")
_LINE = re.compile(r"line (\d+)")
_YES_NO = {"yes": True, "true": True, "no": False, "false": False}


def read_models(path: Path, known: Mapping[str, ModelFacts]) -> dict[str, ModelFacts]:
    """The models of one file by name. A row of `name` and `path` alone says where a model of `known` lies on this machine.

    Raises Correctable with every problem of the file, by line; then nothing of it is used.
    """
    try:
        rows, problems = read_rows(path)
    except Unreadable as error:
        raise _unusable(path, error.problems) from error
    if columns := _column_problems(rows):
        raise _unusable(path, [*problems, *columns])
    models: dict[str, ModelFacts] = {}
    lines: dict[str, int] = {}
    for row in rows:
        name = row.cells.get("name", "")
        if not name:
            problems.append(f"line {row.line}: no name")
        elif name in lines:
            problems.append(f"line {row.line}: {name!r} is named a second time, first in line {lines[name]}")
        else:
            facts, wrong = _facts(row, known.get(name))
            problems += [f"line {row.line}, {name!r}: {problem}" for problem in wrong]
            if facts:
                models[name] = facts
        lines.setdefault(name, row.line)
    if not rows and not problems:
        problems.append("no model in it")
    if problems:
        raise _unusable(path, problems)
    return models


def read_scores(path: Path, names: Sequence[str]) -> dict[str, dict[Benchmark, Score]]:
    """The built-in scores by model. Raises Correctable for a model or benchmark that is not known, or a figure that is none."""
    scores: dict[str, dict[Benchmark, Score]] = {}
    known, problems = set(names), list[str]()
    with path.open(encoding="utf-8", newline="") as lines:
        for line, row in enumerate(csv.DictReader(lines), start=2):
            model, benchmark = row.pop("model"), row.pop("benchmark")
            if model not in known or benchmark not in BENCHMARKS or benchmark in scores.get(model, {}):
                problems.append(f"line {line}: {model!r}, {benchmark!r} is not known or there twice")
                continue
            try:
                scores.setdefault(model, {})[benchmark] = Score.model_validate(row)
            except ValidationError as error:
                problems += [f"line {line}: {problem}" for problem in _words(error, row)]
    if problems:
        raise _unusable(path, problems)
    return scores


def _unusable(path: Path, problems: Sequence[str]) -> Correctable:
    in_order = sorted(problems, key=lambda problem: int(found[1]) if (found := _LINE.match(problem)) else 0)
    return Correctable("\n  - ".join([f"{path} cannot be used, and nothing of it was:", *in_order]))


def _column_problems(rows: Sequence[Row]) -> list[str]:
    """Columns that are missing from every row, or that no model has."""
    given = Counter(column for row in rows for column in row.cells)
    problems: list[str] = []
    if unknown := [column for column in given if column not in (*COLUMNS, *BENCHMARKS)]:
        problems.append(
            f"unknown columns: {', '.join(map(repr, unknown))}; valid: {', '.join((*COLUMNS, *BENCHMARKS))}"
        )
    missing = [column for column in REQUIRED if column not in given]
    if rows and missing and not set(given) <= {"name", "path"}:
        problems.append(f"missing columns: {', '.join(missing)}")
    return problems


def _facts(row: Row, known: ModelFacts | None) -> tuple[ModelFacts | None, list[str]]:
    given = {column: cell for column, cell in row.cells.items() if cell}
    if set(given) == {"name", "path"}:
        if known is None:
            return None, [f"the catalogue has no such model; beside name and path it needs {', '.join(REQUIRED[1:])}"]
        return known.model_copy(update={"path": given["path"]}), []
    values, problems = _values(given)
    values["scores"] = _scores(row, given)
    try:
        facts = ModelFacts.model_validate(values)
    except ValidationError as error:
        told = [problem for problem in _words(error, values) if not problem.startswith(tuple(_stated(problems)))]
        return None, problems + told
    return facts, problems + _contradictions(facts)


def _stated(problems: Sequence[str]) -> list[str]:
    return [problem.split(":")[0] for problem in problems] or ["\0"]


def _values(given: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Cells as values: roles apart, yes and no, sizes such as 0.5B. What is none stays text for the model to refuse."""
    values: dict[str, Any] = {column: cell for column, cell in given.items() if column not in BENCHMARKS}
    problems: list[str] = []
    if "roles" in values:
        values["roles"] = tuple(values["roles"].replace(",", " ").replace(";", " ").split())
    for column in ("instruct", "tied_embeddings"):
        if column in values:
            values[column] = _YES_NO.get(values[column].lower(), values[column])
    for column in _SIZES:
        if column in values and not values[column].startswith("-"):
            try:
                values[column] = parse_size(values[column])
            except Correctable as error:
                problems.append(f"{column}: {error}")
    return values, problems


def _scores(row: Row, given: Mapping[str, str]) -> dict[str, Any]:
    """Nested scores, or columns named like benchmarks, whose source is the row's."""
    columns = {name: {"value": given[name], "source": given.get("source", "")} for name in BENCHMARKS if name in given}
    return {**columns, **row.scores}


def _words(error: ValidationError, values: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for problem in error.errors(include_url=False):
        where = ".".join(part for part in problem["loc"] if isinstance(part, str))
        missing = problem["type"] == "missing"
        words.append(f"{where}: missing" if missing else f"{where}: {problem['input']!r}: {problem['msg']}")
    return words


def _contradictions(facts: ModelFacts) -> list[str]:
    """What cannot be true at once."""
    problems: list[str] = []
    if facts.heads and facts.kv_heads and facts.heads % facts.kv_heads:
        problems.append(f"heads: {facts.heads} query heads do not share {facts.kv_heads} key-value heads evenly")
    if facts.parameters and facts.active_parameters and facts.active_parameters > facts.parameters:
        problems.append(f"active_parameters: {facts.active_parameters} of {facts.parameters} cannot be")
    if facts.kind == "api" and None in (facts.usd_per_million_input, facts.usd_per_million_output):
        problems.append("usd_per_million_input, usd_per_million_output: a model behind an API needs both")
    return problems
