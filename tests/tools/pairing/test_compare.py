"""Teachers compared by name and folder, their answers read, and what the command prints of it."""

import json
from pathlib import Path

import pytest
from stratos.agent.cli import app
from stratos.state.errors import Correctable
from stratos.tools.models.catalogue import load_catalogue
from stratos.tools.pairing.compare import compare, read_answers, side_of
from stratos.tools.pairing.licences import Use
from stratos.tools.pairing.memory import Setup
from typer.testing import CliRunner

from .tiny import bpe, folder, llama

PROMPTS = [f"what is {one} times {other}?" for one in range(4) for other in range(6)]


def model_folder(path: Path, rows: int) -> Path:
    """A Llama of one layer with weights; `rows` may be more than its tokenizer has tokens."""
    made = folder(path, bpe(), {"tokenizer_class": "PreTrainedTokenizerFast"})
    model = llama(rows)
    model.save_pretrained(made)
    (made / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    return made


def answers_file(path: Path, right: bool, say: str) -> Path:
    path.write_text(
        "".join(json.dumps({"prompt": one, "answer": f"{say} {one}", "right": right}) + "\n" for one in PROMPTS)
    )
    return path


def test_a_padded_pair_of_folders_is_ranked_by_accuracy_and_grace(tmp_path: Path) -> None:
    tokens = bpe().get_vocab_size()
    student = model_folder(tmp_path / "student", tokens)
    teachers = [str(model_folder(tmp_path / name, tokens + 16)) for name in ("good", "bad")]
    files = [
        answers_file(tmp_path / "good.jsonl", True, "it is"),
        answers_file(tmp_path / "bad.jsonl", False, "the cat"),
    ]
    given = {name: read_answers(path) for name, path in zip(teachers, files, strict=True)}
    found = compare(str(student), teachers, given, catalogue=load_catalogue(), use=Use(), setup=Setup())
    assert [one.evidence.check.teacher for one in found.ranked] == teachers
    first = found.ranked[0].evidence
    assert first.check.verdict == "ok"
    assert first.check.tokenizer is not None
    assert first.check.tokenizer.padded
    assert first.grace is not None
    assert len(found.rejected) == 1


def test_a_model_behind_an_api_is_no_student() -> None:
    result = CliRunner().invoke(app, ["pair", "gpt-4o", "Qwen/Qwen3-32B"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "openai/gpt-4o cannot be a student: it is behind an API" in result.stderr


def test_what_was_not_compared_for_want_of_files_is_said_and_a_weaker_teacher_refused_by_name() -> None:
    result = CliRunner().invoke(
        app, ["pair", "Qwen2.5-7B-Instruct", "Qwen2.5-72B-Instruct", "gpt-4o", "Qwen2.5-0.5B-Instruct"]
    )
    assert result.exit_code == 0
    assert (
        "open: tokenizers not compared: no files of Qwen/Qwen2.5-72B-Instruct and Qwen/Qwen2.5-7B-Instruct"
        in result.stdout
    )
    assert "open: tokenizers not compared: no files of openai/gpt-4o and Qwen/Qwen2.5-7B-Instruct" in result.stdout
    assert "Qwen2.5-0.5B-Instruct: refused: Qwen/Qwen2.5-0.5B-Instruct is smaller than its student" in result.stdout


def test_names_of_the_catalogue_are_checked_without_files() -> None:
    catalogue = load_catalogue()
    found = compare(
        "Qwen/Qwen3-0.6B",
        ["Qwen/Qwen3-32B", "meta-llama/Llama-2-7b-chat-hf"],
        {},
        catalogue=catalogue,
        use=Use(),
        setup=Setup(),
    )
    assert [one.evidence.check.teacher for one in found.ranked] == ["Qwen/Qwen3-32B"]
    assert "Llama 2 Community License" in found.rejected[-1]


def test_what_is_neither_a_name_nor_a_folder_is_refused() -> None:
    with pytest.raises(Correctable, match="Nearest"):
        side_of("Qwen/Qwen3-33B", load_catalogue())


def test_every_wrong_line_of_answers_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(
        '{"prompt": "a", "answer": "b", "right": true}\n{"prompt": "a"}\nno\n{"prompt": "a", "answer": ""}\n'
    )
    with pytest.raises(Correctable, match=r"line 2 .*line 3 .*line 4"):
        read_answers(path)


def test_a_licence_that_nobody_knows_is_usage() -> None:
    words = ["pair", "Qwen/Qwen3-0.6B", "Qwen/Qwen3-32B", "--licence"]
    refused = CliRunner().invoke(app, [*words, "GPLX"])
    assert (refused.exit_code, "GPLX" in refused.output) == (2, True)
    assert "1. Qwen/Qwen3-32B" in CliRunner().invoke(app, [*words, "apache-2.0"]).output


def test_the_command_prints_a_line_for_every_teacher(tmp_path: Path) -> None:
    words = ["pair", "Qwen/Qwen3-0.6B", "Qwen/Qwen3-32B", "Qwen/Qwen2.5-72B-Instruct", "--memory-gib", "80"]
    plain = CliRunner().invoke(app, [*words, "--workspace", str(tmp_path)])
    assert plain.exit_code == 0, plain.output
    assert "1. Qwen/Qwen3-32B" in plain.output
    assert "no method fits the memory" in plain.output
    told = json.loads(CliRunner().invoke(app, [*words, "--json", "--workspace", str(tmp_path)]).stdout)
    assert told["student"] == "Qwen/Qwen3-0.6B"
