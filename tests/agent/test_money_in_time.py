"""What jobs of a priced machine may cost: each has a clock, and a plan leaves room for its evaluations."""

from pathlib import Path
from typing import Any

import pytest
from stratos.agent import session
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.brief import Brief
from stratos.state.evidence import Outcome
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings
from stratos.tools.evaluation import EvaluateJob
from stratos.tools.generation import GenerateJob

from ..building import brief

PRICE = 0.1


def ended(folder: Path, usd: float, price: float = PRICE, **world: float) -> tuple[Outcome, dict[str, list[Any]]]:
    """A run with that limit on a machine of that price, approved in advance, and what its steps gave."""
    workspace, executor = Workspace(folder), SimulatedExecutor(world=World(**world))  # pyright: ignore[reportArgumentType]
    given: Brief = brief(0.9, usd=usd)
    settings = Settings(deploy=False, approved=True, local_usd_per_hour=price)
    outcome = session.start("", workspace=workspace, settings=settings, brief=given, executor=executor)
    steps: dict[str, list[Any]] = {"jobs": [job for _, job in executor.submitted]}
    for row in Journal(workspace).rows(outcome.run_id):
        steps.setdefault(row.name, []).append(row.output)
    assert session.replay(outcome.run_id, workspace=workspace).identical
    return outcome, steps


def test_slow_jobs_cost_no_more_than_was_approved_and_say_that_their_time_was_up(tmp_path: Path) -> None:
    outcome, steps = ended(tmp_path, 0.06, data_seconds=20 * 60, evaluation_seconds=25 * 60)
    assert outcome.spent_usd == pytest.approx(PRICE * 5 / 60, abs=1e-6)
    assert "tool distill" not in steps
    assert "5.0 minutes reserved for it were over" in outcome.reason


def test_an_evaluation_whose_time_is_up_is_charged_and_its_minutes_count(tmp_path: Path) -> None:
    outcome, steps = ended(tmp_path, 0.06, evaluation_seconds=25 * 60)
    assert steps["settle"][-1]["usd"] == pytest.approx(PRICE * 5 / 60)
    assert outcome.status == "missed"
    assert "evaluation was stopped" in outcome.reason
    paid = sum(found["usd"] for found in steps["settle"])
    assert paid <= 0.06


def test_a_free_machine_has_no_clock(tmp_path: Path) -> None:
    outcome, steps = ended(tmp_path, 0.0, 0.0, data_seconds=20 * 60, evaluation_seconds=25 * 60)
    assert outcome.status == "met"
    clocks = [job.wall_clock_s for job in steps["jobs"] if isinstance(job, GenerateJob | EvaluateJob)]
    assert clocks == [None] * 3


@pytest.mark.parametrize("usd", [0.010, 0.012, 0.02, 0.026, 0.03, 0.04])
def test_nothing_is_trained_that_could_not_be_measured(tmp_path: Path, usd: float) -> None:
    outcome, steps = ended(tmp_path, usd)
    assert outcome.spent_usd <= usd
    assert len(steps.get("tool evaluate", [])) >= len(steps.get("tool distill", []))
    if "tool distill" not in steps:
        assert outcome.status == "infeasible"
        assert outcome.spent_usd == 0
        assert "with its data and evaluations is" in outcome.reason
