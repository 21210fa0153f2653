"""What a job needs on another machine: the files it names, and its job file with their places there.

A machine's home folder is known only there, so a place is written with ROOT, which `arrived` puts the folder in the place of.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, cast

from ..jobs import Job

ROOT = "@root"
FILES, JOBS, PACKAGE = "files", "jobs", "package"
"""Folders of the root: what jobs name, the jobs' own, and this package."""
CLOUD_FILE, TASK_FILE, CARRIED_FILE = "cloud.json", "task.yaml", "carried.json"
"""In a job's folder, made here: where it runs, its SkyPilot task, and what is to be run there."""
ENDED_FILE = "ended.json"
"""Made there, last: what came of it."""


@dataclass(frozen=True, kw_only=True)
class Carried:
    """A job, ready to travel."""

    name: str
    """Of its folder at the other machine: the same for the same folder here."""
    job: Mapping[str, Any]
    """Its job file, as JSON."""
    files: Mapping[PurePosixPath, Path]
    """Files and folders that it names, by their places beneath the root. Those in the job's own folder travel with it, and not here."""
    writes: tuple[PurePosixPath, ...]
    """Which of them it writes into; there may be nothing of them here yet."""


def carried(job: Job, folder: Path) -> Carried:
    """The job of a folder. What it names and is not there it makes itself, or misses as it would here."""
    name = f"{folder.name}-{_short(folder)}"
    files: dict[PurePosixPath, Path] = {}

    def placed(value: object) -> object:
        if isinstance(value, Path):
            place = _place(value, folder, name)
            if place.parts[0] == FILES:
                files[place] = value.absolute()
            return f"{ROOT}/{place}"
        if isinstance(value, Mapping):
            return {key: placed(one) for key, one in cast("Mapping[str, object]", value).items()}
        if isinstance(value, (list, tuple)):
            return [placed(one) for one in cast("list[object]", value)]
        return value

    there = cast("dict[str, Any]", placed(job.model_dump()))
    written = tuple(_place(getattr(job, field), folder, name) for field in job.writes)
    return Carried(name=name, job=there, files=files, writes=tuple(place for place in written if place in files))


def gathered(job: Carried, folder: Path) -> Carried:
    """The same job with one folder of all files at their places, hard links where the disk allows: SkyPilot connects anew for each thing
    it is told to copy, seconds of a paid server every time (a hundred shards of data: five minutes, measured)."""
    shutil.rmtree(folder, ignore_errors=True)
    for place, path in job.files.items():
        target = folder / place.relative_to(FILES)
        if path.is_dir():
            shutil.copytree(path, target, copy_function=_linked)
        elif path.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _linked(str(path), str(target))
    return replace(job, files={PurePosixPath(FILES): folder})


def _linked(source: str, target: str) -> str:
    try:
        os.link(os.path.realpath(source), target)
    except OSError:  # another disk, or one without hard links
        shutil.copy2(source, target)
    return target


def arrived_at(value: Any, root: str) -> Any:
    """A JSON value with the root in its place."""
    return _replaced(value, ROOT, root)


def brought_back(value: Any, places: Mapping[str, Path]) -> Any:
    """A JSON value from the other machine, with the places there as they are here."""
    for there, here in places.items():
        value = _replaced(value, there, str(here))
    return value


def _replaced(value: Any, there: str, here: str) -> Any:
    if isinstance(value, str):
        whole = value == there or value.startswith(f"{there}/")
        return here + value[len(there) :] if whole else value
    if isinstance(value, dict):
        return {key: _replaced(one, there, here) for key, one in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_replaced(one, there, here) for one in cast("list[Any]", value)]
    return value


def _place(path: Path, folder: Path, name: str) -> PurePosixPath:
    """In the job's own folder, or apart: two paths of one name must not meet."""
    path = path.absolute()
    if path == folder or folder in path.parents:
        return PurePosixPath(JOBS, name, *path.relative_to(folder).parts)
    return PurePosixPath(FILES, _short(path), path.name)


def _short(path: Path) -> str:
    return hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:10]
