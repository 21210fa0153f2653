"""The score worked out by hand, and what would have to change solved in it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stratos.state.brief import Brief, Weights
from stratos.tools.front.scoring import OBJECTIVES, Objective, Scale, changes_to_reach, scales, score
from stratos.tools.front.table import CandidateTable
from stratos.tools.pareto import weighted_score

from ..test_pareto import a_brief, a_candidate

SHARE = st.floats(0, 1)


def weighted(brief: Brief, **weights: float) -> Brief:
    return brief.model_copy(update={"weights": Weights(**weights)})


def test_terms_are_the_share_right_and_what_is_left_of_each_limit() -> None:
    brief = weighted(a_brief(latency=200, usd=10, hours=4), accuracy=1, latency=1, hours=2, usd=4)
    one = a_candidate(accuracy=0.8, latency=150, hours=1, usd=2)
    assert weighted_score(one, brief) == pytest.approx((0.8 + 0.25 + 2 * 0.75 + 4 * 0.8) / 8)


def test_without_a_limit_the_range_of_the_feasible_is_the_scale() -> None:
    table = CandidateTable.of(
        [a_candidate(name, usd=usd, hours=1, latency=100) for name, usd in (("a", 2.0), ("b", 6.0))]
    )
    found = scales(a_brief(latency=200), table, np.arange(2))
    assert found["usd"] == Scale(weight=1, best=2, worst=6)
    assert found["latency"] == Scale(weight=1, best=0, worst=200)
    assert "hours" not in found  # they do not differ, so they tell nothing


def test_what_is_past_its_scale_scores_nothing_and_what_is_unknown_neither() -> None:
    brief = a_brief(latency=200, usd=1, hours=1)
    assert weighted_score(a_candidate(accuracy=None, latency=900, hours=3, usd=2), brief) == 0


def test_arrays_and_single_candidates_score_alike() -> None:
    brief = weighted(a_brief(latency=200, usd=10, hours=4), accuracy=3, latency=1, hours=2, usd=0)
    several = [a_candidate(str(n), usd=n, hours=n / 2, latency=30.0 * n, accuracy=1 / (n + 1)) for n in range(12)]
    table = CandidateTable.of(several)
    values: dict[Objective, np.ndarray] = {
        "accuracy": table.accuracy, "latency": table.latency_p95_ms, "usd": table.usd, "hours": table.hours
    }  # fmt: skip
    together = score(values, scales(brief, table, np.arange(12)))
    assert together.tolist() == pytest.approx([weighted_score(one, brief) for one in several])


@given(st.tuples(SHARE, SHARE, SHARE, SHARE), st.tuples(SHARE, SHARE, SHARE, SHARE), st.floats(0, 1))
def test_each_change_alone_reaches_the_score_and_less_does_not(
    shares: tuple[float, ...], weights: tuple[float, ...], wanted: float
) -> None:
    ends = {"accuracy": (1.0, 0.0), "latency": (0.0, 200.0), "usd": (3.0, 70.0), "hours": (0.5, 2.0)}
    of: dict[Objective, Scale] = {
        name: Scale(weight=weight, best=ends[name][0], worst=ends[name][1])
        for name, weight in zip(OBJECTIVES, weights, strict=True)
    }
    values: dict[Objective, float] = {
        name: of[name].worst + share * (of[name].best - of[name].worst)
        for name, share in zip(OBJECTIVES, shares, strict=True)
    }
    for change in changes_to_reach(wanted, values, of):
        assert score({**values, change.objective: change.wanted}, of) == pytest.approx(wanted, abs=1e-9)
        half = (change.now + change.wanted) / 2
        assert score({**values, change.objective: half}, of) <= wanted
    named = {change.objective for change in changes_to_reach(wanted, values, of)}
    if score(values, of) < wanted - 1e-9:
        for name in set(OBJECTIVES) - named:
            assert score({**values, name: of[name].best}, of) < wanted + 1e-9
