"""What a source of prices is, the one table all of them fill, and the words they share; each source has a module of its own."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEGOTIATED = "negotiated"
"""The price basis of what a user agreed with a cloud; it goes before listed prices of the same server."""

OFFERS_TABLE = """
create table offers (
  cloud varchar not null, instance_type varchar not null, accelerator varchar, accelerator_count double,
  accelerator_memory_gib double, vcpus double, memory_gib double, region varchar,
  price_usd_per_hour double, spot_price_usd_per_hour double, currency varchar not null, vm_included boolean not null,
  price_basis varchar not null, source varchar not null, as_of date,
  disk_usd_per_gib_month double, egress_usd_per_gib double)
"""
"""The table `offers`. Prices are of the whole server for an hour; NULL is unknown, never nothing. `accelerator` is a name of
accelerators.csv where the source's name leads to one, the source's own otherwise."""

OFFER_COLUMNS = (
    "cloud", "instance_type", "accelerator", "accelerator_count", "accelerator_memory_gib", "vcpus", "memory_gib",
    "region", "price_usd_per_hour", "spot_price_usd_per_hour", "currency", "vm_included", "price_basis", "source",
    "as_of", "disk_usd_per_gib_month", "egress_usd_per_gib",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SourceReport:
    """What a source brought; `remarks` say what was put together, left out or assumed."""

    name: str
    offers: int
    remarks: tuple[str, ...] = ()


class PriceSource(Protocol):
    """Somewhere prices come from."""

    @property
    def name(self) -> str:
        """How a person is told where the prices are from; unique among the sources of a look-up."""
        ...

    @property
    def bytes(self) -> int:
        """Size of its files: large ones are kept on disk while they are asked."""
        ...

    def load(self, connection: "DuckDBPyConnection", today: date) -> SourceReport:
        """Adds its rows to the table `offers`, all or none. Raises UnusablePrices with everything wrong, NotAvailable
        when a package it needs is missing."""
        ...


def as_of_file(path: Path) -> date:
    """The day a file was last changed: what a catalogue without dates of its own is dated by."""
    return datetime.fromtimestamp(path.stat().st_mtime).date()


def text(value: str) -> str:
    """A text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"
