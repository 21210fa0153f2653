"""The many_sites eval: the power that growth follows, simulated sites answered for, and the plot."""

from pathlib import Path

import pytest
from stratos.evals.many_sites import Memory, _untaught, exponent, server_seconds  # pyright: ignore[reportPrivateUsage]
from stratos.evals.plots import log_plot


def test_the_power_is_that_of_the_growth() -> None:
    assert exponent((10, 100, 1000), (1, 10, 100)) == pytest.approx(1)
    assert exponent((10, 100, 1000), (1, 100, 10_000)) == pytest.approx(2)


def test_simulated_sites_of_every_sort_of_box_are_served(tmp_path: Path) -> None:
    assert server_seconds(_untaught(), 7, 0, tmp_path) > 0
    assert len(list((tmp_path / "letters" / "choices").glob("*.up"))) == 7


def test_a_plot_has_a_point_for_each_and_a_line_beside_them() -> None:
    svg = log_plot((10, 100, 1000), (0.1, 0.5, 4), x_name="sites", y_name="seconds", line="linear")
    assert (svg.count("<circle"), svg.count("<polyline"), ">linear<" in svg) == (3, 2, True)
    with pytest.raises(ValueError, match="no place for zero"):
        log_plot((10, 100), (0, 1), x_name="", y_name="", line="")


def test_memory_is_that_of_the_process_and_what_it_started() -> None:
    with Memory() as memory:
        held = bytearray(300_000_000)
        import time

        time.sleep(1.2)
    assert len(held) / 2**30 < memory.gib < 20
