"""The shapes a student can be built in from scratch, and the job file that trains one."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from ...state.plan import StudentShape
from ..jobs import SkillJob
from ..tracking import Tracker
from .alignment import Alignment

SHAPES: tuple[StudentShape, ...] = (
    StudentShape(name="scratch-0.35M", hidden=96, layers=3, heads=3, feed_forward=256),
    StudentShape(name="scratch-0.8M", hidden=128, layers=4, heads=4, feed_forward=352),
    StudentShape(name="scratch-2M", hidden=192, layers=5, heads=6, feed_forward=512),
    StudentShape(name="scratch-5M", hidden=256, layers=6, heads=8, feed_forward=704),
)
"""Smallest first. Head width 32 and feed-forward about 8/3 of the hidden width, as Llama has it."""

DECAY_SHARE = 0.35
"""Share of the tokens over which the learning rate falls to zero."""


def shape_named(name: str) -> StudentShape:
    """The shape of that name; raises KeyError listing the valid names."""
    for shape in SHAPES:
        if shape.name == name:
            return shape
    raise KeyError(f"no student {name!r}; valid: {', '.join(shape.name for shape in SHAPES)}")


class TrainJob(SkillJob):
    """Trains one student on shards of verified examples. `tokens` counts every non-padding token read, over all legs."""

    # Defaults measured on *win*, 0.35M: rates 0.01 and 0.002 (evals/LOG.md, 2026-11-22), and batches of about 1,100 tokens, 16
    # examples: 88.8 % exact after 1.2M tokens where 32 examples reached 77.5 % (2026-11-24).
    student: StudentShape
    target: Literal["rationale", "answer_only"]
    shards: tuple[Path, ...]
    tokens: int = Field(gt=0)
    seed: int
    threads: int = Field(default=1, gt=0)
    batch_tokens: int = Field(
        default=1100, gt=0, description="about this many tokens a step, so that short and long texts get as many steps"
    )
    learning_rate_matrices: float = Field(default=0.01, gt=0, description="Muon, for the weight matrices of the layers")
    learning_rate_rest: float = Field(default=2e-3, gt=0, description="AdamW, for embeddings and norms")
    warm_up_tokens: int = Field(default=100_000, ge=0)
    decay_share: float = Field(default=DECAY_SHARE, gt=0, le=1)
    alignment: Alignment | None = Field(default=None, description="null: the completions are learned as labels")
    validation: Path | None = Field(
        default=None,
        description="shard that is never learned and tells when the rate begins to fall; null: the tokens tell",
    )
    continue_from: Path | None = Field(
        default=None, description="job folder whose training is lengthened, from before its decay"
    )
    wall_clock_s: float | None = Field(default=None, gt=0, description="stop with a checkpoint after this many seconds")
    checkpoint_every_s: float = Field(default=15, gt=0)
    tracker: Tracker | None = Field(default=None, description="where the loss is drawn; null: nowhere")
