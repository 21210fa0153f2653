"""Whole runs in a simulated world: re-plans, sealed splits, limits, and planners that misbehave, with the real guard and judge."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st
from stratos.agent import session
from stratos.agent.scripted import Answer, competent, scripted_server
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.evidence import Outcome
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings
from stratos.tools.generate_data import DEVELOPMENT

WIN = "tell whether 14 mahjong tiles are a winning hand"


def ended(
    folder: Path, request: str, world: World | None = None, **settings: Any
) -> tuple[Outcome, dict[str, list[Any]]]:
    """The outcome of a run, and what its steps gave, by the step's name."""
    workspace = Workspace(folder)
    given: dict[str, Any] = {"deploy": False, "approved": True, "local_usd_per_hour": 0.1, **settings}
    outcome = session.start(
        f"{WIN}, {request}",
        workspace=workspace,
        settings=Settings(**given),
        executor=SimulatedExecutor(world=world or World()),
    )
    steps: dict[str, list[Any]] = {}
    for row in Journal(workspace).rows(outcome.run_id):
        steps.setdefault(row.name, []).append(row.output)
    return outcome, steps


def test_a_student_that_learns_slower_than_predicted_is_planned_again_until_it_meets(tmp_path: Path) -> None:
    outcome, steps = ended(tmp_path, "at least 90 % exact, at most $1", World(log_odds_at_1m=-0.6))
    assert outcome.status == "met"
    assert session.replay(outcome.run_id, workspace=Workspace(tmp_path)).identical
    verdicts = steps["judge"]
    assert [verdict["next"] for verdict in verdicts][-2:] == ["open_sealed", "deploy"]
    assert "replan" in [verdict["next"] for verdict in verdicts]
    tokens = [plan["plan"]["candidate"]["train_tokens"] for plan in steps["tool solve_pareto"]]
    assert tokens == sorted(set(tokens))


def test_a_sealed_split_is_opened_once_and_the_next_attempt_gets_another(tmp_path: Path) -> None:
    """In this world the plan's student meets the target on dev and, by bad luck, misses it on the first sealed split."""
    outcome, steps = ended(tmp_path, "at least 95 % exact, at most $1", World(seed=1, log_odds_at_1m=-0.45))
    assert outcome.status == "met"
    splits = [found["evaluation"]["split"] for found in steps["tool evaluate"]]
    assert splits == [DEVELOPMENT, "sealed-1", DEVELOPMENT, "sealed-2"]
    assert [verdict["next"] for verdict in steps["judge"]] == ["open_sealed", "replan", "open_sealed", "deploy"]


def test_a_world_that_levels_off_below_the_target_ends_missed_with_the_nearest(tmp_path: Path) -> None:
    outcome, steps = ended(tmp_path, "at least 90 % exact, at most $1", World(ceiling=0.8))
    assert outcome.status == "missed"
    assert outcome.nearest is not None
    assert "80." in outcome.nearest or "79." in outcome.nearest
    assert len(steps["tool distill"]) <= 4


def test_a_latency_that_no_student_can_reach_is_told_by_the_first_and_no_other_is_trained(tmp_path: Path) -> None:
    outcome, steps = ended(tmp_path, "at least 70 % exact, p95 under 200 ms, at most $1", World(p95_ms=450))
    assert outcome.status == "missed"
    assert "450.0 ms" in steps["judge"][0]["misses"][0]["arithmetic"]
    assert [found["evaluation"]["split"] for found in steps["tool evaluate"]] == [DEVELOPMENT]
    assert "latency p95" in outcome.reason


def test_a_control_that_meets_the_target_too_is_said_to_make_distilling_pointless(tmp_path: Path) -> None:
    outcome, _ = ended(tmp_path, "at least 90 % exact, at most $1", World(control_accuracy=0.97))
    assert outcome.status == "met"
    assert "do not distil" in outcome.reason


@given(
    level=st.floats(-2, 3),
    gain=st.floats(0.2, 3),
    pace=st.floats(20, 2000),
    limit=st.floats(0.01, 0.3),
    target=st.integers(50, 97),
    seed=st.integers(0, 99),
)
@checked(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_run_spends_more_than_its_limit_or_trains_a_plan_twice(
    tmp_path_factory: pytest.TempPathFactory,
    level: float,
    gain: float,
    pace: float,
    limit: float,
    target: int,
    seed: int,
) -> None:
    world = World(log_odds_at_1m=level, gain_per_doubling=gain, seconds_per_million_tokens=pace, seed=seed)
    outcome, steps = ended(tmp_path_factory.mktemp("run"), f"at least {target} % exact, at most ${limit:.3f}", world)
    assert outcome.spent_usd <= round(limit, 3) + 1e-9
    spent = 0.0
    for ruling in (found for name, rulings in steps.items() if name.startswith("guard ") for found in rulings):
        assert ruling["problem"] or ruling["reserved_usd"] <= round(limit, 3) + 1e-9
    for settled in steps.get("settle", []):
        spent += settled["usd"]
    assert spent == pytest.approx(outcome.spent_usd, abs=1e-5)
    trained = [found["attempt"]["candidate"]["id"] for found in steps.get("tool distill", [])]
    assert len(trained) == len(set(trained))


def misbehaving(seed: int) -> Any:
    """Plans well, but one answer or connection in five goes wrong."""
    chance = random.Random(seed)
    faults = [
        Answer(calls=[("distill", "{broken")]),
        Answer(calls=[("raise_limit", {"usd": 1000})]),
        Answer(text="Let me think.", finish_reason="stop"),
        Answer(status=500, body="{}"),
        Answer(drop=True),
    ]

    def script(request: Mapping[str, Any]) -> Answer:
        return chance.choice(faults) if chance.random() < 0.2 else competent(request)

    return script


def test_a_language_model_that_misbehaves_ends_a_whole_run_as_the_rules_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, request = World(log_odds_at_1m=-0.6), "at least 90 % exact, at most $1"
    by_rules, _ = ended(tmp_path / "rules", request, world)
    with scripted_server(misbehaving(5)) as (url, requests):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        settings = {"planner": "openai:scripted", "planner_usd_per_million": (0.5, 2.0)}
        outcome, steps = ended(tmp_path / "llm", request, world, **settings)
    assert (outcome.status, outcome.reason) == (by_rules.status, by_rules.reason)
    planner_usd = sum(decision["usd"] for decision in (*steps["plan"], steps["intake"][0]["reading"]))
    assert outcome.spent_usd == pytest.approx(by_rules.spent_usd + planner_usd, abs=1e-4)
    assert planner_usd > 0
    longest = max(len(str(request["messages"])) for request in requests)
    assert longest / 3 < 16_000  # characters to tokens: JSON in English has 3 to 4
