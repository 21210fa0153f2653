"""SkyPilot's catalogue files as a source: one `vms.csv` for each cloud, as SkyPilot keeps them in ~/.sky/catalogs/v8.

The files hold no dates: each is dated by the day it was last changed, which for a copy is the day of copying. Zones of a region are one
offer, at the lowest price. What a file leaves open is left open: Google's accelerators and machines are priced apart there and are
not added up, so neither is chosen.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ...state.errors import UnusablePrices
from .names import normalised
from .sources import SourceReport, as_of_file

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

OWN_FOLDER = Path("~/.sky/catalogs/v8")
VMS_FILE = "vms.csv"
NEEDED = (
    "InstanceType", "AcceleratorName", "AcceleratorCount", "vCPUs", "MemoryGiB", "Price", "SpotPrice", "Region",
)  # fmt: skip
OPTIONAL = ("GpuInfo",)

MARKETPLACES = ("vast", "lium")
BROKERS = ("primeintellect", "shadeform", "spheron")
AUCTIONS = ("mithril",)
"""Whose prices are what the lowest bid may be."""
GOOGLE_WITH_ACCELERATORS = ("a2-", "a3-", "a4-", "a4x-", "g2-", "g4-", "ct")
"""Machine families that come with accelerators, which the catalogue prices in rows of their own (Google's documentation)."""
TOTALS = ("vast",)
"""Whose GpuInfo states the memory of all accelerators together; the others' is of one."""

READ_SQL = """
insert into catalogue by name
select {columns}, $cloud as cloud, $as_of::date as as_of, row_number() over () + 1 as line
from read_csv($path, header = true, all_varchar = true, delim = ',', quote = '"', escape = '"', nullstr = '')
"""
PROBLEMS_SQL = """
select cloud, count(*), min(line),
       arg_min(coalesce("Price", '') || ' / ' || coalesce("SpotPrice", '') || ' / ' || coalesce("AcceleratorCount", ''), line)
from catalogue
where ("Price" is not null and try_cast("Price" as double) is null)
   or ("SpotPrice" is not null and try_cast("SpotPrice" as double) is null)
   or ("AcceleratorCount" is not null and try_cast("AcceleratorCount" as double) is null)
group by cloud order by cloud
"""
KINDS_SQL = """
select distinct cloud, coalesce("InstanceType", ''), "AcceleratorName", coalesce("AcceleratorCount", ''), coalesce("GpuInfo", '')
from catalogue where "AcceleratorName" is not null
"""
LOAD_SQL = """
insert into offers by name
with read as (
  select c.cloud, coalesce(nullif("InstanceType", ''), "AcceleratorName" || ' (accelerator alone)') as instance_type,
         coalesce(k.accelerator, c."AcceleratorName") as accelerator,
         coalesce(try_cast("AcceleratorCount" as double), 0) as accelerator_count, k.memory_gib as accelerator_memory_gib,
         try_cast("vCPUs" as double) as vcpus, try_cast("MemoryGiB" as double) as memory_gib, "Region" as region,
         try_cast("Price" as double) as price, try_cast("SpotPrice" as double) as spot, c.as_of,
         coalesce("InstanceType", '') = '' as alone,
         c.cloud = 'gcp' and "AcceleratorName" is null
           and len(list_filter($families::varchar[], lambda f: starts_with("InstanceType", f))) > 0 as without
  from catalogue c left join kinds k
    on k.cloud = c.cloud and k.instance_type = coalesce(c."InstanceType", '') and k.name = c."AcceleratorName"
   and k.count = coalesce(c."AcceleratorCount", '') and k.info = coalesce(c."GpuInfo", '')
)
select cloud, instance_type, accelerator, accelerator_count, max(accelerator_memory_gib) as accelerator_memory_gib,
       max(vcpus) as vcpus, max(memory_gib) as memory_gib, region, min(price) as price_usd_per_hour,
       coalesce(min(spot) filter (where spot > 0), min(spot)) as spot_price_usd_per_hour, 'USD' as currency,
       not alone as vm_included,
       case when alone then 'gpu_only' when without then 'vm_only' when list_contains($auctions::varchar[], cloud) then 'auction_floor'
            when min(price) is null then 'spot_only' when list_contains($brokers::varchar[], cloud) then 'broker_node'
            when list_contains($marketplaces::varchar[], cloud) then 'marketplace_node' else 'node_on_demand' end as price_basis,
       $source as source, as_of
from read group by cloud, instance_type, accelerator, accelerator_count, region, as_of, alone, without
"""


@dataclass(frozen=True, kw_only=True)
class SkyPilotCatalogue:
    """A folder of clouds with a `vms.csv` each, or one such file, whose folder names its cloud."""

    path: Path

    @property
    def name(self) -> str:
        """Where it lies, and how it is dated."""
        return f"SkyPilot's catalogue in {self.path}, dated by when its files were changed"

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it is made of."""
        return (self.path,) if self.path.is_file() else tuple(sorted(self.path.glob(f"*/{VMS_FILE}")))

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.stat().st_size for file in self.files)

    def load(self, connection: "DuckDBPyConnection", today: date) -> SourceReport:
        """Adds its rows, zones put together. Raises UnusablePrices."""
        connection.execute(
            "create or replace temp table catalogue (cloud varchar, as_of date, line bigint, "
            + ", ".join(f'"{column}" varchar' for column in (*NEEDED, *OPTIONAL))
            + ")"
        )
        problems = [problem for file in self.files if (problem := _read(connection, file))]
        problems += _wrong_figures(connection, self.path)
        if problems:
            raise UnusablePrices(problems)
        _name_kinds(connection)
        lines = _count(connection, "select count(*) from catalogue")
        free = _count(connection, 'select count(*) from catalogue where try_cast("SpotPrice" as double) = 0')
        given = {
            "source": self.name,
            "families": list(GOOGLE_WITH_ACCELERATORS),
            "auctions": list(AUCTIONS),
            "brokers": list(BROKERS),
            "marketplaces": list(MARKETPLACES),
        }
        offers = _count(connection, LOAD_SQL, given)
        connection.execute("drop table catalogue; drop table kinds")
        remarks = [f"{lines} lines of {len(self.files)} clouds, zones of a region put together"]
        remarks += [f"{free} spot prices of 0 are not believed"] if free else []
        return SourceReport(name=self.name, offers=offers, remarks=tuple(remarks))


def _count(connection: "DuckDBPyConnection", sql: str, given: object = None) -> int:
    return int(connection.execute(sql, given).fetchall()[0][0])


def _read(connection: "DuckDBPyConnection", file: Path) -> str | None:
    """Takes one file into the table `catalogue`; what is wrong with it, or None."""
    import duckdb

    given = {"path": str(file), "cloud": file.parent.name.lower(), "as_of": as_of_file(file).isoformat()}
    try:
        header = set(_header(file))
        if missing := [column for column in NEEDED if column not in header]:
            return f"{file}: lacks the columns {', '.join(missing)} of a SkyPilot catalogue"
        columns = ", ".join(f'"{column}"' for column in (*NEEDED, *OPTIONAL) if column in header)
        connection.execute(READ_SQL.format(columns=columns), given)
    except (duckdb.Error, OSError, UnicodeDecodeError) as error:
        return f"{file}: {str(error).strip().splitlines()[0]}"
    return None


def _header(file: Path) -> list[str]:
    with file.open(encoding="utf-8-sig") as lines:
        return [column.strip() for column in lines.readline().split(",")]


def _wrong_figures(connection: "DuckDBPyConnection", path: Path) -> list[str]:
    return [
        f"{path}: {cloud}: {count} lines whose price, spot price or count is no number, first line {line}: {values}"
        for cloud, count, line, values in connection.execute(PROBLEMS_SQL).fetchall()
    ]


def _name_kinds(connection: "DuckDBPyConnection") -> None:
    """Fills the table `kinds`: what each accelerator of the catalogue is called here."""
    connection.execute(
        "create or replace temp table kinds (cloud varchar, instance_type varchar, name varchar, count varchar, info varchar, "
        "accelerator varchar, memory_gib double)"
    )
    rows: list[tuple[Any, ...]] = []
    for cloud, instance_type, name, count, info in connection.execute(KINDS_SQL).fetchall():
        memory = _memory_gib(info, float(count or 1), cloud)
        found = normalised(name, cloud=cloud, instance_type=instance_type, memory_gib=memory)
        rows.append((cloud, instance_type, name, count, info, found, memory if found == name else None))
    insert_rows(connection, "kinds", rows)


def insert_rows(connection: "DuckDBPyConnection", table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Adds rows as columns of lists, which is a hundred times faster than one by one."""
    if not rows:
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    connection.execute(f"insert into {table} select {', '.join('unnest(?)' for _ in columns)}", columns)


def _memory_gib(info: str, count: float, cloud: str) -> float | None:
    """Memory of one accelerator. SkyPilot's writers differ: of one or of all, and some write GiB under SizeInMiB."""
    try:
        parsed: Any = ast.literal_eval(info)
        size = float(parsed["Gpus"][0]["MemoryInfo"]["SizeInMiB"])
        total = float(cast("Any", parsed.get("TotalGpuMemoryInMiB") or 0))
    except (ValueError, SyntaxError, KeyError, TypeError, IndexError, AttributeError):
        return None
    if size <= 0:
        return None
    one = size / count if cloud in TOTALS and size == total and count >= 1 else size
    return one if one < 1024 else one / 1024
