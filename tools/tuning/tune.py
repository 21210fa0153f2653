"""The tuning recipe: a checkpoint learns the answers of some shards, keeps its best model, and is exported for any tool to load."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from ...state.evidence import NO_BETTER
from ..jobs import report
from .careful import Diverged, Keeper, careful
from .export import BEST_FOLDER, save_best
from .plan import Batch, Plan, in_order, padded, planned
from .rows import IGNORE, Encoded, Row, encode
from .specs import TuneJob
from .start import Session, arguments, begin, finish, learn


def tune(job: TuneJob, folder: Path) -> dict[str, object]:
    """Runs or continues the job in its folder; returns the figures of result.json."""
    session = begin(job, folder, batch_tokens=job.batch_tokens, keeps_best=job.validation is not None)
    data = _encoded(session, "examples", job.shards)
    plan = planned(
        [len(row.ids) for row in data.rows],
        batch_tokens=job.batch_tokens,
        epochs=job.epochs,
        max_tokens=job.max_tokens,
        seed=job.seed,
    )
    trainer, keeper = trainer_of(session, data.rows, plan)
    if job.validation is not None:
        checks = _encoded(session, "validation examples", (job.validation,))
        keeper.after_step.append(_Validation(session, trainer, keeper.total, checks.rows))
    stopped_by = learn(session, trainer)
    best = min(session.progress.readings, key=lambda one: one[1], default=None)
    return finish(
        session,
        trainer,
        stopped_by,
        {
            "examples": len(data.rows),
            "epochs": round(_rows_read(plan, session.progress.step, trainer) / len(data.rows), 3),
            "validation": session.progress.readings,
            "best_step": best[0] if best else None,
        },
    )


class _Validation:
    """Reads the validation file every so many steps, keeps the best weights, and ends what no longer gets better."""

    def __init__(self, session: Session, trainer: Any, total: int, rows: Sequence[Row]) -> None:
        job = session.job
        assert isinstance(job, TuneJob)
        self._session, self._trainer, self._rows, self._patience = session, trainer, rows, job.patience
        self._batches = in_order([len(row.ids) for row in rows], job.batch_tokens)
        self._steps = {max(1, round(total * (at + 1) / job.validations)) for at in range(job.validations)}

    def __call__(self, step: int, model: Any) -> str:
        if step not in self._steps:
            return ""
        loss = mean_loss(model, self._rows, self._batches)
        if not math.isfinite(loss):
            raise Diverged
        before = self._session.progress.readings
        best = min((reading for _, reading in before), default=math.inf)
        before.append((step, loss))
        self._trainer.log({"eval_loss": loss})
        if self._session.is_first:
            said = f"validation loss {loss:.4f} after step {step}"
            report("metrics", step=step, validation_loss=round(loss, 5), text=said)
            if loss < best:
                save_best(self._session.folder / BEST_FOLDER, model)
        best_at = min(range(len(before)), key=lambda at: before[at][1])
        worse = len(before) - 1 - best_at
        return NO_BETTER if self._patience is not None and worse >= self._patience else ""


def mean_loss(model: Any, rows: Sequence[Row], batches: Sequence[Batch]) -> float:
    """Mean cross entropy of the learned tokens, nats; every token counts the same."""
    import torch

    total = count = 0.0
    model.eval()
    with torch.no_grad():
        for batch in batches:
            given = {name: tensor.to(model.device) for name, tensor in padded([rows[row] for row in batch]).items()}
            learned = int((given["labels"][:, 1:] != IGNORE).sum())
            total += model(**given, use_cache=False).loss.item() * learned
            count += learned
    return total / count


def _encoded(session: Session, what: str, shards: Sequence[Path]) -> Encoded:
    job = session.job
    assert isinstance(job, TuneJob)
    found = encode(shards, session.tokenizer, session.stops, job.max_sequence_tokens)
    if session.is_first:
        for note in found.notes:
            report("note", text=f"{what}: {note}")
    return found


def trainer_of(session: Session, rows: Sequence[Row], plan: Plan) -> tuple[Any, Keeper]:
    """A Trainer whose data set is the plan, an item a batch, so that its order and its resuming are the plan's."""
    from transformers import Trainer, TrainingArguments

    given = TrainingArguments(
        **arguments(session),
        per_device_train_batch_size=1,
        num_train_epochs=1,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
    )
    a_step = given.gradient_accumulation_steps * given.world_size
    read = [0, *accumulate(plan.tokens)]
    keeper = Keeper(
        session.job,
        session.folder,
        session.progress,
        math.ceil(len(plan.batches) / a_step),
        lambda step: read[min(step * a_step, len(plan.tokens))],
    )

    def collated(items: list[Batch]) -> dict[str, Any]:
        return padded([rows[row] for row in items[0]])

    data: Any = plan.batches
    trainer = careful(Trainer, keeper)(
        model=session.model,
        args=given,
        train_dataset=data,
        data_collator=collated,
        processing_class=session.tokenizer,
    )
    keeper.attach(trainer)
    return trainer, keeper


def _rows_read(plan: Plan, step: int, trainer: Any) -> int:
    a_step = trainer.args.gradient_accumulation_steps * trainer.args.world_size
    return sum(len(batch) for batch in plan.batches[: step * a_step])
