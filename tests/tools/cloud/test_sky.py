"""SkyPilot's program as a process: what it answers is read or refused, and it ends with whoever waits for it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from stratos.state.errors import NotAvailable, ToolFailed
from stratos.tools.cloud.sky import Cost, Queued, Sky

from .program import Program, until

ASKS = "import sys; from stratos.tools.cloud.sky import Sky; Sky(sys.argv[1]).version()"
ASKED: dict[str, Callable[[Sky], object]] = {
    "status": Sky.clusters,
    "queue": lambda sky: sky.queue("one"),
    "cost-report": Sky.costs,
    "check": Sky.enabled,
}
UP = [{"name": "one", "status": "UP", "nodes": 1}, {"name": "two", "status": "INIT", "nodes": 2}]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path / "program")


@pytest.fixture
def sky(program: Program) -> Sky:
    return Sky(str(program.path))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone ends a child with its parent")
def test_a_program_that_is_waited_for_ends_with_a_killed_agent(tmp_path: Path) -> None:
    program, said = tmp_path / "sky", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\necho $$ > {said}.part; mv {said}.part {said}; exec sleep 300\n", encoding="utf-8")
    program.chmod(0o755)
    agent = subprocess.Popen([sys.executable, "-P", "-c", ASKS, str(program)])
    try:
        until(said.exists)
        waiting = psutil.Process(int(said.read_text(encoding="utf-8")))
    finally:
        agent.kill()
        agent.wait()
    until(lambda: not waiting.is_running() or waiting.status() == psutil.STATUS_ZOMBIE)


def test_without_a_program_it_says_how_to_add_one(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="set STRATOS_SKY"):
        Sky(str(tmp_path / "sky"))


@pytest.mark.parametrize("before", ["", "Checking...\n", "[notice] a newer one is there\n", "[1] notice\n", "{}\n"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("after", ["", "\nTo update: pip install skypilot\n", "\n[1] done\n"])
def test_clusters_are_read_between_lines_to_people(
    program: Program, sky: Sky, before: str, indent: int | None, after: str
) -> None:
    program.says("status", before + json.dumps(UP, indent=indent) + after)
    assert sky.clusters() == UP
    assert sky.names(refresh=False) == {"one", "two"}
    assert program.calls == ["status --refresh --output json", "status --output json"]


def test_no_cluster_is_an_answer_too(program: Program, sky: Sky) -> None:
    program.says("status", "[]")
    assert sky.names(refresh=True) == set()


@pytest.mark.parametrize(
    "text",
    ["", "no connection", "[notice] it works on it", '[{"name": "one", "sta', "{}", '[{"nome": "one"}]', "[null]", "7"],
)
@pytest.mark.parametrize("command", ASKED)
def test_an_answer_that_is_none_is_said(program: Program, sky: Sky, text: str, command: str) -> None:
    if text == "{}" and command in ("queue", "check"):
        text = '{"one": 7}'
    program.says(command, text)
    with pytest.raises(ToolFailed, match=f"`sky {command}.*answered no JSON that was expected"):
        ASKED[command](sky)


def test_bytes_that_are_no_text_are_no_answer(program: Program, sky: Sky) -> None:
    program.does("status", r"printf '\377\376'")
    with pytest.raises(ToolFailed, match="answered no JSON"):
        sky.clusters()


def test_a_queue_holds_the_jobs_of_its_cluster_alone(program: Program, sky: Sky) -> None:
    rows = [
        {"job_id": 2, "job_name": "b", "status": "SETTING_UP", "user": "me"},
        {"job_id": 1, "job_name": None, "status": "NEWLY_INVENTED"},
    ]
    program.answers("queue", {"one": rows, "two": [{"job_id": 1, "job_name": "c", "status": "FAILED"}]})
    assert sky.queue("one") == [
        Queued(number=2, name="b", state="waiting"),
        Queued(number=1, name="None", state="running"),
    ]
    assert [job.state for job in sky.queue("two")] == ["failed"]
    assert sky.queue("three") == []


def test_costs_of_clusters_of_one_name_are_added(program: Program, sky: Sky) -> None:
    rows = [
        {"name": "one", "duration": 60, "total_cost": 0.5},
        {"name": "two", "duration": None, "total_cost": None},
        {"name": "one", "duration": 30.5, "total_cost": 0.25},
    ]
    program.answers("cost-report", rows)
    assert sky.costs() == {"one": Cost(seconds=90.5, usd=0.75), "two": Cost(seconds=0, usd=0)}


def test_clouds_are_named_as_prices_name_them(program: Program, sky: Sky) -> None:
    program.answers("check", {"default": {"AWS": ["compute"], "Slurm": []}, "other": {"AWS": []}})
    assert sky.enabled() == ["aws", "slurm"]


def test_one_that_fails_tells_its_last_words(program: Program, sky: Sky) -> None:
    program.does("status", "echo is it up?; echo no connection >&2; exit 3")
    with pytest.raises(ToolFailed, match=r"`sky status --output json` ended with 3: is it up\?\nno connection"):
        sky.names(refresh=False)


def test_one_that_does_not_end_is_not_waited_for(program: Program, sky: Sky) -> None:
    program.does("cancel", "exec sleep 300")
    with pytest.raises(ToolFailed, match=r"`sky cancel --yes one --all` did not end within 0.1 s"):
        sky.cancel("one", timeout_s=0.1)


def test_one_that_is_there_no_more_is_said(program: Program, sky: Sky) -> None:
    program.path.unlink()
    with pytest.raises(ToolFailed, match="`sky --version` could not be run"):
        sky.version()


def test_a_cluster_is_ended_though_nobody_can_say_whether_it_is_there(program: Program, sky: Sky) -> None:
    program.does("status", "exit 1")
    program.does("down", "exit 0")
    sky.down("one")
    assert program.calls == ["down --yes one"]


def test_a_cluster_that_is_gone_need_not_be_ended(program: Program, sky: Sky) -> None:
    program.answers("status", UP)
    program.does("down", "exit 1")
    sky.down("three")
    with pytest.raises(ToolFailed, match="`sky down --yes one` ended with 1"):
        sky.down("one")


@pytest.mark.parametrize(("does", "well"), [("exit 0", True), ("exit 23", False), ("exec sleep 300", False)])
def test_a_fetch_that_failed_or_took_too_long_did_not_go_well(
    tmp_path: Path, sky: Sky, monkeypatch: pytest.MonkeyPatch, does: str, well: bool
) -> None:
    rsync = Program(tmp_path / "rsync", "rsync")
    rsync.does("--archive", does)
    monkeypatch.setenv("PATH", str(rsync.folder), prepend=":")
    assert sky.bring("one", "there", tmp_path, "--rule", timeout_s=30 if well else 0.5) is well
