"""The package as it ships: every subpackage listed, every data file in the wheel, layers and sentences in order."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ("agent", "tools", "skills", "state", "evals")


def listed() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return project["tool"]["setuptools"]["packages"]


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [Path(name) for name in names if name and (ROOT / name).exists()]


def test_every_folder_with_code_is_a_listed_package() -> None:
    folders = {path.parent for path in tracked() if path.suffix == ".py" and path.parts[0] in SOURCE}
    assert {"stratos", *(f"stratos.{'.'.join(folder.parts)}" for folder in folders)} == set(listed())


def test_the_wheel_holds_what_must_ship(tmp_path: Path) -> None:
    for path in tracked():
        (tmp_path / "source" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / "source" / path)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(tmp_path),
        ".",
    ]
    environment = os.environ | {"PIP_NO_INDEX": "1"}
    built = subprocess.run(
        command, cwd=tmp_path / "source", capture_output=True, text=True, check=False, env=environment
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    at_root = {".py", ".typed"}  # what else lies there is of the checkout
    shipped = [
        path for path in tracked() if path.parts[0] in SOURCE or (len(path.parts) == 1 and path.suffix in at_root)
    ]
    wanted = {
        f"stratos/{path}"
        for path in shipped
        if path.suffix in (".py", ".csv", ".yaml", ".typed", ".sql", ".j2", ".css")
        or path.name in ("SKILL.md", "VIEWS.md")
        or path.parent.name == "prompts"
    }
    assert wanted <= held


@pytest.mark.parametrize("path", [path for path in tracked() if path.suffix == ".py"], ids=str)
def test_every_file_opens_with_a_sentence(path: Path) -> None:
    opening = ast.get_docstring(ast.parse((ROOT / path).read_text()))
    assert opening
    assert opening.split("\n\n")[0].rstrip().endswith((".", ":"))


def test_the_versions_of_the_readme_command_are_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {requirement.split(">")[0].split("=")[0].split("<")[0].split("[")[0].lower() for requirement in wanted}
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert names <= pinned
