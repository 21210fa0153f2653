"""The job that makes a family: a backbone from public examples, all its sizes taught and measured.

`python -m stratos.tools.sites.family_job job.json`; see `cloud.backbone` for how.
"""

import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from ...state.brief import Answers
from ..jobs import TimedJob, main, progress, report
from .cloud.shape import Shape

BACKBONE = "backbone"
"""In the job's folder: the whole model, with the importances of its units."""


GIVEN_RATE_SHARE = 0.1
"""Of the learning rates, for a backbone that was given. assumption: what a model learned before bears no larger steps."""


class FamilyJob(TimedJob):
    """What is learned, and for how long."""

    train: Path = Field(description="JSON lines of public examples: prompt and answer")
    validation: Path
    answers: Answers = "labels"
    student: Path | None = Field(
        default=None, description="folder of a checkpoint that is the backbone; null: one from scratch of the shape"
    )
    shape: Shape = Shape()
    epochs: int = Field(default=20, ge=1, description="of the whole model over the public examples")
    cut_steps: int = Field(default=500, ge=0, description="of the lessons of the smaller sizes, a batch each")
    watts: float = Field(default=15.0, gt=0, description="assumed power of a site's box")
    seed: int = 0
    threads: int = Field(default=1, gt=0)


def run(job: FamilyJob, folder: Path) -> Mapping[str, object]:
    """Makes the family and stores it in the job's folder."""
    import torch

    from ..elastic.fronts import front, scores
    from ..elastic.teaching import Recipe
    from ..weights import weights_sha256
    from .cloud.backbone import build
    from .cloud.pictures import patch_of
    from .cloud.public_examples import public_answers, public_examples
    from .learning.local import Fitting
    from .loop.loop_orders import save_backbone

    torch.set_num_threads(job.threads)
    began = time.process_time()
    files = job.train, job.validation
    names, (train, validation) = ((), public_answers(files)) if job.answers == "texts" else public_examples(files)
    what = "to write" if job.answers == "texts" else f"{len(names)} labels"
    report("note", text=f"a backbone learns {what} from {len(train):,} public examples")
    shape = job.shape
    if train.pixels is not None:
        shape = shape.model_copy(update={"patch": patch_of(train.pixels.shape[-1])})
    slower = GIVEN_RATE_SHARE if job.student else 1.0
    elastic = build(
        train,
        validation,
        names,
        shape,
        Fitting(epochs=job.epochs, rate=2e-3 * slower, seed=job.seed),
        Recipe(steps=job.cut_steps, rate=1e-3 * slower, seed=job.seed),
        answers=job.answers,
        given=job.student,
        watts=job.watts,
        reached=lambda stage, done, of, loss: progress(done, of, "steps", what=stage, loss=round(loss, 3)),
    )
    save_backbone(elastic.backbone, folder / BACKBONE)
    on_front = {measured.cut for measured in front(elastic.table)}
    return {
        "cuts": [
            {
                "width": one.cut.width,
                "depth": one.cut.depth,
                "right": round(one.accuracy * len(validation)),
                "latency_ms": round(one.latency_ms, 4),
                "bytes": one.bytes,
                "flops": one.flops,
                "joules": round(one.joules, 6),
                "on_front": one.cut in on_front,
                "score": round(score, 4),
            }
            for one, score in zip(elastic.table, scores(elastic.table), strict=True)
        ],
        "validation": len(validation),
        "examples": len(train),
        "labels": len(names),
        "weights_sha256": weights_sha256(folder / BACKBONE),
        "cpu_seconds": round(time.process_time() - began, 2),
    }


if __name__ == "__main__":
    main(FamilyJob, run)
