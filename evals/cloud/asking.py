"""Asks SkyPilot, by its own Python in a process of its own, what it makes of task files: `dry_run.py` there, its answers here."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ...tools.cloud.sky import QUIET
from ...tools.pricing.skypilot import VMS_FILE
from . import catalogues

PROGRAM = Path(__file__).with_name("dry_run.py")
CATALOGUES = Path(".sky", "catalogs", "v8")
"""In a home."""
PATIENCE_S = 600.0


class Priced(BaseModel):
    """What SkyPilot says of one file; all but the first two fields are of what it chose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    refused: str | None
    cloud: str = ""
    region: str | None = None
    instance_type: str = ""
    accelerators: Mapping[str, float] = {}
    use_spot: bool = False
    disk_gib: float = 0
    nodes: int = 1
    usd_per_hour: float = 0
    wanted: int = 1
    ordered: bool = False
    second: str | None = None
    """cloud/region/type that would be taken were the first not to be had; null where one alone is named."""
    seconds: float = 0
    service: Mapping[str, Any] | None = None


class Answer(BaseModel):
    """All that was asked, and what SkyPilot knows of clouds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    clouds: frozenset[str]
    keeps: frozenset[str]
    alone: frozenset[str]
    tasks: tuple[Priced, ...]
    services: tuple[Priced, ...]


def home(folder: Path, real: Path | None = None, moved_by: int | None = None) -> Path:
    """A home for SkyPilot with catalogues: the snapshot's, with `moved_by`, a seed, at other prices; those of `real` (CLOUD/vms.csv) in
    their place where it has some."""
    kept = folder / CATALOGUES
    catalogues.write(kept)
    if moved_by is not None:
        catalogues.move(kept, moved_by)
    if real is not None:
        for file in kept.glob(f"*/{VMS_FILE}"):
            own = real / file.parent.name / VMS_FILE
            if own.exists():
                shutil.copy(own, file)
        catalogues.accelerators(kept)
    return folder


def ask(python: Path, home: Path, *, tasks: Sequence[Path] = (), services: Sequence[Path] = ()) -> Answer:
    """SkyPilot's answers in the files' order. Raises SystemExit where it cannot be asked."""
    asked = {"tasks": list(map(str, tasks)), "services": list(map(str, services))}
    environment = {**os.environ, **QUIET, "HOME": str(home), "PYTHONPATH": ""}
    done = subprocess.run(
        [str(python), str(PROGRAM)],
        input=json.dumps(asked),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    if done.returncode:
        raise SystemExit(f"SkyPilot cannot be asked by {python}: {done.stderr[-2000:]}")
    return Answer.model_validate_json(done.stdout)
