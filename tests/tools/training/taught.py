"""A shard of short hands, a teacher that was trained on it for a moment, and jobs that use both."""

# pyright: reportUnknownVariableType=false

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stratos.skills import load
from stratos.state.plan import StudentShape
from stratos.tools.training.students import TrainJob
from stratos.tools.training.teacher import StoreJob, store
from stratos.tools.training.train import train

TINY = StudentShape(name="tiny", hidden=32, layers=1, heads=1, feed_forward=64)
TEACHER = StudentShape(name="teacher", hidden=64, layers=1, heads=2, feed_forward=64)


def write_shard(path: Path, block: int, count: int = 150) -> Path:
    """A shard of *waits*."""
    examples = load("mahjong").make("waits", seed=1, block=block, count=count)
    path.write_text("".join(json.dumps(asdict(example)) + "\n" for example in examples))
    return path


def job(shards: Sequence[Path], **changes: Any) -> TrainJob:
    """A training of a few seconds at most."""
    values: dict[str, Any] = {
        "skill": "mahjong",
        "task": "waits",
        "student": TINY,
        "target": "rationale",
        "shards": tuple(shards),
        "tokens": 12_000,
        "seed": 1,
        "batch_tokens": 700,
        "warm_up_tokens": 2_000,
        "checkpoint_every_s": 1000,
    }
    return TrainJob(**{**values, **changes})


def make_teacher(folder: Path, shards: Sequence[Path], **changes: Any) -> Path:
    """A teacher's model folder."""
    folder.mkdir()
    train(job(shards, student=TEACHER, **changes), folder)
    return folder / "model"


def make_store(folder: Path, teacher: Path, shards: Sequence[Path], **changes: Any) -> dict[str, Any]:
    """Runs the teacher; the figures of the job."""
    values: dict[str, Any] = {
        "skill": "mahjong",
        "task": "waits",
        "target": "rationale",
        "teacher": teacher,
        "shards": tuple(shards),
        "store": folder,
    }
    return dict(store(StoreJob(**{**values, **changes}), folder))


def weights(folder: Path) -> dict[str, Any]:
    """A trained model's tensors by name."""
    from safetensors.torch import load_file

    return load_file(folder / "model" / "model.safetensors")


def same_weights(one: Path, other: Path) -> bool:
    """Whether two jobs left the same model, bit for bit."""
    import torch

    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
