"""`stratos doctor --cloud` over a scripted program `sky`: what it says is passed on, step by step."""

import json
from pathlib import Path

import pytest
from stratos.agent.cli import app
from stratos.tools.cloud.sky import PROGRAM_VARIABLE
from typer.testing import CliRunner

PRICE = (
    "instance_type,region,accelerator,accelerator_count,vcpus,memory_gib,price_usd_per_hour,as_of\n"
    "cpu,loopback,,,1,2,0.1,2026-11-01\n"
)


def scripted(folder: Path, answers: dict[str, str]) -> Path:
    """A program that answers its first word, or fails."""
    program = folder / "sky"
    cases = "\n".join(f"  {word}) echo '{said}' ;;" for word, said in answers.items())
    program.write_text(f'#!/bin/sh\ncase "$1" in\n{cases}\n  *) echo "cannot $1" >&2; exit 3 ;;\nesac\n')
    program.chmod(0o755)
    return program


def looked(program: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, dict[str, dict[str, str]]]:
    monkeypatch.setenv(PROGRAM_VARIABLE, str(program))
    result = CliRunner().invoke(app, ["doctor", "--cloud", "--json", "--workspace", str(workspace)])
    return result.exit_code, {one["name"]: one for one in json.loads(result.stdout)}


def test_what_is_ready_is_said_and_what_was_left_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [{"name": "stratos-1234", "status": "UP"}, {"name": "others", "status": "UP"}]
    said = 'Clouds:\n{"default": {"AWS": ["compute"], "Slurm": ["compute"]}}'
    program = scripted(tmp_path, {"--version": "skypilot, version 0.14.1", "check": said, "status": json.dumps(left)})
    code, found = looked(program, tmp_path, monkeypatch)
    assert (code, found["SkyPilot"]["state"], found["SkyPilot"]["ok"]) == (0, "0.14.1", True)
    assert found["clouds"]["state"] == "aws, slurm; no prices for slurm"
    assert [one["to_add"] for one in found.values() if one["name"] != "clusters"] == ["", "", "", ""]
    assert found["clusters"]["state"] == "stratos-1234 (UP)"
    assert "sky down NAME" in found["clusters"]["to_add"]


def test_a_step_that_fails_says_what_skypilot_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = scripted(tmp_path, {"--version": "skypilot, version 0.9.0", "check": '{"default": {}}'})
    code, found = looked(program, tmp_path, monkeypatch)
    assert (code, found["SkyPilot"]["ok"]) == (1, False)
    assert (found["clouds"]["ok"], found["clouds"]["state"]) == (False, "none is enabled")
    assert "ended with 3: cannot status" in found["clusters"]["state"]


def test_without_the_program_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, found = looked(tmp_path / "none", tmp_path, monkeypatch)
    assert (code, list(found)) == (1, ["SkyPilot", "ssh", "rsync"])
    assert f"set {PROGRAM_VARIABLE} to" in found["SkyPilot"]["to_add"]


def test_a_cloud_with_own_prices_is_one_that_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prices.csv").write_text("cloud," + PRICE.replace("cpu,loop", "slurm,cpu,loop"))
    program = scripted(
        tmp_path,
        {"--version": "skypilot, version 0.14.1", "check": '{"default": {"Slurm": ["compute"]}}', "status": "[]"},
    )
    code, found = looked(program, tmp_path, monkeypatch)
    assert (code, found["clouds"]["state"], found["clouds"]["ok"]) == (0, "slurm", True)
    assert found["clusters"]["state"] == "none of Stratos is there"
