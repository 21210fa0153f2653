"""What the load generator is told of an endpoint."""

import json
import sys
from pathlib import Path

import pytest
from stratos.state.errors import ToolFailed
from stratos.tools.serving.guidellm import PROGRAM_VARIABLE, measure_load

FAKE = """#!{python}
import shutil, sys
shutil.copy(sys.argv[sys.argv.index("-c") + 1], {told!r})
sys.exit("it only listens")
"""


def test_an_endpoint_with_a_certificate_of_its_own_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, program = tmp_path / "told.json", tmp_path / "guidellm"
    program.write_text(FAKE.format(python=sys.executable, told=str(told)))
    program.chmod(0o755)
    monkeypatch.setenv(PROGRAM_VARIABLE, str(program))
    with pytest.raises(ToolFailed, match="guidellm ended with exit code 1: it only listens"):
        measure_load("https://127.0.0.1:8443/v1", "key", "model", tmp_path, ["w1"])
    backend = json.loads(told.read_text())["spec"]["backend"]
    assert (backend["target"], backend["verify"]) == ("https://127.0.0.1:8443", False)
