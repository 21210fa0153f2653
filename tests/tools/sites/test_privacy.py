"""The noise is the least that the promise needs, and the promise holds where it can be counted."""

import math

import numpy as np
import pytest
from stratos.tools.sites.loop.privacy import noise_for, private_mean


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


def unit_rows(count: int, width: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rows = np.random.default_rng(0).random((count, width))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_private_mean_is_near_the_mean_where_examples_are_many() -> None:
    mean = unit_rows(20_000, 10).mean(axis=0)
    found = private_mean(mean, 20_000, 1.0, 1e-5, np.random.default_rng(0))
    assert 0 < np.abs(found - mean).max() < 5 * noise_for(1.0, 1e-5, math.sqrt(2) / 20_000)


def test_no_example_moves_the_mean_further_than_the_noise_reckons_with() -> None:
    """The furthest two rows without negative values can be apart: two axes."""
    rows = unit_rows(100, 4)
    rows[0] = [1, 0, 0, 0]
    other = rows.copy()
    other[0] = [0, 1, 0, 0]
    assert np.linalg.norm(rows.mean(axis=0) - other.mean(axis=0)) == pytest.approx(math.sqrt(2) / 100)


def test_importances_stay_importances() -> None:
    assert (private_mean(np.full(1000, 1e-3), 2, 0.1, 1e-5, np.random.default_rng(0)) >= 0).all()


@pytest.mark.parametrize(
    ("epsilon", "delta", "sensitivity"), [(0, 1e-5, 1), (1, 0, 1), (1, 1, 1), (1, 1e-5, 0), (math.nan, 1e-5, 1)]
)
def test_what_promises_nothing_is_refused(epsilon: float, delta: float, sensitivity: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        noise_for(epsilon, delta, sensitivity)
    with pytest.raises(ValueError, match="a mean over 0 examples"):
        private_mean(np.ones(2), 0, 1, 1e-5, np.random.default_rng(0))
