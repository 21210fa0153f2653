"""A user's examples are taken whole or not at all, and what is held out never comes back into the training."""

from pathlib import Path
from typing import Any

import pytest
from stratos.skills.given.folder import canonical_question, read_examples
from stratos.skills.given.form import Form
from stratos.skills.given.freezing import freeze
from stratos.skills.gsm8k.skill import SKILL as GSM8K
from stratos.state.brief import DataSource
from stratos.state.errors import RequestError
from stratos.state.run import GivenFacts

from .files import rows, write_jsonl


def frozen(tmp_path: Path, examples: list[dict[str, Any]], form: Form | None = None, **source: Any) -> GivenFacts:
    path = write_jsonl(tmp_path / "all.jsonl", examples)
    given = DataSource(path=path, **source)
    return freeze(given, form or Form(), tmp_path / "given", seed=0, held_out_items=2000)


def questions(tmp_path: Path, name: str) -> set[str]:
    return {canonical_question(one.prompt) for one in read_examples(tmp_path / "given" / f"{name}.jsonl")}


def problems(tmp_path: Path, examples: list[dict[str, Any]], **source: Any) -> list[str]:
    with pytest.raises(RequestError) as refused:
        frozen(tmp_path, examples, **source)
    assert not (tmp_path / "given").exists()
    return refused.value.problems


def test_splits_share_no_question_and_lose_none(tmp_path: Path) -> None:
    facts = frozen(tmp_path, rows())
    assert [(split.name, split.n) for split in facts.splits] == [("dev", 20), ("sealed-1", 20), ("sealed-2", 20)]
    parts = [questions(tmp_path, name) for name in ("train", "dev", "sealed-1", "sealed-2")]
    assert sum(map(len, parts)) == len(set[str]().union(*parts)) == 200
    assert (facts.train, facts.metric, facts.choices, facts.with_rationales) == (140, "choice", 4, False)


def test_the_same_seed_splits_the_same_whatever_the_order_of_rows(tmp_path: Path) -> None:
    one = frozen(tmp_path, rows())
    other = frozen(tmp_path, rows()[::-1])
    assert [split.sha256 for split in one.splits] == [split.sha256 for split in other.splits]


def test_a_test_file_is_the_one_sealed_split_and_leaves_the_training(tmp_path: Path) -> None:
    test = [{**row, "text": row["text"].upper() + " ?"} for row in rows(30)]
    facts = frozen(tmp_path, rows(), test=write_jsonl(tmp_path / "test.jsonl", test))
    assert [(split.name, split.n) for split in facts.splits] == [("dev", 17), ("sealed-1", 30)]
    assert not questions(tmp_path, "train") & questions(tmp_path, "sealed-1")
    assert any("30 examples were left out of training" in note for note in facts.notes)


def test_every_bad_row_is_told_by_its_number_and_nothing_is_kept(tmp_path: Path) -> None:
    bad: list[dict[str, Any]] = [
        {"text": "", "label": "red"},
        {"text": "a", "label": None},
        {"text": ["a"], "label": "x"},
    ]
    found = problems(tmp_path, [*rows(100), *bad])
    path = tmp_path / "all.jsonl"
    assert found[:3] == [
        f"{path}: line 101: question (text): empty",
        f"{path}: line 102: answer (label): empty",
        f"{path}: line 103: question (text): a list where text is wanted",
    ]
    assert found[3].startswith("3 of 103 rows cannot be used; leave such rows out with --skip-bad-rows")


def test_bad_rows_can_be_left_out_and_are_counted(tmp_path: Path) -> None:
    facts = frozen(tmp_path, [*rows(), {"text": "", "label": "red"}], skip_bad_rows=True)
    assert facts.train + sum(split.n for split in facts.splits) == 200
    assert any(note.startswith("1 of 201 rows were left out") for note in facts.notes)


def test_of_rows_that_are_left_out_the_first_three_are_named(tmp_path: Path) -> None:
    facts = frozen(tmp_path, [*rows(), *[{"text": "", "label": "red"}] * 5], skip_bad_rows=True)
    (note,) = [note for note in facts.notes if "were left out" in note]
    assert note.count("question (text): empty") == 3
    assert note.endswith("; and 2 more")


def test_a_thousand_bad_rows_are_told_shortly(tmp_path: Path) -> None:
    found = problems(tmp_path, [{"text": "", "label": "x"}] * 1000)
    assert found[20] == "and 980 more rows"
    assert len(found) == 22


def test_questions_that_come_again_count_once(tmp_path: Path) -> None:
    again = [{**rows()[0], "label": "purple"}, rows()[1]]
    facts = frozen(tmp_path, [*rows(), *again])
    assert facts.train + sum(split.n for split in facts.splits) == 200
    assert any(note.startswith("2 times a question came again, 1 times with another answer") for note in facts.notes)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"question": "body"}, "data.question: there is no column 'body'; valid: text, label"),
        ({"answer": "text"}, "question and answer are the same column 'text'"),
        ({"metric": "numeric"}, "140 answers do not fit|answers do not fit the metric 'numeric'"),
        ({"verifier": "gone.py:f"}, "FILE.py:FUNCTION"),
        ({"verifier": "gone.py:f", "metric": "exact"}, "data.verifier is of the metric python"),
    ],
)
def test_what_does_not_fit_the_file_is_told(tmp_path: Path, source: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        frozen(tmp_path, rows(), **source)


def test_columns_without_usual_names_are_asked_for(tmp_path: Path) -> None:
    found = problems(tmp_path, [{"a": "x", "b": "y"}] * 100)
    assert len(found) == 2
    assert "name it under data.question; valid: a, b" in found[0]


def test_too_few_examples_are_refused_with_how_many_there_are_and_how_many_it_takes(tmp_path: Path) -> None:
    few = (
        "too few to tell anything: {} different examples; at least 100 are needed in all, as a tenth is kept apart for each held-out "
        "split, at least 10 in each"
    )
    assert problems(tmp_path, [*rows(99), *rows(5)]) == [few.format(99)]
    test = write_jsonl(tmp_path / "test.jsonl", rows(4))
    assert problems(tmp_path, rows(60), test=str(test)) == [
        "too few to tell anything: 4 different test examples; at least 10 are needed",
        few.format(56),
    ]


def test_worked_ways_are_taken_apart(tmp_path: Path) -> None:
    taken = [{"question": f"{n} + 1?", "answer": f"Add: <<{n}+1={n + 1}>>{n + 1}.\n#### {n + 1}"} for n in range(100)]
    facts = frozen(tmp_path, taken, GSM8K.form)
    assert (facts.metric, facts.with_rationales) == ("numeric", True)
    one = read_examples(tmp_path / "given" / "train.jsonl")[0]
    assert one.rationale == f"Add: {one.answer}."


def test_a_worked_way_without_its_mark_is_a_bad_row(tmp_path: Path) -> None:
    taken = [{"question": f"{n} + 1?", "answer": f"{n + 1}"} for n in range(100)]
    with pytest.raises(RequestError, match="line 1: the answer does not end in '#### NUMBER'"):
        frozen(tmp_path, taken, GSM8K.form)
