"""This package and what it needs, as another machine gets them: the files, and the versions that are installed here."""

import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parents[2]
DISTRIBUTION = "stratos-slm"
NOT_THERE = frozenset({"tests", "build"})
"""Folders beside the package in a checkout."""


def staged(folder: Path) -> Path:
    """A copy of the package's files in `folder/stratos`: code, and the texts and tables that it reads. Its folder.

    Of the top, code alone: a checkout has files there that are none of the package's, such as a user's credentials.
    """
    target = folder / "stratos"
    shutil.rmtree(target, ignore_errors=True)
    for source in _folders(HERE):
        into = target / source.relative_to(HERE)
        into.mkdir(parents=True)
        for file in source.iterdir():
            is_ours = source != HERE or file.suffix == ".py"
            if is_ours and file.is_file() and not file.name.startswith("."):
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
    due = [(DISTRIBUTION, frozenset(extras))]
    while due:
        name, wanted = due.pop()
        for needed in map(Requirement, requires(name) or ()):
            called = canonicalize_name(needed.name)
            held = needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *wanted))
            if held and called not in found and (installed := _version(called)):
                found[called] = installed
                due.append((called, frozenset(needed.extras)))
    return [f"{name}=={found[name]}" for name in sorted(found)]


def _version(name: str) -> str | None:
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return None
