"""Chances and expected costs against figures worked out by hand."""

import numpy as np
import pytest
from stratos.tools.chances import chance_of_reaching, expected


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def test_a_prediction_at_the_target_reaches_it_in_half_of_all_cases() -> None:
    chance = chance_of_reaching(column(0.7), column(0.6), column(0.8), 0.7)
    assert chance[0] == pytest.approx(0.5)


def test_the_band_s_lower_end_is_reached_in_nine_of_ten_cases() -> None:
    # Symmetric in log odds: 0.5 with odds 3 to 1 either way.
    chance = chance_of_reaching(column(0.5, 0.5), column(0.25, 0.25), column(0.75, 0.75), 0.25)
    assert chance[0] == pytest.approx(0.9, abs=1e-6)


def test_an_unknown_accuracy_has_no_chance_and_a_certain_one_has_all() -> None:
    chance = chance_of_reaching(column(np.nan, 0.8, 0.6), column(np.nan, 0.8, 0.6), column(np.nan, 0.8, 0.6), 0.7)
    assert chance.tolist() == pytest.approx([0.0, 1.0, 0.0])


def test_a_miss_is_followed_by_the_cheapest_sure_attempt() -> None:
    once, again = column(1.0, 1.5, 4.0), column(1.0, 1.5, 4.0)
    found = expected(once, again, column(0.5, 0.95, 0.99), np.array([True, True, True]))
    # 1.0 + 0.5 x 1.5; 1.5 + 0.05 x 1.5; 4.0 + 0.01 x 1.5
    assert found.tolist() == pytest.approx([1.75, 1.575, 4.015])


def test_what_cannot_be_used_is_no_second_attempt_and_the_surest_is_where_none_is_sure() -> None:
    once = column(1.0, 0.1, 3.0)
    found = expected(once, once, column(0.5, 0.99, 0.8), np.array([True, False, True]))
    assert found[0] == pytest.approx(1.0 + 0.5 * 3.0)
    assert expected(once, once, column(0.5, 0.99, 0.8), np.array([False] * 3)).tolist() == once.tolist()
