"""The price snapshot: known rows, filters, doubts, and which offers are worth planning with."""

import csv
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from stratos.state.errors import Correctable
from stratos.tools.machine import Gpu, Machine
from stratos.tools.pricing import (
    LookUpPrices,
    accelerator_facts,
    known_accelerator,
    look_up_prices,
    planning_set,
    this_machine,
)
from stratos.tools.pricing.look_up import SNAPSHOT_CSV

HEADER = SNAPSHOT_CSV.read_text(encoding="utf-8").splitlines()[0]


def a_machine(*gpus: Gpu) -> Machine:
    return Machine(
        cpu_model="test",
        cores=2,
        memory_gib=8.0,
        has_bf16=False,
        gpus=gpus,
        single_thread_gflops=50.0,
        memory_bandwidth_gb_s=10.0,
    )


def snapshot_of(folder: Path, rows: Sequence[str]) -> Path:
    path = folder / "offers.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_published_price_is_found_with_its_date_and_source():
    # AWS's price page in November 2025: p5.48xlarge in us-east-1, 8 H100 SXM, $55.04 an hour.
    prices = look_up_prices(LookUpPrices(clouds=("aws",), regions=("us-east-1",), accelerators=("H100",)))
    offer = next(offer for offer in prices.offers if offer.instance_type == "p5.48xlarge")
    assert (offer.usd_per_hour, offer.accelerator, offer.accelerator_count) == (55.04, "H100-80GB-SXM", 8)
    assert offer.as_of == "2025-11-30"
    assert "tsaol/aws-gpu" in offer.source


def test_every_row_of_the_snapshot_is_listed_once_with_an_id_of_its_own():
    with SNAPSHOT_CSV.open(encoding="utf-8", newline="") as file:
        rows = sum(1 for _ in csv.DictReader(file))
    prices = look_up_prices(LookUpPrices())
    assert len({offer.id for offer in prices.offers}) == prices.considered == rows == 2294
    assert (prices.oldest, prices.newest, prices.undated) == ("2025-11-30", "2026-09-20", 1101)


def test_counts_of_sources_and_doubts_agree_with_the_offers():
    prices = look_up_prices(LookUpPrices())
    assert sum(source.offers for source in prices.sources) == prices.considered
    assert prices.doubtful == sum(bool(offer.doubts) for offer in prices.offers)
    assert sum(doubt.offers for doubt in prices.doubts) == sum(len(offer.doubts) for offer in prices.offers)


@pytest.mark.parametrize(
    ("basis", "words"),
    [
        ("node_on_demand_stale", "stale"),
        ("node_on_demand_old_snapshot", "old snapshot"),
        ("node_vm_plus_gpu_suspect", "suspect"),
        ("gpu_only", "virtual machine"),
        ("auction_floor", "lowest bid"),
        ("spot_7day_avg", "average"),
        ("spot_only", "spot only"),
    ],
)
def test_prices_that_are_not_prices_are_doubted_in_words(basis: str, words: str):
    offers = [offer for offer in look_up_prices(LookUpPrices()).offers if offer.price_basis == basis]
    assert offers
    assert all(any(words in doubt for doubt in offer.doubts) for offer in offers)


@pytest.mark.parametrize("price", ["0", "-1.5", ""])
def test_a_price_of_nothing_is_never_choosable(tmp_path: Path, price: str):
    row = f"vast,box,L4,1,24,4,16,US,{price},0.00,marketplace_node,test,2026-09-20"
    prices = look_up_prices(LookUpPrices(), snapshot=snapshot_of(tmp_path, [row]))
    assert prices.offers[0].doubts == ("no positive price",)
    assert planning_set(prices) == ()


def test_an_unknown_price_basis_is_doubted_by_name(tmp_path: Path):
    row = "aws,box,L4,1,24,4,16,us-east-1,1.0,,rumour,test,2026-09-20"
    prices = look_up_prices(LookUpPrices(), snapshot=snapshot_of(tmp_path, [row]))
    assert "'rumour'" in prices.offers[0].doubts[0]


def test_slices_of_an_accelerator_keep_their_fraction_and_are_doubted():
    offer = next(offer for offer in look_up_prices(LookUpPrices()).offers if offer.instance_type == "g6f.large")
    assert (offer.accelerator, offer.accelerator_count) == ("L4 (1/8)", 1)
    assert offer.doubts


def test_choosable_offers_come_first_and_cheapest_first():
    offers = look_up_prices(LookUpPrices()).offers
    keys = [(bool(offer.doubts), offer.usd_per_hour) for offer in offers]
    assert keys == sorted(keys)


def test_filters_hold_for_every_offer():
    asked = LookUpPrices(regions=("EU",), min_memory_gib=40, include_cpu=False, max_usd_per_hour=5)
    offers = look_up_prices(asked).offers
    assert offers
    for offer in offers:
        assert offer.region.lower().startswith("eu")
        assert offer.usd_per_hour <= 5
        assert offer.accelerator_memory_gib is not None
        assert offer.accelerator_memory_gib >= 40


def test_a_family_means_its_form_factors_and_nothing_that_merely_starts_alike():
    names = {offer.accelerator for offer in look_up_prices(LookUpPrices(accelerators=("a10", "H100"))).offers}
    assert names == {"A10", "H100-80GB", "H100-80GB-PCIe", "H100-80GB-SXM", "H100-94GB-NVL"}


def test_unknown_names_are_told_with_the_valid_ones():
    with pytest.raises(Correctable, match=r"'RTX 4900'.*nearest.*RTX4090.*Valid: A10"):
        look_up_prices(LookUpPrices(accelerators=("RTX 4900", "L4")))
    with pytest.raises(Correctable, match=r"unknown clouds: 'lamda'\. Nearest: lambda\. Valid: aws, azure"):
        look_up_prices(LookUpPrices(clouds=("lamda",)))


def test_spot_uses_spot_prices_and_doubts_repeated_ones():
    offers = look_up_prices(LookUpPrices(spot=True)).offers
    assert all(offer.usd_per_hour == offer.spot_usd_per_hour for offer in offers)
    assert any(offer.price_basis == "spot_only" and not offer.doubts for offer in offers)
    assert any("repeats the on-demand price" in doubt for offer in offers for doubt in offer.doubts)


def test_a_limit_says_how_many_it_left_off():
    prices = look_up_prices(LookUpPrices(limit=10))
    assert (len(prices.offers), prices.left_off) == (10, 2284)


def test_only_clouds_with_an_executor_are_executable():
    offers = look_up_prices(LookUpPrices(clouds=("aws", "lambda")), executors={"lambda"}).offers
    assert {(offer.cloud, offer.executable) for offer in offers} == {("aws", False), ("lambda", True)}


def test_the_planning_set_holds_the_cheapest_choosable_offer_of_each_kind():
    prices = look_up_prices(LookUpPrices())
    chosen = {(offer.cloud, offer.accelerator, offer.accelerator_count): offer for offer in planning_set(prices)}
    same = [
        offer.usd_per_hour
        for offer in prices.offers
        if (offer.cloud, offer.accelerator, offer.accelerator_count) == ("aws", "L4", 1) and not offer.doubts
    ]
    assert chosen["aws", "L4", 1].usd_per_hour == min(same)
    assert len(chosen) < 500
    assert not any(offer.doubts for offer in chosen.values())
    assert not {"K80", "T4", "Trainium1"} & {name for _, name, _ in chosen}


def test_this_machine_is_an_executable_offer_at_its_owners_price():
    offer = this_machine(a_machine(), usd_per_hour=0.25)
    assert (offer.cloud, offer.executable, offer.usd_per_hour, offer.price_basis) == ("local", True, 0.25, "owner")
    assert (offer.accelerator, offer.accelerator_count, offer.vcpus) == (None, 0, 2)


def test_this_machines_gpus_count_when_their_speed_is_known():
    known = this_machine(a_machine(Gpu(name="NVIDIA L4", memory_gib=22.5), Gpu(name="NVIDIA L4", memory_gib=22.5)))
    unknown = this_machine(a_machine(Gpu(name="NVIDIA Future 1", memory_gib=80)))
    assert (known.accelerator, known.accelerator_count, known.accelerator_memory_gib) == ("L4", 2, 22.5)
    assert (unknown.accelerator, unknown.accelerator_count) == (None, 0)


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100-80GB-SXM"),
        ("NVIDIA H200", "H200-141GB-SXM"),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB-SXM"),
        ("NVIDIA GeForce RTX 4090", "RTX4090"),
        ("NVIDIA RTX A6000", "RTXA6000"),
        ("Tesla T4", "T4"),
        ("NVIDIA Future 1", None),
    ],
)
def test_driver_names_lead_to_the_table(driver: str, name: str | None):
    assert known_accelerator(driver) == name
    assert name is None or name in accelerator_facts()


def test_accelerator_facts_are_the_datasheets():
    h100 = accelerator_facts()["H100-80GB-SXM"]
    assert (h100.memory_bandwidth_gb_s, h100.bf16_dense_tflops) == (3350, 989)
    assert accelerator_facts()["T4"].bf16_dense_tflops is None


def test_a_look_up_is_quick():
    look_up_prices(LookUpPrices())
    started = time.process_time()
    look_up_prices(LookUpPrices())
    assert time.process_time() - started < 0.5
