"""A run reckons with the workspace's own prices, says so, and replays without them."""

from pathlib import Path

import pytest
from stratos.agent import session
from stratos.agent.intake import read_brief_file, read_request
from stratos.agent.names import own_names
from stratos.evals.planner.world import MACHINE
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.errors import RequestError, UnusablePrices
from stratos.state.journal import Journal
from stratos.state.plan import LOCAL, Machine
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings

from ..tools.pricing.files import HEADER

REQUEST = "tell whether 14 mahjong tiles are a winning hand, at least 90 % exact, at most $1"
MINE = "mycloud,a1,moon-1,L4,1,0.5,2026-10-01"
CHEAP = "lambda,gpu_1x_a10,us-east-1,A10,1,0.011,2026-10-01"


class OnLambda(SimulatedExecutor):
    """A simulated executor that has Lambda's servers too."""

    clouds = frozenset({LOCAL, "lambda"})

    def machine(self) -> Machine:
        return MACHINE


def planned(folder: Path) -> tuple[str, Workspace]:
    workspace = Workspace(folder)
    settings = Settings(plan_only=True, local_usd_per_hour=5.0)
    outcome = session.start(REQUEST, workspace=workspace, settings=settings, executor=OnLambda(world=World()))
    return outcome.run_id, workspace


def test_an_agreed_price_is_planned_with_and_recorded_with_source_and_date(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(f"{HEADER}\n{CHEAP}\n", encoding="utf-8")
    run_id, workspace = planned(tmp_path)
    steps = {row.name: row.output for row in Journal(workspace).rows(run_id)}
    offer = steps["tool solve_pareto"]["plan"]["offer"]
    assert (offer["usd_per_hour"], offer["as_of"], offer["price_basis"]) == (0.011, "2026-10-01", "negotiated")
    assert offer["source"] == f"your prices in {tmp_path / 'prices.csv'}"
    assert f"beside the built-in snapshot your prices in {tmp_path}" in steps["tool look_up_prices"]["note"]


def test_an_agreed_price_that_looks_like_a_slip_is_planned_with_and_said_in_the_plan(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(f"{HEADER}\n{CHEAP}\n", encoding="utf-8")
    run_id, workspace = planned(tmp_path)
    steps = {row.name: row.output for row in Journal(workspace).rows(run_id)}
    plan = steps["tool solve_pareto"]["plan"]
    assert plan["offer"]["usd_per_hour"] == 0.011
    assert "your price of $0.011 an hour for one A10 is a " in plan["reason"]
    assert "mind lambda/us-east-1/gpu_1x_a10/A10 x 1: your price of $0.011" in steps["tool look_up_prices"]["note"]


def test_a_replay_needs_no_file_of_prices(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(f"{HEADER}\n{CHEAP}\n", encoding="utf-8")
    run_id, workspace = planned(tmp_path)
    (tmp_path / "prices.csv").unlink()
    assert session.replay(run_id, workspace=workspace).identical


def test_a_file_that_cannot_be_used_is_told_before_a_sentence_is_read(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(f"{HEADER}\n{CHEAP.replace('0.011', 'cheap')}\n", encoding="utf-8")
    with pytest.raises(UnusablePrices, match="line 2: price_usd_per_hour is no number"):
        planned(tmp_path)
    assert Journal(Workspace(tmp_path)).runs() == []


def test_a_file_that_cannot_be_used_stops_the_run_of_a_brief_which_goes_on_once_it_is_mended(tmp_path: Path) -> None:
    own, brief = tmp_path / "prices.csv", read_request(REQUEST)
    own.write_text(f"{HEADER}\n{CHEAP.replace('0.011', 'cheap')}\n", encoding="utf-8")
    with pytest.raises(UnusablePrices, match="line 2: price_usd_per_hour is no number"):
        session.start(REQUEST, brief=brief, workspace=Workspace(tmp_path), settings=Settings(plan_only=True))
    own.write_text(f"{HEADER}\n{CHEAP}\n", encoding="utf-8")
    (run,) = Journal(Workspace(tmp_path)).runs()
    outcome = session.resume(run.run_id, workspace=Workspace(tmp_path), executor=OnLambda(world=World()))
    assert outcome.status == "planned"


def test_clouds_and_regions_of_ones_own_prices_may_be_said_and_a_replay_reads_the_same_without_the_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "prices.csv").write_text(f"{HEADER}\n{MINE}\n", encoding="utf-8")
    workspace = Workspace(tmp_path)
    settings = Settings(plan_only=True)
    outcome = session.start(f"{REQUEST}, on mycloud in moon-1", workspace=workspace, settings=settings)
    assert outcome.brief is not None
    assert (outcome.brief.limits.clouds, outcome.brief.limits.regions) == (("mycloud",), ("moon-1",))
    (tmp_path / "prices.csv").unlink()
    assert session.replay(outcome.run_id, workspace=workspace).identical


def test_clouds_and_regions_of_ones_own_prices_may_stand_in_a_brief_file(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(f"{HEADER}\n{MINE}\n", encoding="utf-8")
    path = tmp_path / "brief.yaml"
    path.write_text("skill: mahjong\ntask: win\nlimits: {usd: 1, clouds: [MyCloud], regions: [moon]}\n")
    assert read_brief_file(path, own=lambda: own_names(tmp_path)).limits.clouds == ("MyCloud",)
    with pytest.raises(RequestError, match="'MyCloud' is unknown"):
        read_brief_file(path)
