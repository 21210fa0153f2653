"""The planner evals: scenarios that are well formed, an oracle checked by hand, scores by arithmetic, whole scenarios."""

from typing import Any

import pytest
from pydantic import ValidationError
from stratos.agent.planners import rules_planner
from stratos.agent.scripted import Answer
from stratos.evals.planner.baselines import BASELINES, baseline
from stratos.evals.planner.faults import FAULTS, Endpoint
from stratos.evals.planner.oracle import Best, Measured, oracle
from stratos.evals.planner.running import Result, run_scenario
from stratos.evals.planner.scenarios import Expected, Scenario, says, scenario_named, scenarios
from stratos.evals.planner.scoring import Case, deployment_score, figures_score, same_outcome, scored
from stratos.evals.planner.world import MACHINE, executor_for, world_of
from stratos.evals.simulated_world import ITEMS
from stratos.state.brief import Weights
from stratos.state.evidence import wilson
from stratos.tools.pricing.planning import this_machine
from stratos.tools.training.students import SHAPES

CHINESE = ("zh", "mixed")
NEEDED = {
    "met_at_once",
    "accuracy_miss",
    "latency_miss",
    "cost_overrun",
    "hours_limit",
    "divergence",
    "planner_lost",
    "machine_lost",
    "price_change",
    "infeasible_accuracy",
    "infeasible_latency",
    "infeasible_dollars",
    "infeasible_hours",
    "infeasible_region",
    "infeasible_accelerator",
    "unprovable",
    "contradictory",
    "missing",
    "adversarial",
}


def scenario(**changes: Any) -> Scenario:
    given: dict[str, Any] = {
        "name": "en-hand-made",
        "request": "mahjong: is the hand complete, 90 %, $1",
        "expect": {"task": "win", "accuracy": 0.9, "usd": 1},
        "world": {"level": 0.0},
    }
    return Scenario.model_validate({**given, **changes})


def result(**changes: Any) -> Result:
    given: dict[str, Any] = {"scenario": "en-hand-made", "status": "met", "reason": "", "met": True}
    return Result.model_validate({**given, **changes})


def best(usd: float = 0.1) -> Best:
    measured = Measured(exact=0.95, exact_low=0.94, p95_ms=10, throughput_rps=100, usd=usd, hours=0.1)
    return Best(offer_id="local/here", student="scratch-0.35M", tokens=1_200_000, measured=measured)


def test_there_are_enough_scenarios_of_every_kind_and_a_third_are_chinese() -> None:
    found = scenarios()
    assert len(found) >= 80
    assert sum(one.language in CHINESE for one in found) >= len(found) / 3
    assert {name for one in found for name in one.happens} == NEEDED
    assert {one.expect.task for one in found if one.expect} == {"win", "waits", "discard"}


@pytest.mark.parametrize("one", scenarios(), ids=lambda one: one.name)
def test_a_scenario_means_a_valid_brief_or_a_refusal_in_the_language_its_name_says(one: Scenario) -> None:
    if one.expect is not None:
        assert one.wanted.skill == "mahjong"
    text = one.request
    has_chinese = any("一" <= letter <= "鿿" for letter in text)
    has_latin = any(letter.isascii() and letter.isalpha() for letter in text)
    assert one.language in ("en", "zh", "mixed", "brief")
    assert has_chinese == (one.language in CHINESE)
    assert has_latin or one.language in ("zh", "brief")


def test_a_scenario_without_request_or_expectation_is_refused() -> None:
    with pytest.raises(ValidationError, match="give a request or a brief"):
        scenario(request="")
    with pytest.raises(ValidationError, match="a brief or a refusal"):
        scenario(expect=None)


def test_fields_are_compared_one_by_one() -> None:
    expected = Expected(task="win", accuracy=0.9, usd=1, accelerators=("A100",))
    brief = expected.brief("a request")
    assert all(expected.right_fields(brief).values())
    other = brief.model_copy(update={"limits": brief.limits.model_copy(update={"usd": 2.0, "accelerators": ()})})
    assert [name for name, right in expected.right_fields(other).items() if not right] == ["usd", "accelerators"]
    assert not any(expected.right_fields(None).values())


def test_a_refusal_is_right_when_it_names_the_problem_and_not_another() -> None:
    assert says("accuracy", "the request names 80 and 90 for the accuracy in percent: give one")
    assert not says("accuracy", "no skill fits this request\nthe request names 80 and 90 for the accuracy in percent")
    assert not says("task", "no skill fits this request; valid skills: mahjong (tasks win, waits, discard)")
    assert not says("money", "the request names 80 and 90 for the accuracy in percent: give one")


def test_a_world_is_the_same_for_the_same_seed_and_no_other() -> None:
    student, here = SHAPES[0], this_machine(MACHINE, 0.1)
    one, same, other = (world_of(scenario(), seed) for seed in (0, 0, 1))
    assert one.training_seconds(student, 1e6, here) == same.training_seconds(student, 1e6, here)
    assert one.training_seconds(student, 1e6, here) != other.training_seconds(student, 1e6, here)


def test_a_worlds_pace_and_latency_multiply_what_is_predicted() -> None:
    student, here = SHAPES[0], this_machine(MACHINE, 0.1)
    usual, slow = world_of(scenario(), 0), world_of(scenario(world={"level": 0.0, "pace": 3, "latency": 2}), 0)
    assert slow.training_seconds(student, 1e6, here) == pytest.approx(3 * usual.training_seconds(student, 1e6, here))
    assert slow.latency_p95_ms(student, here) == pytest.approx(2 * usual.latency_p95_ms(student, here))


def test_the_oracle_finds_the_cheapest_that_meets_and_nothing_cheaper_does() -> None:
    """On this machine alone, dollars rise with seconds: every candidate is tried by hand."""
    one = scenario()
    world, here, found = world_of(one, 0), this_machine(MACHINE, 0.1), oracle(one, 0)
    assert found is not None
    tried: list[tuple[float, str, int]] = []
    for student in SHAPES:
        for tokens in (150, 300, 450, 600, 900, 1200, 1800, 2400, 3600, 4800, 7200, 9600):
            seconds = 20 + world.training_seconds(student, tokens * 1000, here) + 60
            lows = [
                wilson(world.right_answers(student.parameters(49), tokens * 1000, split), ITEMS).low
                for split in ("dev", "sealed-1")
            ]
            if min(lows) >= 0.9 and 0.1 * seconds / 3600 <= 1:
                tried.append((0.1 * seconds / 3600, student.name, tokens * 1000))
    assert (found.measured.usd, found.student, found.tokens) == pytest.approx(min(tried))


@pytest.mark.parametrize(
    "expect",
    [
        {"task": "win", "accuracy": 0.9999, "usd": 1},
        {"task": "win", "accuracy": 0.9, "usd": 0},
        {"task": "win", "accuracy": 0.9, "usd": 1, "latency_p95_ms": 0.1},
        {"task": "win", "accuracy": 0.9, "usd": 1, "hours": 0.001},
        {"task": "win", "accuracy": 0.9, "usd": 1, "accelerators": ["H100"]},
        {"task": "win", "accuracy": 0.9, "usd": 1, "clouds": ["nebius"]},
    ],
    ids=["accuracy", "dollars", "latency", "hours", "accelerator", "cloud"],
)
def test_the_oracle_finds_nothing_where_one_limit_rules_everything_out(expect: dict[str, Any]) -> None:
    assert oracle(scenario(expect=expect), 0) is None


def test_the_oracle_pays_todays_prices() -> None:
    expect = {"task": "win", "accuracy": 0.9, "usd": 5, "accelerators": ["A10"]}
    settings = {"clouds": ["lambda"]}
    before = oracle(scenario(expect=expect, settings=settings), 0)
    after = oracle(scenario(expect=expect, settings=settings, world={"level": 0.0, "price_factor": 2}), 0)
    assert before is not None
    assert after is not None
    assert after.measured.usd == pytest.approx(2 * before.measured.usd)


def test_the_deployment_score_is_the_mean_of_what_has_a_target_or_limit() -> None:
    expected = Expected(task="win", accuracy=0.9, latency_p95_ms=100, hours=2, usd=1)
    ended = result(exact=0.95, p95_ms=40, hours=0.5, spent_usd=0.2)
    assert deployment_score(ended, expected.brief("")) == pytest.approx((0.95 + 0.6 + 0.75 + 0.8) / 4)
    assert deployment_score(ended, expected.brief("", Weights(accuracy=1, latency=3, usd=1))) == pytest.approx(
        (0.95 + 1.8 + 0.8) / 5
    )
    only_accuracy = Expected(task="win", accuracy=0.9, usd=0)
    assert deployment_score(ended, only_accuracy.brief("")) == pytest.approx(0.95)


def test_what_was_missed_scores_nothing_and_a_passed_target_nothing_below() -> None:
    brief = Expected(task="win", accuracy=0.9, latency_p95_ms=20, usd=1).brief("")
    missed = result(status="missed", met=False, exact=0.8, p95_ms=40, spent_usd=0.5)
    assert deployment_score(missed, brief) == 0
    assert figures_score(missed, brief) == pytest.approx((0.8 + 0 + 0.5) / 3)
    assert figures_score(result(), brief) == 0


def test_shares_and_regrets_by_hand() -> None:
    one = scenario()
    right = dict.fromkeys(Expected.model_fields, True)
    cases = [
        Case(scenario=one, best=best(), result=result(right_fields=right, spent_usd=0.3, exact=0.95, p95_ms=10)),
        Case(scenario=one, best=best(), result=result(right_fields=right, status="missed", met=False, spent_usd=0.5)),
        Case(scenario=one, best=None, result=result(right_fields=right, status="infeasible", met=False)),
        Case(scenario=one, best=None, result=result(right_fields={**right, "usd": False}, status="met", spent_usd=2)),
    ]
    scores = scored("rules", cases)
    assert (scores.met.hits, scores.met.n) == (1, 2)
    assert (scores.impossible.hits, scores.impossible.n) == (1, 2)
    assert (scores.given_up.hits, scores.given_up.n) == (1, 2)
    assert (scores.overruns.hits, scores.beyond) == (1, 1)
    assert scores.regret_of_limit == pytest.approx(0.2)  # $0.30 where $0.10 would do, of $1
    assert scores.regret_of_oracle == pytest.approx(2.0)
    assert (scores.fields.hits, scores.fields.n) == (4 * len(right) - 1, 4 * len(right))
    assert (scores.briefs.hits, scores.briefs.n) == (3, 4)


def test_a_request_that_may_be_refused_counts_neither_way_once_it_is() -> None:
    one = scenario(refused="money")
    refused = result(status="refused", met=False, reason="the request names 1 and 1000 for the dollars: give one")
    scores = scored("rules", [Case(scenario=one, best=best(), result=refused)])
    assert (scores.met.n, scores.fields.n, scores.impossible.n) == (0, 0, 0)


def test_a_scenario_runs_to_its_end_and_its_figures_are_the_worlds() -> None:
    one = scenario()
    ended = run_scenario(one, rules_planner(), 0, given_brief=True)
    assert (ended.status, ended.met) == ("met", True)
    assert ended.exact is not None
    assert ended.attempts == len(ended.trained) >= 1
    here, world = this_machine(MACHINE, 0.1), world_of(one, 0)
    student = next(shape for shape in SHAPES if f"|{shape.name}|" in ended.trained[0])
    assert ended.p95_ms == pytest.approx(world.latency_p95_ms(student, here))
    assert ended.spent_usd == pytest.approx(0.1 * ended.hours, abs=1e-4)


@pytest.mark.parametrize(
    ("world", "resumed"), [({"loses": [1]}, 0), ({"loses": [1, 2]}, 1), ({"diverges": [1]}, 0)], ids=str
)
def test_mishaps_are_survived_as_a_user_would(world: dict[str, Any], resumed: int) -> None:
    ended = run_scenario(scenario(world={"level": 0.0, **world}), rules_planner(), 0, given_brief=True)
    assert (ended.met, ended.resumed) == (True, resumed)
    assert ended.attempts == 1 + len(world.get("diverges", ()))


def test_a_training_that_diverges_is_told_and_paid_for_as_far_as_it_went() -> None:
    one = scenario(world={"level": 0.0, "diverges": [1]})
    diverged = run_scenario(one, rules_planner(), 0, given_brief=True)
    smooth = run_scenario(scenario(), rules_planner(), 0, given_brief=True)
    assert diverged.trained[0] == diverged.trained[1] == smooth.trained[0]
    assert smooth.spent_usd < diverged.spent_usd < 2 * smooth.spent_usd


def test_a_request_that_must_be_refused_is() -> None:
    ended = run_scenario(scenario_named("en-two-accuracies"), rules_planner(), 0)
    assert ended.status == "refused"
    assert says("accuracy", ended.reason)


def test_the_right_figures_for_the_wrong_task_meet_nothing() -> None:
    """The rules read *win*, and so it is what they make."""
    one = scenario(
        request="mahjong: is the hand complete, 50 %, $1", expect={"task": "waits", "accuracy": 0.5, "usd": 1}
    )
    ended = run_scenario(one, rules_planner(), 0)
    assert (ended.status, ended.met) == ("met", False)


def test_a_yaml_brief_is_read_as_a_file() -> None:
    ended = run_scenario(scenario_named("brief-percent"), rules_planner(), 0)
    assert ended.status == "refused"
    assert "95 % is written 0.95" in ended.reason


@pytest.mark.parametrize("aim", BASELINES)
def test_a_baseline_carries_out_its_own_choice(aim: str) -> None:
    one = scenario(request="mahjong: is the hand complete, 60 %, $1", expect={"task": "win", "accuracy": 0.6, "usd": 1})
    ended = run_scenario(one, baseline(aim, 0), 0)
    assert (ended.invalid_calls, ended.gave_up) == (0, False)
    assert ended.spent_usd <= 1
    tokens = [int(name.split("|")[2].removesuffix("k tokens")) for name in ended.trained]
    if aim == "accuracy-first":  # of lengths predicted alike the cheaper one
        assert tokens[0] >= 7200
    if aim == "cost-first":
        assert tokens[0] == 150


def test_executors_run_on_this_machine_and_the_scenarios_clouds_alone() -> None:
    executor = executor_for(scenario(settings={"clouds": ["lambda"]}), 0)
    assert executor.clouds == {"local", "lambda"}
    assert executor.machine() == MACHINE


def request() -> dict[str, Any]:
    return {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "x" * 298}], "tools": []}


def right(given: Any) -> Answer:
    return Answer(calls=[("match_models", {})])


def test_an_endpoint_answers_with_every_kind_of_fault_and_counts_tokens() -> None:
    endpoint = Endpoint(share=0.9, seed="0", answers=None, script=right)
    answers = [endpoint(request()) for _ in range(80)]
    assert set(endpoint.faults) == set(FAULTS)
    assert all(answer.tokens and answer.tokens[0] > 298 / 3 for answer in answers)


def test_an_endpoint_is_gone_after_its_last_answer() -> None:
    endpoint = Endpoint(share=0, seed="0", answers=2, script=right)
    assert [endpoint(request()).drop for _ in range(3)] == [False, False, True]


def test_outcomes_are_alike_when_status_money_and_trainings_are() -> None:
    assert same_outcome(result(spent_usd=0.1, trained=("a",)), result(spent_usd=0.1, trained=("a",), tokens=5))
    assert not same_outcome(result(trained=("a",)), result(trained=("a", "b")))
    assert not same_outcome(result(spent_usd=0.1), result(spent_usd=0.2))
