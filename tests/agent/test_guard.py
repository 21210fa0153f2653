"""The guard: which proposed calls go through, and what the planner is told of those that do not."""

from pathlib import Path
from typing import Any

import pytest
from stratos.agent.carrying_out import RunContext, to_approve
from stratos.agent.guard import Ruling, rule
from stratos.state.evidence import Entry
from stratos.state.run import Approval, PlannerUse, RunState
from stratos.tools.base import Settings
from stratos.tools.registry import TOOLS

from ..building import MET, attempt, brief, candidate, choice, context, data, evaluation, prediction, state

PRICED = candidate(hours=prediction(0.1), usd=prediction(0.1))


def ruling(run: RunState, folder: Path, name: str, /, **arguments: Any) -> Ruling:
    return rule(TOOLS, context(run, folder), name, arguments)


def approved(usd: float) -> Approval:
    """A word on the plan of `priced`."""
    plan = choice(PRICED, usd_per_hour=1.0).plan
    assert plan is not None
    return Approval(plan_sha256=plan.sha256, usd=usd, by="user")


def priced(**changes: Any) -> RunState:
    """A state about to train on a server of $1 an hour: 0.2 hours at the upper end."""
    return state(choice=choice(PRICED, usd_per_hour=1.0), data=data(), **changes)


def test_an_unknown_tool_is_told_the_valid_ones(tmp_path: Path) -> None:
    assert "valid: look_up_prices, match_models" in (ruling(state(), tmp_path, "rm_rf").problem or "")


def test_wrong_types_and_unknown_arguments_are_named(tmp_path: Path) -> None:
    problem = ruling(state(), tmp_path, "generate_data", examples="many", colour="red").problem or ""
    assert "examples" in problem
    assert "colour" in problem


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("generate_data", {"examples": 10}),
        ("distill", {"candidate_id": "x"}),
        ("evaluate", {"split": "dev"}),
        ("deploy", {"name": "x"}),
    ],
)
def test_calls_before_their_turn_are_refused(tmp_path: Path, name: str, arguments: dict[str, Any]) -> None:
    assert "out of order" in (ruling(state(), tmp_path, name, **arguments).problem or "")


def test_data_beyond_twice_what_the_plan_needs_is_refused_because_nothing_was_reserved_for_it(tmp_path: Path) -> None:
    run = state(choice=choice())
    assert ruling(run, tmp_path, "generate_data", examples=20_000).problem is None
    assert "at most 2 times" in (ruling(run, tmp_path, "generate_data", examples=5_000_000).problem or "")


def test_an_attempt_is_not_evaluated_while_there_is_no_plan(tmp_path: Path) -> None:
    run = state(attempts=(attempt(),), data=data())
    assert "call solve_pareto first" in (ruling(run, tmp_path, "evaluate", split="dev").problem or "")


def test_training_needs_enough_data(tmp_path: Path) -> None:
    run = state(choice=choice(), data=data(10))
    assert "examples are needed and 10 exist" in (ruling(run, tmp_path, "distill", candidate_id="x").problem or "")


def test_the_sealed_split_stays_shut_until_development_is_met(tmp_path: Path) -> None:
    run = state(choice=choice(), data=data(), attempts=(attempt(evaluation(500)),))
    assert "opened only after" in (ruling(run, tmp_path, "evaluate", split="sealed").problem or "")


def test_a_call_that_costs_nothing_is_never_stopped_by_money(tmp_path: Path) -> None:
    run = state(choice=choice(), data=data(), brief=brief(usd=0))
    found = ruling(run, tmp_path, "distill", candidate_id=candidate().id)
    assert (found.problem, found.reserved_usd) == (None, 0)


def test_a_paid_training_reserves_three_times_its_upper_end_for_a_busy_machine(tmp_path: Path) -> None:
    found = ruling(priced(approval=approved(1.0)), tmp_path, "distill", candidate_id=PRICED.id)
    assert found.problem is None
    assert found.reserved_usd == pytest.approx(0.6)


def test_a_training_reserves_no_more_than_the_limit_leaves_beside_its_evaluations(tmp_path: Path) -> None:
    run = priced(approval=approved(1.0), brief=brief(usd=0.5))
    found = ruling(run, tmp_path, "distill", candidate_id=PRICED.id)
    assert found.reserved_usd == pytest.approx(0.5 - 2 * 5 / 60)


def test_what_would_pass_the_limit_is_refused_with_the_figures(tmp_path: Path) -> None:
    spent = (Entry(step="distill", reserved_usd=0.9, settled_usd=0.95, basis="test"),)
    problem = (
        ruling(priced(approval=approved(1.0), bill=spent), tmp_path, "distill", candidate_id=PRICED.id).problem or ""
    )
    assert "$0.9500 of the limit of $1.00" in problem


def test_money_that_nobody_approved_is_refused(tmp_path: Path) -> None:
    problem = ruling(priced(), tmp_path, "distill", candidate_id=PRICED.id).problem or ""
    assert "must be approved first" in problem


def test_an_unsettled_reservation_counts_as_spent() -> None:
    entries = (
        Entry(step="a", reserved_usd=0.4, settled_usd=0.1, basis="test"),
        Entry(step="b", reserved_usd=0.3, basis="test"),
    )
    assert state(bill=entries).spent_usd == pytest.approx(0.4)


def test_the_same_call_twice_in_a_row_is_refused(tmp_path: Path) -> None:
    run = state(choice=choice(), last_call='generate_data {"examples":10}')
    assert "again would change nothing" in (ruling(run, tmp_path, "generate_data", examples=10).problem or "")
    assert ruling(run, tmp_path, "generate_data", examples=11).problem is None


def test_the_planners_own_tokens_count_against_the_limit_and_not_against_the_approval(tmp_path: Path) -> None:
    use = PlannerUse(usd=0.3)
    cost = ruling(priced(approval=approved(1.0)), tmp_path, "distill", candidate_id=PRICED.id).reserved_usd
    paid = priced(approval=approved(cost), planner_use=use)
    assert ruling(paid, tmp_path, "distill", candidate_id=PRICED.id).problem is None
    poor = priced(approval=approved(1.0), planner_use=PlannerUse(usd=1.0))
    assert "does not fit" in (ruling(poor, tmp_path, "distill", candidate_id=PRICED.id).problem or "")


def test_an_approval_holds_for_its_own_plan_alone(tmp_path: Path) -> None:
    run = priced(approval=approved(1.0))
    assert ruling(run, tmp_path, "distill", candidate_id=PRICED.id).problem is None
    for changed in (choice(PRICED, usd_per_hour=1.01), choice(PRICED.model_copy(update={"id": "other"}), 1.0)):
        other = run.model_copy(update={"choice": changed})
        name = other.known_plan.candidate.id
        assert "must be approved first" in (ruling(other, tmp_path, "distill", candidate_id=name).problem or "")


def test_serving_on_a_priced_machine_is_reserved_by_the_hour_and_on_a_free_one_never_stopped(tmp_path: Path) -> None:
    run = priced(approval=approved(1.0), attempts=(attempt(evaluation(990)),), verdicts=(MET,))
    given = context(run, tmp_path, local_usd_per_hour=0.25, serve_hours=2.0)
    found = rule(TOOLS, given, "deploy", {"name": "x"})
    assert (found.problem, found.reserved_usd) == (None, pytest.approx(0.5))
    assert "2 h at $0.25" in found.basis
    spent = run.model_copy(update={"bill": (Entry(step="a", reserved_usd=1, settled_usd=0.999, basis=""),)})
    poor = context(spent, tmp_path, local_usd_per_hour=0.25)
    assert "no money is left to serve" in (rule(TOOLS, poor, "deploy", {"name": "x"}).problem or "")
    free = context(spent, tmp_path)
    assert rule(TOOLS, free, "deploy", {"name": "x"}).problem is None


@pytest.mark.parametrize(("limit", "spent"), [(0.05 * 1.05, 0.001172), (0.06, 0.006265)])
def test_the_last_hours_a_limit_pays_for_are_not_lost_to_rounding(tmp_path: Path, limit: float, spent: float) -> None:
    bill = (Entry(step="a", reserved_usd=spent, settled_usd=spent, basis=""),)
    trained = attempt(evaluation(990), of=PRICED)
    run = priced(brief=brief(usd=limit), bill=bill, attempts=(trained,), verdicts=(MET,))
    nothing: Any = None
    asked = RunContext(
        recorder=nothing,
        settings=Settings(local_usd_per_hour=0.1),
        tools=TOOLS,
        planner=nothing,
        workspace=nothing,
        executor=nothing,
        shown=nothing,
    )
    run = run.model_copy(update={"approval": approved(to_approve(asked, run))})
    given = context(run, tmp_path, local_usd_per_hour=0.1)
    assert rule(TOOLS, given, "deploy", {"name": "x"}).problem is None
