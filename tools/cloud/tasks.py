"""A job as a SkyPilot task: what of the plan's offer it asks for, what travels, how it is set up and run.

The task is a YAML file in the job's folder, for the user to read, and to run by hand with `sky launch`.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ...state.plan import Offer
from .carrying import JOBS, PACKAGE, Carried

REMOTE_ROOT = "~/stratos"
PYTHON_VARIABLE = "STRATOS_SKY_PYTHON"
"""Of the environment: a Python on the servers that has all that jobs need, as on a cluster with shared folders; unset: it is installed."""


@dataclass(frozen=True, kw_only=True)
class SetUp:
    """How a machine gets what jobs need."""

    python: str | None = None
    """A Python there that has everything already, such as a cluster's shared one; null: the pinned packages are installed."""
    pins: Sequence[str] = ()


def task(
    job: Carried, offer: Offer, package: Path, folder: Path, set_up: SetUp, threads: int | None = None
) -> dict[str, Any]:
    """The task of one job. `folder` is the job's own, here; `package` the staged package."""
    home = f"{REMOTE_ROOT}/{JOBS}/{job.name}"
    python = set_up.python or "python"
    mounts = {f"{REMOTE_ROOT}/{place}": str(path) for place, path in job.files.items() if path.exists()}
    run = [
        f'cd "$HOME/{home.removeprefix("~/")}"',
        f"export PYTHONPATH=$HOME/stratos/{PACKAGE} HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false",
        *([f"export OMP_NUM_THREADS={threads}"] if threads else []),
        f"exec {shlex.quote(python)} -P -m stratos.tools.cloud.arrived .",
    ]
    made: dict[str, Any] = {
        "name": job.name,
        "resources": resources(offer),
        "num_nodes": 1,
        "file_mounts": {f"{REMOTE_ROOT}/{PACKAGE}/stratos": str(package), home: str(folder), **mounts},
        "run": "\n".join(run) + "\n",
    }
    if set_up.python is None:
        made["setup"] = "python -m pip install --quiet " + " ".join(map(shlex.quote, set_up.pins)) + "\n"
    return made


def resources(offer: Offer) -> dict[str, Any]:
    """What SkyPilot is asked for: the offer's own machine type where it has one, and never less than its parts."""
    wanted: dict[str, Any] = {"infra": f"{offer.cloud}/{offer.region}" if offer.region else offer.cloud}
    if offer.accelerator is not None:
        wanted["accelerators"] = f"{offer.accelerator}:{offer.accelerator_count}"
    if offer.cloud in ("slurm", "kubernetes", "ssh"):  # which have no machine types
        wanted |= {"cpus": f"{offer.vcpus:g}"} if offer.vcpus else {}
        wanted |= {"memory": f"{offer.memory_gib:g}"} if offer.memory_gib else {}
    else:
        wanted["instance_type"] = offer.instance_type
    return wanted


def written(made: Mapping[str, Any], path: Path) -> Path:
    """The task's file."""
    head = f"# A job of Stratos as a SkyPilot task; by hand: sky launch -c NAME {path.name}\n"
    path.write_text(head + yaml.safe_dump(dict(made), sort_keys=False, width=120), encoding="utf-8")
    return path
