"""The noise is the least that the promise needs, and the promise holds where it can be counted."""

import math

import numpy as np
import pytest
from stratos.tools.sites.privacy import noise_for, private_mean


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 5.0])
def test_noise_keeps_the_promise_exactly(epsilon: float) -> None:
    """By integration: the largest mass by which one output is likelier than e^epsilon times the other is delta."""
    delta = 1e-5
    sigma = noise_for(epsilon, delta, 1.0)
    grid = np.linspace(-12 * sigma, 12 * sigma, 2_000_001)
    here, there = (np.exp(-0.5 * ((grid - at) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi)) for at in (1.0, 0.0))
    passed = np.maximum(here - math.exp(epsilon) * there, 0).sum() * (grid[1] - grid[0])
    assert passed == pytest.approx(delta, rel=1e-2)


def test_noise_is_less_than_the_classic_formula_asks() -> None:
    """sqrt(2 ln(1.25 / delta)) / epsilon, proved up to epsilon 1."""
    assert noise_for(1.0, 1e-5, 1.0) < math.sqrt(2 * math.log(1.25 / 1e-5))
    assert noise_for(1.0, 1e-5, 3.0) == pytest.approx(3 * noise_for(1.0, 1e-5, 1.0))


def test_a_private_mean_is_near_the_mean_where_examples_are_many() -> None:
    rng = np.random.default_rng(0)
    rows = rng.random((20_000, 10))
    bound = float(np.linalg.norm(rows, axis=1).max())
    found = private_mean(rows, bound, 1.0, 1e-5, rng)
    assert np.abs(found - rows.mean(axis=0)).max() < 5 * noise_for(1.0, 1e-5, 2 * bound / 20_000)
    assert not np.array_equal(found, rows.mean(axis=0))


def test_one_example_moves_it_no_further_than_the_bound_allows() -> None:
    """Without the noise, which is the same for the same seed, a huge example counts as the bound."""
    rows = np.full((100, 4), 0.1)
    huge = rows.copy()
    huge[0] = 1e9
    means = [private_mean(each, 0.2, 100.0, 1e-5, np.random.default_rng(1)) for each in (rows, huge)]
    assert np.linalg.norm(means[0] - means[1]) <= 2 * 0.2 / 100 + 1e-12


def test_importances_stay_importances() -> None:
    assert (private_mean(np.full((2, 1000), 1e-3), 1.0, 0.1, 1e-5, np.random.default_rng(0)) >= 0).all()


@pytest.mark.parametrize(
    ("epsilon", "delta", "sensitivity"), [(0, 1e-5, 1), (1, 0, 1), (1, 1, 1), (1, 1e-5, 0), (math.nan, 1e-5, 1)]
)
def test_what_promises_nothing_is_refused(epsilon: float, delta: float, sensitivity: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        noise_for(epsilon, delta, sensitivity)
    with pytest.raises(ValueError, match="a bound above 0"):
        private_mean(np.ones((3, 2)), 0, 1, 1e-5, np.random.default_rng(0))
