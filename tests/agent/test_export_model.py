"""A run's student as a folder for any tool, with a card that says what the journal says."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from stratos.agent.cli import app
from stratos.agent.export_model import Exported, export_model
from stratos.agent.model_facts import StudentFacts, student_facts
from stratos.state.canonical import Row
from stratos.state.errors import JournalError, OutputError
from stratos.state.evidence import wilson
from stratos.state.paired import pair
from stratos.state.workspace import Workspace
from stratos.tools.distill import ANSWERS_ONLY
from stratos.tools.generation import file_sha256
from stratos.tools.quantising import Quantised
from stratos.tools.serving.conversion import converted
from stratos.tools.serving.int8_weights import write_int8
from stratos.tools.weights import weights_sha256
from typer.testing import CliRunner

from ..recorded import HOSTILE, Recorded
from ..tools.serving import tiny_model


@pytest.fixture
def rows(recorded: Recorded) -> list[Row]:
    return recorded.rows("met")


@pytest.fixture
def workspace(tmp_path: Path, rows: Sequence[Row]) -> Workspace:
    """One that holds the run's student."""
    space = Workspace(tmp_path / "space")
    tiny_model.make(space.run_folder(rows[0].run_id) / student_facts(rows).attempt.job_folder / "model")
    return space


def with_weights(rows: Sequence[Row], sha256: str) -> list[Row]:
    """The rows of a run that measured weights of this hash."""

    def changed(row: Row) -> Row:
        if row.name != "tool evaluate":
            return row
        output = json.loads(row.output_json)
        output["evaluation"]["weights_sha256"] = sha256
        return replace(row, output_json=json.dumps(output))

    return [changed(row) for row in rows]


def exported(workspace: Workspace, rows: Sequence[Row], folder: Path, **options: Any) -> Exported:
    return export_model(workspace, rows, folder, "9.9", **options)


def test_the_folder_loads_and_answers_like_the_student(
    workspace: Workspace, rows: Sequence[Row], tmp_path: Path
) -> None:
    found = exported(workspace, rows, tmp_path / "out")
    student = workspace.run_folder(found.run_id) / student_facts(rows).attempt.job_folder / "model"
    prompt = [[1, 4, 10, 11, 5]]
    assert tiny_model.reference(tmp_path / "out", prompt, 5) == tiny_model.reference(student, prompt, 5)
    assert {"README.md", "stratos.json", "config.json", "model.safetensors", "tokenizer.json"} <= set(found.files)
    assert found.weights_sha256 == file_sha256(tmp_path / "out" / "model.safetensors")


def test_a_server_under_another_user_can_read_what_was_exported(
    workspace: Workspace, rows: Sequence[Row], tmp_path: Path
) -> None:
    found = exported(workspace, rows, tmp_path / "out")
    assert {(tmp_path / "out" / name).stat().st_mode & 0o044 for name in found.files} == {0o044}


def test_the_card_is_one_that_a_hub_reads(workspace: Workspace, rows: Sequence[Row], tmp_path: Path) -> None:
    exported(workspace, rows, tmp_path / "out")
    data: Any = ModelCard((tmp_path / "out" / "README.md").read_text(encoding="utf-8")).data
    share = student_facts(rows).judged.student.exact
    (exact, _) = data.eval_results
    assert (exact.metric_type, exact.metric_value, exact.dataset_split) == ("exact_match", share.value, "sealed-1")
    assert f"{share.low:.3f} to {share.high:.3f}, n = {share.n}" in exact.metric_name
    assert data.to_dict()["license_name"] == "none-of-a-base-model"


def test_the_card_holds_what_the_journal_says(workspace: Workspace, rows: Sequence[Row], tmp_path: Path) -> None:
    found = exported(workspace, rows, tmp_path / "out")
    card, facts = (tmp_path / "out" / "README.md").read_text(encoding="utf-8"), student_facts(rows)
    for told in (
        found.run_id,
        rows[-1].hash,
        found.weights_sha256,
        facts.data.sha256,
        facts.judged.split_sha256,
        f"{facts.data.examples:,} examples made in reverse, answer first, by the skill *mahjong* with seed 0",
        "Teacher: solver:mahjong",
        f"{facts.attempt.tokens:,} tokens",
        "McNemar p < 0.001",
        "it carries no licence of a base model",
        "unrelated texts were not probed",
    ):
        assert told in card
    assert "<script>" not in card
    assert HOSTILE.split(";")[0] in card


def test_weights_other_than_those_measured_are_not_given_away(
    workspace: Workspace, rows: Sequence[Row], tmp_path: Path
) -> None:
    student = workspace.run_folder(rows[0].run_id) / student_facts(rows).attempt.job_folder / "model"
    good = with_weights(rows, weights_sha256(student))
    assert (
        "as recorded when it was measured"
        in Path(exported(workspace, good, tmp_path / "a").folder, "README.md").read_text()
    )
    with pytest.raises(JournalError, match="is not the student that was measured: its weights have sha256"):
        exported(workspace, with_weights(rows, "0" * 64), tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_student_that_is_gone_is_one_message(rows: Sequence[Row], tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"holds no weights: the student of run .* was moved or deleted"):
        exported(Workspace(tmp_path), rows, tmp_path / "out")


@pytest.mark.parametrize("ending", ["infeasible", "planned", "refused", "unfinished"])
def test_a_run_without_a_student_says_so(recorded: Recorded, ending: str, tmp_path: Path) -> None:
    words = (
        "export",
        recorded.runs[ending],
        str(tmp_path / "out"),
        "--model",
        "--workspace",
        str(recorded.workspace.path),
    )
    result = CliRunner().invoke(app, list(words))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "has no student to give away: none was trained and measured in it" in result.stderr


def test_of_a_run_that_missed_the_best_measured_is_given_with_that_said(recorded: Recorded) -> None:
    facts = student_facts(recorded.rows("missed"))
    assert (facts.status, facts.judged.split) == ("missed", "dev")


def test_a_folder_that_holds_something_is_written_into_only_by_force(
    workspace: Workspace, rows: Sequence[Row], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not empty"):
        exported(workspace, rows, tmp_path / "out")
    exported(workspace, rows, tmp_path / "out", force=True)
    again = exported(workspace, rows, tmp_path / "out", force=True)
    assert {*again.files, "mine.txt"} == {path.name for path in (tmp_path / "out").iterdir()}


def halved(facts: StudentFacts, model: Path, weights: str) -> Quantised:
    """A student in int8 whose figures are made up."""
    folder, half = converted(model, precision="int8"), [True] * 50 + [False] * 50
    return Quantised(
        precision="int8", folder=str(folder), sha256="ab12", split="dev", split_sha256="cd34", same_answers=wilson(49, 100),
        exact=wilson(50, 100), exact_before=wilson(100, 100), paired=pair(half, [True] * 100), bytes=25, bytes_before=100,
        answering_seconds=1, answering_seconds_before=2,
    )  # fmt: skip


def test_a_smaller_one_lies_beside_it_with_its_tokenizer_and_what_it_loses_on_the_card(
    workspace: Workspace, rows: Sequence[Row], tmp_path: Path
) -> None:
    exported(workspace, rows, tmp_path / "out", smaller=halved)
    found = exported(workspace, rows, tmp_path / "out", smaller=halved, force=True)
    assert {"model.safetensors", "ctranslate2-int8/model.bin", "ctranslate2-int8/tokenizer.json"} <= set(found.files)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "exact 50.0% (95 % interval 40.4% to 59.6%), in float32 100.0% (96.3% to 100.0%): -50.0 points" in card
    assert "int8 LOSES accuracy, by more than chance explains" in card
    assert json.loads((tmp_path / "out" / "stratos.json").read_text())["quantised"]["same_answers"]["n"] == 100
    written = subprocess.run(
        [sys.executable, "-"], input=snippet(card), cwd=tmp_path / "out", capture_output=True, text=True
    )
    assert (written.returncode, written.stdout.strip() != "") == (0, True), written.stderr


def halved_for_vllm(facts: StudentFacts, model: Path, weights: str) -> Quantised:
    folder = write_int8(model, model.parent / "int8")
    made_up = halved(facts, model, weights).model_dump()
    return Quantised.model_validate({**made_up, "engine": "vllm", "folder": str(folder), "answering_seconds": None})


def test_one_for_vllm_lies_beside_it_whole_and_the_card_says_what_it_needs(
    workspace: Workspace, rows: Sequence[Row], tmp_path: Path
) -> None:
    found = exported(workspace, rows, tmp_path / "out", smaller=halved_for_vllm)
    assert {f"vllm-int8/{name}" for name in ("model.safetensors", "config.json", "tokenizer.json")} <= set(found.files)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8").split("## In int8")[1]
    assert "for vLLM and for transformers, each beside torchao (`pip install torchao`" in card
    assert "vllm serve vllm-int8 --dtype float32" in card
    assert "how fast vLLM is with them was not measured" in card
    assert "model.safetensors, sha256 `ab12`" in card


def snippet(card: str) -> str:
    """What the card says how to ask the smaller one, with a question that it has words for."""
    return card.split("## In int8")[1].split("```python\n")[1].split("```")[0].replace('"..."', '"w1 w2 w3"')


def test_nothing_is_measured_for_a_folder_that_cannot_be_written(
    workspace: Workspace, rows: Sequence[Row], tmp_path: Path
) -> None:
    def never(*student: object) -> Quantised:
        raise AssertionError

    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not empty"):
        exported(workspace, rows, tmp_path, smaller=never)


def test_several_files_of_weights_have_the_hash_of_their_list(tmp_path: Path) -> None:
    assert weights_sha256(tmp_path) == ""
    for name in ("a.safetensors", "b.safetensors"):
        (tmp_path / name).write_text(name)
    two = weights_sha256(tmp_path)
    (tmp_path / "b.safetensors").unlink()
    assert weights_sha256(tmp_path) == file_sha256(tmp_path / "a.safetensors") != two


def test_a_control_that_was_served_is_what_is_given_away(
    workspace: Workspace, rows: Sequence[Row], tmp_path: Path
) -> None:
    run_folder, attempt = workspace.run_folder(rows[0].run_id), student_facts(rows).attempt
    assert attempt.control_folder is not None
    tiny_model.make(run_folder / attempt.control_folder / "model", seed=7)

    def with_verdict(row: Row) -> Row:
        output = json.loads(row.output_json)
        return replace(row, output_json=json.dumps({**output, "cheaper_control": ANSWERS_ONLY}))

    served = [with_verdict(row) if row.name == "judge" else row for row in rows]
    found = exported(workspace, served, tmp_path / "out")
    assert found.weights_sha256 == weights_sha256(run_folder / attempt.control_folder / "model")
    facts, card = student_facts(served), (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    control = next(one for one in facts.judged.controls if one.name == ANSWERS_ONLY)
    assert f"- exact: {control.exact.value:.1%}" in card
    assert f"It is the control {ANSWERS_ONLY!r}" in card
