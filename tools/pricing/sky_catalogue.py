"""What SkyPilot's own catalogue has of servers: the prices that it reckons with itself when it starts one, and whether it knows it at all.

A file for each cloud, as SkyPilot keeps and renews them. It prices what is started by SkyPilot; `skypilot.py` beside it reads the same
files as one source of prices among others.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from .skypilot import GOOGLE_WITH_ACCELERATORS, VMS_FILE, insert_rows
from .sources import as_of_file

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ANYWHERE = ""
"""In the place of a region: the cheapest one, which SkyPilot takes where none is asked for."""
BY_ZONE = frozenset({"aws", "gcp"})
"""Clouds of which SkyPilot 0.14.1 prices each zone by itself; of the others it refuses a type with two on-demand prices in one region."""
GOOGLE = "gcp"
GOOGLES: Mapping[str, str] = {
    "a2-highgpu": "A100", "a2-megagpu": "A100", "a2-ultragpu": "A100-80GB", "a3-highgpu": "H100", "a3-megagpu": "H100-MEGA",
    "a3-ultragpu": "H200", "a4-highgpu": "B200", "g2-standard": "L4", "g4-standard": "RTXPRO6000",
}  # fmt: skip
"""The accelerators that come with Google's machine types, as SkyPilot names them: it prices them apart from the machines. Of types that are
not here, such as those of TPUs, no whole price is known."""
G2_COUNTS, G4_VCPUS = {24: 2, 48: 4, 96: 8}, 48
"""How many L4 the larger g2-standard have, one for the others; of g4-standard so many vCPUs for each accelerator (by Google's
documentation)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SkyPrice:
    """Of one machine type in one region, US dollars an hour with the accelerators it comes with; null where it has none."""

    usd: float | None
    spot_usd: float | None


@dataclass(frozen=True, kw_only=True)
class SkyCatalogue:
    """Where SkyPilot keeps its catalogue, and the clouds whose servers it starts: what these cost is what it says."""

    folder: Path
    clouds: frozenset[str]

    @property
    def name(self) -> str:
        """As a source of prices is named."""
        return f"SkyPilot's own catalogue in {self.folder}"


Prices = Mapping[tuple[str, str], SkyPrice]
"""Of one cloud, by machine type and region, both in lower case; ANYWHERE among the regions."""
_Row = Mapping[str, str]

TABLE_SQL = """
create or replace temp table sky (
  cloud varchar, instance_type varchar, region varchar, usd double, spot_usd double, as_of date)
"""


def prices_of(cloud: str, folder: Path) -> Prices | None:
    """What the catalogue has of a cloud; None where it has no file."""
    file = folder.expanduser() / cloud / VMS_FILE
    try:
        changed = file.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    return _read(file, changed)


def price_of(cloud: str, instance_type: str, region: str | None, folder: Path, *, spot: bool) -> float | None:
    """What SkyPilot reckons an hour of one server with, US dollars; `region` None: the cheapest. None where it has no price."""
    found = (prices_of(cloud, folder) or {}).get((instance_type.lower(), (region or ANYWHERE).lower()))
    return None if found is None else found.spot_usd if spot else found.usd


def load(connection: "DuckDBPyConnection", catalogue: SkyCatalogue | None) -> None:
    """Fills the table `sky` with the prices of the catalogue's clouds; without a catalogue it is empty."""
    connection.execute(TABLE_SQL)
    for cloud in sorted(catalogue.clouds if catalogue else ()):
        assert catalogue is not None
        known = prices_of(cloud, catalogue.folder)
        if known is None:
            continue
        as_of = as_of_file(catalogue.folder.expanduser() / cloud / VMS_FILE).isoformat()
        rows = [
            (cloud, name, region, price.usd, price.spot_usd, as_of)
            for (name, region), price in known.items()
            if price.usd is not None or price.spot_usd is not None
        ]
        insert_rows(connection, "sky", rows)


@lru_cache(maxsize=64)
def _read(file: Path, changed: int) -> Prices:
    """One file as it is since `changed`."""
    cloud = file.parent.name
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    apart: _Apart = _apart(rows) if cloud == GOOGLE else {}
    zones: dict[tuple[str, str], list[SkyPrice]] = defaultdict(list)
    for row in rows:
        if name := row.get("InstanceType"):
            price = SkyPrice(usd=_usd(row, "Price"), spot_usd=_usd(row, "SpotPrice"))
            whole = _with_accelerators(price, name, row, apart) if cloud == GOOGLE else price
            zones[name.lower(), (row.get("Region") or ANYWHERE).lower()].append(whole)
    found = {key: _of_region(prices, cloud) for key, prices in zones.items()}
    everywhere: dict[str, list[SkyPrice]] = defaultdict(list)
    for (name, _), price in found.items():
        everywhere[name].append(price)
    return {**{(name, ANYWHERE): _cheapest(prices) for name, prices in everywhere.items()}, **found}


def _usd(row: _Row, column: str) -> float | None:
    try:
        return float(row.get(column) or "")
    except ValueError:
        return None


def _of_region(zones: list[SkyPrice], cloud: str) -> SkyPrice:
    cheapest = _cheapest(zones)
    one = cloud in BY_ZONE or len({zone.usd for zone in zones}) == 1
    return cheapest if one else SkyPrice(usd=None, spot_usd=cheapest.spot_usd)


def _cheapest(prices: Iterable[SkyPrice]) -> SkyPrice:
    given = list(prices)
    usd = [price.usd for price in given if price.usd is not None]
    spot_usd = [price.spot_usd for price in given if price.spot_usd is not None]
    return SkyPrice(usd=min(usd, default=None), spot_usd=min(spot_usd, default=None))


_Zone = tuple[str, str]
_Apart = Mapping[tuple[str, int, _Zone], SkyPrice]


def _zone(row: _Row) -> _Zone:
    return (row.get("Region") or "").lower(), (row.get("AvailabilityZone") or "").lower()


def _apart(rows: Iterable[_Row]) -> _Apart:
    """Google's accelerators, by name, count and zone."""
    return {
        (row["AcceleratorName"].upper(), int(float(row["AcceleratorCount"])), _zone(row)): SkyPrice(
            usd=_usd(row, "Price"), spot_usd=_usd(row, "SpotPrice")
        )
        for row in rows
        if not row.get("InstanceType") and row.get("AcceleratorName") and row.get("AcceleratorCount")
    }


def _with_accelerators(machine: SkyPrice, name: str, row: _Row, apart: _Apart) -> SkyPrice:
    """A machine of Google's with what it comes with, in one zone."""
    if not name.startswith(GOOGLE_WITH_ACCELERATORS):
        return machine
    accelerators = google_accelerators(name)
    beside = None if accelerators is None else apart.get((*accelerators, _zone(row)))
    if beside is None:
        return SkyPrice(usd=None, spot_usd=None)
    # An accelerator without a spot price is reckoned with at its other one, beside a machine's spot price.
    spot_usd = beside.usd if beside.spot_usd is None else beside.spot_usd
    return SkyPrice(usd=_sum(machine.usd, beside.usd), spot_usd=_sum(machine.spot_usd, spot_usd))


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def google_accelerators(instance_type: str) -> tuple[str, int] | None:
    """What comes with one of Google's machine types, by SkyPilot's name, and how many; None where that is not known."""
    parts = re.fullmatch(r"(\w+-[a-z]+)-(\d+)(g?)", instance_type)
    if parts is None or parts[1] not in GOOGLES:
        return None
    size = int(parts[2])
    count = size if parts[3] else max(1, size // G4_VCPUS) if parts[1].startswith("g4") else G2_COUNTS.get(size, 1)
    return GOOGLES[parts[1]], count
