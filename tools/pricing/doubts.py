"""Why a quoted price must not be chosen, in words; it judges the price, not the machine behind it.

One SQL expression for every row of a look-up, because a user's file may have millions.
"""

from collections.abc import Mapping
from typing import Any

from ...state.numbers import shown
from .sources import NEGOTIATED, text

# Price bases that are a price somebody can rent at. Everything else needs a reason in BASIS_DOUBTS.
TRUSTED_BASES = (
    "node_on_demand",
    "broker_node",
    "marketplace_node",
    "node_vm_plus_gpu",
    "rate_card_per_gpu",
    NEGOTIATED,
)

SUSPECT = "the source's figure contradicts the vendor's own documentation (marked suspect)"
NO_VM = "covers the accelerator only; the virtual machine around it is not in the price"
BASIS_DOUBTS: Mapping[str, tuple[str, ...]] = {
    "node_on_demand_old_snapshot": ("an old snapshot; a newer one of this cloud exists",),
    "node_on_demand_stale": ("stale: the cloud's newer rate card is higher",),
    "node_vm_plus_gpu_suspect": (SUSPECT,),
    "gpu_only": (NO_VM,),
    "gpu_only_suspect": (NO_VM, SUSPECT),
    "vm_only": ("covers the virtual machine only; the accelerators it comes with are not in the price",),
    "auction_floor": ("the lowest bid an auction accepts, not a price",),
    "spot_7day_avg": ("the average of a week of spot prices, not a quote",),
    "spot_only": ("spot only: no on-demand price is known",),
    "reserved": ("capacity that must be booked for given days in advance",),
}
# Clouds whose quotes share one doubt. Seeweb's price page is Italian and its catalogue does not name the currency.
CLOUD_DOUBTS = {"seeweb": "may be in euros, not dollars"}

STALE_MONTHS = 18
"""Age at which a listed price is no longer chosen. In November 2026 the dated rows of the snapshot are 2 to 12 months old; the 1,128 oldest
are of AWS, and at 12 months the calendar alone would take them away. Much longer is too long: AWS announced cuts of up to 45 % for
its H100 and A100 instances in June 2025, 23 months after the first H100 ones. assumption: half-way between the two."""

NEGOTIATED_MONTHS = 36
"""Age at which an agreed price is no longer chosen: the longest term that AWS, Google and Azure sell commitments for is three years."""

STALE = f"stale: dated more than {STALE_MONTHS} months ago"
AGREEMENT_OVER = f"agreed more than {NEGOTIATED_MONTHS} months ago: ask for the price anew"
UNKNOWN_ACCELERATOR = "unknown accelerator: its speed is not known"


FAR = 10.0
"""An agreed price so many times above or below the listed median is most likely cents, another currency, or a month's. In the snapshot of
September 2026, 9 of 1,962 prices that may be chosen lie as far from their accelerator's median, all of V100-16GB and below it."""


def odd_price(row: Mapping[str, Any], listed_median: float | None) -> tuple[str, ...]:
    """What is to be minded of a quote: an agreed price far from what one accelerator, or vCPU, is listed at; it may be chosen."""
    size = row["accelerator_count"] if row["accelerator"] is not None else row["vcpus"]
    price = row["usd_per_hour"]
    if row["price_basis"] != NEGOTIATED or not (listed_median and size and price):
        return ()
    one, what = price / size, row["accelerator"] or "vCPU"
    if listed_median / FAR <= one <= FAR * listed_median:
        return ()
    far = f"{shown(one / listed_median)} times" if one > listed_median else f"a {shown(listed_median / one)}th of"
    return (
        f"your price of ${shown(one)} an hour for one {what} is {far} the median of the listed prices, ${shown(listed_median)}: "
        "are these dollars an hour for the whole server?",
    )


def doubts_sql() -> str:
    """An SQL expression: all reasons not to choose a quote as a list, empty when it may be chosen.

    It reads the columns of `offers`, `known_accelerator` (boolean), `usd_per_hour` (the price asked for) and the parameters $spot and
    $today. With $spot, a spot-only quote is what was asked for and not doubted for that.
    """
    bases = [_when(f"price_basis = {text(basis)}" + (" and not $spot" if basis == "spot_only" else ""), why)
             for basis, reasons in BASIS_DOUBTS.items() for why in reasons]  # fmt: skip
    known = ", ".join(map(text, (*TRUSTED_BASES, *BASIS_DOUBTS)))
    unnamed = "'its price basis ''' || price_basis || ''' is not one this version knows'"
    unknown_basis = f"case when price_basis not in ({known}) then {unnamed} end"
    agreed = f"price_basis = {text(NEGOTIATED)}"
    positive = "coalesce(usd_per_hour > 0 and isfinite(usd_per_hour), false)"
    others = [
        _when(f"not {positive}", "no positive price"),
        _when(
            f"$spot and {positive} and usd_per_hour = price_usd_per_hour and not {agreed}",
            "the catalogue repeats the on-demand price as spot",
        ),
        *(_when(f"cloud = {text(cloud)} and not {agreed}", why) for cloud, why in CLOUD_DOUBTS.items()),
        "case when currency <> 'USD' then 'in ' || currency || ', not dollars' end",
        _when("accelerator_count % 1 <> 0", "a slice of an accelerator: its share of speed is not known"),
        _when("accelerator is not null and not known_accelerator", UNKNOWN_ACCELERATOR),
        _when("starts_with(coalesce(region, ''), 'us-gov-')", "needs a US government account"),
        _when(f"not {agreed} and as_of < $today::date - interval {STALE_MONTHS} months", STALE),
        _when(f"{agreed} and as_of < $today::date - interval {NEGOTIATED_MONTHS} months", AGREEMENT_OVER),
    ]
    cases = ",\n  ".join([*bases, unknown_basis, *others])
    return f"list_filter([\n  {cases}], lambda why: why is not null)"


def _when(condition: str, why: str) -> str:
    return f"case when {condition} then {text(why)} end"
