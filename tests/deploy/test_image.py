"""The Dockerfile: whose versions it takes, what gets into an image, who runs there."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from stratos import VERSION

from .files import ROOT, instructions


def stage(name: str) -> list[tuple[str, str]]:
    """The instructions of one stage, without its FROM."""
    found = instructions()
    begin = next(at for at, (word, rest) in enumerate(found) if word == "FROM" and rest.endswith(f" AS {name}"))
    rest = found[begin + 1 :]
    return rest[: next((at for at, (word, _) in enumerate(rest) if word == "FROM"), len(rest))]


def pip_installs() -> list[str]:
    commands = [part for word, rest in instructions() if word == "RUN" for part in rest.split("&&")]
    return [command for command in commands if re.search(r"\bpip install\b", command)]


def test_every_package_has_the_version_of_the_constraints() -> None:
    others = [command for command in pip_installs() if "-c constraints.txt" not in command]
    assert len(pip_installs()) == 7
    assert [command.strip().split("&&")[0].split()[-1] for command in others] == ["/wheel/*.whl"] * 2
    assert all("--no-deps" in command for command in others)
    assert "==" not in (ROOT / "Dockerfile").read_text()


def test_torch_is_pinned_alike_where_images_and_environments_are_made() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (pin,) = re.findall(r"^torch==.*$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pin in project["dependencies"]
    for target in ("cpu", "gpu"):
        first = next(rest for word, rest in stage(f"packages-{target}") if word == "RUN")
        assert first.endswith("-c constraints.txt torch")
    assert "https://download.pytorch.org/whl/cpu" in dict(stage("packages-cpu"))["ARG"]
    assert "ARG" not in dict(stage("packages-gpu"))


def test_what_cuda_brings_is_pinned_for_this_torch() -> None:
    lines = (ROOT / "deploy" / "constraints-gpu.txt").read_text().splitlines()
    (pin,) = re.findall(r"^torch==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert f"torch {pin} " in lines[0]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", line) for line in lines[1:])
    assert {"triton", "cuda-toolkit", "nvidia-nccl-cu13"} <= {line.split("==")[0] for line in lines[1:]}
    first = next(rest for word, rest in stage("packages-gpu") if word == "RUN")
    assert "-c constraints-gpu.txt" in first


def test_the_base_is_the_python_that_was_tested() -> None:
    base = next(rest for word, rest in instructions() if word == "ARG")
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.11\.\d+-slim-bookworm", base)


def test_what_is_installed_is_what_the_package_and_its_extras_require() -> None:
    extras = {"math", "sites", "tuning"}
    command = next(rest for word, rest in stage("packages-cpu") if word == "RUN" and "requirements.py" in rest)
    named = command.split(">")[0].split()[2:]
    assert set(named) == extras
    printed = subprocess.run(
        [sys.executable, "deploy/requirements.py", *named], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    names = {Requirement(line).name for line in printed.splitlines()}
    assert {"torch", "typer", "flwr", "peft", "math-verify"} <= names
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    assert {name.lower() for name in names} <= pinned


def test_the_targets_differ_in_their_torch_alone_and_cpu_is_the_default() -> None:
    cpu, gpu = stage("cpu"), stage("gpu")
    assert [one for one in gpu if one not in cpu][1:] == [("COPY", "--from=packages-gpu /opt/stratos /opt/stratos")]
    assert [one for one in cpu if one not in gpu] == [("COPY", "--from=packages-cpu /opt/stratos /opt/stratos")]
    assert [rest for word, rest in instructions() if word == "FROM"][-1].endswith(" AS cpu")


def test_it_runs_stratos_as_nobody_in_particular() -> None:
    runtime = dict(stage("runtime"))
    assert runtime["ENTRYPOINT"] == '["tini", "-g", "--", "stratos"]'
    assert "STRATOS_WORKSPACE=/workspace" in runtime["ENV"]
    for target in ("cpu", "gpu"):
        assert stage(target)[-2:] == [("VOLUME", '["/workspace", "/models"]'), ("USER", "10001:10001")]
    assert f'version="{VERSION}"' in runtime["LABEL"]


@pytest.mark.parametrize("word", ["KEY", "TOKEN", "SECRET", "PASSWORD"])
def test_no_secret_is_baked_in(word: str) -> None:
    assert not [rest for name, rest in instructions() if name in ("ENV", "ARG") and word in rest.upper()]


def allowed() -> list[str]:
    """What .dockerignore lets in."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert next(line for line in lines if line and line[0] != "#") == "*"
    return [line[1:] for line in lines if line.startswith("!")]


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [Path(name) for name in names if name and (ROOT / name).exists()]


def wheel_of(paths: list[Path], folder: Path) -> set[str]:
    for path in paths:
        (folder / "source" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / "source" / path)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(folder), "."]
    environment = os.environ | {"PIP_NO_INDEX": "1"}
    subprocess.run(command, cwd=folder / "source", check=True, env=environment, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_what_is_let_in_makes_the_whole_package(tmp_path: Path) -> None:
    let_in = [path for path in tracked() if any(path.is_relative_to(name) for name in allowed())]
    assert wheel_of(let_in, tmp_path / "image") == wheel_of(tracked(), tmp_path / "clone")
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    assert {name for names in copied for name in names} - {"."} <= {str(path) for path in let_in}


def test_neither_journals_nor_keys_nor_the_clones_history_are_let_in() -> None:
    assert not {".git", ".stratos", ".venv", ".env", "tests", "build", "files"} & {
        name.split("/")[0] for name in allowed()
    }
