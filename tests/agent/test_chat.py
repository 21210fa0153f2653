"""The chat in a real pseudo-terminal, in a simulated world: approval, changes, questions, interruption, coming back."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
from stratos.agent import session
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace

REQUEST = "tell whether 14 mahjong tiles are a winning hand, at least 90 % exact, at most $1"
CHATTING = Path(__file__).with_name("chatting.py")
PATIENCE_S = 60


@contextmanager
def chatting(workspace: Path, seconds: float, *run: str) -> Generator[Any]:
    environment = {**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
    arguments = ["-P", str(CHATTING), str(workspace), str(seconds), *run]
    spawn: Any = pexpect.spawn
    terminal = spawn(
        sys.executable, arguments, env=environment, encoding="utf-8", timeout=PATIENCE_S, dimensions=(50, 200)
    )
    try:
        yield terminal
    finally:
        terminal.close(force=True)


def working(terminal: Any) -> str:
    """Asks until a training is under way; the run's name."""
    for _ in range(100):
        terminal.sendline("status")
        terminal.expect(r"run (\S+): ([^;]*);")
        if "of 99 tokens" in terminal.match.group(2):
            return terminal.match.group(1)
        time.sleep(0.1)
    raise AssertionError("no training began")


def test_a_whole_session_with_a_cheaper_plan_questions_an_interruption_and_a_return(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "space")
    with chatting(workspace.path, 60) as terminal:
        terminal.expect("Say what the model should do")
        terminal.sendline("tell whether 14 mahjong tiles are a winning hand")
        terminal.expect("how often must it be right")
        terminal.expect("how much may it cost")
        terminal.sendline("at least 90 % exact, at most $1")
        terminal.expect(r"Shall I\? yes, no, cheaper")
        terminal.sendline("why not the H100?")
        terminal.expect("not chosen: .*no executor")
        terminal.sendline("what if I had $50?")
        terminal.expect("the plan would be the same")
        terminal.sendline("cheaper")
        terminal.expect("the accuracy target 0.9 becomes (0.[0-9]+)")
        target = float(terminal.match.group(1))
        terminal.sendline("1")
        terminal.expect("noted: ")
        terminal.expect(r"Shall I\? yes, no, cheaper")
        terminal.sendline("yes")
        terminal.expect("approved user: up to")
        run_id = working(terminal)
        terminal.sendline("gibberish of the day")
        terminal.expect("I do not understand")
        terminal.sendline("stop")
        terminal.expect("stopped; `go on` continues")
        terminal.sendline("quit")
        terminal.expect(f"stratos chat --resume {run_id}")
        terminal.expect(pexpect.EOF)
    with chatting(workspace.path, 0.1, run_id) as terminal:
        terminal.expect("you: why not the H100")  # what was said before
        terminal.expect("stopped, as you said")
        terminal.sendline("status")
        terminal.expect("stopped, `go on` continues it; ")
        terminal.sendline("go on")
        terminal.expect("met: every target is met")
        terminal.sendline("why not scratch-5M?")
        terminal.expect("not chosen: ")
        terminal.sendline("quit")
        terminal.expect(pexpect.EOF)
    (found,) = Journal(workspace).runs()
    assert found.status == "met"
    assert session.replay(run_id, workspace=workspace).identical
    outcome: Any = Journal(workspace).rows(run_id)[-1].output
    assert outcome["brief"]["targets"]["accuracy"] == target < 0.9


def test_a_change_and_own_data_in_the_middle_of_a_run(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "space")
    own = tmp_path / "tickets.jsonl"
    own.write_text('{"question": "123m456p789s11122z", "answer": "yes"}\n{"question": "147m258p369s12345z"}\n')
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"question": "123m456p789s11122z", "answer": "no"}\nnot json\n')
    with chatting(workspace.path, 4) as terminal:
        terminal.expect("Say what")
        terminal.sendline(REQUEST)
        terminal.expect(r"Shall I\?")
        terminal.sendline(f"use my data in {broken}")
        terminal.expect("line 1: its answer 'no' is wrong")
        terminal.expect(r"Shall I\?")
        terminal.sendline(f"use my data in {own}")
        terminal.expect("noted: 2 questions of .* go into the training data before")
        terminal.expect(r"Shall I\?")
        terminal.sendline("yes")
        terminal.expect("approved user")
        working(terminal)
        terminal.sendline("80 % is enough")
        terminal.expect("taken; it counts from the next step on")
        terminal.expect("met: every target is met")
        terminal.sendline("quit")
        terminal.expect(pexpect.EOF)
    (found,) = Journal(workspace).runs()
    rows = Journal(workspace).rows(found.run_id)
    said: list[Any] = [row.output for row in rows if row.name == "user"]
    assert [bool(one["own_data"]) for one in said] == [False, True, False]
    assert said[1]["own_data"]["questions"] == 2
    assert said[2]["word"]["targets"] == {"accuracy": 0.8}
    assert session.replay(found.run_id, workspace=workspace).identical


def test_lines_from_a_pipe_are_taken_one_by_one(tmp_path: Path) -> None:
    lines = f"{REQUEST}\nno\n"
    found = subprocess.run(
        [sys.executable, "-P", str(CHATTING), str(tmp_path), "0"],
        input=lines,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == 0
    assert re.search(r"cancelled: the plan was not approved", found.stdout)
