"""Own data: which files and answers are taken as they come out of people's tools, and what is said of the others."""

import json
from pathlib import Path
from typing import Any

import pytest
from stratos.state.errors import RequestError
from stratos.state.run import OwnData
from stratos.tools.own_data import take_own_data

HAND = "123m456p789s11122z"


def taken(folder: Path, *lines: Any, name: str = "own.jsonl", start: str = "") -> OwnData:
    path = folder / name
    text = "".join((line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)) + "\n" for line in lines)
    path.write_text(start + text, encoding="utf-8")
    return take_own_data("mahjong", "win", path, folder / "run")


@pytest.mark.parametrize("answer", ["yes", "Yes", "YES", " yes ", "TRUE", True, "", None])
def test_an_answer_is_right_in_any_case_and_an_empty_one_is_none(tmp_path: Path, answer: Any) -> None:
    assert taken(tmp_path, {"question": HAND, "answer": answer}).questions == 1


@pytest.mark.parametrize("answer", ["no", "No", False, "maybe", 0])
def test_a_wrong_answer_is_named_with_the_right_one(tmp_path: Path, answer: Any) -> None:
    with pytest.raises(RequestError, match="wrong by the verifier; right is 'yes'"):
        taken(tmp_path, {"question": HAND, "answer": answer})


def test_a_later_answer_field_counts_where_the_first_is_empty(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="wrong by the verifier"):
        taken(tmp_path, {"question": HAND, "answer": "", "label": "no"})


def test_a_mark_at_the_start_and_unicode_line_separators_in_a_text_are_taken(tmp_path: Path) -> None:
    assert taken(tmp_path, {"question": HAND, "note": "a\u2028b\u0085c"}, start="\ufeff").questions == 1


@pytest.mark.parametrize("name", ["own.csv", "own.txt", "own.xlsx"])
def test_another_format_is_told_that_only_jsonl_is_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match="only JSONL is read"):
        taken(tmp_path, f"{HAND},yes", name=name)
