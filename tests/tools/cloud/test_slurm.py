"""The executor over the real SkyPilot and a real Slurm on this machine; needs root, Slurm's packages and SkyPilot's program."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from stratos.evals.cloud.slurm import PROGRAMS, down, up
from stratos.tools.cloud.executor import SkyExecutor
from stratos.tools.cloud.sky import PROGRAM_VARIABLE, Sky
from stratos.tools.cloud.tasks import SetUp
from stratos.tools.waiting import run

from .test_executor import OFFER, request

SKY = shutil.which(os.environ.get(PROGRAM_VARIABLE, "sky"))
MISSING = [name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
SYSTEM_PYTHON = Path("/usr/bin/python3")
"""The cluster's user may enter neither root's home nor, with it, an interpreter that lies there."""

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.skipif(bool(MISSING) or os.geteuid() != 0, reason=f"root alone can set up Slurm; missing: {MISSING}"),
    pytest.mark.skipif(SKY is None, reason=f"no program `sky`; {PROGRAM_VARIABLE} names it"),
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """The folder of a cluster that is up; SkyPilot's home is in it."""
    assert SKY is not None
    folder = tmp_path_factory.mktemp("slurm")
    for above in (folder, *folder.parents):  # others must be able to enter
        if above.owner() == "root" and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o055)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"/usr/bin:/usr/sbin:{os.environ['PATH']}")
        for name, value in up(folder, Path(SKY).with_name("uv")).items():
            patch.setenv(name, value)
        python = folder / "programs" / "python-with-packages"
        packages = next(path for path in sys.path if path.endswith("site-packages"))
        python.write_text(f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{packages}" exec {SYSTEM_PYTHON} "$@"\n')
        python.chmod(0o755)
        yield folder
        subprocess.run([SKY, "api", "stop"], check=False, capture_output=True)
        down(folder)


def executor(slurm: Path, workspace: Path) -> SkyExecutor:
    """With a dollar for the call of the job's folder."""
    python = str(slurm / "programs" / "python-with-packages")
    made = SkyExecutor(workspace, frozenset({"slurm"}), sky=Sky(SKY), set_up=SetUp(python=python))
    made.reserve(request(workspace).folder, OFFER, 1.0)
    return made


def test_a_job_runs_on_a_slurm_cluster_and_all_it_made_comes_back(slurm: Path, tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    at = executor(slurm, tmp_path)
    result = run(at, request(tmp_path), events.append)
    assert result["splits"][0]["n"] == 10
    assert (tmp_path / "runs" / "r1" / "data" / "dev.jsonl").exists()
    assert any(event["event"] == "progress" and event["done"] > 0 for event in events)
    (cluster,) = Sky(SKY).clusters()
    assert (cluster["status"], cluster["cloud"], cluster["to_down"]) == ("UP", "Slurm", True)
    charged = at.charge(request(tmp_path).folder)
    rest = at.release(tmp_path / "runs" / "r1")
    assert Sky(SKY).clusters() == []
    told = Sky(SKY).costs()[cluster["name"]]
    assert charged.usd > 0
    assert charged.usd + rest == pytest.approx(told.seconds / 3600 * OFFER.usd_per_hour)


def test_a_job_is_found_again_by_another_agent_and_ended(slurm: Path, tmp_path: Path) -> None:
    asked = request(tmp_path, examples=3_000_000)
    started = executor(slurm, tmp_path).submit(asked.module, asked.job, asked.folder, offer=OFFER)
    later = executor(slurm, tmp_path)
    again = later.submit(asked.module, asked.job, asked.folder, offer=OFFER)
    assert (started.how, again.how) == ("started", "attached")
    later.cancel(again)
    assert (later.poll(again).state, Sky(SKY).clusters()) == ("cancelled", [])
