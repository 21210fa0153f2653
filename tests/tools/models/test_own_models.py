"""Models that users add: by file, replacing and amending, and every mistake of a file told at once with its line."""

import json
import os
import re
from pathlib import Path

import pytest
from stratos.state.errors import Correctable
from stratos.tools.models.catalogue import MODELS_CSV, known_models, load_catalogue, user_files
from stratos.tools.models.records import BENCHMARKS, COLUMNS

HEADER = "name,kind,roles,family,instruct,parameters,licence,source"
ROW = "me/mine,open,student teacher,Mine,yes,0.5B,Apache-2.0,my own"


def written(folder: Path, text: str, name: str = "models.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path) -> str:
    with pytest.raises(Correctable) as caught:
        load_catalogue([path])
    return str(caught.value)


def test_a_csv_adds_models_and_their_scores(tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEADER},gsm8k,path\n{ROW},0.41,/models/mine\n")
    mine = load_catalogue([path])["me/mine"]
    assert (mine.parameters, mine.roles, mine.instruct) == (500_000_000, ("student", "teacher"), True)
    assert (mine.scores["gsm8k"].value, mine.scores["gsm8k"].source) == (0.41, "my own")
    assert mine.path == "/models/mine"


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    entry = {
        "name": "me/mine",
        "kind": "open",
        "roles": ["student"],
        "family": "Mine",
        "instruct": False,
        "released": "2026-01-05",
        "licence": "MIT",
        "source": "my own",
        "scores": {"gsm8k": {"value": 0.5, "setup": "0-shot", "source": "measured here"}},
    }
    as_json = written(tmp_path, json.dumps([entry], indent=1), "models.json")
    as_yaml = written(
        tmp_path,
        "- name: me/mine\n  kind: open\n  roles: [student]\n  family: Mine\n  instruct: no\n  released: 2026-01-05\n"
        "  licence: MIT\n  source: my own\n  scores: {gsm8k: {value: 0.5, setup: 0-shot, source: measured here}}\n",
        "models.yaml",
    )
    assert load_catalogue([as_json])["me/mine"] == load_catalogue([as_yaml])["me/mine"]
    assert load_catalogue([as_json])["me/mine"].scores["gsm8k"].setup == "0-shot"


def test_a_model_of_the_same_name_replaces_the_built_in_one_whole(tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEADER}\nQwen/Qwen3-0.6B,open,student,Qwen3,yes,600M,MIT,mine\n")
    mine = load_catalogue([path])["Qwen/Qwen3-0.6B"]
    assert (mine.licence, mine.parameters, mine.layers, mine.scores) == ("MIT", 600_000_000, None, {})
    assert load_catalogue()["Qwen/Qwen3-0.6B"].licence == "Apache-2.0"


def test_a_row_of_name_and_path_says_where_a_built_in_model_lies(tmp_path: Path) -> None:
    path = written(tmp_path, "name,path\nQwen/Qwen3-0.6B,/models/qwen\n")
    there, known = load_catalogue([path])["Qwen/Qwen3-0.6B"], load_catalogue()["Qwen/Qwen3-0.6B"]
    assert there == known.model_copy(update={"path": "/models/qwen"})
    assert "no such model" in problems(written(tmp_path, "name,path\nme/none,/models/none\n"))


def test_every_problem_is_told_with_its_line_and_nothing_is_used(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f"{HEADER},layers,heads,kv_heads,usd_per_million_input\n"
        f"{ROW},12,8,2,\n"
        "me/a,open,pupil,Mine,yes,0.5B,MIT,x,,,,\n"
        "me/b,open,student,Mine,perhaps,-5,MIT,x,twelve,,,\n"
        ",open,student,Mine,yes,1B,MIT,x,,,,\n"
        f"{ROW},12,8,2,\n"
        "me/c,open,student,Mine,yes,0.5Q,MIT,x,,9,2,\n"
        "me/d,api,teacher,Mine,yes,,MIT,x,,,,nan\n"
        "me/e,open,student,Mine,yes,1B,MIT,x,,,,,,,too,many\n"
        "me/f,open,student,Mine,yes,1B,MIT,x,12,9,2,\n",
    )
    told = problems(path)
    for expected in (
        "nothing of it was",
        "line 3, 'me/a': roles: 'pupil': Input should be 'student' or 'teacher'",
        "line 4, 'me/b': instruct: 'perhaps'",
        "line 4, 'me/b': parameters: '-5': Input should be greater than 0",
        "line 4, 'me/b': layers: 'twelve': Input should be a valid integer",
        "line 5: no name",
        "line 6: 'me/mine' is named a second time, first in line 2",
        "line 7, 'me/c': parameters: '0.5Q' is no model size",
        "line 8, 'me/d': usd_per_million_input",
        "line 9: 16 cells under 12 columns",
        "line 10, 'me/f': heads: 9 query heads do not share 2 key-value heads evenly",
    ):
        assert expected in told
    lines = re.findall(r"^  - line (\d+)", told, re.MULTILINE)
    assert lines == sorted(lines, key=int)
    assert len(lines) == told.count("\n") == 10
    assert "me/mine" not in load_catalogue()


def test_each_problem_is_told_once(tmp_path: Path) -> None:
    told = problems(written(tmp_path, f"{HEADER}\nme/c,open,student,Mine,yes,0.5Q,MIT,x\n"))
    assert told.count("parameters") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,kind,roles\nme/a,open,student\n", "missing columns: family, instruct, licence, source"),
        (f"{HEADER},colour\n{ROW},red\n", "unknown columns: 'colour'; valid: name, kind"),
        (f"{HEADER.replace(',', ';')}\n{ROW.replace(',', ';')}\n", "separated by ';'; commas are valid"),
        (f"{HEADER},name\n{ROW},x\n", "columns named twice: 'name'"),
        (f'{HEADER}\n"me/mine,open\n', "line 2"),
        (f"{HEADER}\n", "no model in it"),
        ("", "no model in it"),
        (f"{HEADER}\nme/mine,open,student,Mine,yes,,,x\n", "licence: missing"),
        (f"{HEADER},released\n{ROW},last spring\n", "released: 'last spring'"),
        (f"{HEADER},gsm8k\n{ROW},41\n", "scores.gsm8k.value: '41': Input should be less than or equal to 1"),
        (f"{HEADER},active_parameters\n{ROW},1B\n", "active_parameters: 1000000000 of 500000000 cannot be"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said_in_words(tmp_path: Path, text: str, words: str) -> None:
    assert words in problems(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("name: me/mine\n", "models.yaml", "no list of models"),
        ("- name: [\n", "models.yaml", "line 2"),
        ("- just text\n", "models.yaml", "line 1: an entry is a mapping"),
        ("- name: a\n- name: b\n  scores: [1]\n", "models.yml", "line 2: 'scores' is a mapping"),
        ("- name: a\n  released: 2026-13-45\n", "models.yaml", "it is no YAML"),
        ("- !!python/object:os.system {}\n", "models.yaml", "could not determine a constructor"),
        ('{"name": "me/mine"}', "models.json", "no list of models"),
        ('[\n{"name": "a"},\n{"name": }\n]', "models.json", "line 3"),
        ('[\n{"name": "me/a", "kind": "open"},\n\n5]', "models.json", "line 4: an entry is a mapping"),
        ("[" * 100_000, "models.json", "nested too deeply"),
        ("[" * 5_000, "models.yaml", "it is no YAML"),
        ("x", "models.txt", "a models file ends in .csv, .yaml, .yml, .json"),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_wrong_with_other_formats_is_said_in_words(tmp_path: Path, text: str, name: str, words: str) -> None:
    assert words in problems(written(tmp_path, text, name))


def test_lines_of_json_entries_are_their_own(tmp_path: Path) -> None:
    text = '[\n {"name": "me/a", "path": "/a"},\n {"name": "me/b",\n  "path": "/b"}\n]\n'
    told = problems(written(tmp_path, text, "models.json"))
    assert "line 2, 'me/a'" in told
    assert "line 3, 'me/b'" in told


def test_a_file_that_is_not_utf_8_is_told_by_line(tmp_path: Path) -> None:
    path = tmp_path / "models.csv"
    path.write_bytes(f"{HEADER}\n{ROW}\n".encode() + b"me/caf\xe9,open\n")
    assert "line 3: byte 0xe9 is not UTF-8" in problems(path)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "models.csv"
    path.write_bytes(f"{HEADER}\n{ROW}\n".encode("utf-8-sig"))
    assert "me/mine" in load_catalogue([path])


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "No such file" in problems(tmp_path / "models.csv")


def test_files_come_from_the_environment_and_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = tmp_path / "space"
    space.mkdir()
    named = written(tmp_path, f"{HEADER}\n{ROW}\n", "team.csv")
    beside = written(space, f"{HEADER}\n{ROW.replace('0.5B', '1B')}\n")
    monkeypatch.setenv("STRATOS_MODELS", f"{named}{os.pathsep}")
    assert user_files(space) == (named, beside)
    assert known_models()["me/mine"].parameters == 500_000_000
    assert known_models(space)["me/mine"].parameters == 10**9
    monkeypatch.delenv("STRATOS_MODELS")
    assert user_files() == ()


def test_every_column_is_described_for_users() -> None:
    text = MODELS_CSV.with_name("MODELS.md").read_text(encoding="utf-8")
    described = {
        column
        for line in text.splitlines()
        if line.startswith("| `")
        for column in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert described == {*COLUMNS, *BENCHMARKS}
    assert described >= set(MODELS_CSV.read_text(encoding="utf-8").splitlines()[0].split(","))


def test_the_example_for_users_works(tmp_path: Path) -> None:
    text = MODELS_CSV.with_name("MODELS.md").read_text(encoding="utf-8")
    example = text.partition("```csv\n")[2].partition("```")[0]
    assert load_catalogue([written(tmp_path, example)])["me/tickets-0.5b"].scores["gsm8k"].value == 0.41
