"""The built-in snapshot of public prices, dated row by row; it is never refreshed, a newer source goes before it."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from .sources import SourceReport

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SNAPSHOT_CSV = Path(__file__).with_name("offers.csv")

COLUMNS = """{
  cloud: 'varchar', instance_type: 'varchar', accelerator: 'varchar', accelerator_count: 'double',
  accelerator_memory_gib: 'double', vcpus: 'double', memory_gib: 'double', region: 'varchar',
  price_usd_per_hour: 'double', spot_price_usd_per_hour: 'double', price_basis: 'varchar', source: 'varchar',
  as_of: 'date'}"""
LOAD_SQL = f"""
insert into offers by name
select *, 'USD' as currency, price_basis not in ('gpu_only', 'gpu_only_suspect') as vm_included
from read_csv($path, header = true, auto_detect = false, columns = {COLUMNS})
"""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The snapshot that ships with Stratos, or a file of its columns."""

    path: Path = SNAPSHOT_CSV
    name: str = "the built-in snapshot"

    @property
    def bytes(self) -> int:
        """Size of the file."""
        return self.path.stat().st_size

    def load(self, connection: "DuckDBPyConnection", today: date) -> SourceReport:
        """Adds its rows; they were checked when they were compiled."""
        added = connection.execute(LOAD_SQL, {"path": str(self.path)}).fetchall()
        return SourceReport(name=self.name, offers=int(added[0][0]))
