"""Which offers SkyPilot can start at all: what must not be shown as executable says why.

It reads SkyPilot's own catalogue where there is one, and knows the clouds without it. Whether a cloud has the server free, and whether the
user's quota allows it, is known only when it is asked for.
"""

import csv
from collections.abc import Mapping, Set
from functools import lru_cache
from pathlib import Path

from ...state.plan import LOCAL, Offer
from ..pricing.skypilot import OWN_FOLDER, VMS_FILE

UNSTATED = "unstated"
"""The region of an offer whose source names none."""
WITHOUT_TYPES = frozenset({"kubernetes", "slurm", "ssh"})
"""What SkyPilot asks for parts, since it has no machine types."""
CLOUDS = WITHOUT_TYPES | {
    "aws", "azure", "cudo", "do", "fluidstack", "gcp", "hyperbolic", "ibm", "lambda", "mithril", "nebius", "oci", "paperspace",
    "primeintellect", "runpod", "scp", "seeweb", "shadeform", "vast", "verda", "vsphere", "yotta",
}  # fmt: skip
"""That SkyPilot 0.14.1 can start servers of; the eval `cloud_tasks` holds them against its registry."""
KEEPS = frozenset({"hyperbolic", "primeintellect", "verda", "yotta"})
"""Clouds of these whose servers SkyPilot 0.14.1 cannot let end themselves when they are idle; the eval holds them against its classes."""
ALONE = frozenset(
    {"hyperbolic", "primeintellect", "runpod", "seeweb", "shadeform", "vast", "verda", "vsphere", "yotta"}
)
"""Clouds of these whose servers SkyPilot 0.14.1 cannot join to one cluster; likewise."""
ANYWHERE = frozenset({"shadeform"})
"""Clouds of which SkyPilot 0.14.1 can be asked for no region: its class lacks the name of its catalogue
(skypilot-org/skypilot#10712)."""
AWS_REGIONS = frozenset({
    "af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
    "ap-southeast-3", "ap-southeast-4", "ca-central-1", "eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2",
    "eu-west-3", "me-central-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
})  # fmt: skip
"""All that SkyPilot 0.14.1 makes its catalogue of AWS of: in others it has no image that fits."""
SPOT_MARK, SPOT_ONLY = " (spot)", "spot_only"
"""How a look-up of spot prices ends its offers' ids, and the basis of a price that has no other."""

Catalogue = Mapping[tuple[str, str], tuple[bool, bool]]
"""Of one cloud: whether a type has an on-demand price and a spot price in a region, by both in lower case."""


def is_spot(offer: Offer) -> bool:
    """Whether the offer's price is that of a server that may be taken away."""
    return offer.id.endswith(SPOT_MARK) or offer.price_basis == SPOT_ONLY


def why_not(offer: Offer, catalogue: Path = OWN_FOLDER, *, nodes: int = 1) -> str | None:
    """Why SkyPilot cannot start the offer's server, or so many of it, in words; None where nothing speaks against it. This machine needs no
    SkyPilot.

    `catalogue` is a folder of CLOUD/vms.csv; a cloud that has none there is judged by what is known of the cloud alone.
    """
    if offer.cloud == LOCAL or offer.cloud in WITHOUT_TYPES:
        return None
    if offer.cloud not in CLOUDS:
        return f"SkyPilot starts no servers of {offer.cloud}"
    if offer.cloud in KEEPS:
        return f"a server of {offer.cloud} cannot end itself when it is idle, so a job that is lost would be paid for on and on"
    if offer.cloud in ANYWHERE and offer.region != UNSTATED:
        return f"SkyPilot cannot be asked for a region of {offer.cloud}"
    if offer.cloud in ALONE and nodes > 1:
        return f"SkyPilot cannot join {nodes} servers of {offer.cloud} to one cluster"
    return _missing(offer, catalogue)


def _missing(offer: Offer, catalogue: Path) -> str | None:
    """What of the offer SkyPilot's catalogue lacks, in words."""
    known = catalogue_of(offer.cloud, catalogue.expanduser())
    if known is None:
        elsewhere = offer.cloud == "aws" and offer.region not in AWS_REGIONS | {UNSTATED}
        return f"SkyPilot has no catalogue of {offer.region} of aws" if elsewhere else None
    regions = {region: priced for (name, region), priced in known.items() if name == offer.instance_type.lower()}
    if not regions:
        return f"SkyPilot's catalogue has no {offer.instance_type!r} of {offer.cloud}"
    here = regions if offer.region == UNSTATED else {r: p for r, p in regions.items() if r == offer.region.lower()}
    if not here:
        return f"SkyPilot's catalogue has {offer.instance_type!r} not in {offer.region!r}, only in {', '.join(sorted(regions))}"
    if not any(priced[is_spot(offer)] for priced in here.values()):
        return (
            f"SkyPilot's catalogue has no {'spot' if is_spot(offer) else 'on-demand'} price of {offer.instance_type!r}"
        )
    return None


def catalogue_of(cloud: str, folder: Path) -> Catalogue | None:
    """What SkyPilot's catalogue has of a cloud; None where it has no file."""
    file = folder / cloud / VMS_FILE
    try:
        changed = file.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    return _read(file, changed)


@lru_cache(maxsize=64)
def _read(file: Path, changed: int) -> Catalogue:
    """One file as it is since `changed`."""
    found: dict[tuple[str, str], tuple[bool, bool]] = {}
    with file.open(encoding="utf-8-sig", newline="") as lines:
        for row in csv.DictReader(lines):
            key = ((row.get("InstanceType") or "").lower(), (row.get("Region") or "").lower())
            before = found.get(key, (False, False))
            found[key] = before[0] or bool(row.get("Price")), before[1] or bool(row.get("SpotPrice"))
    return found


def startable(clouds: Set[str]) -> frozenset[str]:
    """Of enabled clouds those on which jobs may be started and left alone."""
    return frozenset(clouds & (CLOUDS - KEEPS - ANYWHERE))
