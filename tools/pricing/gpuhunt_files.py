"""gpuhunt's catalogue files as a source: a folder with one CSV for each provider, read by the package gpuhunt itself.

gpuhunt reads only the providers it publishes catalogues of from files; files of the others are told of and left out. The files hold
no dates: each is dated by the day it was last changed.
"""

import importlib
import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...state.errors import NotAvailable, UnusablePrices
from .names import normalised
from .skypilot import insert_rows
from .sources import OFFER_COLUMNS, SourceReport, as_of_file

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COLUMNS = ("instance_name", "location", "price", "cpu", "memory", "gpu_count", "gpu_name", "gpu_memory", "spot")
"""By which its files are known."""

CLOUDS = {"lambdalabs": "lambda", "vastai": "vast", "digitalocean": "do"}
"""gpuhunt's names of clouds that are called otherwise here."""
MARKETPLACES = ("vast", "lium")
FOLDER_VARIABLE = "GPUHUNT_CATALOG_DIR"


@dataclass(frozen=True, kw_only=True)
class GpuhuntFiles:
    """A folder of gpuhunt's provider files."""

    path: Path

    @property
    def name(self) -> str:
        """Where it lies, and how it is dated."""
        return f"gpuhunt's catalogue in {self.path}, dated by when its files were changed"

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it is made of."""
        return tuple(sorted(self.path.glob("*.csv")))

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.stat().st_size for file in self.files)

    def load(self, connection: "DuckDBPyConnection", today: date) -> SourceReport:
        """Adds its rows. Raises NotAvailable without the package, UnusablePrices for what it cannot read."""
        gpuhunt = package()
        remarks: list[str] = []
        problems: list[str] = []
        rows: list[tuple[Any, ...]] = []
        for file in self.files:
            try:
                with _reading_from(self.path):
                    items: list[Any] = gpuhunt.Catalog(balance_resources=False, auto_reload=False).query(
                        provider=file.stem
                    )
            except ValueError as error:  # a provider it does not know, or publishes no files of
                remarks.append(f"{file.name} is left out: {error}")
                continue
            except (OSError, KeyError, TypeError) as error:
                problems.append(f"{file}: {error!r}")
                continue
            if lost := _lines(file) - len(items):
                problems.append(f"{file}: {lost} lines are no offers gpuhunt can read")
            rows += _rows(CLOUDS.get(file.stem, file.stem), items, self.name, as_of_file(file))
        if problems:
            raise UnusablePrices(problems)
        insert_rows(connection, "offers", rows)
        return SourceReport(name=self.name, offers=len(rows), remarks=tuple(remarks))


def package() -> Any:
    """The package gpuhunt. Raises NotAvailable."""
    try:
        return importlib.import_module("gpuhunt")
    except ImportError as error:
        needed = "gpuhunt's catalogues are read by its package, which is not installed"
        raise NotAvailable(f"{needed}: pip install 'stratos-slm[gpuhunt]'") from error


@contextmanager
def _reading_from(folder: Path) -> Generator[None]:
    """gpuhunt takes the folder from the environment alone."""
    before = os.environ.get(FOLDER_VARIABLE)
    os.environ[FOLDER_VARIABLE] = str(folder)
    try:
        with warnings.catch_warnings():
            # gpuhunt leaves the text reader around each file it closed to the collector, which warns.
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    finally:
        if before is None:
            del os.environ[FOLDER_VARIABLE]
        else:
            os.environ[FOLDER_VARIABLE] = before


def _lines(file: Path) -> int:
    import csv

    with file.open(encoding="utf-8-sig", newline="") as lines:
        return sum(1 for _ in csv.DictReader(lines))


def _rows(cloud: str, items: list[Any], source: str, as_of: date) -> list[tuple[Any, ...]]:
    """One row for each server, from gpuhunt's one for each way to pay; the lowest price of each."""
    prices: dict[tuple[Any, ...], dict[str, float]] = {}
    for item in items:
        reserved = bool(item.provider_data.get("is_dws_calendar_mode"))  # Google's capacity booked for given days
        key = (
            item.instance_name,
            item.location,
            item.gpu_name,
            item.gpu_count,
            item.gpu_memory,
            item.cpu,
            item.memory,
            reserved,
        )
        known = prices.setdefault(key, {})
        way = "spot" if item.spot else "on demand"
        known[way] = min(known.get(way, item.price), item.price)
    return [_row(cloud, key, known, source, as_of) for key, known in prices.items()]


def _row(cloud: str, key: tuple[Any, ...], known: dict[str, float], source: str, as_of: date) -> tuple[Any, ...]:
    instance, location, gpu, count, gpu_memory, cpu, memory, reserved = key
    name = normalised(gpu, cloud=cloud, instance_type=instance, memory_gib=gpu_memory) if gpu else None
    basis = "marketplace_node" if cloud in MARKETPLACES else "node_on_demand"
    basis = "reserved" if reserved else basis if "on demand" in known else "spot_only"
    row = {
        "cloud": cloud, "instance_type": instance, "accelerator": name, "accelerator_count": float(count),
        "accelerator_memory_gib": gpu_memory if name == gpu else None, "vcpus": float(cpu), "memory_gib": float(memory),
        "region": location, "price_usd_per_hour": known.get("on demand"), "spot_price_usd_per_hour": known.get("spot"),
        "currency": "USD", "vm_included": True, "price_basis": basis, "source": source, "as_of": as_of,
        "disk_usd_per_gib_month": None, "egress_usd_per_gib": None,
    }  # fmt: skip
    return tuple(row[column] for column in OFFER_COLUMNS)
