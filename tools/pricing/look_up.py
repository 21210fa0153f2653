"""`look_up_prices`: dated prices of all sources, filtered with DuckDB and judged row by row."""

import csv
import difflib
import tempfile
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from datetime import date
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from ...state.brief import Record
from ...state.errors import Correctable, UnusablePrices
from ...state.numbers import shown
from ...state.plan import Offer
from . import query, sky_catalogue
from .accelerators import ACCELERATORS_CSV, resolve
from .doubts import odd_price
from .moves import price_moved
from .sky_catalogue import SkyCatalogue
from .snapshot import SNAPSHOT_CSV, Snapshot
from .sources import NEGOTIATED, OFFERS_TABLE, PriceSource, SourceReport

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LARGE_BYTES = 32 * 2**20
"""Sources larger than that are kept on disk while they are asked."""

MEMORY_LIMIT = "1GB"
"""What DuckDB may take for large sources before it puts things on disk."""

BY_SKYPILOT = frozenset({"quoted_usd_per_hour", "sky_usd_per_hour", "sky_as_of", "sky_age_days", "sky_source"})
"""Columns of a look-up that are not of an offer: what the source has, and what SkyPilot has in its place."""

Sort = Literal["price", "memory", "bandwidth", "usd-per-tflop", "age"]


class LookUpPrices(Record):
    """What servers to list. Every field narrows the list; with none set, everything in the snapshot is listed."""

    regions: tuple[str, ...] = Field(
        default=(), description="region prefixes in any case, such as 'us-east' or 'eu'; empty: any"
    )
    clouds: tuple[str, ...] = Field(default=(), description="clouds by name, such as 'aws' or 'lambda'; empty: any")
    accelerators: tuple[str, ...] = Field(
        default=(), description="accelerators by exact name ('H100-80GB-SXM') or family ('H100'); empty: any or none"
    )
    min_memory_gib: float | None = Field(
        default=None,
        gt=0,
        description="memory of one accelerator at least this, GiB; for servers without one, their main memory",
    )
    include_cpu: bool = Field(
        default=True, description="list servers without an accelerator too; naming accelerators leaves them out anyway"
    )
    max_usd_per_hour: float | None = Field(
        default=None, gt=0, description="hourly price of the whole server at most this, US dollars"
    )
    spot: bool = Field(
        default=False, description="use spot prices, which may be interrupted; lists only servers that have one"
    )
    limit: int | None = Field(
        default=None, gt=0, description="list at most this many, cheapest choosable ones first; null: all"
    )


class PriceQuestion(LookUpPrices):
    """What a person may ask beyond what a planner may: what is looked for among the sources, and in which order it is listed."""

    sources: tuple[str, ...] = Field(default=(), description="sources whose name contains one of these; empty: any")
    count: int | None = Field(default=None, ge=0, description="exactly so many accelerators; 0: none")
    choosable_only: bool = Field(default=False, description="leave out what must not be chosen")
    sort: Sort = Field(default="price", description="choosable ones first, and in each group the best by this first")


class ListedOffer(Offer):
    """An offer with what a plan does not reckon with."""

    currency: str = "USD"
    vm_included: bool = Field(default=True, description="false: the price is of the accelerators alone")
    age_days: int | None = Field(default=None, description="days since the price's date; null where it has none")
    disk_usd_per_gib_month: float | None = None
    egress_usd_per_gib: float | None = None
    memory_bandwidth_gb_s: float | None = Field(default=None, description="of all accelerators, from the datasheet")
    usd_per_tflop_hour: float | None = Field(default=None, description="US dollars an hour for a dense BF16 TFLOP/s")

    def plain(self, *, executable: bool, **terms: float) -> Offer:
        """The offer as a plan records it; `terms` as `Rents` gives them."""
        own = self.model_dump(include=set(Offer.model_fields))
        return Offer.model_validate({**own, "executable": executable, **terms})


class DoubtCount(Record):
    """How many of the offers share one reason not to be chosen."""

    reason: str
    offers: int


class SourceCount(Record):
    """How many of the offers come from one source, and the dates it states."""

    source: str
    offers: int
    oldest: str | None
    newest: str | None


class Prices(Record):
    """Dated offers: choosable ones first, each group by rising price. Doubtful ones are listed and never chosen."""

    offers: tuple[ListedOffer, ...]
    considered: int = Field(description="offers that passed the filters")
    doubtful: int = Field(description="of these, how many must not be chosen")
    doubts: tuple[DoubtCount, ...] = Field(description="why; one offer may have several reasons")
    left_off: int = Field(description="offers that passed the filters and are not listed")
    oldest: str | None = Field(description="earliest stated date of a price, ISO")
    newest: str | None = Field(description="latest stated date of a price, ISO")
    undated: int = Field(description="offers whose source states no date")
    sources: tuple[SourceCount, ...]
    remarks: tuple[str, ...] = Field(default=(), description="what the sources left out, put together or assumed")


@contextmanager
def _connected(sources: Sequence[PriceSource]) -> Generator["DuckDBPyConnection"]:
    """An empty database with the table `offers`: in memory, or in a folder of its own where the sources are large."""
    import duckdb

    if sum(source.bytes for source in sources) <= LARGE_BYTES:
        # A second thread only costs start-up at a few thousand rows.
        with duckdb.connect(":memory:", config={"threads": 1}) as connection:
            connection.execute(OFFERS_TABLE)
            yield connection
        return
    with tempfile.TemporaryDirectory(prefix="stratos-prices-") as folder:
        database = str(Path(folder) / "prices.duckdb")
        with duckdb.connect(
            database, config={"memory_limit": MEMORY_LIMIT, "temp_directory": f"{database}.spilled"}
        ) as connection:
            connection.execute(
                "set enable_progress_bar = false"
            )  # it is drawn on standard output, where a document may be
            connection.execute(OFFERS_TABLE)
            yield connection


def _load(connection: "DuckDBPyConnection", sources: Sequence[PriceSource], today: date) -> list[SourceReport]:
    """Loads all sources. Raises UnusablePrices with the problems of all of them."""
    problems: list[str] = []
    reports: list[SourceReport] = []
    for source in sources:
        try:
            reports.append(source.load(connection, today))
        except UnusablePrices as error:
            problems += error.problems
    if problems:
        raise UnusablePrices(problems)
    return reports


def _judge(connection: "DuckDBPyConnection", args: PriceQuestion, today: date, *, several: bool) -> None:
    """Fills the table `matching` with what passes the filters, doubts and all."""
    connection.execute(query.ACCELERATORS_SQL, {"path": str(ACCELERATORS_CSV)})
    _check_clouds(
        args.clouds, {str(row[0]) for row in connection.execute("select distinct cloud from offers").fetchall()}
    )
    connection.execute(query.QUOTES_SQL, {"spot": args.spot, "today": today.isoformat()})
    connection.execute(query.MEDIANS_SQL)  # of all that is listed, before an agreed price supersedes some of it
    if several:
        connection.execute(query.SUPERSEDED_SQL)
        connection.execute(query.SUPERSEDED_ANYWHERE_SQL)
        connection.execute(query.MARK_SQL)
    connection.execute(
        query.MATCHING_SQL,
        {
            "spot": args.spot,
            "clouds": [cloud.lower() for cloud in args.clouds] or None,
            "accelerators": resolve(args.accelerators) or None,
            "include_cpu": args.include_cpu,
            "regions": list(args.regions) or None,
            "memory_gib": args.min_memory_gib,
            "max_usd": args.max_usd_per_hour,
            "count": args.count,
            "sources": list(args.sources) or None,
            "choosable_only": args.choosable_only,
        },
    )


@cache
def known_clouds() -> tuple[str, ...]:
    """The clouds of the built-in snapshot, by name."""
    with SNAPSHOT_CSV.open(encoding="utf-8", newline="") as lines:
        return tuple(sorted({row["cloud"] for row in csv.DictReader(lines)}))


@cache
def known_regions() -> tuple[str, ...]:
    """The regions of the built-in snapshot, in lower case, by name."""
    with SNAPSHOT_CSV.open(encoding="utf-8", newline="") as lines:
        return tuple(sorted({row["region"].lower() for row in csv.DictReader(lines)} - {""}))


def names_of(sources: Sequence[PriceSource], today: date | None = None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Clouds and regions that sources price, by name. Raises UnusablePrices as `look_up_prices` does."""
    with _connected(sources) as connection:
        _load(connection, sources, today or date.today())
        clouds = connection.execute("select distinct cloud from offers order by cloud").fetchall()
        regions = connection.execute(
            "select distinct region from offers where region is not null order by region"
        ).fetchall()
    return tuple(str(name) for (name,) in clouds), tuple(str(name) for (name,) in regions)


def _check_clouds(asked: Sequence[str], known: Collection[str]) -> None:
    unknown = [cloud for cloud in asked if cloud.lower() not in known]
    if unknown:
        close = sorted({name for cloud in unknown for name in difflib.get_close_matches(cloud.lower(), known)})
        hint = f" Nearest: {', '.join(close)}." if close else ""
        raise Correctable(f"unknown clouds: {', '.join(map(repr, unknown))}.{hint} Valid: {', '.join(sorted(known))}")


def _offer(row: dict[str, Any], *, spot: bool, executors: Collection[str]) -> ListedOffer:
    count, accelerator = float(row["accelerator_count"] or 0), row["accelerator"]
    if accelerator is not None and count % 1:
        # Offer counts whole accelerators, so a slice is one accelerator of a name of its own; it is never choosable.
        accelerator, count = f"{accelerator} ({Fraction(count).limit_denominator(64)})", 1
    suffix = f"/{accelerator} x {count:g}" if accelerator is not None else ""
    median = row.pop("listed_median")
    row = {**row, **_as_started(row), "warnings": _odd(row, median)}
    return ListedOffer.model_validate(
        {
            **{key: value for key, value in row.items() if key not in BY_SKYPILOT},
            "usd_per_hour": row["usd_per_hour"]
            if row["usd_per_hour"] is not None
            else 0.0,  # doubted: no positive price
            "id": f"{row['cloud']}/{row['region']}/{row['instance_type']}{suffix}" + (" (spot)" if spot else ""),
            "accelerator": accelerator,
            "accelerator_count": int(count),
            "executable": row["cloud"] in executors,
        }
    )


def _as_started(row: dict[str, Any]) -> dict[str, Any]:
    """Where SkyPilot has a price of its own, whose it is and of when: an agreed price is then no longer the one reckoned with."""
    if row["sky_usd_per_hour"] is None:
        return {}
    basis = "node_on_demand" if row["price_basis"] == NEGOTIATED else row["price_basis"]
    return {
        "source": row["sky_source"],
        "as_of": row["sky_as_of"],
        "age_days": row["sky_age_days"],
        "price_basis": basis,
    }


def _odd(row: dict[str, Any], median: float | None) -> tuple[str, ...]:
    """What is to be minded of a price: that SkyPilot's is another one, or an agreed one far from what is listed."""
    if row["sky_usd_per_hour"] is None:
        return odd_price(row, median)
    quoted, now = row["quoted_usd_per_hour"], row["sky_usd_per_hour"]
    if quoted is not None and price_moved(quoted, now) is None:
        return ()
    had = "no price" if quoted is None else f"${shown(quoted)} an hour"
    dated = f"of {row['as_of']}" if row["as_of"] else "undated"
    return (f"SkyPilot reckons with ${shown(now)} an hour, where {row['source']} ({dated}) has {had}",)


def look_up_prices(
    args: LookUpPrices,
    *,
    executors: Collection[str] = (),
    sources: Sequence[PriceSource] = (),
    today: date | None = None,
    snapshot: Path = SNAPSHOT_CSV,
    cheapest_of_each: bool = False,
    unavailable: Collection[str] = (),
    started_by: SkyCatalogue | None = None,
) -> Prices:
    """Lists what servers cost, from the built-in dated snapshot and `sources`; use it before choosing where to train and serve.

    Offers with `doubts` are shown and must not be chosen. Where several sources price the same server, one may be chosen: an agreed
    price first, then the newest dated one; the others are doubted as superseded. `executors` names the clouds a job can be sent to
    from here; offers of other clouds have `executable` false. Prices are US dollars per hour of the whole server, without disk, egress
    or tax. `today` is what ages are counted to, the machine's date unless given. With `cheapest_of_each` only the cheapest choosable
    offer of each (cloud, accelerator, count) is listed, all that a plan needs of millions of rows, none of the instance
    types that are `unavailable` (cloud/region/instance type). Where `started_by`, the catalogue of what would start the server, has a
    price of it, that is its price, whatever a source says. Raises Correctable for an unknown
    cloud or accelerator, naming the valid ones, and UnusablePrices with everything wrong in any source's files.
    """
    asked = PriceQuestion.model_validate(args.model_dump())
    today, every = today or date.today(), (Snapshot(path=snapshot), *sources)
    with _connected(every) as connection:
        reports = _load(connection, every, today)
        sky_catalogue.load(connection, started_by)
        _judge(connection, asked, today, several=len(every) > 1)
        if cheapest_of_each:
            connection.execute(query.CHEAPEST_SQL, {"unavailable": list(unavailable)})
        table = "kept" if cheapest_of_each else "matching"
        limit = "all" if asked.limit is None else str(asked.limit)
        sql = query.LISTED_SQL.format(table=table, order=query.ORDERS[asked.sort], limit=limit)
        found = connection.execute(sql, {"today": today.isoformat()})
        names = [str(column[0]) for column in found.description or []]
        sky_source = started_by.name if started_by else ""
        listed = tuple(
            _offer(
                {**dict(zip(names, row, strict=True)), "sky_source": sky_source}, spot=asked.spot, executors=executors
            )
            for row in found.fetchall()
        )
        considered, doubtful, oldest, newest, undated = connection.execute(query.TOTALS_SQL).fetchall()[0]
        doubts = connection.execute(query.DOUBTS_SQL).fetchall()
        counted = connection.execute(query.SOURCES_SQL).fetchall()
    return Prices(
        offers=listed,
        considered=considered,
        doubtful=doubtful,
        doubts=tuple(DoubtCount(reason=reason, offers=count) for reason, count in doubts),
        left_off=considered - len(listed),
        oldest=oldest,
        newest=newest,
        undated=undated,
        sources=tuple(SourceCount(source=name, offers=n, oldest=old, newest=new) for name, n, old, new in counted),
        remarks=tuple(f"{report.name}: {remark}" for report in reports for remark in report.remarks),
    )
