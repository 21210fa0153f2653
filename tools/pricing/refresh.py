"""Fetches newer prices where a program for it is installed and a network exists; what cannot be fetched leaves the old data in place."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ...state.brief import Record
from ..jobs import process_environment
from .configured import FETCHED_FOLDER, SKY, VARIABLE
from .skypilot import OWN_FOLDER, VMS_FILE

PATIENCE_S = 300.0
FETCH_MODULE = "stratos.tools.pricing.gpuhunt_fetch"


class Fetched(Record):
    """What came of asking one program for newer prices."""

    program: str
    ok: bool
    said: str


def fetch_all(
    workspace: Path, *, sky: str = "sky", catalogue: Path = OWN_FOLDER, has_gpuhunt: bool | None = None
) -> tuple[Fetched, ...]:
    """Asks every program that is installed; one answer that says so where none is. `catalogue` is SkyPilot's own folder."""
    found: list[Fetched] = []
    if has_gpuhunt if has_gpuhunt is not None else importlib.util.find_spec("gpuhunt") is not None:
        found.append(_through_gpuhunt(workspace / FETCHED_FOLDER))
    if (program := shutil.which(sky)) is not None:
        found.append(_through_sky(program, catalogue.expanduser()))
    if not found:
        nothing = (
            "no program that fetches prices is installed, so the prices stay as they are: pip install 'stratos-slm[gpuhunt]', or SkyPilot "
            "in an environment of its own with its program `sky` on PATH"
        )
        found.append(Fetched(program="none", ok=False, said=nothing))
    return tuple(found)


def _through_gpuhunt(folder: Path) -> Fetched:
    code, out, err = _ran([sys.executable, "-P", "-m", FETCH_MODULE, str(folder)])
    if code == 0:
        return Fetched(program="gpuhunt", ok=True, said=f"fetched {len(out)} providers into {folder}: {'; '.join(out)}")
    why = err[-1] if err else f"it ended with {code}"
    return Fetched(program="gpuhunt", ok=False, said=f"nothing could be fetched, the old prices stay: {why}")


def _through_sky(program: str, catalogue: Path) -> Fetched:
    """SkyPilot renews its files by itself when it lists accelerators and they are older than a few hours."""
    before = _changed_at(catalogue)
    code, _, err = _ran([program, "show-gpus", "--all"], SKYPILOT_DISABLE_USAGE_COLLECTION="1")
    renewed = sorted(name for name, at in _changed_at(catalogue).items() if before.get(name) != at)
    if code != 0:
        why = err[-1] if err else f"it ended with {code}"
        return Fetched(program=program, ok=False, said=f"its catalogue could not be renewed, the old one stays: {why}")
    use = f"; {VARIABLE}={SKY} uses it"
    said = f"renewed {', '.join(renewed)}{use}" if renewed else f"its catalogue in {catalogue} did not change{use}"
    return Fetched(program=program, ok=True, said=said)


def _changed_at(catalogue: Path) -> dict[str, int]:
    return {file.parent.name: file.stat().st_mtime_ns for file in catalogue.glob(f"*/{VMS_FILE}")}


def _ran(command: Sequence[str], **environment: str) -> tuple[int, list[str], list[str]]:
    """Exit code and the lines of both outputs; a program that takes too long failed."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env=process_environment(**environment),
        )
    except subprocess.TimeoutExpired:
        return 1, [], [f"no answer within {PATIENCE_S:g} s"]
    except OSError as error:
        return 1, [], [str(error)]
    return done.returncode, _lines(done.stdout), _lines(done.stderr)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
