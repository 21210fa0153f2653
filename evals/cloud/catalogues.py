"""Catalogues as SkyPilot keeps them, written from the built-in price snapshot, for asking SkyPilot without a network.

Written as they are, what SkyPilot prices by them agrees with the price list by construction: they can show that names, regions, counts,
spot and units survive the way through a task. `move` takes that agreement away: other prices than the list's, and servers that are
missing.
That a price is today's only SkyPilot's own catalogues (`--catalogues`) can show.
"""

import csv
import random
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ...tools.cloud.startable import AWS_REGIONS, CLOUDS
from ...tools.cloud.tasks import accelerator_name
from ...tools.pricing.skypilot import VMS_FILE
from ...tools.pricing.snapshot import SNAPSHOT_CSV

COLUMNS = (
    "InstanceType", "vCPUs", "MemoryGiB", "AcceleratorName", "AcceleratorCount", "GpuInfo", "Region", "Price", "SpotPrice",
    "UpstreamCloudId",
)  # fmt: skip
ZONED, ZONE = ("aws", "gcp", "oci"), "AvailabilityZone"
"""Clouds whose files have a column of zones, which must be filled; where there should be none it must be missing."""
EMPTY = {
    "aws/images.csv": "Tag,Region,OS,OSVersion,ImageId,CreationDate",
    "aws/instance_quota_mapping.csv": "InstanceType,OnDemandInstanceCode,SpotInstanceCode",
    "azure/images.csv": "Tag,Region,OS,OSVersion,ImageId,CreationDate",
    "gcp/images.csv": "Tag,Region,OS,OSVersion,ImageId,CreationDate",
    "gcp/accelerator_quota_mapping.csv": "Accelerator,OnDemandInstanceCode,SpotInstanceCode",
    "oci/images.csv": "Tag,Region,OS,OSVersion,ImageId,CreationDate",
    "common/metadata.csv": "GPU,MemoryGB,Manufacturer",
}
"""What SkyPilot would fetch beside: with a header alone no image is known and no quota is asked for."""
GOOGLE, OWN_NAMES = "gcp", {"a3-megagpu-8g": "H100-MEGA"}
"""What SkyPilot calls the accelerators of one of Google's types, in its code."""

GONE = 0.1
"""Share of the servers that a moved catalogue lacks."""

Row = dict[str, str]


def write(folder: Path) -> dict[str, int]:
    """One folder for each cloud that SkyPilot knows; how many rows each got."""
    by_cloud: dict[str, list[Row]] = defaultdict(list)
    with SNAPSHOT_CSV.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["cloud"] in CLOUDS and (row["cloud"] != "aws" or row["region"] in AWS_REGIONS):
                by_cloud[row["cloud"]] += _rows(row)
    for cloud in CLOUDS - by_cloud.keys():
        by_cloud[cloud] = []
    for cloud, rows in by_cloud.items():
        columns = (*COLUMNS, ZONE) if cloud in ZONED else COLUMNS
        _csv(folder / cloud / VMS_FILE, columns, _once(rows))
    for name, header in EMPTY.items():
        if not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(header + "\n", encoding="utf-8")
    accelerators(folder)
    return {cloud: len(rows) for cloud, rows in by_cloud.items() if rows}


def accelerators(folder: Path) -> None:
    """The table of all accelerators' names, from the clouds' files."""
    clouds: dict[str, set[str]] = defaultdict(set)
    for file in sorted(folder.glob(f"*/{VMS_FILE}")):
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if name := row["AcceleratorName"]:
                    clouds[name].add(file.parent.name)
    rows = [{"AcceleratorName": name, "Clouds": repr(sorted(found))} for name, found in sorted(clouds.items())]
    _csv(folder / "common" / "accelerators.csv", ("AcceleratorName", "Clouds"), rows)


def move(folder: Path, seed: int) -> None:
    """Every price multiplied by a factor of its own, on demand and spot, and a tenth of the servers taken away. None of Google's
    accelerators is: they are of several machines."""
    rng = random.Random(seed)
    for file in sorted(folder.glob(f"*/{VMS_FILE}")):
        with file.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            rows, columns = list(reader), tuple(reader.fieldnames or ())
        moved: list[Row] = []
        for row in rows:
            gone = rng.random() < GONE
            factors = {column: 2 ** rng.uniform(-1, 1) for column in ("Price", "SpotPrice")}
            prices = {column: f"{float(row[column]) * by:.6f}" for column, by in factors.items() if row[column]}
            if not gone or not row["InstanceType"]:
                moved.append({**row, **prices})
        _csv(file, columns, moved)
    accelerators(folder)


def _rows(row: Row) -> list[Row]:
    """A row of the snapshot as SkyPilot writes it. Google's machines and accelerators are priced apart there: the machine gets nothing here
    and the accelerators the sum, since the snapshot has only that."""
    made = {
        "InstanceType": row["instance_type"],
        "vCPUs": row["vcpus"],
        "MemoryGiB": row["memory_gib"],
        "Region": row["region"],
        "Price": row["price_usd_per_hour"],
        "SpotPrice": row["spot_price_usd_per_hour"],
        "UpstreamCloudId": row["instance_type"],
    }
    if row["cloud"] in ZONED:
        made[ZONE] = f"{row['region']}-a"
    if not row["accelerator"]:
        return [made]
    name = OWN_NAMES.get(row["instance_type"], accelerator_name(row["accelerator"]))
    has = {"AcceleratorName": name, "AcceleratorCount": row["accelerator_count"]}
    if row["cloud"] != GOOGLE:
        return [{**made, **has, "GpuInfo": row["accelerator"]}]
    alone = {**made, **has, "InstanceType": "", "vCPUs": "", "MemoryGiB": "", "GpuInfo": row["accelerator"]}
    return [{**made, "Price": "0", "SpotPrice": "0"}, alone]


def _once(rows: Iterable[Row]) -> list[Row]:
    """SkyPilot wants one price of one server: the first of the snapshot, which has no order but is always the same."""
    kept: dict[tuple[str | None, ...], Row] = {}
    for row in rows:
        kept.setdefault(
            tuple(row.get(n) for n in ("InstanceType", "AcceleratorName", "AcceleratorCount", "Region")), row
        )
    return list(kept.values())


def _csv(path: Path, columns: tuple[str, ...], rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
