"""The job's script: begins a run, goes on with it where its pod was lost, exports it, and never pays twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .files import MANIFESTS

# Stands in for the command line: keeps runs in runs.json, notes what it was told, ends as code.txt says.
STRATOS = """#!{python}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
runs = json.loads((here / "runs.json").read_text())
if sys.argv[1] == "runs":
    print(json.dumps(runs)); sys.exit()
with (here / "said.txt").open("a") as said:
    said.write(" ".join(sys.argv[1:]) + "\\n")
code = int((here / "code.txt").read_text())
if sys.argv[1] == "run":
    runs.append({{"run_id": f"r{{len(runs)}}", "status": ""}})
if sys.argv[1] in ("run", "resume"):
    runs[-1]["status"] = {{0: "met", 3: "missed", 130: "interrupted"}}[code]
    (here / "runs.json").write_text(json.dumps(runs)); sys.exit(code)
"""


class Pods:
    """Pods of jobs, one after the other, with one workspace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "stratos").write_text(STRATOS.format(python=sys.executable))
        (folder / "stratos").chmod(0o755)
        (folder / "runs.json").write_text(json.dumps([{"run_id": "older", "status": "met"}]))

    def start(self, job: str, ends: int) -> tuple[int, list[str]]:
        """The pod's exit code, and what it had `stratos` do."""
        (self.folder / "code.txt").write_text(str(ends))
        (self.folder / "said.txt").write_text("")
        variables = {"PATH": f"{self.folder}:{os.environ['PATH']}", "STRATOS_WORKSPACE": str(self.folder), "JOB": job}
        command = ["sh", str(MANIFESTS / "agent" / "work.sh")]
        done = subprocess.run(command, env=os.environ | variables, check=False, capture_output=True, text=True)
        return done.returncode, (self.folder / "said.txt").read_text().splitlines()


@pytest.fixture
def pods(tmp_path: Path) -> Pods:
    return Pods(tmp_path)


RUN, EXPORT = "run /etc/stratos/brief.yaml --yes --no-deploy", "export {} /models/student --model --force"


def test_a_job_runs_and_exports_its_own_run(pods: Pods) -> None:
    assert pods.start("a", 0) == (0, [RUN, EXPORT.format("r1")])
    assert pods.start("b", 0) == (0, [RUN, EXPORT.format("r2")])


def test_a_pod_that_is_lost_is_followed_by_one_that_goes_on(pods: Pods) -> None:
    assert pods.start("a", 130) == (130, [RUN])
    assert pods.start("a", 130) == (130, ["resume r1 --yes"])
    assert pods.start("a", 0) == (0, ["resume r1 --yes", EXPORT.format("r1")])


def test_a_pod_that_is_lost_while_it_exports_is_not_paid_for_again(pods: Pods) -> None:
    pods.start("a", 0)
    assert pods.start("a", 0) == (0, [EXPORT.format("r1")])


def test_a_missed_target_is_the_jobs_exit_code_and_nothing_is_exported(pods: Pods) -> None:
    assert pods.start("a", 3) == (3, [RUN])


def test_the_first_run_of_a_workspace_is_like_any_other(pods: Pods) -> None:
    (pods.folder / "runs.json").write_text("[]")
    assert pods.start("a", 0) == (0, [RUN, EXPORT.format("r0")])
