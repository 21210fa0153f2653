"""A real run, killed with SIGKILL in five phases and resumed each time, against the same run left alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from stratos.agent import session
from stratos.skills import load
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace
from stratos.tools.generation import file_sha256
from stratos.tools.serving import deployments

PATIENCE_S = 240


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One workspace for both runs; whatever they serve is stopped in the end."""
    found = Workspace(tmp_path_factory.mktemp("killed"))
    yield found
    for deployment in deployments.listing(found.path):
        deployments.stop(found.path, deployment.name)


def agent(workspace: Workspace, run_id: str = "") -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "stratos.tests.agent.driver", str(workspace.path), *([run_id] if run_id else [])]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_when(process: "subprocess.Popen[bytes]", reached: Callable[[], bool], phase: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert process.poll() is None, f"the run ended with {process.returncode} before {phase}"
        assert time.monotonic() < deadline, f"{phase} was not reached"
        time.sleep(0.02)
    process.kill()
    process.wait()


def kill_jobs(folder: Path) -> None:
    """Kills the jobs that outlived their agent, as a machine that went down would."""
    for process in psutil.process_iter(["cmdline"]):
        words: list[str] = process.info["cmdline"] or []
        if any(str(folder) in word for word in words):
            os.kill(process.pid, signal.SIGKILL)


def output(workspace: Workspace, run_id: str, name: str) -> Any:
    return [row.output for row in Journal(workspace).rows(run_id) if row.name == name]


def shards(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.glob("data/train-*.jsonl"))}


@pytest.fixture(scope="module")
def left_alone(workspace: Workspace) -> str:
    process = agent(workspace)
    assert process.wait(PATIENCE_S) == 0
    (run,) = Journal(workspace).runs()
    return run.run_id


@pytest.fixture(scope="module")
def killed(workspace: Workspace, left_alone: str) -> tuple[str, dict[str, int]]:
    """The killed run's name, and when its shards were written, seen at the kill in the middle of training."""
    process = agent(workspace)
    while len(Journal(workspace).runs()) < 2:
        time.sleep(0.05)
    run_id = Journal(workspace).runs()[-1].run_id
    folder = workspace.run_folder(run_id)
    made: dict[str, int] = {}
    phases: tuple[tuple[str, Callable[[], bool], bool], ...] = (
        ("planning", lambda: len(Journal(workspace).rows(run_id)) >= 5, False),
        ("making data", lambda: bool(shards(folder)), True),
        ("training", lambda: any('"progress"' in log.read_text() for log in folder.glob("*-distill/student/log.jsonl")), True),
        ("training once more", lambda: any(folder.glob("*-distill/student/model/*")), False),
        ("evaluating", lambda: any(folder.glob("*-evaluate/answers-student.jsonl")), True),
        ("serving", lambda: len(list((workspace.deployments_folder / "mahjong-win").glob("servers/*"))) > 1, False),
    )  # fmt: skip
    for phase, reached, and_jobs in phases:
        kill_when(process, reached, phase)
        if and_jobs:
            kill_jobs(folder)
        if phase == "training":
            made = shards(folder)
        process = agent(workspace, run_id)
    assert process.wait(PATIENCE_S) == 0
    return run_id, made


def test_the_killed_run_ends_as_the_one_left_alone(
    workspace: Workspace, left_alone: str, killed: tuple[str, dict[str, int]]
) -> None:
    names = [
        [row.name for row in Journal(workspace).rows(run) if row.kind != "note"] for run in (left_alone, killed[0])
    ]
    assert names[0] == names[1]
    assert names[0][-1] == "met"


def test_the_plan_is_the_same(workspace: Workspace, left_alone: str, killed: tuple[str, dict[str, int]]) -> None:
    plans = [output(workspace, run, "tool solve_pareto") for run in (left_alone, killed[0])]
    assert [len(found) for found in plans] == [1, 1]
    assert plans[0][0]["plan"]["candidate"]["id"] == plans[1][0]["plan"]["candidate"]["id"]


def test_no_example_was_made_twice(workspace: Workspace, left_alone: str, killed: tuple[str, dict[str, int]]) -> None:
    run_id, made = killed
    assert made
    assert shards(workspace.run_folder(run_id)) == made
    data = [output(workspace, run, "tool generate_data")[0]["sha256"] for run in (left_alone, run_id)]
    assert data[0] == data[1]


def test_the_student_has_the_same_weights(
    workspace: Workspace, left_alone: str, killed: tuple[str, dict[str, int]]
) -> None:
    hashes = [
        file_sha256(next(workspace.run_folder(run).glob("*-distill/student/model/model.safetensors")))
        for run in (left_alone, killed[0])
    ]
    assert hashes[0] == hashes[1]


def test_both_runs_replay_identical_and_their_chains_hold(
    workspace: Workspace, left_alone: str, killed: tuple[str, dict[str, int]]
) -> None:
    for run_id in (left_alone, killed[0]):
        assert Journal(workspace).verify(run_id).ok
        found = session.replay(run_id, workspace=workspace)
        assert (found.identical, found.finished, found.divergence) == (True, True, None)


def test_replaying_needs_no_torch(workspace: Workspace, left_alone: str) -> None:
    code = (
        "import sys; from pathlib import Path; from stratos.agent import session; from stratos.state.workspace import Workspace;"
        f"found = session.replay({left_alone!r}, workspace=Workspace(Path({str(workspace.path)!r})));"
        "assert found.identical; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_one_server_is_left_and_it_answers(workspace: Workspace, killed: tuple[str, dict[str, int]]) -> None:
    (deployment,) = deployments.listing(workspace.path)
    assert (deployment.status, deployment.run_id) == ("ready", killed[0])
    answer = deployments.ask(workspace.path, deployment.name, "win 1m 1m 1m 2m 2m 2m 3m 3m 3m 4p 5p 6p 7z 7z")
    assert answer
    assert set(answer.split()) <= set(load("mahjong").vocabulary)  # right or wrong: it was trained for seconds
