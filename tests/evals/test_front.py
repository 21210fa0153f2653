"""The front's eval measures what it says: one front by every method, shares of a hypervolume, candidates of real prices."""

from pathlib import Path

import numpy as np
import pytest
from stratos.evals import front_world
from stratos.evals.front import by_brute_force, job, share_of
from stratos.evals.front_job import METHODS
from stratos.tools.front.search import Found, exact_front, search_front
from stratos.tools.front.space import Choices, Floats, Points


def test_every_method_finds_the_same_front() -> None:
    objectives = np.random.default_rng(0).integers(0, 9, (400, 4)).astype(float)
    expected = by_brute_force(objectives)
    assert {name: method(objectives).tolist() for name, method in METHODS.items()} == dict.fromkeys(METHODS, expected)


def test_a_job_tells_its_time_memory_and_front(tmp_path: Path) -> None:
    np.save(tmp_path / "table.npy", np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 3.0]]))
    one, other = (job(tmp_path / "table.npy", method, 2) for method in ("ours", "moocore"))
    assert one is not None
    assert other is not None
    assert (one["rows"], one["front"], len(one["seconds"]), one["sha256"]) == (3, 2, 2, other["sha256"])
    assert 10 < one["peak_mib"] < 500


def test_the_candidates_are_a_million_and_their_physics_keep_order() -> None:
    objectives = front_world.enumerated(60)
    assert len(objectives) > 1_000_000
    assert np.isfinite(objectives).all()
    on, of = front_world.hardware(front_world.offers(everything=False)), front_world.models(8)
    larger: Points = {name: np.array([0, 0]) for name in front_world.space(on, of)} | {"model": np.array([2, 5])}
    (usd, hours, wrong, ms), _ = front_world.evaluate(on, of, larger)[0].T, None
    assert usd[0] < usd[1]
    assert hours[0] < hours[1]
    assert ms[0] < ms[1]
    assert wrong[0] > wrong[1]


def test_what_does_not_fit_or_asks_for_more_than_there_is_is_broken() -> None:
    found = front_world.offers(everything=False)
    on, of = front_world.hardware(found), front_world.models(8)
    single = next(at for at, one in enumerate(found) if one.accelerator_count == 1)
    points: Points = {name: np.array([0, 0]) for name in front_world.space(on, of)}
    points = {**points, "offer": np.array([single, single]), "parallel": np.array([0, 3])}
    assert front_world.misfit(on, of, points).tolist() == [0, 7]
    assert front_world.misfit(on, of, {**points, "model": np.array([7, 7])})[0] > 0


@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_share_is_one_for_the_exact_front_and_less_for_a_part(logarithmic: bool) -> None:
    on, of = front_world.hardware(front_world.offers(everything=False)[:40]), front_world.models(4)
    space = front_world.space(on, of, spot=False)
    assert isinstance(space["offer"], Choices)

    def evaluate(points: Points) -> tuple[Floats, Floats]:
        return front_world.evaluate(on, of, points)

    exact = exact_front(space, evaluate)
    part = Found(points=exact.points, objectives=exact.objectives[::9], evaluations=0, exact=False)
    assert share_of(exact, exact, logarithmic=logarithmic) == pytest.approx(1)
    assert share_of(part, exact, logarithmic=logarithmic) < 1
    found = search_front(space, evaluate, seed=0, budget=6000)
    assert 0.98 < share_of(found, exact, logarithmic=logarithmic) <= 1 + 1e-9
