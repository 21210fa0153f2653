"""Accuracy is predicted from measured points alone."""

import math

import pytest
from stratos.state.evidence import CurvePoint
from stratos.state.plan import Prediction
from stratos.tools.accuracy import AccuracyModel, measured_points, own_points

from ..building import attempt, candidate, evaluation


def right(odds_of_an_error: float) -> float:
    return 1 / (1 + odds_of_an_error)


POWER_LAW = [
    CurvePoint(strategy="rationale", parameters=size, tokens=tokens, accuracy=right(3e8 / tokens / size), n=10**6)
    for size in (300_000, 800_000)
    for tokens in (10_000, 20_000, 40_000)
]


def model(curve: list[CurvePoint], *attempts: object) -> AccuracyModel:
    return AccuracyModel(curve, attempts, "rationale")  # pyright: ignore[reportArgumentType]


def test_a_power_law_is_found_again() -> None:
    found = model(POWER_LAW).predict(500_000, 30_000)
    assert found is not None
    assert found.value == pytest.approx(right(3e8 / 30_000 / 500_000), abs=1e-4)
    assert found.high - found.low < 1e-3  # no residual, no band


def test_from_one_size_another_is_predicted_alike_and_less_surely() -> None:
    """Least squares on one size would make up what size does, and call the larger student far worse."""
    one_size = model([point for point in POWER_LAW * 2 if point.parameters == 300_000])
    same, larger = (one_size.predict(parameters, 20_000) for parameters in (300_000, 800_000))
    assert same is not None
    assert larger is not None
    assert same.value == larger.value == pytest.approx(right(0.05), abs=1e-4)
    assert width(same) < 0.01 < 0.5 < width(larger)
    assert "of 300,000 parameters" in larger.source


def test_without_evidence_the_accuracy_is_unknown() -> None:
    assert model([]).predict(500_000, 30_000) is None
    assert model(POWER_LAW[:3]).predict(500_000, 30_000) is None


def test_points_of_another_strategy_are_no_evidence() -> None:
    assert AccuracyModel(POWER_LAW, (), "answer_only").predict(500_000, 30_000) is None


def test_an_attempt_moves_the_curve_towards_itself() -> None:
    tried = attempt(evaluation(300), of=candidate(tokens=20_000, parameters=300_000))
    before, after = (model(POWER_LAW, *tries).predict(300_000, 20_000) for tries in ((), (tried,)))
    assert before is not None
    assert after is not None
    assert 0.3 < after.value < before.value == pytest.approx(right(0.05), abs=1e-3)


def test_one_attempt_alone_moves_by_the_prior_slope() -> None:
    """Odds of an error of 1 (500 of 1,000), and four times the tokens: 4^-1.5 is an eighth."""
    found = model([], attempt(evaluation(500), of=candidate(tokens=20_000))).predict(337_536, 80_000)
    assert found is not None
    assert found.value == pytest.approx(right(1 / 8), abs=1e-4)
    assert found.low < 0.7 < 0.97 < found.high


def test_two_attempts_overrule_the_prior_slope() -> None:
    """No gain in eight times the tokens: what is predicted further on is near what was seen, and not near certainty."""
    level = [attempt(evaluation(600), of=candidate(tokens=tokens)) for tokens in (20_000, 160_000)]
    found = model([], *level).predict(337_536, 320_000)
    assert found is not None
    assert 0.55 < found.value < 0.7


def width(found: Prediction) -> float:
    """Of a band, in log odds."""
    return math.log(found.high / (1 - found.high)) - math.log(found.low / (1 - found.low))


def test_what_is_near_is_known_better_than_what_is_far() -> None:
    tried = attempt(evaluation(500), of=candidate(tokens=20_000))
    near, far = (model([], tried).predict(337_536, tokens) for tokens in (25_000, 400_000))
    assert near is not None
    assert far is not None
    assert width(near) < width(far) / 2


def test_sealed_results_never_guide_a_plan() -> None:
    tried = attempt(evaluation(600), evaluation(900, split="sealed-1"))
    assert [point.accuracy for point in own_points([tried], "rationale")] == [0.6]


def test_a_perfect_score_is_no_certainty() -> None:
    found = model([], attempt(evaluation(1000))).predict(337_536, 300_000)
    assert found is not None
    assert found.value < 1


def test_the_shipped_points_of_win_rise_with_tokens() -> None:
    points = sorted((point for point in measured_points("mahjong", "win")), key=lambda point: point.tokens)
    assert len(points) >= 4
    assert points[0].accuracy < points[-1].accuracy
    assert not any(math.isnan(point.accuracy) for point in points)


def test_a_task_nobody_measured_has_no_points() -> None:
    assert measured_points("mahjong", "score") == ()
