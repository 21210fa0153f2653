"""Are the prices that plans use those of the files they come from? Every offer is looked up again in the raw CSV, without DuckDB.

`--catalogue PATH` (SkyPilot's or gpuhunt's files, or a price CSV) is compared with the snapshot: for servers in both, how far
prices lie apart. What clouds charge today is not asked: that needs a network.
"""

import csv
import statistics
from collections import defaultdict
from datetime import date
from pathlib import Path

from ..state.plan import Offer
from ..tools.pricing.configured import recognised
from ..tools.pricing.look_up import LookUpPrices, look_up_prices
from ..tools.pricing.moves import price_moved
from ..tools.pricing.planning import planning_set
from ..tools.pricing.snapshot import SNAPSHOT_CSV
from .reporting import Claim, Report, arguments

NEVER = ("stale", "old_snapshot", "suspect", "gpu_only", "auction_floor")
"""What a price basis holds that must never be planned with."""

Key = tuple[str, str, str, str, float]


def raw_rows() -> dict[Key, list[dict[str, str]]]:
    """The snapshot's rows as the csv module reads them, by server."""
    found: defaultdict[Key, list[dict[str, str]]] = defaultdict(list)
    with SNAPSHOT_CSV.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            key = (row["cloud"], row["instance_type"], row["region"] or "unstated", row["accelerator"])
            found[*key, float(row["accelerator_count"] or 0)].append(row)
    return found


def key_of(offer: Offer) -> Key:
    """As `raw_rows` has it."""
    return offer.cloud, offer.instance_type, offer.region, offer.accelerator or "", float(offer.accelerator_count)


def differing(offers: tuple[Offer, ...], rows: dict[Key, list[dict[str, str]]]) -> int:
    """Offers whose price, source or date no raw row of their server states."""

    def stated(offer: Offer) -> bool:
        return any(
            float(row["price_usd_per_hour"] or row["spot_price_usd_per_hour"]) == offer.usd_per_hour
            and (row["source"], row["as_of"] or None) == (offer.source, offer.as_of)
            for row in rows[key_of(offer)]
        )

    return sum(not stated(offer) for offer in offers)


def main() -> None:
    """Runs the eval."""
    given: dict[str, object] = {"type": Path, "help": "a catalogue or price file to compare with the snapshot"}
    options = arguments(__doc__ or "", [("--catalogue", given)])
    report = Report(eval="prices", seed=options.seed, quick=options.quick)
    prices = look_up_prices(LookUpPrices())
    planned = planning_set(prices)
    wrong = differing(planned, raw_rows())
    report.add(_count("planned offers that the raw file does not state so", wrong, len(planned)))
    doubtful = sum(any(word in one.price_basis for word in NEVER) for one in planned)
    report.add(_count("planned offers of a doubtful basis", doubtful, len(planned)))
    dates = [date.fromisoformat(one.as_of) for one in planned if one.as_of]
    ages = [(date.today() - one).days for one in dates]
    report.add(_told("age of dated planned offers, median", statistics.median(ages), "days", len(ages)))
    report.add(
        _told("planned offers without a date", (len(planned) - len(dates)) / len(planned), "share", len(planned))
    )
    if options.catalogue:
        _compare(report, options.catalogue)
    else:
        report.left_out = "another catalogue beside the snapshot: none was named with --catalogue"
    report.print(options.json)


def _compare(report: Report, path: Path) -> None:
    """How far the prices of servers in both lie apart."""
    snapshot = look_up_prices(LookUpPrices()).offers
    known = {one.source for one in snapshot}
    ours = {key_of(one): one.usd_per_hour for one in snapshot if not one.doubts}
    both = look_up_prices(LookUpPrices(), sources=(recognised(path),)).offers
    theirs = [one for one in both if one.source not in known]
    pairs = [(ours[key_of(one)], one.usd_per_hour) for one in theirs if key_of(one) in ours]
    report.details["rows of the other catalogue"] = len(theirs)
    if pairs:
        moved = sum(price_moved(quoted, now) is not None for quoted, now in pairs) / len(pairs)
        report.add(_told(f"servers of {path.name} more than 5 % off the snapshot", moved, "share", len(pairs)))


def _count(name: str, value: int, n: int) -> Claim:
    return Claim(name=name, value=value, unit="offers", n=n, goal="0", met=value == 0)


def _told(name: str, value: float, unit: str, n: int) -> Claim:
    return Claim(name=name, value=value, unit=unit, n=n, goal="none", met=None)


if __name__ == "__main__":
    main()
