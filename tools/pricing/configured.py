"""Which sources of prices this user has: STRATOS_PRICES, `prices.csv` in the workspace, and what `stratos prices --refresh` fetched.

What a file or folder is, is seen by its columns. Nothing is looked for elsewhere: SkyPilot's own catalogue is used only when it is named
(`sky`), so that installing a program changes no plan.
"""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...state.errors import UnusablePrices
from .gpuhunt_files import COLUMNS as GPUHUNT_COLUMNS
from .gpuhunt_files import GpuhuntFiles
from .skypilot import NEEDED as SKYPILOT_COLUMNS
from .skypilot import OWN_FOLDER, VMS_FILE, SkyPilotCatalogue
from .sources import PriceSource
from .users_csv import UsersCsv

VARIABLE = "STRATOS_PRICES"
SKY = "sky"
"""Stands for SkyPilot's own catalogue in STRATOS_PRICES."""

WORKSPACE_FILE = "prices.csv"
FETCHED_FOLDER = Path("prices", "gpuhunt")
"""In the workspace: what was fetched through gpuhunt."""

VALID = (
    f"valid are a CSV file of your prices, a folder of SkyPilot's catalogue (CLOUD/{VMS_FILE}) or one of its files, a folder of "
    f"gpuhunt's catalogue (PROVIDER.csv), and {SKY!r} for {OWN_FOLDER}"
)


def configured_sources(
    workspace: Path | None = None, environment: Mapping[str, str] = os.environ
) -> tuple[PriceSource, ...]:
    """The user's sources beside the snapshot, in the order they are named. Raises UnusablePrices for what is no source."""
    named = [entry.strip() for entry in environment.get(VARIABLE, "").split(os.pathsep) if entry.strip()]
    found: list[PriceSource] = []
    problems: list[str] = []
    for entry in dict.fromkeys(named):
        path = (OWN_FOLDER if entry == SKY else Path(entry)).expanduser()
        try:
            found.append(recognised(path))
        except UnusablePrices as error:
            problems += [f"{VARIABLE}: {problem}" for problem in error.problems]
    if problems:
        raise UnusablePrices(problems)
    if workspace is not None and (own := workspace / WORKSPACE_FILE).exists():
        found.append(UsersCsv(path=own))
    if workspace is not None and any((fetched := workspace / FETCHED_FOLDER).glob("*.csv")):
        found.append(GpuhuntFiles(path=fetched))
    return tuple(found)


def recognised(path: Path) -> PriceSource:
    """The source that a file or folder is. Raises UnusablePrices."""
    if not path.exists():
        raise UnusablePrices([f"{path} does not exist; {VALID}"])
    if path.is_file():
        if _has(path, SKYPILOT_COLUMNS):
            return SkyPilotCatalogue(path=path)
        if _has(path, GPUHUNT_COLUMNS):
            raise UnusablePrices([f"{path} is a file of gpuhunt's catalogue: name its folder, {path.parent}"])
        return UsersCsv(path=path)
    below = sorted(path.glob(f"*/{VMS_FILE}"))
    if below:
        return SkyPilotCatalogue(path=path)
    here = sorted(path.glob("*.csv"))
    if any(_has(file, GPUHUNT_COLUMNS) for file in here):
        return GpuhuntFiles(path=path)
    if (path / VMS_FILE) in here:
        return SkyPilotCatalogue(path=path / VMS_FILE)
    raise UnusablePrices([f"{path} holds no catalogue; {VALID}"])


def _has(file: Path, columns: Sequence[str]) -> bool:
    """Whether a file's header names all these columns; one that is no text does not."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return set(columns) <= {column.strip() for column in next(csv.reader(lines), list[str]())}
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
