"""What travels with a job, what it asks of SkyPilot, and the package that is copied there."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from stratos.tools.cloud.carrying import arrived_at, brought_back, carried, gathered
from stratos.tools.cloud.package import pins, staged
from stratos.tools.cloud.tasks import SetUp, resources, task, written
from stratos.tools.jobs import Job

from .test_executor import OFFER


class Named(Job):
    """Files here and there."""

    writes = ("out",)

    shards: tuple[Path, ...]
    out: Path
    own: Path
    words: dict[str, str]


@pytest.fixture
def job(tmp_path: Path) -> Named:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shard.jsonl").write_text(name)
    shards = (tmp_path / "a" / "shard.jsonl", tmp_path / "b" / "shard.jsonl")
    return Named(shards=shards, out=tmp_path / "out", own=tmp_path / "job" / "x", words={"said": str(tmp_path)})


def test_files_of_one_name_do_not_meet_and_words_are_no_files(tmp_path: Path, job: Named) -> None:
    sent = carried(job, tmp_path / "job")
    there = arrived_at(sent.job, "/home/someone/stratos")
    first, second = there["shards"]
    assert first != second
    assert {Path(first).name, Path(second).name} == {"shard.jsonl"}
    assert there["own"] == f"/home/someone/stratos/jobs/{sent.name}/x"
    assert there["words"] == {"said": str(tmp_path)}
    assert [sent.files[place] for place in sent.writes] == [tmp_path / "out"]


def test_all_files_travel_as_one_folder_at_their_places(tmp_path: Path, job: Named) -> None:
    sent = carried(job, tmp_path / "job")
    one = gathered(sent, tmp_path / "gathered")
    ((place, folder),) = one.files.items()
    assert (str(place), folder, one.job) == ("files", tmp_path / "gathered", sent.job)
    found = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    wanted = {str(at.relative_to("files")): path.read_text() for at, path in sent.files.items() if path.exists()}
    assert found == wanted
    assert sorted(found.values()) == ["a", "b"]
    (tmp_path / "a" / "shard.jsonl").unlink()
    again = gathered(sent, tmp_path / "gathered")
    assert [path.read_text() for path in again.files[place].rglob("*") if path.is_file()] == ["b"]


def test_places_there_are_told_as_they_are_here() -> None:
    places = {"/there/jobs/a": Path("/here/a")}
    made = {"model": "/there/jobs/a/model", "like": "/there/jobs/ab", "all": ["/there/jobs/a"]}
    assert brought_back(made, places) == {"model": "/here/a/model", "like": "/there/jobs/ab", "all": ["/here/a"]}


def test_a_task_is_a_file_that_names_what_travels_and_installs_pinned_packages(tmp_path: Path, job: Named) -> None:
    sent = carried(job, tmp_path / "job")
    made = task(sent, OFFER, tmp_path / "package", tmp_path / "job", SetUp(pins=("numpy==2.4.0",)), threads=2)
    read = yaml.safe_load(written(made, tmp_path / "task.yaml").read_text())
    assert read == made
    assert sorted(read["file_mounts"].values()) == sorted(
        str(path) for path in (*job.shards, tmp_path / "package", tmp_path / "job")
    )
    assert read["setup"] == "python -m pip install --quiet numpy==2.4.0\n"
    assert "export OMP_NUM_THREADS=2\n" in read["run"]
    assert "setup" not in task(sent, OFFER, tmp_path, tmp_path, SetUp(python="/opt/python"))


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (
            {
                "cloud": "aws",
                "region": "us-east-1",
                "instance_type": "g5.xlarge",
                "accelerator": "A10G",
                "accelerator_count": 1,
            },
            {"infra": "aws/us-east-1", "instance_type": "g5.xlarge", "disk_size": 100},
        ),
        (
            {"cloud": "gcp", "region": "us-west1", "instance_type": "n2-standard-4"},
            {"infra": "gcp/us-west1", "instance_type": "n2-standard-4", "disk_size": 100},
        ),
    ],
)
def test_an_offer_is_asked_for_by_its_own_machine_type(changes: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert resources(OFFER.model_copy(update=changes)) == wanted


def test_the_package_runs_from_its_copy(tmp_path: Path) -> None:
    staged(tmp_path)
    code = "import stratos, stratos.skills as s, stratos.tools.cloud.arrived as a; s.load('mahjong'); print(a.__file__)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path / "stratos" / "tools" / "cloud" / "arrived.py")
    assert not (tmp_path / "stratos" / "tests").exists()
    assert (tmp_path / "stratos" / "tools" / "pricing" / "offers.csv").exists()
    assert {path.suffix for path in (tmp_path / "stratos").iterdir() if path.is_file()} == {".py"}
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 30e6


def test_what_is_installed_here_is_what_is_installed_there() -> None:
    found = dict(pin.split("==") for pin in pins(("tuning",)))
    assert {"torch", "duckdb", "transformers", "peft", "numpy", "pydantic-core"} <= set(found)
    assert not {"pytest", "ruff", "flwr"} & set(found)
    assert not any("+" in version for version in found.values())
