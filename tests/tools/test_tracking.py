"""Curves beside a training: drawn where a tracker is named and nowhere else."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from stratos.state.errors import NotAvailable
from stratos.tools.tracking import drawn, require_tracker

from .curves import points


def installed(name: str | None) -> Callable[[str], str | None]:
    """What finds one package or none."""
    return lambda wanted: name


def test_tensorboard_shows_what_was_drawn(tmp_path: Path) -> None:
    with drawn("tensorboard", tmp_path) as draw:
        draw(100, loss=2.5)
        draw(200, loss=1.5)
    assert points(tmp_path / "runs") == [("train/loss", 100, 2.5), ("train/loss", 200, 1.5)]


def test_without_a_tracker_nothing_is_written(tmp_path: Path) -> None:
    with drawn(None, tmp_path) as draw:
        draw(100, loss=2.5)
    assert not list(tmp_path.iterdir())


def test_a_tracker_that_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stratos.tools.tracking.find_spec", installed(None))
    with pytest.raises(NotAvailable, match="tracker 'trackio' is not installed: pip install trackio"):
        require_tracker("trackio")


def test_trackio_is_begun_fed_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []
    fake: Any = ModuleType("trackio")

    def init(**named: str) -> None:
        calls.append(("init", named["project"]))

    def log(figures: dict[str, float], *, step: int) -> None:
        calls.append(("log", figures, step))

    fake.init, fake.log, fake.finish = init, log, lambda: calls.append(("finish",))
    monkeypatch.setitem(sys.modules, "trackio", fake)
    monkeypatch.setattr("stratos.tools.tracking.find_spec", installed("trackio"))
    with drawn("trackio", tmp_path) as draw:
        draw(100, loss=2.5)
    assert calls == [("init", "stratos"), ("log", {"train/loss": 2.5}, 100), ("finish",)]
