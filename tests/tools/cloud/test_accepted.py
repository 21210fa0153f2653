"""SkyPilot's own classes over the tasks of plans; needs SkyPilot's program, whose environment has its Python."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stratos.tools.cloud.sky import PROGRAM_VARIABLE

SKY = shutil.which(os.environ.get(PROGRAM_VARIABLE, "sky"))

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.skipif(SKY is None, reason=f"no program `sky`; {PROGRAM_VARIABLE} names it"),
]


def test_skypilot_accepts_and_prices_every_plan() -> None:
    assert SKY is not None
    python = Path(SKY).with_name("python")
    command = [sys.executable, "-m", "stratos.evals.cloud_tasks", "--quick", "--json", "--sky-python", str(python)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    claims = json.loads(done.stdout)["claims"]
    assert [claim["name"] for claim in claims if claim["met"] is False] == []
    assert all(claim["value"] == 1 for claim in claims if "accepted" in claim["name"])
