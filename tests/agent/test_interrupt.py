"""Ctrl-C in the middle of a training: children stop, the journal stays whole, and the way to go on is said."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from stratos.agent.cli import app
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace
from typer.testing import CliRunner

REQUEST = "tell whether 14 mahjong tiles are a winning hand, at least 30 % exact"


def running_in(folder: Path) -> list[list[str]]:
    commands: list[list[str]] = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [words for words in commands if any(str(folder) in word for word in words)]


def test_ctrl_c_stops_the_jobs_and_says_how_to_resume(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "space")
    command = [sys.executable, "-m", "stratos", "run", REQUEST, "--no-deploy", "--workspace", str(workspace.path)]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore Ctrl-C, and so would whatever they start, these tests included.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as run:
        while not any(workspace.path.glob("runs/*/*-distill/student/process.json")):
            assert run.poll() is None
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
    (found,) = Journal(workspace).runs()
    assert run.returncode == 130
    assert f"stratos resume {found.run_id}" in err
    assert found.status == "interrupted"
    shown = CliRunner().invoke(app, ["show", found.run_id, "--workspace", str(workspace.path)]).output
    assert f"interrupted after what is shown: stratos resume {found.run_id}" in " ".join(shown.split())
    assert Journal(workspace).verify(found.run_id).ok
    assert running_in(workspace.path) == []
