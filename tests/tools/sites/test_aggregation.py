"""Near sites count more, broken and lying ones not at all."""

from collections.abc import Mapping

import numpy as np
import pytest
from stratos.tools.sites.loop.aggregation import (
    ALONE,
    NEAREST,
    SHARPNESSES,
    Floats,
    Heard,
    Nearness,
    Robust,
    aggregate,
    heard,
    personal,
)


def from_all(sent: Mapping[str, Floats], units: int, robust: Robust = "none") -> Heard:
    """Of sites whose models have all units."""
    return heard(sent, {site: np.arange(units) for site in sent}, units, robust)


NEAR_AND_FAR = np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 3.0], [3.0, 3.0, 0.0]])


def weights(distances: Floats, sharpness: float) -> Floats:
    """Of few sites: each listens to all, in their order."""
    return Nearness.of(distances).weights(sharpness)


def test_weights_by_hand() -> None:
    """The median distance is 3: exp(-0), exp(-1/3), exp(-1) over their sum."""
    near = np.exp([0, -1 / 3, -1])
    assert weights(NEAR_AND_FAR, 1.0)[0] == pytest.approx(near / near.sum())


def test_sharpness_goes_from_all_alike_to_alone() -> None:
    assert weights(NEAR_AND_FAR, 0.0) == pytest.approx(np.full((3, 3), 1 / 3))
    vectors, nearness = np.array([[1.0, 2.0], [2.0, 1.0], [9.0, 3.0]]), Nearness.of(NEAR_AND_FAR)
    assert personal(vectors, nearness, 0) == pytest.approx(np.tile([4.0, 2.0], (3, 1)))
    assert np.array_equal(personal(vectors, nearness, ALONE), vectors)
    own = [weights(NEAR_AND_FAR, sharpness)[0, 0] for sharpness in SHARPNESSES[:-1]]
    assert own == sorted(own)
    assert len(set(own)) == len(own)


@pytest.mark.parametrize("sharpness", SHARPNESSES[:-1])
def test_sites_that_are_all_alike_count_alike(sharpness: float) -> None:
    assert weights(np.zeros((4, 4)), sharpness) == pytest.approx(np.full((4, 4), 0.25))


def test_of_many_sites_each_listens_to_its_nearest() -> None:
    places = np.arange(NEAREST + 36, dtype=np.float64)
    nearness = Nearness.of(np.abs(places[:, None] - places[None, :]))
    assert nearness.places[0].tolist() == list(range(NEAREST))
    vectors = np.where(places < NEAREST, 1.0, 1000.0)[:, None] * np.ones((1, 3))
    assert personal(vectors, nearness, 2.0)[0] == pytest.approx(np.ones(3))


def test_a_negative_sharpness_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0 and finite, not -1"):
        weights(NEAR_AND_FAR, -1)


def test_aggregation_is_the_weighted_mean_of_scaled_vectors() -> None:
    found = from_all({"a": np.array([1.0, 3.0]), "b": np.array([30.0, 10.0])}, 2)
    assert found.vectors == pytest.approx(np.array([[0.5, 1.5], [1.5, 0.5]]))
    assert aggregate(found.vectors, np.array([[0.5, 0.5], [0.9, 0.1]])) == pytest.approx(
        np.array([[1.0, 1.0], [0.6, 1.4]])
    )


def test_broken_vectors_are_left_out_with_a_reason_and_stop_nobody() -> None:
    sent = {
        "right": np.array([1.0, 3.0, 4.0]),
        "short": np.array([1.0, 3.0]),
        "table": np.ones((3, 1)),
        "no numbers": np.array([1.0, np.nan, np.inf]),
        "negative": np.array([1.0, -1.0, 2.0]),
        "empty": np.zeros(3),
    }
    found = from_all(sent, 3)
    assert found.sites == ("right",)
    assert found.left_out == {
        "short": "it sent an array of shape (2,) for 3 units",
        "table": "it sent an array of shape (3, 1) for 3 units",
        "no numbers": "2 of its 3 importances are no numbers",
        "negative": "1 of its 3 importances are negative",
        "empty": "all its importances are zero",
    }


def test_units_that_a_smaller_model_lacks_count_by_those_that_have_them() -> None:
    """The small site has units 0 and 2; all are scaled by the mean over those two."""
    sent = {"large": np.array([2.0, 8.0, 2.0]), "small": np.array([3.0, 1.0])}
    found = heard(sent, {"large": np.arange(3), "small": np.array([0, 2])}, 3)
    assert np.allclose(found.vectors, [[1, 4, 1], [1.5, np.nan, 0.5]], equal_nan=True)
    half = np.full((2, 2), 0.5)
    assert aggregate(found.vectors, half) == pytest.approx(np.tile([1.25, 4.0, 0.75], (2, 1)))
    assert aggregate(found.vectors, half, robust="median") == pytest.approx(np.tile([1.0, 4.0, 0.5], (2, 1)))
    alone = aggregate(found.vectors, np.eye(2))
    assert np.allclose(alone, found.vectors, equal_nan=True)
    with pytest.raises(ValueError, match="nothing in common"):
        heard({"a": np.ones(1), "b": np.ones(1)}, {"a": np.array([0]), "b": np.array([1])}, 2)


def honest(seed: int, units: int = 200) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A common order of units with noise of a site's own."""
    common = np.random.default_rng(99).random(units)
    return np.maximum(common + np.random.default_rng(seed).normal(scale=0.2, size=units), 0)


def test_one_liar_of_ten_neither_gets_in_nor_spoils_the_others() -> None:
    """It sends the order upside down. Taken for honest it moves the mean; robust, it is named and moves nothing."""
    sent = {f"site-{number}": honest(number) for number in range(9)}
    truth = aggregate(from_all(sent, 200).vectors, np.full((9, 9), 1 / 9))[0]
    lied = sent | {"liar": honest(9).max() - honest(9)}
    fooled = from_all(lied, 200)
    careful = from_all(lied, 200, robust="median")
    assert fooled.left_out == {}
    assert list(careful.left_out) == ["liar"]
    assert "contradicts the others' (rank correlation -0." in careful.left_out["liar"]
    shares = np.full((9, 9), 1 / 9)
    spoiled = aggregate(fooled.vectors, np.full((10, 10), 1 / 10))[0]
    kept = aggregate(careful.vectors, shares)[0]
    assert np.abs(kept - truth).max() < 1e-12
    assert np.abs(spoiled - truth).max() > 0.01


def test_the_median_withstands_what_a_mean_does_not() -> None:
    vectors = np.array([[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]])
    third = np.full((3, 3), 1 / 3)
    assert aggregate(vectors, third, robust="median") == pytest.approx(np.full((3, 2), 0.5))
    assert aggregate(vectors, third)[0, 0] == pytest.approx(2 / 3)


def test_a_weighted_median_by_hand() -> None:
    vectors = np.array([[1.0], [2.0], [3.0]])
    shares = np.array([[0.2, 0.2, 0.6], [0.5, 0.25, 0.25], [0.3, 0.4, 0.3]])
    assert aggregate(vectors, shares, robust="median").reshape(-1).tolist() == [3.0, 1.0, 2.0]
