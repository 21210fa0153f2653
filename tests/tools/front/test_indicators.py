"""Knees and hypervolumes that can be worked out by hand."""

import numpy as np
import pytest
from stratos.state.errors import Correctable
from stratos.tools.front.indicators import hypervolume, knee


def test_the_knee_is_the_point_nearest_the_corner() -> None:
    front = np.array([[0.0, 10.0], [1.0, 4.0], [2.0, 1.0], [6.0, 0.5], [10.0, 0.0]])
    assert knee(front) == 2  # 1 - (0.2 + 0.1) is more than 1 - (0.1 + 0.4) and 1 - (0.6 + 0.05)


def test_units_and_constants_do_not_move_the_knee() -> None:
    front = np.array([[0.0, 10.0], [1.0, 4.0], [2.0, 1.0], [6.0, 0.5], [10.0, 0.0]])
    scaled = np.column_stack([1e6 * front[:, 0], 1e-3 * front[:, 1] + 5, np.full(5, 3.0)])
    assert knee(scaled) == knee(front)


def test_infinite_rows_are_passed_over_and_no_rows_are_refused() -> None:
    assert knee(np.array([[np.inf, 0.0], [1.0, 1.0]])) == 1
    with pytest.raises(Correctable, match="none of 0 rows"):
        knee(np.empty((0, 2)))
    with pytest.raises(Correctable, match="none of 1 rows"):
        knee(np.array([[np.inf, 0.0]]))


def test_a_hypervolume_worked_out_by_hand() -> None:
    front = np.array([[1.0, 3.0], [2.0, 1.0], [9.0, 9.0]])
    assert hypervolume(front, np.array([4.0, 4.0])) == pytest.approx(3 * 1 + 2 * 2)
    assert hypervolume(front[2:], np.array([4.0, 4.0])) == 0.0
