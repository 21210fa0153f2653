"""Why a quoted price must not be chosen, in words; it judges the price, not the machine behind it."""

from collections.abc import Mapping

# Price bases that are a price somebody can rent at. Everything else needs a reason in BASIS_DOUBTS.
TRUSTED_BASES = frozenset(
    {"node_on_demand", "broker_node", "marketplace_node", "node_vm_plus_gpu", "rate_card_per_gpu"}
)

SUSPECT = "the source's figure contradicts the vendor's own documentation (marked suspect)"
NO_VM = "covers the accelerator only; the virtual machine around it is not in the price"
BASIS_DOUBTS: Mapping[str, tuple[str, ...]] = {
    "node_on_demand_old_snapshot": ("an old snapshot; a newer one of this cloud exists",),
    "node_on_demand_stale": ("stale: the cloud's newer rate card is higher",),
    "node_vm_plus_gpu_suspect": (SUSPECT,),
    "gpu_only": (NO_VM,),
    "gpu_only_suspect": (NO_VM, SUSPECT),
    "auction_floor": ("the lowest bid an auction accepts, not a price",),
    "spot_7day_avg": ("the average of a week of spot prices, not a quote",),
    "spot_only": ("spot only: no on-demand price is known",),
}
# Clouds whose quotes share one doubt. Seeweb's price page is Italian and its catalogue does not name the currency.
CLOUD_DOUBTS = {"seeweb": "may be in euros, not dollars"}


def doubts_about(row: Mapping[str, object], *, spot: bool) -> tuple[str, ...]:
    """All reasons not to choose this quote; empty when it may be chosen.

    `row` holds cloud, region, price_basis, accelerator_count, usd_per_hour (the price asked for) and
    on_demand_usd_per_hour. With `spot`, a spot-only quote is what was asked for and not doubted for that.
    """
    basis, cloud, region = str(row["price_basis"]), str(row["cloud"]), str(row["region"])
    price, count = row["usd_per_hour"], row["accelerator_count"]
    found: list[str] = []
    if basis in BASIS_DOUBTS:
        found += [] if spot and basis == "spot_only" else BASIS_DOUBTS[basis]
    elif basis not in TRUSTED_BASES:
        found.append(f"its price basis {basis!r} is not one this version knows")
    if not isinstance(price, float) or not 0 < price < float("inf"):
        found.append("no positive price")
    elif spot and price == row["on_demand_usd_per_hour"]:
        found.append("the catalogue repeats the on-demand price as spot")
    if cloud in CLOUD_DOUBTS:
        found.append(CLOUD_DOUBTS[cloud])
    if isinstance(count, float) and count % 1:
        found.append("a slice of an accelerator: its share of speed is not known")
    if region.startswith("us-gov-"):
        found.append("needs a US government account")
    return tuple(found)
