"""Curves as TensorBoard reads them back."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path
from typing import Any


def points(folder: Path) -> list[tuple[str, int, float]]:
    """Every point in a folder of event files: curve, step, value."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: Any = EventAccumulator(str(folder)).Reload()
    return [(tag, one.step, one.value) for tag in found.Tags()["scalars"] for one in found.Scalars(tag)]
