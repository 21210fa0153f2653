"""Every rule of choice against its definition, and runners-up that would win by what is said of them."""

import random

import numpy as np
import pytest
from stratos.state.brief import EVEN, Brief, ChoiceRule, Weights
from stratos.state.errors import Correctable
from stratos.state.plan import Candidate
from stratos.tools.front.nondominated import non_dominated
from stratos.tools.front.scoring import Objective, score
from stratos.tools.front.table import CandidateTable
from stratos.tools.front.words import figures_of
from stratos.tools.pareto import Front, solve_pareto, violations, weighted_score

from ..test_pareto import a_brief, a_candidate, dominated, figure
from .test_table import a_table

RULES: tuple[ChoiceRule, ...] = ("cheapest", "weighted", "knee")


def some(seed: int, count: int = 40) -> list[Candidate]:
    rng = random.Random(seed)
    return [
        a_candidate(str(n), rng.random(), rng.random(), 100 * rng.random(), rng.random(), rng.random() < 0.8)
        for n in range(count)
    ]


def chosen(front: Front) -> Candidate:
    assert front.chosen is not None
    return front.chosen


def ruled(choose: ChoiceRule | None, weights: Weights | None = None, **limits: float) -> Brief:
    return a_brief(accuracy=0.3, latency=80.0, **limits).model_copy(update={"choose": choose, "weights": weights})


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(10))
def test_limits_come_first_and_nothing_that_meets_them_dominates_the_choice(rule: ChoiceRule, seed: int) -> None:
    brief = ruled(rule, usd=0.8)
    allowed = [one for one in some(seed) if not violations(one, brief)]
    found = chosen(solve_pareto(some(seed), brief))
    assert found in allowed
    assert not dominated(found, allowed)


def test_the_rule_of_the_brief_is_followed_and_weights_alone_mean_weighted() -> None:
    by_rule = {rule: solve_pareto(some(3), ruled(rule, usd=0.8, hours=0.8)).rule.strategy for rule in RULES}
    assert by_rule == {rule: rule for rule in RULES}
    assert solve_pareto(some(3), ruled(None, EVEN, usd=0.8)).rule.strategy == "weighted"
    assert solve_pareto(some(3), ruled("cheapest", EVEN, usd=0.8)).rule.strategy == "cheapest"
    assert solve_pareto(some(3), ruled(None, usd=0.8)).rule.strategy == "cheapest"


@pytest.mark.parametrize("seed", range(10))
def test_no_feasible_candidate_has_a_better_score(seed: int) -> None:
    brief = ruled(None, Weights(accuracy=1, latency=2, hours=0.5, usd=3), usd=0.9, hours=0.9)
    best = weighted_score(chosen(solve_pareto(some(seed), brief)), brief)
    assert best == max(weighted_score(one, brief) for one in some(seed) if not violations(one, brief))


@pytest.mark.parametrize("seed", range(10))
def test_the_knee_is_that_of_the_front_of_the_feasible(seed: int) -> None:
    brief = ruled("knee", usd=0.9)
    allowed = [one for one in some(seed) if not violations(one, brief)]
    objectives = CandidateTable.of(allowed).objectives()
    front = non_dominated(objectives)
    best, span = objectives[front].min(axis=0), np.ptp(objectives[front], axis=0)
    bulges = 1 - ((objectives[front] - best) / span).sum(axis=1)  # from the plane through the worst values
    assert chosen(solve_pareto(some(seed), brief)) == allowed[front[int(np.argmax(bulges))]]


def test_the_knee_worked_out_by_hand_is_the_point_nearest_the_corner() -> None:
    dollars_and_accuracy = [(0.0, 0.0), (1.0, 0.6), (2.0, 0.9), (6.0, 0.95), (10.0, 1.0)]
    front = [a_candidate(str(n), usd=usd, accuracy=accuracy) for n, (usd, accuracy) in enumerate(dollars_and_accuracy)]
    # 1 - (0.2 + 0.1) is more than 1 - (0.1 + 0.4) and 1 - (0.6 + 0.05); constant objectives do not count.
    assert chosen(solve_pareto(front, a_brief(usd=20.0).model_copy(update={"choose": "knee"}))).id == "2"


@pytest.mark.parametrize("rule", ["weighted", "knee"])
@pytest.mark.parametrize("seed", range(10))
def test_a_runner_up_wins_by_any_one_of_the_changes_named(rule: ChoiceRule, seed: int) -> None:
    brief = ruled(rule, usd=0.9, hours=0.9)
    front = solve_pareto(some(seed), brief)
    for runner in (one for one in front.runners_up if not violations(one.candidate, brief)):
        for change in runner.changes:
            assert _score(runner.candidate, front, change.objective, change.wanted) == pytest.approx(
                _score(chosen(front), front)
            )
        assert runner.changes or "alone" in runner.to_win


def _score(one: Candidate, front: Front, changed: Objective | None = None, value: float = 0.0) -> float:
    figures = figures_of(one)
    return score(figures if changed is None else {**figures, changed: value}, front.rule.scales)


def test_a_weighted_runner_up_is_told_in_the_scores_own_arithmetic() -> None:
    fast = a_candidate("fast", usd=4, hours=1, latency=50)
    cheap = a_candidate("cheap", usd=2, hours=5, latency=50)
    brief = ruled(None, Weights(accuracy=0, latency=0, hours=1, usd=1), usd=10, hours=10)
    (runner,) = solve_pareto([fast, cheap], brief).runners_up
    # (0.8 + 0.5) / 2 against (0.6 + 0.9) / 2: a tenth of the sum is missing twice over, $2 or 2 hours.
    assert runner.to_win == (
        "it scores 0.650, the chosen one 0.750: it would have to cost $2 (100%) less or take 2 h (40%) less"
    )


def test_runners_up_stand_by_score_where_a_score_chose() -> None:
    brief = ruled("weighted", usd=0.9, hours=0.9)
    found = [one.candidate for one in solve_pareto(some(5), brief).runners_up]
    scores = [weighted_score(one, brief) for one in found if not violations(one, brief)]
    assert scores == sorted(scores, reverse=True)


def test_without_a_target_a_weaker_one_is_told_how_near_to_the_best_it_would_have_to_come() -> None:
    best, cheap = a_candidate("best", usd=3, accuracy=0.96), a_candidate("cheap", usd=1, accuracy=0.9)
    (runner,) = solve_pareto([best, cheap], a_brief()).runners_up
    assert runner.to_win == "it would have to gain 4.00% accuracy, to be within 2 points of the most accurate"
    as_said = cheap.model_copy(update={"accuracy": figure(0.94)})
    assert chosen(solve_pareto([best, as_said], a_brief())) == as_said


def test_a_pick_is_taken_and_one_that_breaks_a_limit_refused() -> None:
    cheap, dear = a_candidate("cheap", usd=1), a_candidate("dear", usd=3, accuracy=0.95)
    found = solve_pareto([cheap, dear], a_brief(usd=5), pick=1)
    assert (chosen(found), found.reason.startswith("picked by the user")) == (dear, True)
    assert found.runners_up[0].to_win.startswith("the user picked another; this one is $1")
    with pytest.raises(Correctable, match="row 1 cannot be picked: it is none of the 1 that meet every limit"):
        solve_pareto([cheap, dear], a_brief(usd=2), pick=1)


def test_a_knee_of_one_candidate_or_of_equals_is_the_first() -> None:
    only, same = a_candidate("b", latency=50), a_candidate("a", latency=50)
    assert chosen(solve_pareto([only], ruled("knee"))).id == "b"
    assert chosen(solve_pareto([only, same], ruled("knee"))).id == "a"


def test_a_table_of_a_hundred_thousand_is_chosen_from_by_every_rule() -> None:
    table = a_table(100_000)
    brief = a_brief(usd=0.8).model_copy(update={"weights": Weights(accuracy=9, latency=1, hours=1, usd=1)})
    picked = {chosen(solve_pareto(table, brief.model_copy(update={"choose": rule}))).id for rule in RULES}
    assert len(picked) == 3
