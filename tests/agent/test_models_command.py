"""`stratos models`: the table, its filters and orders, one model in detail, documents and messages."""

import json
from pathlib import Path
from typing import Any

import pytest
from stratos.agent.cli import app
from stratos.tools.models.catalogue import load_catalogue
from typer.testing import CliRunner


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRATOS_WORKSPACE", str(tmp_path / "space"))
    monkeypatch.delenv("STRATOS_MODELS", raising=False)
    (tmp_path / "space").mkdir()
    return tmp_path / "space"


def call(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["models", *words])
    return result.exit_code, result.stdout, result.stderr


def document(*words: str) -> Any:
    code, out, err = call(*words, "--json")
    assert code == 0, err
    return json.loads(out)


def test_all_models_are_listed() -> None:
    code, out, _ = call()
    assert code == 0
    assert f"{len(load_catalogue())} of {len(load_catalogue())} models" in out
    assert [row["name"] for row in document()] == list(load_catalogue())


def test_a_row_tells_size_licence_context_release_and_scores() -> None:
    (line,) = [line for line in call()[1].splitlines() if line.startswith("meta-llama/Llama-3.2-1B-Instruct ")]
    words = "1.24B Llama 3.2 Community License 128K 2024-09 44.4% 49.3%"
    assert " ".join(line.split()[1:]) == words


def test_filters_narrow_the_list() -> None:
    found = document(
        "--role",
        "student",
        "--min-params",
        "0.4B",
        "--max-params",
        "500M",
        "--licence",
        "apache-2.0",
        "--family",
        "Qwen2.5",
    )
    assert {row["name"] for row in found} == {
        "Qwen/Qwen2.5-0.5B",
        "Qwen/Qwen2.5-0.5B-Instruct",
        "Qwen/Qwen2.5-Coder-0.5B-Instruct",
    }
    assert {row["kind"] for row in document("--api")} == {"api"}
    assert {row["kind"] for row in document("--open")} == {"open"}


@pytest.mark.parametrize(
    ("order", "field", "falling"),
    [("parameters", "parameters", False), ("context", "context_tokens", False), ("released", "released", True)],
)
def test_orders_put_what_has_no_figure_last(order: str, field: str, falling: bool) -> None:
    values = [row[field] or None for row in document("--sort", order)]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=falling)
    assert values == known + [None] * (len(values) - len(known))


def test_scores_fall_and_prices_rise() -> None:
    scores = [row["scores"]["gsm8k"]["value"] for row in document("--sort", "gsm8k") if "gsm8k" in row["scores"]]
    prices = [row["usd_per_million_input"] for row in document("--api", "--sort", "price")]
    assert (scores, prices) == (sorted(scores, reverse=True), sorted(prices))
    assert document("--sort", "name")[0]["name"] == "01-ai/Yi-1.5-34B-Chat"


def test_one_model_is_shown_with_sources_count_and_bytes() -> None:
    code, out, _ = call("qwen2.5-0.5b-instruct")
    assert code == 0
    for words in (
        "494,032,768; a plain decoder of its shape has 494,005,120",
        "988 MB at bf16, 247 MB at int4",
        "gsm8k             49.6%",
        "qwenlm.github.io",
        "151,665 tokens",
        "embedding rows 151,936",
        "may train other models",
    ):
        assert words in out
    found = document("Qwen/Qwen2.5-0.5B-Instruct")
    assert found["weight_bytes"] == {"bf16": 988_065_536, "int4": 247_016_384}
    assert found["licence_facts"]["outputs_may_train"] == "yes"


def test_a_model_behind_an_api_is_shown_by_its_prices() -> None:
    out = call("openai/gpt-4o-mini")[1]
    assert "0.15, 0.6 dollars a million tokens, 2026-" in out
    assert "under conditions; not to develop models that compete with OpenAI" in out
    assert "parameters" not in out


def test_a_mixture_says_what_is_read_for_a_token() -> None:
    out = call("openai/gpt-oss-20b")[1]
    assert "20,914,757,184; 3,600,000,000 are read for a token" in out
    assert document("openai/gpt-oss-20b")["counted_parameters"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("Qwen2.5-0.6B",), "Nearest: Qwen/Qwen2.5-0.5B"),
        (("--max-params", "14Q"), "'14Q' is no model size"),
        (("--min-params", ""), "'' is no model size"),
        (("--licence", "GPL"), "no model has the licence 'GPL'"),
        (("--family", "Quen"), "no model has the family 'Quen'"),
        (("--role", "pupil"), "'student'"),
        (("--sort", "colour"), "'gsm8k'"),
        (("gpt-4o", "--api"), "name a model or filter the list"),
        (("--file", "nowhere.csv"), "No such file"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_usage(words: tuple[str, ...], message: str) -> None:
    code, _, err = call(*words)
    assert (code, "Traceback" in err) == (2, False)
    assert message in " ".join(err.split())


def test_own_models_join_from_the_workspace_and_from_a_file(workspace: Path, tmp_path: Path) -> None:
    header = "name,kind,roles,family,instruct,parameters,licence,source\n"
    (workspace / "models.csv").write_text(header + "me/one,open,student,Mine,yes,1B,MIT,mine\n")
    other = tmp_path / "more.csv"
    other.write_text(header + "me/two,open,student,Mine,yes,2B,my own licence,mine\n")
    assert [row["name"] for row in document("--family", "Mine", "--file", str(other))] == ["me/one", "me/two"]
    assert "nothing is known of what its licence says" in call("me/two", "--file", str(other))[1]


def test_a_broken_file_of_the_workspace_is_told_and_nothing_is_listed(workspace: Path) -> None:
    (workspace / "models.csv").write_text("name,kind\nme/one,open\n")
    code, out, err = call()
    assert (code, out) == (2, "")
    assert "missing columns: roles, family, instruct, licence, source" in err


def test_a_name_cannot_steer_the_terminal(workspace: Path) -> None:
    header = "name,kind,roles,family,instruct,licence,source\n"
    (workspace / "models.csv").write_text(header + "me/\x1b[31mred,open,student,Mine,yes,MIT,mine\n")
    assert "\x1b[31m" not in call("--family", "Mine")[1]


def test_nothing_fits_is_said() -> None:
    assert "no model fits" in call("--api", "--max-params", "1B")[1]
