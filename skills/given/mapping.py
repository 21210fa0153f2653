"""From a table's rows to questions and answers: which column is which, and every row that cannot be used."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...state.brief import DataSource
from ...state.errors import RequestError
from ..protocol import SPECIAL_TOKENS, Example
from .form import ANSWER_COLUMNS, QUESTION_COLUMNS, RATIONALE_COLUMNS, Form
from .rows import Table

PROBLEMS_SHOWN = 20
MAX_CHARACTERS = 20_000
"""assumption: a longer question or answer is a document, which no student here could read."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where things stand in one file."""

    question: str
    answer: str
    rationale: str | None


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """What a file gave: examples in its order, and one line for each row that gave none."""

    columns: Columns
    examples: list[Example]
    problems: list[str]


def columns_of(table: Table, source: DataSource) -> Columns:
    """The columns that the brief names, else those of the usual names. Raises RequestError listing what there is."""
    there = table.columns
    named = {"question": source.question, "answer": source.answer, "rationale": source.rationale}
    usual = {"question": QUESTION_COLUMNS, "answer": ANSWER_COLUMNS, "rationale": RATIONALE_COLUMNS}
    lowered = {column.lower(): column for column in there}
    problems: list[str] = []
    found: dict[str, str | None] = {}
    for what, name in named.items():
        found[what] = name or next((lowered[usual_name] for usual_name in usual[what] if usual_name in lowered), None)
        if name is not None and name not in there:
            problems.append(f"{table.name}: data.{what}: there is no column {name!r}; valid: {', '.join(there)}")
        elif found[what] is None and what != "rationale":
            problems.append(
                f"{table.name}: no column is called as {what}s usually are ({', '.join(usual[what])}): "
                f"name it under data.{what}; valid: {', '.join(there) or 'none'}"
            )
    if not problems and found["question"] == found["answer"]:
        problems.append(f"{table.name}: question and answer are the same column {found['question']!r}")
    if problems:
        raise RequestError(problems)
    return Columns(question=found["question"] or "", answer=found["answer"] or "", rationale=found["rationale"])


def mapped(table: Table, source: DataSource, form: Form) -> Mapped:
    """Every usable row as an example, and what is wrong with the others. Raises RequestError as `columns_of` does."""
    columns = columns_of(table, source)
    examples: list[Example] = []
    problems: list[str] = []
    for row in table.rows:
        where = f"{table.name}: {table.unit} {row.number}"
        if isinstance(row.fields, str):
            problems.append(f"{where}: {row.fields}")
            continue
        try:
            examples.append(_example(row.fields, columns, form))
        except ValueError as error:
            problems.append(f"{where}: {error}")
    return Mapped(columns=columns, examples=examples, problems=problems)


def questions_of(table: Table, source: DataSource) -> tuple[list[str], list[str]]:
    """Every usable question of a file without answers, and what is wrong with the other rows. Raises RequestError where no column is
    one of questions."""
    lowered = {column.lower(): column for column in table.columns}
    column = source.question or next((lowered[name] for name in QUESTION_COLUMNS if name in lowered), None)
    if column not in table.columns:
        wanted = repr(column) if column else f"as questions usually are ({', '.join(QUESTION_COLUMNS)})"
        raise RequestError([f"{table.name}: no column is called {wanted}; valid: {', '.join(table.columns) or 'none'}"])
    questions: list[str] = []
    problems: list[str] = []
    for row in table.rows:
        found = row.fields if isinstance(row.fields, str) else _problem(row.fields.get(column))
        if found:
            problems.append(f"{table.name}: {table.unit} {row.number}: question ({column}): {found}")
        elif not isinstance(row.fields, str):
            questions.append(text_of(row.fields[column]))
    return questions, problems


def shortened(problems: Sequence[str]) -> list[str]:
    """The first of them and how many more there are."""
    more = len(problems) - PROBLEMS_SHOWN
    return [*problems[:PROBLEMS_SHOWN], *([f"and {more:,} more rows"] if more > 0 else [])]


def _example(fields: Mapping[str, Any], columns: Columns, form: Form) -> Example:
    wrong = [
        f"{what} ({column}): {found}"
        for what, column in (("question", columns.question), ("answer", columns.answer))
        if (found := _problem(fields.get(column)))
    ]
    if wrong:
        raise ValueError("; ".join(wrong))
    question, answer = text_of(fields[columns.question]), text_of(fields[columns.answer])
    rationale = text_of(fields.get(columns.rationale)) if columns.rationale else ""
    if form.taken_apart is not None:
        rationale, answer = form.taken_apart(answer)
    return Example(prompt=question, rationale=rationale, answer=answer)


def text_of(value: object) -> str:
    """A cell as text: single spaces, none around it; line ends within it stay."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "\n".join(" ".join(line.split()) for line in str(value).strip().splitlines())


def _problem(value: object) -> str:
    if type(value) in (list, dict):
        return f"a {type(value).__name__} where text is wanted"
    if isinstance(value, float) and not math.isfinite(value):
        return "no finite number"
    text = text_of(value)
    if not text:
        return "empty"
    if len(text) > MAX_CHARACTERS:
        return f"{len(text):,} characters, more than {MAX_CHARACTERS:,}"
    if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in text):
        return "a character that is no text"
    framing = [token for token in SPECIAL_TOKENS if token in text]
    return f"it holds {', '.join(framing)}, which frames a student's texts" if framing else ""
