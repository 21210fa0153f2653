"""SkyPilot's catalogue files: what their clouds write differently is read alike, and their traps are doubted."""

import os
from datetime import datetime
from pathlib import Path

import pytest
from stratos.tools.pricing.skypilot import SkyPilotCatalogue

from .files import looked_up, problems

HEADER = "InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,AvailabilityZone,Price,SpotPrice"
DATED = datetime(2026, 10, 5).timestamp()


def catalogue(folder: Path, **clouds: list[str]) -> SkyPilotCatalogue:
    """A catalogue of these clouds' rows, changed on 2026-10-05."""
    for cloud, rows in clouds.items():
        (folder / "v8" / cloud).mkdir(parents=True)
        file = folder / "v8" / cloud / "vms.csv"
        file.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
        os.utime(file, (DATED, DATED))
    return SkyPilotCatalogue(path=folder / "v8")


def info(size: int, total: int) -> str:
    return f"\"{{'Gpus': [{{'Name': 'X', 'Count': 2, 'MemoryInfo': {{'SizeInMiB': {size}}}}}], 'TotalGpuMemoryInMiB': {total}}}\""


def test_zones_are_one_offer_at_the_lowest_price_dated_by_the_file(tmp_path: Path) -> None:
    rows = [
        f"p5.48xlarge,192,2048,H100,8,{info(81920, 655360)},us-east-1,us-east-1a,55.04,20",
        f"p5.48xlarge,192,2048,H100,8,{info(81920, 655360)},us-east-1,us-east-1b,55.04,18.5",
    ]
    (offer,) = looked_up(tmp_path, [catalogue(tmp_path, aws=rows)]).offers
    assert (offer.id, offer.usd_per_hour, offer.spot_usd_per_hour) == (
        "aws/us-east-1/p5.48xlarge/H100-80GB-SXM x 8",
        55.04,
        18.5,
    )
    assert (offer.as_of, offer.age_days, offer.doubts) == ("2026-10-05", 50, ())
    assert "dated by when its files were changed" in offer.source


@pytest.mark.parametrize(
    ("cloud", "row", "accelerator"),
    [
        # Vast and Lambda write the same pair of figures and mean all accelerators, and one of them.
        ("vast", f"2x-A100_SXM4-32,32,64,A100,2,{info(81920, 81920)},X,,1.5,", "A100-40GB-SXM"),
        ("vast", f"1x-H100_NVL-32,32,64,H100,1,{info(95830, 95830)},X,,2,", "H100-94GB-NVL"),
        ("vast", f"1x-A100_PCIE-32,32,64,A100,1,{info(81920, 81920)},X,,2,", "A100-80GB-PCIe"),
        ("lambda", f"gpu_8x_new,92,448,V100,8,{info(16384, 16384)},X,,6.3,", "V100-16GB"),
        ("shadeform", f"crusoe_A100-80G-sxm4x8,96,960,A100-80GB,8,{info(80, 640)},X,,18.4,", "A100-80GB-SXM"),
        ("nebius", f"gpu-h200-sxm_1gpu,16,200,H200,1,{info(144384, 144384)},X,,3.5,", "H200-141GB-SXM"),
        ("azure", "unheard,40,320,A100,1,,X,,3.6,", "A100-40GB"),
        ("runpod", "1x_A6000,8,32,A6000,1,,X,,0.5,", "RTXA6000"),
        ("fluidstack", "h,8,32,H100-NVLINK,1,,X,,2,", "H100-80GB"),
        ("vast", "1x-RTX_PRO_6000_S,8,32,RTXPRO6000S,1,,X,,1,", "RTXPRO6000-SE"),
    ],
)
def test_names_lead_to_size_and_form_factor(tmp_path: Path, cloud: str, row: str, accelerator: str) -> None:
    (offer,) = looked_up(tmp_path, [catalogue(tmp_path, **{cloud: [row]})]).offers
    assert (offer.accelerator, offer.doubts) == (accelerator, ())


def test_an_unknown_accelerator_keeps_its_name_and_memory_and_is_never_chosen(tmp_path: Path) -> None:
    rows = [f"2x-RTX_3080,32,64,RTX3080,2,{info(20480, 20480)},X,,0.2,"]
    (offer,) = looked_up(tmp_path, [catalogue(tmp_path, vast=rows)]).offers
    assert (offer.accelerator, offer.accelerator_memory_gib) == ("RTX3080", 10)
    assert offer.doubts == ("unknown accelerator: its speed is not known",)


def test_a_spot_price_of_nothing_is_no_offer_of_a_free_server(tmp_path: Path) -> None:
    source = catalogue(tmp_path, vast=["1x-L4,32,64,L4,1,,X,,0.2,0.00"])
    (spot,) = looked_up(tmp_path, [source], spot=True).offers
    assert spot.doubts == ("no positive price",)
    found = looked_up(tmp_path, [source])
    assert found.offers[0].doubts == ()
    assert any("1 spot prices of 0 are not believed" in remark for remark in found.remarks)


def test_an_auctions_floor_is_no_price(tmp_path: Path) -> None:
    (offer,) = looked_up(tmp_path, [catalogue(tmp_path, mithril=["h100.1x,20,226,H100,1,,X,,0.01,0.01"])]).offers
    assert offer.doubts == ("the lowest bid an auction accepts, not a price",)


def test_googles_halves_are_not_taken_for_whole_servers(tmp_path: Path) -> None:
    rows = [
        "a2-highgpu-1g,12,85,,,,us-central1,a,0.74,0.37",
        ",,,A100,1,,us-central1,a,2.9,1.4",
        "n2-standard-4,4,16,,,,us-central1,a,0.2,0.1",
    ]
    found = {offer.instance_type: offer for offer in looked_up(tmp_path, [catalogue(tmp_path, gcp=rows)]).offers}
    assert found["n2-standard-4"].doubts == ()
    assert "accelerators it comes with are not in the price" in found["a2-highgpu-1g"].doubts[0]
    assert "virtual machine around it is not in the price" in found["A100 (accelerator alone)"].doubts[0]
    assert not found["A100 (accelerator alone)"].vm_included


def test_a_newer_catalogue_supersedes_the_snapshot_and_an_older_one_does_not(tmp_path: Path) -> None:
    source = catalogue(tmp_path, **{"lambda": ["gpu_1x_a10,30,200,A10,1,,us-east-1,,1.29,"]})
    older = "lambda,gpu_1x_a10,A10,1,24,30,200,us-east-1,0.75,,node_on_demand,a listing,2026-09-01"
    newer = older.replace("2026-09-01", "2026-11-01")
    undated = older.replace("2026-09-01", "")
    for listed, price in ((older, 1.29), (newer, 0.75), (undated, 1.29)):
        found = looked_up(tmp_path, [source], listed).offers
        assert [offer.usd_per_hour for offer in found if not offer.doubts] == [price]
        assert found[1].doubts[0].startswith("superseded by ")


def test_what_is_wrong_with_a_catalogue_is_told_by_cloud(tmp_path: Path) -> None:
    source = catalogue(tmp_path, aws=["p5,192,2048,H100,8,,us,,dear,"], vast=["x,1,2,L4,1,,X,,1,"])
    (tmp_path / "v8" / "vast" / "vms.csv").write_text("InstanceType,Price\nx,1\n", encoding="utf-8")
    said = problems(source, tmp_path)
    assert "lacks the columns AcceleratorName, AcceleratorCount, vCPUs, MemoryGiB, SpotPrice, Region" in said
    assert "aws: 1 lines whose price, spot price or count is no number, first line 2: dear" in said
