"""Where a job runs: kept in its folder, so that whoever comes next finds it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ...state.plan import Offer
from ..jobs import ERROR_FILE, write_atomic
from .account import of_run
from .arrived import STDERR_FILE
from .carrying import CLOUD_FILE, ENDED_FILE, JOBS

HOME_FOLDER = "stratos"
"""The root, in the home at the other machine."""
CLUSTERS = "stratos-"
"""How the names of clusters begin."""
SAID = 2000
"""Characters of a job's last words."""


class Where(BaseModel):
    """cloud.json: written before anything is started, so that nothing is started twice or forgotten."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: str
    name: str
    """Of the job there."""
    offer: str
    start: str
    """A word for this start of the job: what an earlier one left behind is not taken for its."""
    cancelled: bool = False
    files: Mapping[str, Path]
    """What travelled beside its folder, by its place beneath the root there."""

    @property
    def folder(self) -> str:
        """In the home there."""
        return f"{HOME_FOLDER}/{JOBS}/{self.name}"


def cluster_of(folder: Path, offer: Offer) -> str:
    """The name of a job's cluster: one for each run and offer, since the steps of a run are folders beside each other."""
    return CLUSTERS + hashlib.sha256(f"{of_run(folder)} {offer.id}".encode()).hexdigest()[:10]


def where_of(folder: Path) -> Where | None:
    """Where the job of a folder was started; None where it was nowhere."""
    try:
        return Where.model_validate_json((folder / CLOUD_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def note(folder: Path, where: Where) -> None:
    """Keeps it."""
    write_atomic(folder / CLOUD_FILE, where.model_dump_json())


def ended(folder: Path, where: Where) -> dict[str, Any] | None:
    """What a job wrote at its end, once it was fetched; None before, and for what an earlier start of it wrote."""
    try:
        found = json.loads((folder / ENDED_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found if found["start"] == where.start else None


def last_words(folder: Path) -> str:
    """What a job that failed said."""
    for name in (ERROR_FILE, STDERR_FILE):
        if (folder / name).exists() and (text := (folder / name).read_text(encoding="utf-8", errors="replace").strip()):
            return text[-SAID:]
    return "it said nothing"
