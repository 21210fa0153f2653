"""Curves drawn by a tracker beside a training: TensorBoard or trackio, off unless asked for. Both work without network."""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

from ..state.errors import NotAvailable

Tracker = Literal["tensorboard", "trackio"]
PROJECT = "stratos"
CURVES_FOLDER = "runs"
"""In a job's folder: where transformers' trainers draw too."""


class Draw(Protocol):
    """Adds one point to each curve."""

    def __call__(self, step: int, **figures: float) -> None: ...


def require_tracker(tracker: Tracker | None) -> None:
    """Raises NotAvailable where the package of that name is not installed."""
    if tracker is not None and find_spec(tracker) is None:
        raise NotAvailable(f"tracker {tracker!r} is not installed: pip install {tracker}, or leave it out")


@contextmanager
def drawn(tracker: Tracker | None, folder: Path) -> Generator[Draw]:
    """Draws the curves of the job in a folder while it lasts; without a tracker nothing is drawn. Raises NotAvailable."""
    require_tracker(tracker)
    if tracker is None:
        yield lambda step, **figures: None
    elif tracker == "tensorboard":
        with _tensorboard(folder / CURVES_FOLDER) as draw:
            yield draw
    else:
        with _trackio(str(folder)) as draw:
            yield draw


@contextmanager
def _tensorboard(folder: Path) -> Generator[Draw]:
    from torch.utils.tensorboard.writer import SummaryWriter

    def draw(step: int, **figures: float) -> None:
        for name, figure in figures.items():
            writer.add_scalar(f"train/{name}", figure, step)

    with SummaryWriter(log_dir=str(folder)) as writer:
        yield draw


@contextmanager
def _trackio(name: str) -> Generator[Draw]:
    import trackio

    def draw(step: int, **figures: float) -> None:
        trackio.log({f"train/{name}": figure for name, figure in figures.items()}, step=step)

    trackio.init(project=PROJECT, name=name, resume="allow")
    try:
        yield draw
    finally:
        trackio.finish()
