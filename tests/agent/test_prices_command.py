"""`stratos prices`: filters, orders, sources, what it says of doubts and of itself, and fetching."""

import json
from pathlib import Path
from typing import Any

import pytest
from stratos.agent.cli import app
from typer.testing import CliRunner

from ..tools.pricing.files import HEADER, ROW


def call(at: Path, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    done = CliRunner().invoke(app, ["prices", "--workspace", str(at), *words])
    return done.exit_code, done.stdout, done.stderr


def document(at: Path, *words: str) -> Any:
    code, out, _ = call(at, *words, "--json")
    assert code == 0
    return json.loads(out)


@pytest.fixture(autouse=True)
def no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRATOS_PRICES", raising=False)


def test_an_own_price_far_from_the_listed_ones_is_marked_and_may_be_chosen(tmp_path: Path) -> None:
    dear, cheap, usual = (
        ROW.replace("31.00", price).replace("p5.48xlarge", name)
        for name, price in (("cents", "3100"), ("dollars", "0.2"), ("plain", "31.00"))
    )
    (tmp_path / "prices.csv").write_text("\n".join([HEADER, dear, cheap, usual]) + "\n", encoding="utf-8")
    offers = document(tmp_path, "--source", "prices.csv")["offers"]
    assert [bool(offer["doubts"]) for offer in offers] == [False] * 3
    told = {offer["instance_type"]: "; ".join(offer["warnings"]) for offer in offers}
    assert told["plain"] == ""
    assert "times the median of the listed prices" in told["cents"]
    assert "th of the median of the listed prices" in told["dollars"]
    _, out, _ = call(tmp_path, "--source", "prices.csv")
    assert "your price of $388 an hour for one H100-80GB-SXM is 9" in out


def test_filters_narrow_and_sort_orders(tmp_path: Path) -> None:
    found = document(tmp_path, "--gpu", "H100", "--count", "8", "--choosable", "--sort", "bandwidth", "--limit", "5")
    speeds = [offer["memory_bandwidth_gb_s"] for offer in found["offers"]]
    assert speeds == sorted(speeds, reverse=True)
    assert {offer["accelerator_count"] for offer in found["offers"]} == {8}
    assert found["doubtful"] == 0
    assert found["left_off"] == found["considered"] - 5


def test_a_table_says_how_old_and_how_doubtful_prices_are(tmp_path: Path) -> None:
    code, out, _ = call(tmp_path / "nowhere", "--cloud", "mithril", "--spot")
    assert code == 0
    assert "never chosen: the lowest bid an auction accepts, not a price" in out
    assert "undated" in out
    assert "this machine: not measured yet" in out
    assert not (tmp_path / "nowhere").exists()


def test_the_workspaces_own_prices_are_used_and_can_be_looked_at_alone(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(f"{HEADER}\n{ROW}\n", encoding="utf-8")
    (offer,) = document(tmp_path, "--source", "your prices")["offers"]
    assert (offer["usd_per_hour"], offer["doubts"]) == (31.0, [])
    others = document(tmp_path, "--cloud", "aws", "--region", "us-east-1", "--gpu", "H100", "--count", "8")["offers"]
    listed = next(one for one in others if (one["usd_per_hour"], one["region"]) == (55.04, "us-east-1"))
    assert listed["doubts"][0].startswith("superseded by your prices")


def test_a_file_that_cannot_be_used_ends_in_one_report(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(f"{HEADER}\n{ROW.replace('31.00', '-3')}\n{ROW}x\n", encoding="utf-8")
    code, out, err = call(tmp_path)
    assert (code, out) == (2, "")
    assert "line 2: price_usd_per_hour is at or below 0: '-3'" in err
    assert "line 3: as_of is no date" in err


def test_refresh_measures_this_machine_and_says_when_no_price_could_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")  # no sky
    monkeypatch.setenv("GPUHUNT_CATALOG_URL", "http://127.0.0.1:9")  # no network
    code, out, err = call(tmp_path, "--refresh", "--limit", "1", "--json")
    found = json.loads(out)
    assert code == 1
    assert "the prices stay as they are" in err or "the old prices stay" in err
    assert found["this_machine"]["machine"]["single_thread_gflops"] > 0
    assert [one["ok"] for one in found["refreshed"]] == [False]
    assert len(found["offers"]) == 1
