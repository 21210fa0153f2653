"""The front against brute force, and the choice on it against cases worked out by hand."""

import random
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stratos.state.brief import Brief, Limits, Targets, Weights
from stratos.state.errors import Correctable
from stratos.state.plan import Candidate, Prediction
from stratos.tools.pareto import NO_EXECUTOR, Front, solve_pareto, violations, weighted_score, why_not

GRID = st.integers(0, 3)
POINTS = st.lists(st.tuples(GRID, GRID, GRID, st.one_of(st.none(), GRID), st.booleans()), max_size=30)


def figure(value: float) -> Prediction:
    return Prediction(value=value, low=value, high=value, source="test")


def a_candidate(
    name: str = "a",
    usd: float = 1.0,
    hours: float = 1.0,
    latency: float = 100.0,
    accuracy: float | None = 0.9,
    executable: bool = True,
    parameters: int = 800_000,
) -> Candidate:
    return Candidate(
        id=name,
        offer_id="offer",
        executable=executable,
        teacher="solver",
        student="s",
        parameters=parameters,
        precision="fp32",
        strategy="rationale",
        train_tokens=1_000_000,
        accuracy=None if accuracy is None else figure(accuracy),
        latency_p95_ms=figure(latency),
        hours=figure(hours),
        usd=figure(usd),
    )


def a_brief(accuracy: float | None = None, latency: float | None = None, **limits: Any) -> Brief:
    return Brief(
        request="test",
        skill="mahjong",
        task="win",
        targets=Targets.model_validate({"accuracy": accuracy, "latency_p95_ms": latency}),
        limits=Limits.model_validate(limits),
        assumptions=(),
    )


def candidates_of(points: Sequence[tuple[int, int, int, int | None, bool]]) -> list[Candidate]:
    return [
        a_candidate(str(number), usd, hours, latency, None if right is None else right / 3, executable)
        for number, (usd, hours, latency, right, executable) in enumerate(points)
    ]


def worse_or_equal(one: Candidate, other: Candidate) -> list[float]:
    """How much better `other` is in each objective; an unknown accuracy counts as none."""
    gain = (other.accuracy.value if other.accuracy else 0) - (one.accuracy.value if one.accuracy else 0)
    return [
        gain,
        one.usd.value - other.usd.value,
        one.hours.value - other.hours.value,
        one.latency_p95_ms.value - other.latency_p95_ms.value,
    ]


def dominated(one: Candidate, candidates: Sequence[Candidate]) -> bool:
    gains = [worse_or_equal(one, other) for other in candidates]
    return any(min(gain) >= 0 and max(gain) > 0 for gain in gains)


@given(POINTS)
def test_the_front_equals_brute_force(points: list[tuple[int, int, int, int | None, bool]]):
    candidates = candidates_of(points)
    expected = {one.id for one in candidates if not dominated(one, candidates)}
    front = solve_pareto(candidates, a_brief())
    assert {one.id for one in front.front} == expected
    assert front.dominated == len(candidates) - len(expected)


@given(POINTS, st.randoms(use_true_random=False))
def test_the_answer_does_not_depend_on_the_order_given(
    points: list[tuple[int, int, int, int | None, bool]], rng: random.Random
):
    candidates = candidates_of(points)
    shuffled = rng.sample(candidates, len(candidates))
    brief = a_brief(accuracy=0.5, latency=2.0, usd=2)
    assert solve_pareto(candidates, brief).model_dump_json() == solve_pareto(shuffled, brief).model_dump_json()


@given(POINTS)
def test_the_choice_meets_every_limit_and_nothing_that_does_beats_it(
    points: list[tuple[int, int, int, int | None, bool]],
):
    candidates, brief = candidates_of(points), a_brief(accuracy=0.5, latency=2.0, usd=2)
    front = solve_pareto(candidates, brief)
    allowed = [one for one in candidates if not violations(one, brief)]
    assert (front.chosen is None) == (not allowed)
    if front.chosen is not None:
        assert front.chosen in allowed
        assert front.chosen.usd.value == min(one.usd.value for one in allowed)
        assert not dominated(front.chosen, allowed)


def chosen_id(front: Front) -> str | None:
    return front.chosen.id if front.chosen else None


def test_limits_come_first_then_dollars():
    candidates = [a_candidate("cheap", usd=1, accuracy=0.6), a_candidate("good", usd=3), a_candidate("dear", usd=9)]
    assert chosen_id(solve_pareto(candidates, a_brief(accuracy=0.8, usd=5))) == "good"


def test_ties_go_to_hours_then_accuracy_then_latency_then_id():
    slow, weak = a_candidate("a", hours=2), a_candidate("b", accuracy=0.8)
    late, last, first = a_candidate("c", latency=200), a_candidate("e"), a_candidate("d")
    ordered = [first, last, late, weak, slow]
    for left in range(5):
        assert chosen_id(solve_pareto(ordered[left:][::-1], a_brief(accuracy=0.5))) == ordered[left].id


def test_without_an_accuracy_target_it_is_the_cheapest_of_the_nearly_best():
    useless, good = a_candidate("useless", usd=0, accuracy=0.03), a_candidate("good", usd=2, accuracy=0.96)
    best, unknown = a_candidate("best", usd=5, accuracy=0.975), a_candidate("unknown", accuracy=None)
    found = solve_pareto([useless, best, good, unknown], a_brief())
    assert (chosen_id(found), "within 2 points of the most accurate" in found.reason) == ("good", True)
    assert chosen_id(solve_pareto([useless, best], a_brief(usd=4))) == "useless"


def test_equal_candidates_all_stay_on_the_front_in_order_of_id():
    front = solve_pareto([a_candidate("b"), a_candidate("a"), a_candidate("worse", usd=2)], a_brief())
    assert [one.id for one in front.front] == ["a", "b"]
    assert front.dominated == 1


def test_what_cannot_be_executed_is_shown_and_never_chosen():
    cloud, local = a_candidate("cloud", usd=1, hours=0.1, executable=False), a_candidate("local", usd=2)
    front = solve_pareto([cloud, local], a_brief())
    assert cloud in front.front
    assert chosen_id(front) == "local"
    assert "cannot be executed here" in front.reason
    assert (front.runners_up[0].candidate.id, front.runners_up[0].to_win) == ("cloud", NO_EXECUTOR)


def test_when_nothing_is_feasible_the_nearest_comes_with_its_arithmetic():
    far, near = a_candidate("far", latency=1000), a_candidate("near", usd=2, latency=250)
    front = solve_pareto([far, near], a_brief(latency=200))
    assert front.chosen is None
    assert front.nearest == near
    broken = [one.arithmetic for one in violations(near, a_brief(latency=200))]
    assert broken == ["latency p95 250 ms is 50 over the limit of 200 (25%)"]
    assert front.infeasible[0].constraint == "latency_p95_ms"
    assert (front.infeasible[0].candidates, front.infeasible[0].nearest.candidate_id) == (2, "near")


def test_the_nearest_can_be_executed_where_anything_can():
    cloud, local = a_candidate("cloud", executable=False), a_candidate("local", latency=900)
    front = solve_pareto([cloud, local], a_brief(latency=200))
    assert front.nearest == local
    assert "1 would, but no executor" in front.reason


def test_an_unknown_accuracy_meets_no_target_and_is_offered_as_a_pilot():
    unknown = a_candidate("unknown", usd=0.5, accuracy=None)
    dear = a_candidate("dear", usd=50, accuracy=None)
    front = solve_pareto([dear, unknown], a_brief(accuracy=0.7, usd=10))
    assert front.chosen is None
    assert front.pilot == unknown
    assert "the accuracy of 2 is unknown" in front.reason


def test_what_may_reach_the_target_is_offered_as_a_pilot_cheapest_first():
    sure = Prediction(value=0.6, low=0.55, high=0.65, source="test")
    hopeful = Prediction(value=0.6, low=0.4, high=0.75, source="test")
    below = a_candidate("below", usd=0.1).model_copy(update={"accuracy": sure})
    cheap, dear = (
        a_candidate(name, usd=usd).model_copy(update={"accuracy": hopeful}) for name, usd in (("cheap", 1), ("dear", 2))
    )
    front = solve_pareto([below, dear, cheap], a_brief(accuracy=0.7, usd=10))
    assert front.chosen is None
    assert front.pilot is not None
    assert front.pilot.id == "cheap"
    assert solve_pareto([below], a_brief(accuracy=0.7, usd=10)).pilot is None


def test_what_money_alone_keeps_from_being_planned_is_named_cheapest_first():
    wrong, dear = a_candidate("wrong", usd=2, accuracy=0.1), a_candidate("dear", usd=4)
    right, slow = a_candidate("right", usd=3), a_candidate("slow", usd=2, latency=900)
    unknown = a_candidate("unknown", usd=1, accuracy=None)
    asked = a_brief(accuracy=0.8, latency=200, usd=0.5)
    found = solve_pareto([wrong, dear, right, slow, unknown], asked)
    assert found.lacks_usd == (unknown, right)
    assert solve_pareto([wrong, dear, right, slow], asked).lacks_usd == (right,)
    assert solve_pareto([wrong, slow], asked).lacks_usd == ()


def test_a_pilot_must_keep_the_other_limits():
    front = solve_pareto([a_candidate("dear", usd=50, accuracy=None)], a_brief(accuracy=0.7, usd=10))
    assert front.pilot is None
    assert front.nearest is not None


def test_distance_is_counted_in_shares_of_each_limit():
    # 100 ms past 1,000 ms is a tenth; 0.5 h past 0.1 h is five times the limit.
    late, long = a_candidate("late", latency=1100, hours=0.1), a_candidate("long", latency=900, hours=0.6)
    front = solve_pareto([long, late], a_brief(latency=1000, hours=0.1))
    assert front.nearest == late
    assert front.infeasible[0].nearest.share == pytest.approx(0.1)


def test_without_an_accuracy_target_an_unknown_accuracy_may_be_chosen():
    assert chosen_id(solve_pareto([a_candidate("unknown", accuracy=None)], a_brief(usd=10))) == "unknown"


def test_limits_of_zero_dollars_and_of_parameters_are_kept():
    brief = a_brief(usd=0, max_parameters=500_000)
    broken = violations(a_candidate(usd=0.5), brief)
    assert [one.constraint for one in broken] == ["usd", "parameters"]
    assert broken[0].share == 0.5
    assert violations(a_candidate(usd=0, parameters=500_000), brief) == ()


def test_runners_up_say_what_would_have_to_change():
    best = a_candidate("best", usd=1, hours=2, accuracy=0.9)
    dearer = a_candidate("dearer", usd=4, hours=1, accuracy=0.95)
    slower = a_candidate("slower", usd=1, hours=3, accuracy=0.99)
    weak = a_candidate("weak", usd=0.5, accuracy=0.7)
    front = solve_pareto([best, dearer, slower, weak], a_brief(accuracy=0.8))
    words = {one.candidate.id: one.to_win for one in front.runners_up}
    assert words == {
        "slower": "at the same cost, it would have to take 1 h less than its 3 h",
        "dearer": "it would have to cost $3 (75%) less than its $4",
        "weak": "accuracy 70.0% is 10.0 points below the 80.0% wanted",
    }
    assert [one.candidate.id for one in front.runners_up] == ["slower", "dearer", "weak"]


def test_why_not_answers_for_dominated_candidates_too():
    best, worse = a_candidate("best"), a_candidate("worse", latency=150)
    front = solve_pareto([best, worse], a_brief())
    assert why_not(front, worse, a_brief()) == "it is 50 ms slower and equal in all else"
    assert why_not(front, best, a_brief()).startswith("'best' was chosen: the cheapest")


def test_no_candidates_is_an_answer():
    front = solve_pareto([], a_brief())
    assert (front.front, front.chosen, front.nearest) == ((), None, None)
    assert front.reason == "there are no candidates to choose from"


def test_broken_input_is_told_at_once():
    candidates = [a_candidate("twice"), a_candidate("twice"), a_candidate("nan", usd=float("nan"))]
    with pytest.raises(Correctable, match=r"twice: \['twice'\]; predictions .* finite numbers: \['nan'\]"):
        solve_pareto(candidates, a_brief())


def test_twenty_thousand_candidates_take_under_a_second():
    rng = random.Random(0)
    candidates = [
        a_candidate(str(number), rng.random(), rng.random(), rng.random(), rng.random()) for number in range(20_000)
    ]
    brief = a_brief(accuracy=0.5, usd=1)
    solve_pareto(candidates[:10], brief)
    started = time.process_time()
    front = solve_pareto(candidates, brief)
    assert time.process_time() - started < 1
    assert 0 < len(front.front) < 2_000


def test_where_nothing_is_feasible_the_least_broken_come_first_and_among_equals_the_most_accurate() -> None:
    brief = a_brief(accuracy=0.9, latency=10.0, usd=1.0)
    slow, right = (
        a_candidate("slow", latency=30, accuracy=0.91),
        a_candidate("right", latency=30, accuracy=0.99, usd=0.9),
    )
    wrong, dear = a_candidate("wrong", latency=30, accuracy=0.45, usd=0.1), a_candidate("dear", latency=20, usd=1.5)
    away = a_candidate("away", latency=10, accuracy=0.99, executable=False)
    found = solve_pareto([wrong, slow, dear, right, away], brief)
    # Sums of shares past the limits: away 1 (no executor), dear 1 + 0.5, right and slow 2, wrong 2 + 0.5.
    assert [one.id for one in found.near] == ["away", "dear", "right", "slow", "wrong"]
    assert found.nearest is not None
    assert found.nearest.id == "dear"


def test_weights_choose_by_score_where_the_cheapest_would_be_taken_without_them() -> None:
    cheap, fast = a_candidate("cheap", usd=0.1, hours=0.9), a_candidate("fast", usd=0.2, hours=0.1)
    wanted = Brief(request="", skill="s", task="t", targets=Targets(accuracy=0.9), limits=Limits(usd=1.0, hours=1.0))
    assert solve_pareto([cheap, fast], wanted).chosen == cheap
    in_haste = wanted.model_copy(update={"weights": Weights(accuracy=0, latency=0, hours=3, usd=1)})
    chosen = solve_pareto([cheap, fast], in_haste)
    assert chosen.chosen == fast
    assert weighted_score(fast, in_haste) == pytest.approx((3 * 0.9 + 0.8) / 4)
    assert "by the brief's weights" in chosen.reason
