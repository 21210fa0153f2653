"""Checkpoints that can be trusted: each is marked intact when all its files are on the disk, and the newest intact one wins.

The files are transformers' own; a checkpoint that a kill, a full disk or a failing disk left incomplete has no mark, or a mark
whose lengths and checksums it does not match.
"""

import json
import os
import re
import shutil
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...state.errors import Correctable, ToolFailed
from ..jobs import write_atomic
from .memory import KEPT_CHECKPOINTS, size

MARK = "intact.json"
READ_BYTES = 2**22


@dataclass(kw_only=True)
class Progress:
    """Where a tuning stands, beside what transformers keeps of it."""

    course: str
    """`course` of the job it belongs to."""
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    losses: list[float] = field(default_factory=list[float])
    """One of each step."""
    rewards: list[float] = field(default_factory=list[float])
    """Mean reward of each batch of answers, where there is a reward."""
    readings: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    """Step and loss of each reading of the validation file."""
    finished: str = ""
    """Why the training ended, once it has."""


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Where transformers puts the checkpoint of a step."""
    return folder / f"checkpoint-{step}"


def mark(checkpoint: Path, progress: Progress) -> None:
    """Calls a checkpoint intact, with where it stands."""
    files = {path.name: _sum(path) for path in sorted(checkpoint.iterdir()) if path.is_file() and path.name != MARK}
    write_atomic(checkpoint / MARK, json.dumps({"files": files, "progress": asdict(progress)}))


def read_mark(checkpoint: Path) -> Progress:
    """Where an intact checkpoint stands. Raises ValueError saying what is wrong with it."""
    try:
        found = json.loads((checkpoint / MARK).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{checkpoint.name} was not finished") from None
    for name, (length, checksum) in found["files"].items():
        path = checkpoint / name
        if not path.is_file():
            raise ValueError(f"{checkpoint.name} has lost {name}")
        if path.stat().st_size != length or _sum(path)[1] != checksum:
            raise ValueError(f"{name} of {checkpoint.name} is torn or changed")
    progress = Progress(**found["progress"])
    progress.readings = [(step, loss) for step, loss in progress.readings]
    return progress


def newest(folder: Path, course: str) -> tuple[Path | None, Progress, list[str]]:
    """The newest intact checkpoint, where it stands, and what was wrong with newer ones; those are removed.

    Raises Correctable when it belongs to a job that would have gone another way.
    """
    troubles: list[str] = []
    for path in reversed(in_folder(folder)):
        try:
            progress = read_mark(path)
        except ValueError as error:
            troubles.append(str(error))
            shutil.rmtree(path)
            continue
        if progress.course != course:
            raise Correctable(
                f"{path} was written by another job than this folder's job.json now: put the changed job into a folder of its "
                "own, or restore the file"
            )
        return path, progress, troubles
    return None, Progress(course=course), troubles


def in_folder(folder: Path) -> list[Path]:
    """Checkpoints, the oldest first, whole or not."""
    found = [
        path for path in folder.glob("checkpoint-*") if path.is_dir() and re.fullmatch(r"checkpoint-\d+", path.name)
    ]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def forget_old(folder: Path) -> None:
    """Removes all but the newest few."""
    for path in in_folder(folder)[:-KEPT_CHECKPOINTS]:
        shutil.rmtree(path)


@contextmanager
def written(partial: Path, go_on: str) -> Generator[None]:
    """Around the writing of a folder: one that fails half-way is removed, and the error says what to do.

    `go_on` says where the job will continue. Raises ToolFailed.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _is_of_the_disk(error):
            raise
        shutil.rmtree(partial, ignore_errors=True)
        free = shutil.disk_usage(partial.parent).free
        raise ToolFailed(
            f"{partial} could not be written ({error}); {size(free)} are free there. Nothing that was finished is lost: make "
            f"room and start the job again in this folder; {go_on}"
        ) from error


def _is_of_the_disk(error: RuntimeError) -> bool:
    """torch.save tells of a failed write, and of a folder that is gone, as a RuntimeError of its own."""
    return any(words in str(error) for words in ("PytorchStreamWriter", "unexpected pos", "Parent directory"))


def _sum(path: Path) -> tuple[int, int]:
    """Length and CRC-32 of a file, after it was forced to the disk."""
    checksum = 0
    with path.open("rb") as file:
        os.fsync(file.fileno())
        while piece := file.read(READ_BYTES):
            checksum = zlib.crc32(piece, checksum)
        return file.tell(), checksum
