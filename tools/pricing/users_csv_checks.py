"""Everything that can be wrong with the values of a user's price file, found by DuckDB over all rows at once."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from .accelerators import accelerator_facts
from .users_csv_text import SHOWN_LINES, Ragged, Scanned, TextProblem, records, told_lines

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MONEY = ("price_usd_per_hour", "spot_price_usd_per_hour", "disk_usd_per_gib_month", "egress_usd_per_gib")
MAY_BE_FREE = ("disk_usd_per_gib_month", "egress_usd_per_gib")
SIZES = ("accelerator_memory_gib", "vcpus", "memory_gib")
KEY = ("cloud", "region", "instance_type", "accelerator", "accelerator_count")
EXAMPLES = 3
UNKNOWN_SHOWN = 10
"""Names of unknown accelerators told with their nearest ones; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What is wrong with a row of `staged.lines` where `wrong` holds. It reads these columns; the first one's value is shown of it."""

    what: str
    wrong: str
    columns: tuple[str, ...]
    shown: bool = True


def _number_checks(column: str, *, above_zero: bool) -> list[Check]:
    figure = f"try_cast({column} as double)"
    limit, low = ("at or below 0", f"{figure} <= 0") if above_zero else ("below 0", f"{figure} < 0")
    kinds = {
        "is no number (written as 1.25, without a sign of currency)": f"{column} is not null and {figure} is null",
        "is not finite": f"not isfinite({figure})",
        f"is {limit}": f"isfinite({figure}) and {low}",
    }
    return [Check(what=f"{column} {kind}", wrong=wrong, columns=(column,)) for kind, wrong in kinds.items()]


def checks(today: date) -> tuple[Check, ...]:
    """All of them; each is made where the file has its columns."""
    found = [
        Check(what=f"{column} is empty", wrong=f"{column} is null", columns=(column,), shown=False)
        for column in ("cloud", "instance_type", "price_usd_per_hour", "as_of")
    ]
    for column in (*MONEY, *SIZES):
        found += _number_checks(column, above_zero=column not in MAY_BE_FREE)
    count = "try_cast(accelerator_count as double)"
    iso = "regexp_full_match(as_of, '\\d{4}-\\d{2}-\\d{2}') and try_cast(as_of as date) is not null"
    return (
        *found,
        Check(
            what="accelerator_count is no whole number of 0 to 1024",
            wrong=f"accelerator_count is not null and not coalesce({count} between 0 and 1024 and {count} % 1 = 0, false)",
            columns=("accelerator_count",),
        ),
        Check(
            what="an accelerator without a count of at least 1",
            wrong=f"accelerator is not null and coalesce({count}, 0) = 0",
            columns=("accelerator", "accelerator_count"),
        ),
        Check(
            what="a count without an accelerator",
            wrong=f"accelerator is null and {count} > 0",
            columns=("accelerator_count", "accelerator"),
        ),
        Check(
            what="a server without an accelerator needs vcpus: its speed is predicted from them",
            wrong="accelerator is null and vcpus is null",
            columns=("accelerator",),
            shown=False,
        ),
        Check(
            what="as_of is no date written as 2026-11-24",
            wrong=f"as_of is not null and not ({iso})",
            columns=("as_of",),
        ),
        Check(
            what=f"as_of lies after today, {today}",
            wrong=f"{iso} and try_cast(as_of as date) > date '{today}'",
            columns=("as_of",),
        ),
        Check(
            what="currency is not USD: convert the price and say in `source` at which rate and date",
            wrong="currency is not null and upper(currency) <> 'USD'",
            columns=("currency",),
        ),
        Check(
            what="vm_included is neither true nor false",
            wrong="vm_included is not null and lower(vm_included) not in ('true', 'false', 'yes', 'no', '1', '0')",
            columns=("vm_included",),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Found:
    """One kind of problem: how often, and the first records it is in."""

    what: str
    count: int
    records: tuple[int, ...]
    """Numbers of records, the first after the header being 1."""


def problems_of(connection: "DuckDBPyConnection", scanned: Scanned, path: Path, today: date) -> list[str]:
    """All problems in words, by kind, with the lines they are on."""
    rows = int(connection.execute("select count(*) from staged.lines").fetchall()[0][0])
    present = set(scanned.columns)
    found = [
        *_values(connection, [check for check in checks(today) if present.issuperset(check.columns)]),
        *_unknown_accelerators(connection),
        *(_duplicates(connection) if present.issuperset(KEY) else []),
    ]
    if rows == scanned.line_ends - 1:  # each record stands on a line of its own
        told = [f"{told_lines((record + 1 for record in one.records), one.count)}: {one.what}" for one in found]
    else:
        told = _told_by_line(path, len(scanned.columns), found)
    return told or ([] if rows else ["it has a header and no rows"])


def _values(connection: "DuckDBPyConnection", made: list[Check]) -> list[_Found]:
    """One pass over all rows counts every kind; those that occur are looked for once more."""
    if not made:
        return []
    counts = ", ".join(f"count(*) filter (where {check.wrong})" for check in made)
    counted = connection.execute(f"select {counts} from staged.lines").fetchall()[0]
    return [_looked_for(connection, check, int(count)) for check, count in zip(made, counted, strict=True) if count]


def _looked_for(connection: "DuckDBPyConnection", check: Check, count: int) -> _Found:
    value = check.columns[0] if check.shown else "null"
    sql = f"select record, {value} from staged.lines where {check.wrong} order by record limit {SHOWN_LINES}"
    first = connection.execute(sql).fetchall()
    values = list(dict.fromkeys(repr(value) for _, value in first if value is not None))[:EXAMPLES]
    shown = f": {', '.join(values)}" if values else ""
    return _Found(what=check.what + shown, count=count, records=tuple(int(record) for record, _ in first))


def _unknown_accelerators(connection: "DuckDBPyConnection") -> list[_Found]:
    """Accelerators that could never be chosen, by name with the nearest known ones."""
    unknown = (
        "staged.lines s left join staged.names n on n.given = s.accelerator "
        "where s.accelerator is not null and not coalesce(n.known, false)"
    )
    often = f"select s.accelerator, count(*) from {unknown} group by 1 order by 2 desc, 1"
    named = connection.execute(f"{often} limit {UNKNOWN_SHOWN}").fetchall()
    found = [
        _Found(
            what=f"unknown accelerator {name!r}{_nearest(name)}",
            count=int(count),
            records=_first(connection, f"{unknown} and s.accelerator = $name", {"name": name}),
        )
        for name, count in named
    ]
    kinds, rows = connection.execute(f"select count(*), coalesce(sum(c), 0) from ({often}) as _(a, c)").fetchall()[0]
    if (left := int(kinds) - len(named)) > 0:
        others = f"{unknown} and not list_contains($names, s.accelerator)"
        first = _first(connection, others, {"names": [name for name, _ in named]})
        count = int(rows) - sum(one.count for one in found)
        found.append(_Found(what=f"{left:,} more unknown accelerators", count=count, records=first))
    return found


def _first(connection: "DuckDBPyConnection", rows: str, given: Mapping[str, object]) -> tuple[int, ...]:
    sql = f"select s.record from {rows} order by s.record limit {SHOWN_LINES}"
    return tuple(int(record) for (record,) in connection.execute(sql, dict(given)).fetchall())


def _nearest(name: str) -> str:
    names: Mapping[str, str] = {known.upper(): known for known in accelerator_facts()}
    close = difflib.get_close_matches(name.upper(), names, n=3, cutoff=0.4)
    return (
        f" (nearest: {', '.join(names[one] for one in close)})"
        if close
        else f" (valid: {', '.join(accelerator_facts())})"
    )


def _duplicates(connection: "DuckDBPyConnection") -> list[_Found]:
    """Rows of a server that an earlier row prices already. Hashes find the few that can be; the values decide."""
    key = ", ".join(f"coalesce(lower({column}), '')" for column in KEY)
    sql = f"""
        with suspects as (
          select hash({key}) as h from staged.lines group by h having count(*) > 1
        ), numbered as (
          select record, row_number() over (partition by {key} order by record) as nth
          from staged.lines semi join suspects on suspects.h = hash({key})
        ) select count(*), min(record, {SHOWN_LINES}) from numbered where nth > 1"""
    count, first = connection.execute(sql).fetchall()[0]
    if not count:
        return []
    what = "priced already on an earlier line: same cloud, region, instance type, accelerator and count"
    return [_Found(what=what, count=int(count), records=tuple(first))]


def _told_by_line(path: Path, columns: int, found: Iterable[_Found]) -> list[str]:
    """Problems of a file whose records do not stand one on a line each: the text is read again to find their lines, and those that
    DuckDB left out because their values do not fit the columns."""
    wanted = {record for one in found for record in one.records}
    lines: dict[int, int] = {}
    ragged: list[Ragged] = []
    broken: list[str] = []
    left_out, record = 0, 0
    try:
        for one in records(path, columns):
            if isinstance(one, Ragged):
                left_out += 1
                ragged += [one] if len(ragged) < SHOWN_LINES else []
                continue
            record += 1
            if record in wanted:
                lines[record] = one
    except TextProblem as error:
        broken = error.problems
    told = [f"{told_lines((lines[r] for r in one.records if r in lines), one.count)}: {one.what}" for one in found]
    if ragged:
        values = ", ".join(map(str, sorted({one.values for one in ragged})))
        where = told_lines((one.line for one in ragged), left_out)
        told.insert(0, f"{where}: {values} values where the header has {columns}")
    return [*broken, *told]
