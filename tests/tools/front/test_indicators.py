"""Hypervolumes that can be worked out by hand."""

import numpy as np
import pytest
from stratos.tools.front.indicators import hypervolume


def test_a_hypervolume_worked_out_by_hand() -> None:
    front = np.array([[1.0, 3.0], [2.0, 1.0], [9.0, 9.0]])
    assert hypervolume(front, np.array([4.0, 4.0])) == pytest.approx(3 * 1 + 2 * 2)
    assert hypervolume(front[2:], np.array([4.0, 4.0])) == 0.0
