"""SkyPilot's own prices of what it starts: read as SkyPilot reads them, and in the place of every source's."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from stratos.tools.pricing.look_up import LookUpPrices, Prices, look_up_prices
from stratos.tools.pricing.sky_catalogue import SkyCatalogue, google_accelerators, price_of

from .files import TODAY, snapshot, users

HEADER = "InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,AvailabilityZone,Price,SpotPrice"
LISTED = "lambda,gpu_1x_a10,A10,1,24,30,200,us-east-1,0.60,0.30,node_on_demand,a list,2026-10-01"
DATED = datetime(2026, 11, 20).timestamp()


def catalogue(folder: Path, **clouds: list[str]) -> SkyCatalogue:
    """A catalogue of these clouds' rows, renewed on 2026-11-20."""
    for cloud, rows in clouds.items():
        (folder / "v8" / cloud).mkdir(parents=True)
        file = folder / "v8" / cloud / "vms.csv"
        file.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
        os.utime(file, (DATED, DATED))
    return SkyCatalogue(folder=folder / "v8", clouds=frozenset({"local", "lambda", "aws", "gcp"}))


def started(folder: Path, at: SkyCatalogue, *listed: str, sources: Any = (), **asked: Any) -> Prices:
    return look_up_prices(
        LookUpPrices(**asked),
        sources=sources,
        snapshot=snapshot(folder, *listed),
        today=TODAY,
        cheapest_of_each=True,
        started_by=at,
    )


def test_a_price_that_skypilot_has_another_of_is_skypilots_and_says_so(tmp_path: Path) -> None:
    at = catalogue(tmp_path, **{"lambda": ["gpu_1x_A10,30,200,A10,1,,US-East-1,,0.75,0.2"]})
    (offer,) = started(tmp_path, at, LISTED).offers
    assert (offer.usd_per_hour, offer.spot_usd_per_hour, offer.as_of, offer.age_days) == (0.75, 0.2, "2026-11-20", 4)
    assert offer.source == f"SkyPilot's own catalogue in {at.folder}"
    assert offer.warnings == ("SkyPilot reckons with $0.75 an hour, where a list (of 2026-10-01) has $0.6 an hour",)
    (spot,) = started(tmp_path, at, LISTED, spot=True).offers
    assert (spot.usd_per_hour, spot.id.endswith(" (spot)")) == (0.2, True)
    assert "$0.2 an hour, where a list (of 2026-10-01) has $0.3 an hour" in spot.warnings[0]


def test_a_price_within_five_percent_is_skypilots_without_a_word(tmp_path: Path) -> None:
    at = catalogue(tmp_path, **{"lambda": ["gpu_1x_a10,30,200,A10,1,,us-east-1,,0.615,"]})
    (offer,) = started(tmp_path, at, LISTED).offers
    assert (offer.usd_per_hour, offer.warnings) == (0.615, ())


def test_what_skypilot_has_no_price_of_keeps_its_own(tmp_path: Path) -> None:
    at = catalogue(tmp_path, aws=[])
    own = users(tmp_path, "slurm,gpu,here,A10,1,0.1,2026-11-01")
    offers = {offer.cloud: offer for offer in started(tmp_path, at, LISTED, sources=[own]).offers}
    assert (offers["slurm"].usd_per_hour, offers["lambda"].usd_per_hour) == (0.1, 0.6)
    assert offers["slurm"].source != at.name != offers["lambda"].source


def test_an_agreed_price_gives_way_to_what_skypilot_charges(tmp_path: Path) -> None:
    at = catalogue(tmp_path, **{"lambda": ["gpu_1x_a10,30,200,A10,1,,us-east-1,,0.61,"]})
    own = users(tmp_path, "lambda,gpu_1x_a10,us-east-1,A10,1,0.01,2026-11-01")
    (offer,) = started(tmp_path, at, LISTED, sources=[own]).offers
    assert (offer.usd_per_hour, offer.price_basis) == (0.61, "node_on_demand")
    assert "has $0.01 an hour" in offer.warnings[0]


def test_of_a_kind_the_cheapest_is_one_that_skypilot_can_start(tmp_path: Path) -> None:
    at = catalogue(tmp_path, **{"lambda": ["gpu_1x_a10,30,200,A10,1,,us-west-1,,0.9,"]})
    there = LISTED.replace("us-east-1", "us-west-1")
    (offer,) = started(tmp_path, at, LISTED, there).offers
    assert (offer.region, offer.usd_per_hour) == ("us-west-1", 0.9)
    (only,) = started(tmp_path, at, LISTED).offers
    assert (only.region, only.usd_per_hour) == ("us-east-1", 0.6)


def test_googles_machines_cost_what_they_and_their_accelerators_cost_in_one_zone(tmp_path: Path) -> None:
    rows = [
        "a2-highgpu-2g,24,170,,,,us-central1,us-central1-a,1.5,0.5",
        "a2-highgpu-2g,24,170,,,,us-central1,us-central1-b,1.5,0.4",
        ",,,A100,2,,us-central1,us-central1-a,6,2",
        ",,,A100,2,,us-central1,us-central1-b,6,2.5",
        "ct5lp-hightpu-4t,112,192,,,,us-central1,us-central1-a,1,1",
        "n2-standard-8,8,32,,,,us-central1,us-central1-a,0.4,0.1",
    ]
    at = catalogue(tmp_path, gcp=rows).folder
    assert price_of("gcp", "a2-highgpu-2g", "us-central1", at, spot=False) == 7.5
    assert price_of("gcp", "a2-highgpu-2g", "us-central1", at, spot=True) == 2.5  # b: 2.9; the least of each: 2.4
    assert price_of("gcp", "n2-standard-8", "us-central1", at, spot=False) == 0.4
    assert price_of("gcp", "ct5lp-hightpu-4t", "us-central1", at, spot=False) is None


@pytest.mark.parametrize(
    ("instance_type", "accelerators"),
    [
        ("a2-megagpu-16g", ("A100", 16)),
        ("a3-megagpu-8g", ("H100-MEGA", 8)),
        ("g2-standard-32", ("L4", 1)),
        ("g2-standard-24", ("L4", 2)),
        ("g2-standard-96", ("L4", 8)),
        ("g4-standard-192", ("RTXPRO6000", 4)),
        ("n2-standard-8", None),
    ],
)
def test_what_comes_with_googles_machines(instance_type: str, accelerators: tuple[str, int] | None) -> None:
    assert google_accelerators(instance_type) == accelerators


def test_zones_and_regions_are_priced_as_skypilot_does(tmp_path: Path) -> None:
    two = ["x,1,2,,0,,here,{}a,1,0.5", "x,1,2,,0,,here,{}b,1.5,0.4", "x,1,2,,0,,there,,0.9,"]
    at = catalogue(tmp_path, aws=two, **{"lambda": two}).folder
    assert price_of("aws", "X", "here", at, spot=False) == 1
    assert price_of("lambda", "x", "here", at, spot=False) is None  # SkyPilot refuses two prices in one region
    assert [price_of("lambda", "x", region, at, spot=True) for region in ("here", "there")] == [0.4, None]
    assert price_of("aws", "x", None, at, spot=False) == 0.9
    assert price_of("nowhere", "x", None, at, spot=False) is None


def test_a_catalogue_that_is_renewed_is_read_anew(tmp_path: Path) -> None:
    at = catalogue(tmp_path, aws=["x,1,2,,0,,here,,1,"]).folder
    assert price_of("aws", "x", "here", at, spot=False) == 1
    (at / "aws" / "vms.csv").write_text(f"{HEADER}\nx,1,2,,0,,here,,2,\n")
    assert price_of("aws", "x", "here", at, spot=False) == 2
