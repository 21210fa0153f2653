"""A user's own prices, such as negotiated ones, from a CSV file: taken whole, or refused with everything wrong with it.

Precedence: an agreed price goes before every listed price of the same server (cloud, region, instance type, accelerator and count),
whatever their dates, because it is what the user will be billed; it does so until it is 36 months old. Without a region it holds in
all of them. Only US dollars are taken: a rate of exchange has a date of its own, and converting here would hide it. The file is read
by DuckDB and kept on disk while it is checked, so that millions of rows need bounded memory.
"""

import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ...state.errors import UnusablePrices
from .accelerators import accelerator_facts
from .names import normalised
from .sources import NEGOTIATED, SourceReport, text
from .users_csv_checks import problems_of
from .users_csv_text import TextProblem, scan

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEEDED = ("cloud", "instance_type", "region", "accelerator", "accelerator_count", "price_usd_per_hour", "as_of")
OPTIONAL = (
    "spot_price_usd_per_hour", "accelerator_memory_gib", "vcpus", "memory_gib", "currency", "vm_included", "source",
    "disk_usd_per_gib_month", "egress_usd_per_gib",
)  # fmt: skip
COLUMNS = (*NEEDED, *OPTIONAL)
STAGE_SQL = """
create table staged.lines as
select row_number() over () as record, {columns}
from read_csv($path, header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '',
              columns = {types}, ignore_errors = true)
"""
LOAD_SQL = f"""
insert into offers by name
select lower(s.cloud) as cloud, s.instance_type, n.accelerator, coalesce(s.accelerator_count::double, 0) as accelerator_count,
       s.accelerator_memory_gib::double as accelerator_memory_gib, s.vcpus::double as vcpus, s.memory_gib::double as memory_gib, s.region,
       s.price_usd_per_hour::double as price_usd_per_hour, s.spot_price_usd_per_hour::double as spot_price_usd_per_hour,
       'USD' as currency, coalesce(lower(s.vm_included) in ('true', 'yes', '1'), true) as vm_included,
       case when lower(s.vm_included) in ('false', 'no', '0') then 'gpu_only' else '{NEGOTIATED}' end as price_basis,
       $name || coalesce(': ' || s.source, '') as source, s.as_of::date as as_of,
       s.disk_usd_per_gib_month::double as disk_usd_per_gib_month, s.egress_usd_per_gib::double as egress_usd_per_gib
from staged.lines s left join staged.names n on n.given = s.accelerator
"""


@dataclass(frozen=True, kw_only=True)
class UsersCsv:
    """A CSV file of the columns above, the optional ones where known; dates as 2026-11-24, prices as 1.25."""

    path: Path

    @property
    def name(self) -> str:
        """Where it lies."""
        return f"your prices in {self.path}"

    @property
    def bytes(self) -> int:
        """Size of the file."""
        return self.path.stat().st_size

    def load(self, connection: "DuckDBPyConnection", today: date) -> SourceReport:
        """Adds all its rows, or raises UnusablePrices with all problems, by line, and adds none."""
        try:
            scanned = scan(self.path, needed=NEEDED, optional=OPTIONAL)
        except TextProblem as error:
            raise UnusablePrices([f"{self.path}: {problem}" for problem in error.problems]) from error
        with _staged(connection):
            self._stage(connection, scanned.columns)
            problems = [*scanned.problems, *problems_of(connection, scanned, self.path, today)]
            if problems:
                raise UnusablePrices([f"{self.path}: {problem}" for problem in problems])
            added = connection.execute(LOAD_SQL, {"name": self.name}).fetchall()
        return SourceReport(name=self.name, offers=int(added[0][0]))

    def _stage(self, connection: "DuckDBPyConnection", header: tuple[str, ...]) -> None:
        """Reads the file as text into the table `staged.lines`, and what its accelerators are called here into `staged.names`."""
        types = "{" + ", ".join(f"{text(column)}: 'varchar'" for column in header) + "}"
        columns = ", ".join(
            f'nullif(trim("{column}"), \'\') as "{column}"' if column in header else f'null::varchar as "{column}"'
            for column in COLUMNS
        )
        sql = STAGE_SQL.format(columns=columns, types=types)
        connection.execute(sql, {"path": str(self.path)})
        connection.execute("create table staged.names (given varchar, accelerator varchar, known boolean)")
        asked = "select distinct accelerator from staged.lines where accelerator is not null limit 10000"
        for (given,) in connection.execute(asked).fetchall():
            found = named_accelerator(given)
            row = (given, found or given, found is not None)
            connection.execute("insert into staged.names values (?, ?, ?)", row)


def named_accelerator(given: str) -> str | None:
    """The table's name for what a user wrote ("h100 sxm", "L4"), or None."""
    found = normalised(re.sub(r"[\s_]+", "-", given.strip()))
    return found if found in accelerator_facts() else None


@contextmanager
def _staged(connection: "DuckDBPyConnection") -> Generator[None]:
    """A database on disk for the time of the check."""
    with tempfile.TemporaryDirectory(prefix="stratos-prices-") as folder:
        connection.execute(f"attach {text(str(Path(folder) / 'staged.duckdb'))} as staged")
        try:
            yield
        finally:
            connection.execute("detach staged")
