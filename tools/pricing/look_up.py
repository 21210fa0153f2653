"""`look_up_prices`: the built-in price snapshot, filtered with DuckDB and judged row by row."""

import csv
import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

from pydantic import Field

from ...state.brief import Record
from ...state.errors import Correctable
from ...state.plan import Offer
from .accelerators import ACCELERATORS_CSV, resolve
from .doubts import doubts_about

SNAPSHOT_CSV = Path(__file__).with_name("offers.csv")
QUERY_SQL = """
select o.cloud, o.instance_type, coalesce(o.region, 'unstated') as region, o.accelerator, o.accelerator_count,
       coalesce(o.accelerator_memory_gib, a.memory_gib) as accelerator_memory_gib, o.vcpus, o.memory_gib,
       o.price_usd_per_hour as on_demand_usd_per_hour, o.spot_price_usd_per_hour as spot_usd_per_hour,
       case when $spot then o.spot_price_usd_per_hour
            else coalesce(o.price_usd_per_hour, o.spot_price_usd_per_hour) end as usd_per_hour,
       o.price_basis, o.source, strftime(o.as_of, '%Y-%m-%d') as as_of
from offers o left join accelerators a on a.accelerator = o.accelerator
where ($clouds::varchar[] is null or list_contains($clouds::varchar[], o.cloud))
  and ($accelerators::varchar[] is null or list_contains($accelerators::varchar[], o.accelerator))
  and ($include_cpu or o.accelerator is not null)
  and ($regions::varchar[] is null
       or len(list_filter($regions::varchar[], lambda r: starts_with(lower(o.region), lower(r)))) > 0)
  and ($memory_gib::double is null
       or case when o.accelerator is null then o.memory_gib
               else coalesce(o.accelerator_memory_gib, a.memory_gib) end >= $memory_gib::double)
  and (not $spot or o.spot_price_usd_per_hour is not null)
  and ($max_usd::double is null
       or case when $spot then o.spot_price_usd_per_hour
               else coalesce(o.price_usd_per_hour, o.spot_price_usd_per_hour) end <= $max_usd::double)
"""
LOAD_SQL = """
create table {table} as from read_csv($path, header = true, auto_detect = false, columns = {columns})
"""
OFFER_COLUMNS = """{
  cloud: 'varchar', instance_type: 'varchar', accelerator: 'varchar', accelerator_count: 'double',
  accelerator_memory_gib: 'double', vcpus: 'double', memory_gib: 'double', region: 'varchar',
  price_usd_per_hour: 'double', spot_price_usd_per_hour: 'double', price_basis: 'varchar', source: 'varchar',
  as_of: 'date'}"""
ACCELERATOR_COLUMNS = """{
  accelerator: 'varchar', memory_gib: 'double', memory_bandwidth_gb_s: 'double', bf16_dense_tflops: 'double',
  fp8_dense_tflops: 'double', tdp_w: 'double', interconnect: 'varchar', source: 'varchar', notes: 'varchar'}"""


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

    offers: tuple[Offer, ...]
    considered: int = Field(description="offers that passed the filters")
    doubtful: int = Field(description="of these, how many must not be chosen")
    doubts: tuple[DoubtCount, ...] = Field(description="why; one offer may have several reasons")
    left_off: int = Field(description="offers that passed the filters and were cut by `limit`")
    oldest: str | None = Field(description="earliest stated date of a price, ISO")
    newest: str | None = Field(description="latest stated date of a price, ISO")
    undated: int = Field(description="offers whose source states no date")
    sources: tuple[SourceCount, ...]


def _matching_rows(snapshot: Path, args: LookUpPrices) -> list[dict[str, object]]:
    import duckdb

    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        # `threads` is 1: a second one only costs start-up at a few thousand rows.
        connection.execute(LOAD_SQL.format(table="offers", columns=OFFER_COLUMNS), {"path": str(snapshot)})
        connection.execute(
            LOAD_SQL.format(table="accelerators", columns=ACCELERATOR_COLUMNS), {"path": str(ACCELERATORS_CSV)}
        )
        known = {str(row[0]) for row in connection.execute("select distinct cloud from offers").fetchall()}
        _check_clouds(args.clouds, known)
        found = connection.execute(
            QUERY_SQL,
            {
                "spot": args.spot,
                "clouds": [cloud.lower() for cloud in args.clouds] or None,
                "accelerators": resolve(args.accelerators) or None,
                "include_cpu": args.include_cpu,
                "regions": list(args.regions) or None,
                "memory_gib": args.min_memory_gib,
                "max_usd": args.max_usd_per_hour,
            },
        )
        names = [str(column[0]) for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@cache
def known_clouds() -> tuple[str, ...]:
    """The clouds of the built-in snapshot, by name."""
    with SNAPSHOT_CSV.open(encoding="utf-8", newline="") as lines:
        return tuple(sorted({row["cloud"] for row in csv.DictReader(lines)}))


def _check_clouds(asked: Sequence[str], known: Collection[str]) -> None:
    unknown = [cloud for cloud in asked if cloud.lower() not in known]
    if unknown:
        close = sorted({name for cloud in unknown for name in difflib.get_close_matches(cloud.lower(), known)})
        hint = f" Nearest: {', '.join(close)}." if close else ""
        raise Correctable(f"unknown clouds: {', '.join(map(repr, unknown))}.{hint} Valid: {', '.join(sorted(known))}")


def _offer(row: Mapping[str, object], *, spot: bool, executors: Collection[str]) -> Offer:
    count, accelerator = float(str(row["accelerator_count"] or 0)), row["accelerator"]
    if accelerator is not None and count % 1:
        # Offer counts whole accelerators, so a slice is one accelerator of a name of its own; it is never choosable.
        accelerator, count = f"{accelerator} ({Fraction(count)})", 1
    suffix = f"/{accelerator} x {count:g}" if accelerator is not None else ""
    return Offer.model_validate(
        {
            **{key: value for key, value in row.items() if key != "on_demand_usd_per_hour"},
            "id": f"{row['cloud']}/{row['region']}/{row['instance_type']}{suffix}" + (" (spot)" if spot else ""),
            "accelerator": accelerator,
            "accelerator_count": int(count),
            "executable": row["cloud"] in executors,
            "doubts": doubts_about(row, spot=spot),
        }
    )


def _sources(offers: Iterable[Offer]) -> tuple[SourceCount, ...]:
    by_source: dict[str, list[str | None]] = {}
    for offer in offers:
        # A source's remarks on single rows stand in brackets behind its name and commit.
        by_source.setdefault(re.sub(r" \([^@]*\)$", "", offer.source), []).append(offer.as_of)
    return tuple(
        SourceCount(
            source=source,
            offers=len(dates),
            oldest=min(filter(None, dates), default=None),
            newest=max(filter(None, dates), default=None),
        )
        for source, dates in sorted(by_source.items(), key=lambda item: (-len(item[1]), item[0]))
    )


def look_up_prices(args: LookUpPrices, *, executors: Collection[str] = (), snapshot: Path = SNAPSHOT_CSV) -> Prices:
    """Lists what servers cost, from the built-in dated snapshot; use it before choosing where to train and serve.

    Offers with `doubts` are shown and must not be chosen. `executors` names the clouds a job can be sent to from here;
    offers of other clouds have `executable` false. Prices are US dollars per hour of the whole server, without disk,
    egress or tax. Raises Correctable for an unknown cloud or accelerator, naming the valid ones.
    """
    rows = _matching_rows(snapshot, args)
    offers = [_offer(row, spot=args.spot, executors=executors) for row in rows]
    offers.sort(key=lambda offer: (bool(offer.doubts), offer.usd_per_hour, offer.id))
    reasons = Counter(doubt for offer in offers for doubt in offer.doubts)
    dates = [offer.as_of for offer in offers if offer.as_of]
    listed = offers[: args.limit]
    return Prices(
        offers=tuple(listed),
        considered=len(offers),
        doubtful=sum(bool(offer.doubts) for offer in offers),
        doubts=tuple(DoubtCount(reason=reason, offers=count) for reason, count in sorted(reasons.items())),
        left_off=len(offers) - len(listed),
        oldest=min(dates, default=None),
        newest=max(dates, default=None),
        undated=len(offers) - len(dates),
        sources=_sources(offers),
    )
