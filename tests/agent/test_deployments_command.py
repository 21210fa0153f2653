"""`stratos deployments`: a run's model takes over from another's, comes back, and what is served is shown with its cost and latency."""

import json
import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stratos import run
from stratos.agent.cli import app
from stratos.agent.taking_over import facts_of, say_misses
from stratos.state.workspace import Workspace
from stratos.tools.serving import guidellm
from stratos.tools.serving.deployments import listing, stop
from typer.testing import CliRunner

from ..skills.given.files import rows, write_jsonl

NAME = "table-answer"


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Workspace, list[str]]]:
    """A workspace with a served run and another one of the same examples, taught from another seed."""
    folder = tmp_path_factory.mktemp("deployments")
    at = Workspace(folder / "at")
    path = write_jsonl(folder / "colours.jsonl", rows())
    made = [
        run("name the colour, at least 60 % right", data=path, workspace=at.path, seed=seed, deploy=seed == 0)
        for seed in range(2)
    ]
    assert [one.status for one in made] == ["met", "met"], [one.reason for one in made]
    yield at, [one.run_id for one in made]
    for one in listing(at.path):
        stop(at.path, one.name)


def call(space: Workspace, *words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["deployments", *words, "--workspace", str(space.path)])
    return result.exit_code, result.stdout, result.stderr


def document(space: Workspace, *words: str) -> Any:
    code, out, err = call(space, *words, "--json")
    assert code == 0, err
    return json.loads(out)


def test_another_runs_model_takes_over_and_the_first_comes_back(space: tuple[Workspace, list[str]]) -> None:
    at, (first, second) = space
    assert document(at)[0]["version"] == 1
    code, out, err = call(at, "replace", NAME, second)
    assert code == 0, err
    assert "smoke evaluation: " in out
    assert "version 2 answers now" in out
    (shown,) = document(at)
    assert (shown["run_id"], shown["version"], shown["previous"]["run_id"]) == (second, 2, first)
    assert (shown["smoke"]["asked"], shown["smoke"]["failed"], shown["traffic"]["requests"]) == (20, 0, 1)
    assert (document(at, "rollback", NAME)["run_id"], document(at)[0]["version"]) == (first, 3)
    code, _, err = call(at, "replace", NAME, first)
    assert (code, "serves that model already, as version 3" in err) == (2, True)


def test_a_model_that_no_run_served_is_served_under_a_name_of_its_own(space: tuple[Workspace, list[str]]) -> None:
    at, (_, second) = space
    code, _, err = call(at, "start", NAME, "--run", second)
    assert (code, f"replace {NAME} {second}" in err) == (2, True)
    served = document(at, "start", "second", "--run", second)
    assert (served["run_id"], served["status"], served["usd_per_hour"]) == (second, "ready", 0)
    first_of_all = next(one for one in document(at) if one["name"] == NAME)
    assert served["about"] == first_of_all["about"]
    assert document(at, "stop", "second")["status"] == "stopped"
    assert call(at, "start", "third", "--run", "nobody")[0] == 2
    facts, said = facts_of(at, second), list[str]()
    say_misses(facts, said.append)
    assert said == []
    say_misses(replace(facts, status="missed"), said.append)
    assert said == [f"run {second} ended missed"]


def test_a_log_is_shown_by_its_end(space: tuple[Workspace, list[str]]) -> None:
    at, _ = space
    code, out, _ = call(at, "logs", NAME, "--lines", "1")
    assert (code, '"text": "serving"' in out) == (0, True)
    assert document(at, "logs", NAME, "--of", "front")["lines"] == []
    assert call(at, "logs", NAME, "--of", "another")[0] == 2


FAKE_GUIDELLM = """#!{python}
import json, sys
settings = json.load(open(sys.argv[sys.argv.index("-c") + 1]))["spec"]
def benchmark(streams):
    latency = {{"percentiles": {{"p50": 0.01, "p95": 0.02}}}}
    rate = {{"mean": 90.0}}
    metrics = {{
        "request_totals": {{"successful": settings["constraints"][0]["count"], "errored": 0}},
        "request_latency": {{"successful": latency}},
        "requests_per_second": {{"successful": rate}},
        "output_tokens_per_second": {{"successful": rate}},
    }}
    return {{"config": {{"strategy": {{"streams": streams}}}}, "duration": 1.0, "metrics": metrics}}
assert len(open(settings["data"][0]["path"]).readlines()) == 40
assert settings["backend"]["api_key"] not in sys.argv
found = [benchmark(streams) for streams in settings["profile"]["streams"]]
json.dump({{"metadata": {{"guidellm_version": "0"}}, "benchmarks": found}}, open(settings["outputs"][0]["path"], "w"))
"""


def test_a_load_generators_figures_stand_beside_the_prediction(
    space: tuple[Workspace, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, _ = space
    program = tmp_path / "guidellm"
    program.write_text(FAKE_GUIDELLM.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv(guidellm.PROGRAM_VARIABLE, str(program))
    found = document(at, "bench", NAME, "--requests", "20")
    assert [(one["clients"], one["n"], one["p95_ms"]) for one in found["measured"]] == [(1, 20, 20.0), (16, 20, 20.0)]
    assert found["predicted"]["latency_p95_ms"]["value"] > 0
    assert json.loads((at.deployments_folder / NAME / "load.json").read_text()) == found
    code, out, _ = call(at, "bench", NAME, "--requests", "20")
    assert (code, "predicted: p95" in out, "by guidellm 0" in out) == (0, True, True)
    monkeypatch.setenv(guidellm.PROGRAM_VARIABLE, str(tmp_path / "none"))
    code, _, err = call(at, "bench", NAME)
    assert (code, "pip install guidellm" in err) == (2, True)
