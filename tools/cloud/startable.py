"""Which offers SkyPilot can start at all: what must not be shown as executable says why.

It reads SkyPilot's own catalogue where there is one, and knows the clouds without it. Whether a cloud has the server free, and whether the
user's quota allows it, is known only when it is asked for.
"""

from collections.abc import Set
from pathlib import Path

from ...state.plan import LOCAL, Offer
from ..pricing.sky_catalogue import ANYWHERE as ANY_REGION
from ..pricing.sky_catalogue import price_of, prices_of
from ..pricing.skypilot import OWN_FOLDER

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


def is_spot(offer: Offer) -> bool:
    """Whether the offer's price is that of a server that may be taken away."""
    return offer.id.endswith(SPOT_MARK) or offer.price_basis == SPOT_ONLY


def why_not(offer: Offer, catalogue: Path = OWN_FOLDER) -> str | None:
    """Why SkyPilot cannot start the offer's server, or its servers, in words; None where nothing speaks against it. This machine needs no
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
    if offer.cloud in ALONE and offer.nodes > 1:
        return f"SkyPilot cannot join {offer.nodes} servers of {offer.cloud} to one cluster"
    return _missing(offer, catalogue)


def _missing(offer: Offer, catalogue: Path) -> str | None:
    """What of the offer SkyPilot's catalogue lacks, in words."""
    known = prices_of(offer.cloud, catalogue)
    if known is None:
        elsewhere = offer.cloud == "aws" and offer.region not in AWS_REGIONS | {UNSTATED}
        return f"SkyPilot has no catalogue of {offer.region} of aws" if elsewhere else None
    name, region = offer.instance_type.lower(), "" if offer.region == UNSTATED else offer.region.lower()
    if (name, ANY_REGION) not in known:
        return f"SkyPilot's catalogue has no {offer.instance_type!r} of {offer.cloud}"
    if (name, region) not in known:
        regions = sorted(there for type_, there in known if type_ == name and there != ANY_REGION)
        return f"SkyPilot's catalogue has {offer.instance_type!r} not in {offer.region!r}, only in {', '.join(regions)}"
    if catalogue_usd(offer, catalogue) is None:
        kind = "spot price" if is_spot(offer) else "one on-demand price"
        return f"SkyPilot's catalogue has no {kind} of {offer.instance_type!r}"
    return None


def catalogue_usd(offer: Offer, catalogue: Path = OWN_FOLDER) -> float | None:
    """What SkyPilot reckons an hour of the offer's servers with, US dollars; None where its catalogue has no price of them, as of clusters
    without machine types."""
    region = None if offer.region == UNSTATED else offer.region
    usd = price_of(offer.cloud, offer.instance_type, region, catalogue, spot=is_spot(offer))
    return None if usd is None else offer.nodes * usd


def startable(clouds: Set[str]) -> frozenset[str]:
    """Of enabled clouds those on which jobs may be started and left alone."""
    return frozenset(clouds & (CLOUDS - KEEPS - ANYWHERE))
