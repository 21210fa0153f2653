"""Spaces enumerated and searched: the search against the exact front where both run."""

from itertools import chain
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from stratos.state.errors import Correctable
from stratos.tools.front import search
from stratos.tools.front.indicators import hypervolume
from stratos.tools.front.search import Found, exact_front, search_front
from stratos.tools.front.space import (
    Choices,
    Floats,
    Integers,
    Points,
    Reals,
    Space,
    decoded,
    enumerate_space,
    size_of,
)

SERVERS = np.random.default_rng(0).uniform(0.2, 30, 60)
SPEEDS = SERVERS**0.8 * np.random.default_rng(1).uniform(0.5, 2, 60)
SPACE: Space = {"server": Choices(60), "layers": Integers(1, 24), "width": Integers(1, 32), "count": Integers(1, 4)}


def served(points: Points) -> tuple[Floats, Floats]:
    """Dollars, seconds and an error, of a model of some layers and width on some servers; those too slow are not allowed."""
    size = points["layers"] * points["width"] ** 1.5
    speed = SPEEDS[points["server"]] * points["count"] ** 0.8
    seconds = 0.1 + size / speed
    dollars = SERVERS[points["server"]] * points["count"] * (1 + size / 500)
    error = 0.05 + size**-0.4 + 0.01 * np.abs(np.log(points["layers"] / points["width"]))
    return np.column_stack([dollars, seconds, error]), np.maximum(seconds - 60, 0)


def share_of(found: Found, exact: Found) -> float:
    """Of the exact hypervolume, objectives scaled to the exact front's ranges, up to a tenth beyond them."""
    best, span = exact.objectives.min(axis=0), np.ptp(exact.objectives, axis=0)
    volumes = [hypervolume((one.objectives - best) / span, np.full(len(best), 1.1)) for one in (found, exact)]
    return volumes[0] / volumes[1]


def test_every_point_is_enumerated_once_in_chunks_of_any_size() -> None:
    space: Space = {"a": Choices(3), "b": Integers(5, 6), "c": Choices(2)}
    whole = [
        list(zip(*(points[name].tolist() for name in space), strict=True)) for points in enumerate_space(space, chunk=5)
    ]
    assert list(chain(*whole)) == [(a, b, c) for a in range(3) for b in (5, 6) for c in range(2)]
    assert [len(part) for part in whole] == [5, 5, 2]
    assert size_of(space) == 12
    assert {name: values.tolist() for name, values in decoded(space, np.array([7])).items()} == {  # pyright: ignore[reportArgumentType]
        "a": [1], "b": [6], "c": [1]
    }  # fmt: skip


def test_the_exact_front_is_that_of_all_allowed_points() -> None:
    space: Space = {"server": Choices(12), "layers": Integers(1, 8), "width": Integers(1, 8), "count": Integers(1, 2)}
    found = exact_front(space, served)
    (points,) = enumerate_space(space)
    objectives, broken = served(points)
    allowed = objectives[broken <= 0]
    expected = [
        row for row in allowed.tolist() if not ((allowed <= row).all(axis=1) & (allowed < row).any(axis=1)).any()
    ]
    assert (found.exact, found.evaluations) == (True, 12 * 8 * 8 * 2)
    assert sorted(found.objectives.tolist()) == sorted(expected)


def test_chunks_do_not_change_the_front(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = exact_front(SPACE, served)
    monkeypatch.setattr(search, "CHUNK", 100)
    assert np.array_equal(exact_front(SPACE, served).objectives, whole.objectives)


@pytest.mark.parametrize("seed", range(3))
def test_a_search_comes_within_a_hundredth_of_the_exact_hypervolume(seed: int) -> None:
    exact = exact_front(SPACE, served)
    found = search_front(SPACE, served, seed=seed, budget=10_000)
    assert found.evaluations <= 10_000 < exact.evaluations / 18
    assert not found.exact
    assert 0.99 < share_of(found, exact) <= 1


def test_what_a_search_finds_is_what_its_points_evaluate_to_and_is_allowed() -> None:
    found = search_front(SPACE, served, seed=1, budget=3000)
    objectives, broken = served(found.points)
    assert np.array_equal(objectives, found.objectives)
    assert (broken <= 0).all()


def test_one_seed_gives_one_front() -> None:
    one, same, other = (search_front(SPACE, served, seed=seed, budget=2000) for seed in (3, 3, 4))
    assert np.array_equal(one.objectives, same.objectives)
    assert all(np.array_equal(one.points[name], same.points[name]) for name in SPACE)
    assert not np.array_equal(one.objectives, other.objectives)


def test_real_variables_are_searched() -> None:
    space: Space = {"x": Reals(-2.0, 2.0), "y": Reals(0.0, 1.0), "kind": Choices(3)}

    def evaluate(points: Points) -> tuple[Floats, Floats]:
        x, away = points["x"], points["y"] ** 2 + 0.1 * points["kind"]
        return np.column_stack([x**2 + away, (x - 1) ** 2 + away]), np.zeros(len(x))

    found = search_front(space, evaluate, seed=0, budget=8000)
    # The front is x from 0 to 1 with nothing away: both objectives lie on sqrt(f1) + sqrt(f2) = 1.
    assert np.allclose(np.sqrt(found.objectives).sum(axis=1), 1, atol=0.05)
    assert hypervolume(found.objectives, np.array([1.1, 1.1])) > 0.99 * (1.21 - 1 / 6 - 0.2)


def test_nothing_allowed_gives_nothing() -> None:
    def never(points: Points) -> tuple[Floats, Floats]:
        objectives, broken = served(points)
        return objectives, broken + 1

    found = search_front(SPACE, never, seed=0, budget=1000)
    assert (len(found.objectives), found.evaluations) == (0, 1000)
    assert exact_front(
        {"server": Choices(2), "layers": Integers(1, 1), "width": Integers(1, 1), "count": Integers(1, 1)}, never
    ).exact


def test_points_that_are_not_allowed_lead_to_those_that_are() -> None:
    def hard(points: Points) -> tuple[Floats, Floats]:
        objectives, _ = served(points)
        missing: NDArray[Any] = np.abs(points["layers"] - 17) + np.abs(points["width"] - 29)
        return objectives, missing.astype(float)

    assert len(search_front(SPACE, hard, seed=0, budget=3000).objectives) > 0


def test_wrong_spaces_are_told_at_once() -> None:
    with pytest.raises(Correctable, match="a: 0 options, at least 1 is needed; b: low 2 must not be above high 1"):
        search_front({"a": Choices(0), "b": Integers(2, 1)}, served, seed=0)
    with pytest.raises(Correctable, match="at least one variable"):
        exact_front({}, served)
    with pytest.raises(Correctable, match=r"\['x'\] are real and cannot be enumerated"):
        list(enumerate_space({"x": Reals(0, 1)}))
    with pytest.raises(Correctable, match="a budget of 100 evaluations is too small"):
        search_front(SPACE, served, seed=0, budget=100)
