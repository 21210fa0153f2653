"""The exact front against brute force: ties, duplicates, constants, infinities, many and few points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from stratos.state.errors import Correctable
from stratos.tools.front import nondominated
from stratos.tools.front.nondominated import non_dominated

Floats = NDArray[np.float64]
SHAPES = st.tuples(st.integers(0, 40), st.integers(1, 5))
FEW_VALUES = st.sampled_from([0.0, 1.0, 2.0, 1e-300, 1e300, np.inf, -np.inf, -0.0])


def by_brute_force(objectives: Floats) -> list[int]:
    """Every row against every other."""
    return [
        number
        for number, row in enumerate(objectives)
        if not ((objectives <= row).all(axis=1) & (objectives < row).any(axis=1)).any()
    ]


@given(SHAPES.flatmap(lambda shape: arrays(np.float64, shape, elements=FEW_VALUES)))
def test_few_values_make_ties_and_duplicates(objectives: Floats) -> None:
    assert non_dominated(objectives).tolist() == by_brute_force(objectives)


@given(SHAPES.flatmap(lambda shape: arrays(np.float64, shape, elements=st.floats(allow_nan=False))))
def test_any_numbers(objectives: Floats) -> None:
    assert non_dominated(objectives).tolist() == by_brute_force(objectives)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.sampled_from(["uniform", "few", "mixed", "front", "constant"]))
def test_more_rows_than_a_tier(seed: int, columns: int, kind: str) -> None:
    objectives = made(kind, 2500, columns, np.random.default_rng(seed))
    assert non_dominated(objectives).tolist() == by_brute_force(objectives)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["uniform", "few", "mixed", "constant"]))
def test_samples_change_nothing(seed: int, kind: str) -> None:
    """At their real size; a kind that is all front would be compared for minutes, and is below."""
    rng = np.random.default_rng(seed)
    objectives = made(kind, nondominated.SAMPLED_FROM * nondominated.FIRST_SAMPLE + 1, 4, rng)
    found = non_dominated(objectives)
    mutual = objectives[found]
    assert len(by_brute_force(mutual)) == len(found)
    some = rng.choice(len(objectives), 500, replace=False)
    for row in set(some.tolist()) - set(found.tolist()):
        assert ((mutual <= objectives[row]).all(axis=1) & (mutual < objectives[row]).any(axis=1)).any()


@pytest.mark.parametrize("first", [8, 128])
@pytest.mark.parametrize("kind", ["uniform", "few", "mixed", "front", "constant"])
def test_samples_of_any_size_change_nothing(kind: str, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nondominated, "FIRST_SAMPLE", first)
    objectives = made(kind, nondominated.SAMPLED_FROM * 128 + 1, 4, np.random.default_rng(first))
    assert non_dominated(objectives).tolist() == by_brute_force(objectives)


def made(kind: str, rows: int, columns: int, rng: np.random.Generator) -> Floats:
    """Points of one kind."""
    if kind == "few":
        return rng.integers(0, 6, (rows, columns)).astype(float)
    points = rng.random((rows, columns))
    if kind == "mixed":
        points[:, 0] = rng.integers(0, 3, rows)
        points[rng.random(rows) < 0.1] = np.inf
        points[rows // 2 :] = points[: rows - rows // 2]
    if kind == "front":
        points /= points.sum(axis=1, keepdims=True)
    if kind == "constant":
        points[:, -1] = 7.0
    return points


def test_a_worked_case() -> None:
    points = np.array([[1, 5], [2, 2], [2, 2], [3, 1], [3, 3], [1, 6], [0, np.inf]], dtype=float)
    assert non_dominated(points).tolist() == [0, 1, 2, 3, 6]


def test_a_hash_that_tells_nothing_apart_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    points = made("few", 3000, 3, np.random.default_rng(1))
    monkeypatch.setattr(nondominated, "HASH_BITS", 1)
    assert non_dominated(points).tolist() == by_brute_force(points)


def test_nothing_gives_nothing_and_one_gives_itself() -> None:
    assert non_dominated(np.empty((0, 4))).tolist() == []
    assert non_dominated(np.array([[np.inf, 1.0]])).tolist() == [0]


def test_what_is_no_number_is_refused_with_its_rows() -> None:
    with pytest.raises(Correctable, match="2 of 3 rows hold no number, the first is row 1"):
        non_dominated(np.array([[0.0, 1.0], [np.nan, 0.0], [np.nan, np.nan]]))
    with pytest.raises(Correctable, match=r"shape \(3,\)"):
        non_dominated(np.zeros(3))


def test_memory_stays_far_below_a_pairwise_table() -> None:
    import tracemalloc

    points = made("front", 100_000, 4, np.random.default_rng(0))
    tracemalloc.start()
    non_dominated(points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * 2**20
