"""Which sources are used, how old a price may be, and which of several goes first."""

import csv
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stratos.state.errors import UnusablePrices
from stratos.tools.pricing import look_up_prices, planning_set
from stratos.tools.pricing.configured import SKY, VARIABLE, configured_sources, recognised
from stratos.tools.pricing.gpuhunt_files import GpuhuntFiles
from stratos.tools.pricing.look_up import ListedOffer, LookUpPrices, PriceQuestion
from stratos.tools.pricing.moves import price_moved
from stratos.tools.pricing.names import normalised
from stratos.tools.pricing.refresh import fetch_all
from stratos.tools.pricing.skypilot import SkyPilotCatalogue
from stratos.tools.pricing.snapshot import SNAPSHOT_CSV
from stratos.tools.pricing.users_csv import UsersCsv

from .files import ROW, TODAY, looked_up, snapshot, users
from .test_gpuhunt import HEADER as GPUHUNT_HEADER
from .test_skypilot import HEADER as SKYPILOT_HEADER

LISTED = "lambda,gpu_1x_a10,A10,1,24,30,200,us-east-1,0.75,,node_on_demand,a listing,"


@pytest.mark.parametrize(("as_of", "stale"), [("2025-05-24", False), ("2025-05-23", True), ("", False)])
def test_a_listed_price_is_stale_after_18_months_and_an_undated_one_is_shown_as_that(
    tmp_path: Path, as_of: str, stale: bool
) -> None:
    (offer,) = looked_up(tmp_path, [], LISTED + as_of).offers
    assert offer.doubts == (("stale: dated more than 18 months ago",) if stale else ())
    assert offer.as_of == (as_of or None)


def test_no_price_of_the_snapshot_is_stale_yet_and_all_its_dated_ones_will_be() -> None:
    def stale(today: date) -> int:
        doubts = look_up_prices(LookUpPrices(), today=today).doubts
        return sum(doubt.offers for doubt in doubts if "18 months" in doubt.reason)

    assert stale(TODAY) == 0
    assert stale(date(2028, 4, 1)) == 2294 - 1101


def test_the_cheapest_of_each_kind_gives_the_same_planning_set() -> None:
    every = planning_set(look_up_prices(LookUpPrices(), today=TODAY))
    few = look_up_prices(LookUpPrices(), today=TODAY, cheapest_of_each=True)
    assert [offer.usd_per_hour for offer in planning_set(few)] == [offer.usd_per_hour for offer in every]
    assert few.considered == 2294
    assert len(few.offers) < 600


ORDERS: dict[str, Callable[[ListedOffer], float]] = {
    "memory": lambda one: -(one.accelerator_memory_gib or 0) * one.accelerator_count,
    "bandwidth": lambda one: -(one.memory_bandwidth_gb_s or 0),
    "usd-per-tflop": lambda one: one.usd_per_tflop_hour or float("inf"),
    "age": lambda one: one.age_days if one.age_days is not None else float("inf"),
}


@pytest.mark.parametrize("sort", ORDERS)
def test_offers_are_sorted_the_best_first(sort: str) -> None:
    figure = ORDERS[sort]
    asked = PriceQuestion.model_validate({"sort": sort, "choosable_only": True, "include_cpu": False})
    offers = look_up_prices(asked, today=TODAY).offers
    assert offers
    assert [figure(one) for one in offers] == sorted(figure(one) for one in offers)


def test_an_offer_costs_what_it_costs_for_its_speed() -> None:
    asked = PriceQuestion(clouds=("aws",), accelerators=("H100",), regions=("us-east-1",), count=8, sources=("tsaol",))
    offer = next(one for one in look_up_prices(asked, today=TODAY).offers if one.instance_type == "p5.48xlarge")
    assert offer.usd_per_tflop_hour == pytest.approx(55.04 / (8 * 989))
    assert offer.memory_bandwidth_gb_s == 8 * 3350
    assert offer.age_days == 359


def test_sources_are_known_by_their_columns(tmp_path: Path) -> None:
    (tmp_path / "sky" / "aws").mkdir(parents=True)
    (tmp_path / "hunt").mkdir()
    (tmp_path / "sky" / "aws" / "vms.csv").write_text(f"{SKYPILOT_HEADER}\n", encoding="utf-8")
    (tmp_path / "hunt" / "aws.csv").write_text(f"{GPUHUNT_HEADER}\n", encoding="utf-8")
    mine = users(tmp_path, ROW).path
    assert isinstance(recognised(tmp_path / "sky"), SkyPilotCatalogue)
    assert isinstance(recognised(tmp_path / "sky" / "aws"), SkyPilotCatalogue)
    assert isinstance(recognised(tmp_path / "sky" / "aws" / "vms.csv"), SkyPilotCatalogue)
    assert isinstance(recognised(tmp_path / "hunt"), GpuhuntFiles)
    assert isinstance(recognised(mine), UsersCsv)


def test_the_setting_and_the_workspace_are_used_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    other, own = users(tmp_path / "a", ROW), users(tmp_path, ROW)
    assert configured_sources(None, {}) == ()
    assert configured_sources(tmp_path, {VARIABLE: str(other.path)}) == (other, own)


def test_settings_that_are_no_sources_are_told_together_with_what_is_valid(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    setting = os.pathsep.join([str(tmp_path / "empty"), str(tmp_path / "gone")])
    with pytest.raises(UnusablePrices, match=f"'{SKY}' for") as caught:
        configured_sources(None, {VARIABLE: setting})
    assert [problem.split(";")[0].split(" ", 2)[2] for problem in caught.value.problems] == [
        "holds no catalogue",
        "does not exist",
    ]


def test_skypilots_program_renews_its_catalogue_or_the_old_one_stays(tmp_path: Path) -> None:
    file = tmp_path / "v8" / "aws" / "vms.csv"
    file.parent.mkdir(parents=True)
    file.write_text("old", encoding="utf-8")
    sky = tmp_path / "sky"
    sky.write_text(f'#!/bin/sh\n[ "$1" = show-gpus ] && printf new > {file}\n', encoding="utf-8")
    sky.chmod(0o755)
    (renewed,) = fetch_all(tmp_path, sky=str(sky), catalogue=tmp_path / "v8", has_gpuhunt=False)
    assert (renewed.ok, "renewed aws" in renewed.said) == (True, True)
    sky.write_text("#!/bin/sh\necho no network >&2; exit 1\n", encoding="utf-8")
    (failed,) = fetch_all(tmp_path, sky=str(sky), catalogue=tmp_path / "v8", has_gpuhunt=False)
    assert (failed.ok, failed.said.endswith("the old one stays: no network")) == (False, True)
    assert file.read_text(encoding="utf-8") == "new"


def test_without_any_program_that_is_said(tmp_path: Path) -> None:
    (nothing,) = fetch_all(tmp_path, sky="no-such-sky", has_gpuhunt=False)
    assert (nothing.ok, "stratos-slm[gpuhunt]" in nothing.said) == (False, True)


MONEY = st.floats(0, 1000, allow_nan=False)


@given(MONEY, MONEY)
def test_a_price_has_moved_when_it_left_its_quote_by_more_than_a_twentieth(quoted: float, now: float) -> None:
    move = price_moved(quoted, now)
    assert (move is None) == (abs(now - quoted) <= 0.05 * quoted + 1e-9)
    if move is not None:
        assert (move.share > 0) == (now > quoted)


@pytest.mark.parametrize(("now", "moved"), [(1.05, False), (0.95, False), (1.0501, True), (0.9499, True), (1, False)])
def test_five_percent_exactly_is_no_move(now: float, moved: bool) -> None:
    assert (price_moved(1, now) is not None) == moved


def test_a_move_is_told_in_words() -> None:
    up, down, new = price_moved(0.1, 0.4), price_moved(2, 1.5), price_moved(0, 1)
    assert up is not None
    assert down is not None
    assert new is not None
    assert up.words == "$0.4 an hour, 300% above the $0.1 quoted"
    assert down.words == "$1.5 an hour, 25% below the $2 quoted"
    assert "quoted at nothing" in new.words


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("H100-SXM", "H100-80GB-SXM"),
        ("H100NVL", "H100-94GB-NVL"),
        ("NVIDIA H100 80GB HBM3", "H100-80GB"),
        ("H200NVL", "H200-141GB"),
        ("GH200", "GH200"),
        ("RTX6000-Ada", "RTX6000Ada"),
        ("RTX6000", "QuadroRTX6000"),
        ("T4g", "T4G"),
        ("A100X", "A100X"),
        ("H100-64GB", "H100-64GB"),
        ("Gaudi HL-205", "Gaudi HL-205"),
        ("tpu-v5p", "tpu-v5p"),
    ],
)
def test_names_are_led_to_the_table_and_unknown_ones_stay(name: str, known: str) -> None:
    assert normalised(name) == known


def test_names_of_the_snapshots_servers_are_found_again_from_their_families() -> None:
    with SNAPSHOT_CSV.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["accelerator"] and row["accelerator"] != "GRID-K520"]
    other = {
        row["instance_type"]
        for row in rows
        if normalised(
            row["accelerator"].split("-")[0],
            cloud=row["cloud"],
            instance_type=row["instance_type"],
            memory_gib=float(row["accelerator_memory_gib"] or 0) or None,
        )
        != row["accelerator"]
    }
    assert other == {"gpu_1x_a100_SXM4_us-central-3"}  # its name says SXM, the broker's own data PCIe


def test_a_snapshot_alone_supersedes_nothing(tmp_path: Path) -> None:
    path = snapshot(tmp_path, LISTED, LISTED.replace("a listing", "another"))
    found = look_up_prices(LookUpPrices(), snapshot=path, today=TODAY + timedelta(days=1))
    assert found.doubtful == 0
