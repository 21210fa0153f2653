"""A skill of the user's own, from `stratos skills new` to a student measured on its sealed split, by real jobs."""

import json
from pathlib import Path
from typing import Any

import pytest
from stratos.agent import session
from stratos.agent.cli import app
from stratos.agent.intake import read_request
from stratos.skills.users import SKILLS_VARIABLE
from stratos.state.brief import Brief, Limits, Targets, Weights
from stratos.state.evidence import Outcome
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings
from stratos.tools.executor import LocalExecutor
from stratos.tools.generation import GenerateJob
from stratos.tools.waiting import JobRequest, run
from typer.testing import CliRunner


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("STRATOS_WORKSPACE", str(tmp_path / "space"))
    monkeypatch.delenv(SKILLS_VARIABLE, raising=False)
    return Workspace()


def call(*words: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def test_a_new_skill_is_listed_and_requests_are_read_by_it(workspace: Workspace) -> None:
    made = call("skills", "new", "greetings")
    assert made["folder"] == str(workspace.path / "skills" / "greetings")
    (row,) = [row for row in call("skills", "list") if row["skill"] == "greetings"]
    assert (row["task"], row["needs_data"], row["from"]) == ("largest", False, made["folder"])
    for request in ("greetings, at least 70 % exact", "which is the largest number, at least 70 % exact"):
        assert (read_request(request).skill, read_request(request).task) == ("greetings", "largest")


def test_a_new_skill_elsewhere_is_found_once_the_variable_names_it(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("skills", "new", "greetings", "--folder", str(tmp_path / "mine"))
    assert "greetings" not in {row["skill"] for row in call("skills")}
    monkeypatch.setenv(SKILLS_VARIABLE, str(tmp_path / "mine"))
    assert "greetings" in {row["skill"] for row in call("skills")}


def test_a_taken_name_is_one_message_and_usage(workspace: Workspace) -> None:
    refused = call("skills", "new", "mahjong", code=2)
    assert "'mahjong' is taken" in refused["error"]
    assert refused["error"].count("\n  - ") == 1


def test_a_job_of_its_own_process_finds_a_new_skill(workspace: Workspace) -> None:
    call("skills", "new", "greetings")
    job = GenerateJob(
        skill="greetings",
        task="largest",
        seed=0,
        data_folder=workspace.path / "data",
        examples=10,
        splits=("dev",),
        held_out_items=10,
        workers=1,
    )
    request = JobRequest(module="stratos.tools.generation", job=job, folder=workspace.path / "job")
    made = run(LocalExecutor(), request)
    assert (made["rejected_by_verifier"], made["splits"][0]["n"]) == (0, 10)


@pytest.mark.slow
def test_a_run_over_a_new_skill_teaches_and_measures_a_student(workspace: Workspace) -> None:
    call("skills", "new", "greetings")
    brief = Brief(
        request="a tiny run",
        skill="greetings",
        task="largest",
        targets=Targets(latency_p95_ms=5000.0),
        limits=Limits(usd=0.0),
        weights=Weights(latency=1, hours=1, usd=1),  # the shortest training will do
    )
    settings = Settings(seed=3, held_out_items=40, deploy=False)
    ended: Outcome = session.start(brief.request, brief=brief, workspace=workspace, settings=settings)
    assert ended.status == "met"
    rows = Journal(workspace).rows(ended.run_id)
    measured = [row.output["evaluation"] for row in rows if row.name == "tool evaluate"]
    assert [one["split"] for one in measured] == ["dev", "sealed-1"]
    assert all(control["paired"]["n"] for one in measured for control in one["controls"])
    assert all((workspace.run_folder(ended.run_id) / one["verdicts"]["path"]).is_file() for one in measured)
    assert session.replay(ended.run_id, workspace=workspace).identical
