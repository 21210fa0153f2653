"""This package and what it needs, as another machine gets them: the files, and the versions that are installed here."""

import re
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path

HERE = Path(__file__).parents[2]
DISTRIBUTION = "stratos-slm"
NOT_THERE = frozenset({"tests", "build"})
"""Folders beside the package in a checkout."""


def staged(folder: Path) -> Path:
    """A copy of the package's files in `folder/stratos`: code, and the texts and tables that it reads. Its folder."""
    target = folder / "stratos"
    shutil.rmtree(target, ignore_errors=True)
    for source in _folders(HERE):
        into = target / source.relative_to(HERE)
        into.mkdir(parents=True)
        for file in source.iterdir():
            if file.is_file() and not file.name.startswith("."):
                shutil.copy2(file, into)
    return target


def _folders(top: Path) -> Iterator[Path]:
    """The package's, the top first: those with an `__init__.py`, and those of data inside of them."""
    yield top
    for folder in sorted(path for path in top.iterdir() if path.is_dir()):
        hidden = folder.name.startswith((".", "__")) or folder.name.endswith(".egg-info")
        if not hidden and not (top == HERE and (folder.name in NOT_THERE or not (folder / "__init__.py").exists())):
            yield from _folders(folder)


def pins(extras: tuple[str, ...] = ()) -> list[str]:
    """`name==version` of everything that the package needs to run, as installed here; of no build of one kind of machine."""
    found: dict[str, str] = {}
    due = [(DISTRIBUTION, extras)]
    while due:
        name, wanted = due.pop()
        for line in requires(name) or ():
            needed = _name(line)
            if needed not in found and _holds(line, wanted) and (installed := _version(needed)):
                found[needed] = installed
                due.append((needed, _extras(line)))
    return [f"{name}=={found[name]}" for name in sorted(found)]


def _name(requirement: str) -> str:
    named = re.match(r"[\w.-]+", requirement)
    assert named is not None
    return re.sub(r"[-_.]+", "-", named[0]).lower()


def _extras(requirement: str) -> tuple[str, ...]:
    named = re.match(r"[\w.-]+\s*\[([^\]]*)\]", requirement)
    return tuple(extra.strip() for extra in named[1].split(",")) if named else ()


def _holds(requirement: str, extras: tuple[str, ...]) -> bool:
    """Whether it is asked for by these extras, or by none. Other markers are of the machine: what is installed here was asked for."""
    extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", requirement)
    return extra is None or extra[1] in extras


def _version(name: str) -> str | None:
    try:
        distribution(name)
    except PackageNotFoundError:
        return None
    return version(name).partition("+")[0]
