"""A model served from a container: at a port that stays, with a key from outside, leaving nothing when it is told to stop."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stratos.tools.serving import container
from stratos.tools.serving.client import api_alive, healthy
from stratos.tools.serving.vllm import free_port

KEY = "sk-chosen-outside"


@contextmanager
def started(folder: Path, temporary: Path, key: str) -> Generator["subprocess.Popen[str]"]:
    port = str(free_port("127.0.0.1"))
    command = [sys.executable, "-P", "-m", "stratos.tools.serving.container", "tiny", str(folder), "--port", port]
    environment = os.environ | {container.KEY_VARIABLE: key, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_it_serves_with_the_key_given_and_leaves_nothing(model_dir: Path, tmp_path: Path) -> None:
    with started(model_dir, tmp_path, KEY) as process:
        assert process.stdout is not None
        base_url = json.loads(process.stdout.readline())["base_url"]
        assert healthy(base_url)
        assert api_alive(base_url, KEY)
        assert not api_alive(base_url, "sk-another")
        (key_file,) = tmp_path.glob("*/api_key")
        assert key_file.stat().st_mode & 0o777 == 0o600
        process.terminate()
        assert process.wait(10) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["", "  "])
def test_without_a_key_nothing_is_served(model_dir: Path, tmp_path: Path, key: str) -> None:
    with started(model_dir, tmp_path, key) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith("no API key: set STRATOS_API_KEY")


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with started(tmp_path, tmp_path, KEY) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said == f"no model in {str(tmp_path)!r}: it has no config.json\n"


def test_others_reach_it_at_vllms_port_unless_told_otherwise() -> None:
    given = container.arguments(["student", "/models/student"])
    assert (given.host, given.port, given.threads) == ("0.0.0.0", 8000, 1)
