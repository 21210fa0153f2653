"""Every kind of file gives the same rows, and what is no row is told by its number."""

# pyright: reportUnknownMemberType=false

import json
from pathlib import Path
from typing import Any

import datasets
import duckdb
import pytest
from stratos.skills.given.rows import read_table
from stratos.state.errors import RequestError

WANTED = [{"text": "a, b", "label": "x"}, {"text": 'say "c"', "label": "y"}]


def fields(name: str) -> list[Any]:
    return [row.fields for row in read_table(name).rows]


def test_csv_and_tsv_with_quotes_and_an_encoding_mark(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,label\n"a, b",x\n"say ""c""",y\n', encoding="utf-8-sig")
    (tmp_path / "a.tsv").write_text('text\tlabel\na, b\tx\n"say ""c"""\ty\n', encoding="utf-8")
    assert fields(str(tmp_path / "a.csv")) == fields(str(tmp_path / "a.tsv")) == WANTED


def test_json_lines_a_list_and_parquet(tmp_path: Path) -> None:
    lines = "\n\n".join(map(json.dumps, WANTED))
    (tmp_path / "a.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "a.json").write_text(json.dumps(WANTED), encoding="utf-8")
    with duckdb.connect() as database:
        source, target = tmp_path / "a.json", tmp_path / "a.parquet"
        database.execute(f"COPY (SELECT * FROM read_json('{source}')) TO '{target}' (FORMAT parquet)")
    for name in ("a.jsonl", "a.json", "a.parquet"):
        assert fields(str(tmp_path / name)) == WANTED


def test_a_record_is_known_by_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,label\n"two\nlines",x\nonly one\ngood,y\n', encoding="utf-8")
    found = read_table(str(tmp_path / "a.csv"))
    assert [row.number for row in found.rows] == [2, 4, 5]
    assert found.rows[1].fields == "1 values where line 1 names 2 columns"


def test_lines_that_are_no_objects_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n[1]\n{oops\n', encoding="utf-8")
    found = read_table(str(tmp_path / "a.jsonl")).rows
    assert found[1].fields == "no JSON object but list"
    assert found[2].fields == "no JSON (Expecting property name enclosed in double quotes at column 2)"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xlsx", b"x", "a file of kind '.xlsx' is not read; valid: .jsonl"),
        ("a.csv", b"text,text\na,b\n", "columns must have names, each another"),
        ("a.csv", b'text,label\n"a" b,c\n', "line 2: "),
        ("a.jsonl", b"\xff\xfe", "no UTF-8 text"),
        ("a.jsonl", b"\n\n", "it holds no rows"),
        ("a.json", b"{}", "must hold a list of objects, not dict"),
        ("a.parquet", b"no parquet", "no Parquet file"),
    ],
)
def test_files_that_cannot_be_read_are_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError, match=r"^.*" + said.replace("(", r"\(")):
        read_table(str(tmp_path / name))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(RequestError, match=r"^nowhere\.csv: there is no such file or folder$"):
        read_table("nowhere.csv")


def test_folders_that_datasets_wrote(tmp_path: Path) -> None:
    datasets.Dataset.from_list(WANTED).save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": datasets.Dataset.from_list(WANTED)}).save_to_disk(str(tmp_path / "split"))
    assert fields(str(tmp_path / "one")) == WANTED
    with pytest.raises(RequestError, match="it has the splits train: name one"):
        read_table(str(tmp_path / "split"))
    assert fields(f"{tmp_path / 'split'}:train") == WANTED
