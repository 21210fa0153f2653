"""Checkpoints that survive a kill at any moment: written whole or not at all, newest readable one wins."""

import os
import pickle
from pathlib import Path
from typing import Any

KEEP = 2
TRUNK = "trunk.pt"
"""State at the moment the learning rate began to fall: a longer training continues from here."""


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes one file atomically and durably."""
    import torch

    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def save_numbered(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Writes checkpoint number `step` and removes all but the newest few."""
    save(folder / f"checkpoint-{step:08d}.pt", state)
    for old in sorted(folder.glob("checkpoint-*.pt"))[:-KEEP]:
        old.unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any]:
    """Reads one file; raises ValueError naming it when it is torn or not ours."""
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise ValueError(f"checkpoint {path.name} cannot be read: {error}") from error


def newest(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest readable checkpoint, if any, and what was wrong with newer ones."""
    troubles: list[str] = []
    for path in sorted(folder.glob("checkpoint-*.pt"), reverse=True):
        try:
            return load(path), troubles
        except ValueError as error:
            troubles.append(str(error))
    return None, troubles
