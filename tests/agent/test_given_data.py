"""Runs over a user's own examples, from the file to the served model, and what is refused before anything is spent."""

import json
from pathlib import Path
from typing import Any

import pytest
from stratos import run
from stratos.agent.asking import ask
from stratos.agent.cli import app
from stratos.agent.events import DataTaken, RunEvent
from stratos.agent.intake import read_brief_file, read_request
from stratos.agent.session import replay
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.brief import DataSource
from stratos.state.errors import RequestError
from stratos.state.workspace import Workspace
from stratos.tools.serving.deployments import stop
from typer.testing import CliRunner

from ..skills.given.files import rows, write_jsonl

DATA = DataSource(path="a.jsonl")


def test_real_examples_become_a_served_model_that_beats_no_bag_of_words(tmp_path: Path) -> None:
    at, path, seen = Workspace(tmp_path / "at"), write_jsonl(tmp_path / "colours.jsonl", rows()), list[RunEvent]()
    outcome = run("name the colour, at least 60 % right", data=path, workspace=at.path, on_event=seen.append)
    try:
        assert outcome.status == "met", outcome.reason
        assert "do not distil: 'bag of words (naive Bayes)'" in outcome.reason
        (taken,) = [event for event in seen if isinstance(event, DataTaken)]
        assert (taken.given.train, taken.given.metric) == (140, "choice")
        answered = ask(at, "table-answer", "what colour has the sun number 3")
        assert (answered["completion"], answered["verified"]) == ("yellow", True)
        assert ask(at, "table-answer", "what colour has the sun number")["verified"] is None
        assert replay(outcome.run_id, workspace=at).divergence is None
        for form, file in (("int8", "ctranslate2-int8/model.bin"), ("int8-vllm", "vllm-int8/model.safetensors")):
            words = ("export", outcome.run_id, str(tmp_path / form), "--model", "--quantise", form, "--json")
            result = CliRunner().invoke(app, [*words, "--workspace", str(at.path)])
            assert result.exit_code == 0, result.output
            smaller = json.loads(result.stdout)["quantised"]
            assert (smaller["split"], smaller["exact_before"]["n"], smaller["same_answers"]["n"]) == ("dev", 20, 20)
            assert smaller["exact"]["value"] >= 0.6
            assert (tmp_path / form / file).stat().st_size == smaller["bytes"] < 0.35 * smaller["bytes_before"]
    finally:
        stop(at.path, "table-answer")


def simulated(tmp_path: Path, data: object, **settings: Any) -> Any:
    executor = SimulatedExecutor(world=World())
    return run(
        "sort my data, at least 60 % right", data=data, workspace=tmp_path / "at", executor=executor, deploy=False, **settings
    )  # fmt: skip


def test_bad_rows_refuse_the_run_before_anything_is_looked_up(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [*rows(), {"text": "", "label": "x"}])
    outcome = simulated(tmp_path, path)
    assert outcome.status == "refused"
    assert "line 201: question (text): empty" in outcome.reason
    assert outcome.plan is None


def test_files_changed_after_they_were_taken_end_the_run(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", rows())
    planned = simulated(tmp_path, path, plan_only=True)
    (tmp_path / "a.jsonl").unlink()  # the run has its own copy
    assert planned.status == "planned"
    assert replay(planned.run_id, workspace=Workspace(tmp_path / "at")).divergence is None


def test_rationales_are_taught_with_an_answers_only_student_beside(tmp_path: Path) -> None:
    taken = [{**row, "rationale": f"it is {row['label']}"} for row in rows()]
    planned = simulated(tmp_path, write_jsonl(tmp_path / "a.jsonl", taken), plan_only=True)
    assert planned.plan is not None
    assert planned.plan.candidate.strategy == "rationale"
    bare = simulated(tmp_path, write_jsonl(tmp_path / "b.jsonl", rows()), plan_only=True)
    assert bare.plan is not None
    assert bare.plan.candidate.strategy == "answer_only"
    assert bare.plan.candidate.teacher == "the given answers"


@pytest.mark.parametrize(
    ("words", "skill"),
    [
        ("label my tickets, at least 60 % right", "table"),
        ("intent classification into 77 intents, at least 60 % right", "intents"),
        ("solve gsm8k, at least 60 % right", "gsm8k"),
        ("mahjong hands, at least 60 % right", "table"),
    ],
)
def test_data_chooses_among_the_skills_over_data(words: str, skill: str) -> None:
    brief = read_request(words, data=DATA)
    assert (brief.skill, brief.task, brief.data) == (skill, "answer", DATA)


def test_a_skill_that_own_examples_set_aside_is_told() -> None:
    brief = read_request("which mahjong hands win, at least 60 % right", data=DATA)
    (told,) = [one for one in brief.assumptions if "set aside" in one]
    assert told.startswith("the skill mahjong, which the request speaks of, is set aside")
    assert "(skill table); without data of yours mahjong would be used" in told
    for words in ("label my tickets, at least 60 % right", "solve gsm8k, at least 60 % right"):
        assert not any("set aside" in one for one in read_request(words, data=DATA).assumptions)


def test_a_skill_called_by_name_contradicts_own_examples() -> None:
    for words in ("use the skill mahjong", "with the mahjong skill"):
        with pytest.raises(
            RequestError, match="names the skill 'mahjong', which makes its own examples, and examples of yours"
        ):
            read_request(f"{words}, at least 60 % right", data=DATA)
    assert read_request("use the skill gsm8k, at least 60 % right", data=DATA).skill == "gsm8k"


def test_skills_over_data_ask_for_it() -> None:
    with pytest.raises(
        RequestError, match="intents has no examples of its own: bring examples of yours with --data FILE"
    ):
        read_request("intent classification, at least 60 % right")


def test_a_brief_names_its_data(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text("data: {path: a.csv, answer: team, metric: choice}\ntargets: {accuracy: 0.8}\n", encoding="utf-8")
    brief = read_brief_file(path)
    assert (brief.skill, brief.task) == ("table", "answer")
    assert brief.data == DataSource(path="a.csv", answer="team", metric="choice")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("skill: table\ntargets: {accuracy: 0.8}\n", "data: table has no examples of its own"),
        ("skill: mahjong\ntask: win\ndata: {path: a.csv}\n", "data: mahjong makes its own examples; skills over yours: aime, gsm8k"),
        ("data: {path: a.csv, metric: bleu, columns: x}\n", "data.columns: no such field; valid: path, test, question"),
    ],
)  # fmt: skip
def test_briefs_whose_data_do_not_fit_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RequestError) as refused:
        read_brief_file(path)
    assert any(problem.startswith(said) for problem in refused.value.problems), refused.value.problems
