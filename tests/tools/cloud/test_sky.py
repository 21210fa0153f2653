"""SkyPilot's program as a process: it ends with whoever waits for it."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

ASKS = "import sys; from stratos.tools.cloud.sky import Sky; Sky(sys.argv[1]).version()"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone ends a child with its parent")
def test_a_program_that_is_waited_for_ends_with_a_killed_agent(tmp_path: Path) -> None:
    program, said = tmp_path / "sky", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\necho $$ > {said}.part; mv {said}.part {said}; exec sleep 300\n", encoding="utf-8")
    program.chmod(0o755)
    agent = subprocess.Popen([sys.executable, "-P", "-c", ASKS, str(program)])
    try:
        _until(said.exists)
        waiting = psutil.Process(int(said.read_text(encoding="utf-8")))
    finally:
        agent.kill()
        agent.wait()
    _until(lambda: not waiting.is_running() or waiting.status() == psutil.STATUS_ZOMBIE)


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
