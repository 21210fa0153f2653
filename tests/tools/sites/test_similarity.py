"""Sites are near whose features lie alike, by numbers worked out by hand."""

import numpy as np
import pytest
from stratos.tools.sites.loop.similarity import (
    DIRECTIONS,
    PRIVATE_BINS,
    PRIVATE_DIRECTIONS,
    QUANTILES,
    directions,
    distances,
    private_sketch,
    sketch,
)

AXES = np.eye(2)


def test_points_of_one_dimension_by_hand() -> None:
    """0, 1, 2, 3 against 5, 6, 7, 8 along one axis: every quantile is 5 further on."""
    one, other = (
        sketch(np.array([[value] for value in row], dtype=float), np.eye(1)) for row in (range(4), range(5, 9))
    )
    assert distances([one, other]) == pytest.approx(np.array([[0, 5], [5, 0]]))


def test_two_axes_are_averaged_as_squares() -> None:
    one, other = sketch(np.zeros((3, 2)), AXES), sketch(np.tile([3.0, 4.0], (3, 1)), AXES)
    assert distances([one, other])[0, 1] == pytest.approx(np.sqrt((9 + 16) / 2))


def test_features_that_trade_places_are_told_apart() -> None:
    """All values as one heap are the same: 0s and 1s, half and half."""
    here = np.tile([0.0, 1.0], (50, 1))
    there = np.tile([1.0, 0.0], (50, 1))
    along = directions(2, seed=0)
    assert sorted(here.reshape(-1)) == sorted(there.reshape(-1))
    assert distances([sketch(here, along), sketch(there, along)])[0, 1] > 0.5


def test_the_distance_of_normal_clouds_is_the_one_in_closed_form() -> None:
    """Equal spreads apart by a vector v in d dimensions: |v| / sqrt(d), the mean of its squared projections."""
    rng = np.random.default_rng(0)
    width, apart = 8, 2.0
    along = directions(width, seed=1, count=2000)
    here, there = rng.normal(size=(4000, width)), rng.normal(size=(4000, width))
    there[:, 0] += apart
    found = distances([sketch(here, along), sketch(there, along)])[0, 1]
    assert found == pytest.approx(apart / np.sqrt(width), rel=0.05)


def test_a_sketch_is_small_and_shares_its_directions() -> None:
    features = np.random.default_rng(0).normal(size=(700, 96))
    along = directions(96, seed=5)
    assert sketch(features, along).shape == (DIRECTIONS, QUANTILES)
    assert np.array_equal(along, directions(96, seed=5))
    assert np.allclose(np.linalg.norm(along, axis=1), 1)


def test_noise_moves_a_sketch_by_its_size() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(5000, 4)) * np.array([1, 10, 100, 1000])
    plain = sketch(features, np.eye(4))
    noisy = sketch(features, np.eye(4), noise=1.0, rng=rng)
    assert (noisy[:, -1] - noisy[:, 0]) / (plain[:, -1] - plain[:, 0]) == pytest.approx(np.sqrt(2), rel=0.1)


def test_a_private_sketch_still_tells_near_from_far() -> None:
    """Two sites of 700 examples from one cloud and one from another; at epsilon 1 the noise is well below the difference."""
    rng = np.random.default_rng(0)
    along = directions(8, seed=3)
    clouds = [rng.normal(loc=place, size=(700, 8)) for place in (1.0, 1.0, np.array([1, -1] * 4))]
    found = distances([private_sketch(cloud, along, 1.0, 1e-5, rng) for cloud in clouds])
    assert found[0, 1] < found[0, 2] / 2


def test_a_private_sketch_without_much_noise_is_the_sketch_to_a_bin() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3000, 8))
    along = directions(8, seed=3)
    scaled = features / np.linalg.norm(features, axis=1, keepdims=True)
    found = private_sketch(features, along, 500.0, 1e-5, rng)[:PRIVATE_DIRECTIONS]
    assert np.abs(found - sketch(scaled, along)[:PRIVATE_DIRECTIONS]).max() < 2 / PRIVATE_BINS


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one example"):
        sketch(np.zeros((0, 2)), AXES)
    with pytest.raises(ValueError, match="finite"):
        sketch(np.array([[np.nan, 1.0]]), AXES)
    with pytest.raises(ValueError, match="generator"):
        sketch(np.zeros((2, 2)), AXES, noise=0.1)
    with pytest.raises(ValueError, match="no example"):
        private_sketch(np.zeros((0, 2)), AXES, 1.0, 1e-5, np.random.default_rng(0))
    with pytest.raises(ValueError, match="one shape"):
        distances([np.zeros((2, 3)), np.zeros((2, 4))])
