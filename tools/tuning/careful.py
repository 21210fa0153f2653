"""What Stratos adds to transformers' trainers: trusted checkpoints, a stop before a loss that is no number is learned, and a clock.

`careful(Trainer)` gives such a class. It holds for TRL's trainers too, which are built on the same one.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..jobs import progress
from .keeping import Progress, checkpoint_folder, forget_old, mark, written
from .specs import AnyJob

REPORT_EVERY_S = 0.5
CLOCK = "clock"


class Diverged(Exception):
    """The loss or the gradient of a step is no finite number; nothing of that step was learned."""


def careful(base: type[Any], keeper: "Keeper") -> type[Any]:
    """A trainer class whose steps and checkpoints go through the keeper."""

    class Careful(base):
        """Its methods are the trainer's own, with one thing added each."""

        def training_step(self, *args: Any, **kwargs: Any) -> Any:
            loss = super().training_step(*args, **kwargs)
            keeper.add_loss(loss)
            return loss

        def _clip_grad_norm(self, model: Any) -> Any:
            norm = super()._clip_grad_norm(model)
            # The norm is the same on every GPU, so that all of them stop.
            if not math.isfinite(float(norm)):
                raise Diverged
            return norm

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            with written(checkpoint_folder(keeper.folder, self.state.global_step), keeper.go_on()):
                super()._save_checkpoint(model, trial)
                self.accelerator.wait_for_everyone()
                if self.args.should_save:
                    keeper.keep(self.state.global_step)

    return Careful


class Keeper:
    """Watches one training: its losses, its clock, its checkpoints. `attach` gives it a trainer."""

    def __init__(self, job: AnyJob, folder: Path, at: Progress, total: int, tokens: Callable[[int], int]) -> None:
        self.job, self.folder, self.progress, self.total = job, folder, at, total
        self.after_step: list[Callable[[int, Any], str]] = []
        """Called with the step and the model; what they return, if anything, is why the training ends."""
        self._tokens = tokens
        self._loss: Any = 0.0
        self._kept = at.step
        self._clock, self._cpu_clock = time.monotonic(), time.process_time()
        self._saved, self._reported = self._clock, 0.0

    def attach(self, trainer: Any) -> None:
        """Lets the trainer call this keeper, and keeps it from printing."""
        from transformers import PrinterCallback, TrainerCallback

        keeper = self

        class Watch(TrainerCallback):
            """Hands each step's end on."""

            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                keeper.end_step(trainer, state.global_step, control)

        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(Watch())

    def add_loss(self, loss: Any) -> None:
        """Adds one batch's share of the step's loss."""
        self._loss = self._loss + loss.detach()

    def end_step(self, trainer: Any, step: int, control: Any) -> None:
        """Counts the step and decides on a checkpoint and the end."""
        loss, self._loss = _over_all(trainer, self._loss), 0.0
        now = self.progress
        now.step, now.tokens = step, self._tokens(step)
        now.losses.append(loss)
        self._wind()
        reason = next(filter(None, [one(step, trainer.model) for one in self.after_step]), "")
        if not reason and step < self.total and _agreed(trainer, self._is_out_of_time()):
            control.should_save = control.should_training_stop = True
            now.finished = CLOCK
        elif reason or step >= self.total:
            control.should_save = control.should_training_stop = True
            now.finished = reason or "steps"
        elif _agreed(trainer, time.monotonic() - self._saved >= self.job.checkpoint_every_s):
            control.should_save = True
        if trainer.is_world_process_zero() and (time.monotonic() - self._reported > REPORT_EVERY_S or now.finished):
            self._reported = time.monotonic()
            progress(step, self.total, "steps", loss=round(loss, 4), tokens=now.tokens)

    def keep(self, step: int) -> None:
        """Marks the checkpoint of a step and forgets old ones."""
        mark(checkpoint_folder(self.folder, step), self.progress)
        forget_old(self.folder)
        self._kept, self._saved = step, time.monotonic()

    def go_on(self) -> str:
        """Where a job that is started again continues."""
        return (
            f"it continues after step {self._kept}" if self._kept else "it begins anew, for no checkpoint was kept yet"
        )

    def _wind(self) -> None:
        clock, cpu_clock = time.monotonic(), time.process_time()
        self.progress.seconds += clock - self._clock
        self.progress.cpu_seconds += cpu_clock - self._cpu_clock
        self._clock, self._cpu_clock = clock, cpu_clock

    def _is_out_of_time(self) -> bool:
        limit = self.job.wall_clock_s
        return limit is not None and self.progress.seconds >= limit


def _over_all(trainer: Any, mine: Any) -> float:
    """The mean of all processes: each one's loss is its share of the step's tokens, times how many there are."""
    return float(mine if trainer.args.world_size == 1 else trainer.accelerator.reduce(mine, reduction="mean"))


def _agreed(trainer: Any, mine: bool) -> bool:
    """The first process's answer, for clocks differ and all must do the same."""
    if trainer.args.world_size == 1:
        return mine
    from torch.distributed import broadcast_object_list

    said = [mine]
    broadcast_object_list(said, src=0)
    return said[0]
