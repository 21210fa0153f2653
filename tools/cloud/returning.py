"""Fetches what a job made on another machine, and holds it against the hashes that were made there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...state.errors import ToolFailed
from ..jobs import JOB_FILE, RESULT_FILE, write_atomic
from .arrived import hashes
from .carrying import CARRIED_FILE, CLOUD_FILE, ENDED_FILE, JOBS, TASK_FILE, brought_back
from .sky import Sky
from .whereabouts import HOME_FOLDER, Where

APART = ".fetched"
"""Folder in the job's own: the result lies there until all else was checked, since its presence means that the job is complete."""
OWN = (JOB_FILE, CARRIED_FILE, CLOUD_FILE, TASK_FILE, APART, ".lock")
"""Names in the job's folder here that what comes back must not write over."""


def fetched(sky: Sky, folder: Path, where: Where, told: Mapping[str, Any]) -> bool:
    """Whether everything came: the job's folder, and those it wrote into. `told` is what the job wrote at its end.

    Raises ToolFailed where what came is not what was made there.
    """
    written: Mapping[str, Mapping[str, str]] = told["written"]
    apart = folder / APART
    due: list[tuple[str, Path, list[str]]] = [
        (where.folder, folder, [f"--exclude=/{name}" for name in (*OWN, RESULT_FILE)]),
        (where.folder, apart, [f"--include=/{RESULT_FILE}", "--exclude=*"]),
        *((f"{HOME_FOLDER}/{place}", where.files[place], []) for place in written),
    ]
    for there, here, rules in due:
        here.mkdir(parents=True, exist_ok=True)
        if not sky.bring(where.cluster, there, here, *rules):
            return False
    wrong = _others(told["sha256"], {**hashes(folder), **hashes(apart)})
    for place, made in written.items():
        wrong += _others(made, hashes(where.files[place]))
    if wrong:
        raise ToolFailed(f"what was fetched is not what was made there: {', '.join(wrong)}")
    if told["exit_code"] == 0 and (apart / RESULT_FILE).exists():
        result = json.loads((apart / RESULT_FILE).read_text(encoding="utf-8"))
        places = {f"{told['root']}/{place}": path for place, path in where.files.items()}
        places[f"{told['root']}/{JOBS}/{where.name}"] = folder
        write_atomic(folder / RESULT_FILE, json.dumps(brought_back(result, places)))
    return True


def saved(sky: Sky, folder: Path, where: Where, *rules: str, timeout_s: float = 600) -> bool:
    """Whether what a job wrote so far came, by rsync's further rules: its checkpoints and reports, nothing that says it has ended."""
    own = [f"--exclude=/{name}" for name in (*OWN, RESULT_FILE, ENDED_FILE)]
    return sky.bring(where.cluster, where.folder, folder, *own, *rules, timeout_s=timeout_s)


def _others(made: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """The files that are not here as they were made."""
    return [name for name, sha256 in made.items() if found.get(name) != sha256]
