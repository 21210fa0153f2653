"""A run reckons with the workspace's own prices, says so, and replays without them."""

from pathlib import Path

import pytest
from stratos.agent import session
from stratos.evals.planner.world import MACHINE
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.errors import UnusablePrices
from stratos.state.journal import Journal
from stratos.state.plan import LOCAL, Machine
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings

from ..tools.pricing.files import HEADER

REQUEST = "tell whether 14 mahjong tiles are a winning hand, at least 90 % exact, at most $1"
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


def test_a_replay_needs_no_file_of_prices(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(f"{HEADER}\n{CHEAP}\n", encoding="utf-8")
    run_id, workspace = planned(tmp_path)
    (tmp_path / "prices.csv").unlink()
    assert session.replay(run_id, workspace=workspace).identical


def test_a_file_that_cannot_be_used_stops_the_run_which_goes_on_once_it_is_mended(tmp_path: Path) -> None:
    own = tmp_path / "prices.csv"
    own.write_text(f"{HEADER}\n{CHEAP.replace('0.011', 'cheap')}\n", encoding="utf-8")
    with pytest.raises(UnusablePrices, match="line 2: price_usd_per_hour is no number"):
        planned(tmp_path)
    own.write_text(f"{HEADER}\n{CHEAP}\n", encoding="utf-8")
    (run,) = Journal(Workspace(tmp_path)).runs()
    outcome = session.resume(run.run_id, workspace=Workspace(tmp_path), executor=OnLambda(world=World()))
    assert outcome.status == "planned"
