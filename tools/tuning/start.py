"""What both kinds of tuning begin and end with: checks, model, checkpoint to go on from; then export and the figures of result.json."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...state.errors import ToolFailed
from ...state.evidence import DIVERGED
from ..estimating.architecture import Architecture
from ..jobs import JOB_FILE, report
from . import memory
from .careful import CLOCK, Diverged
from .export import ADAPTER_FOLDER, BEST_FOLDER, MODEL_FOLDER, save_adapter, save_whole
from .keeping import Progress, checkpoint_folder, newest
from .loading import load_model, load_tokenizer, require_method
from .memory import MemoryUse
from .source import check_source
from .specs import AnyJob, Precision

CURVE_POINTS = 60


@dataclass(kw_only=True)
class Session:
    """One start of one job: everything but the trainer."""

    job: AnyJob
    folder: Path
    on_gpu: bool
    precision: Precision
    memory: MemoryUse
    tokenizer: Any
    stops: frozenset[int]
    model: Any
    checkpoint: Path | None
    """What it goes on from."""
    progress: Progress

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files."""
        from accelerate import PartialState

        return PartialState().is_main_process


def begin(
    job: AnyJob,
    folder: Path,
    *,
    batch_tokens: int,
    keeps_best: bool = False,
    copies: float = 0.0,
    beside: Callable[[MemoryUse, Architecture], MemoryUse] | None = None,
) -> Session:
    """Checks everything that can be told before the model is loaded, then loads it; `beside` adds what else will hold memory.

    Raises Correctable, NotAvailable.
    """
    import torch

    on_gpu = torch.cuda.is_available()
    require_method(job, on_gpu)
    check_source(job.model, job.chat_template)
    _import_libraries(job)
    torch.set_num_threads(job.threads)
    precision: Precision = job.precision or ("bfloat16" if on_gpu else "float32")
    shape = memory.architecture_at(job.model)
    use = memory.estimate(
        shape,
        method=job.method,
        rank=job.adapter.rank,
        batch_tokens=batch_tokens,
        precision=precision,
        checkpointing=job.gradient_checkpointing,
        process_gib=memory.process_now_gib(on_gpu),
        available_gib=memory.available_gib(on_gpu, job.memory_limit_gib),
        copies=copies,
    )
    use = beside(use, shape) if beside else use
    memory.refuse_what_cannot_fit(use, job.method, job.gradient_checkpointing)
    memory.refuse_a_small_disk(folder, shape, job.method, job.adapter.rank, keeps_best=keeps_best)
    checkpoint, at = _where_it_stands(job, folder)
    torch.manual_seed(job.seed)  # an adapter's first weights are drawn
    tokenizer, stops = load_tokenizer(job.model, job.chat_template)
    session = Session(
        job=job,
        folder=folder,
        on_gpu=on_gpu,
        precision=precision,
        memory=use,
        tokenizer=tokenizer,
        stops=stops,
        model=load_model(job, precision),
        checkpoint=checkpoint,
        progress=at,
    )
    if session.is_first:
        _tell(session)
    return session


def load_again(session: Session) -> None:
    """The model as it was before a trainer had it: one may add adapters of its own."""
    import torch

    torch.manual_seed(session.job.seed)
    session.model = load_model(session.job, session.precision)


def arguments(session: Session) -> dict[str, Any]:
    """The fields of TrainingArguments that both kinds share."""
    job = session.job
    return {
        "output_dir": str(session.folder),
        "gradient_accumulation_steps": job.gradient_accumulation,
        "learning_rate": job.rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": job.warm_up_share if job.warm_up_share < 1 else 0.999999,  # from 1 on it would count steps
        "weight_decay": 0.0,
        "bf16": session.precision == "bfloat16",
        "use_cpu": not session.on_gpu,
        "activation_checkpointing": job.gradient_checkpointing,  # its name from transformers 5.23 on
        "save_strategy": "no",  # the keeper decides
        "logging_strategy": "steps" if job.tracker else "no",
        "logging_steps": 10,
        "report_to": job.tracker or "none",
        "seed": job.seed,
        "disable_tqdm": True,
        "dataloader_pin_memory": session.on_gpu,
        "ddp_find_unused_parameters": False,
    }


def learn(session: Session, trainer: Any) -> str:
    """Trains to the end, or to where it must stop; returns why it ended. The model then holds the weights to be exported.

    Raises ToolFailed when the memory does not suffice.
    """
    at = session.progress
    if at.finished not in ("", CLOCK):
        trainer._load_from_checkpoint(str(session.checkpoint))
    else:
        at.finished = ""
        try:
            trainer.train(resume_from_checkpoint=str(session.checkpoint) if session.checkpoint else None)
        except Diverged:
            at.finished = DIVERGED
        except (RuntimeError, MemoryError) as error:
            if not memory.is_out_of_memory(error):
                raise
            raise ToolFailed(_too_little_memory(session)) from error
    if at.finished == DIVERGED:
        _go_back(session, trainer)
    if (session.folder / BEST_FOLDER).is_dir():
        trainer._load_from_checkpoint(str(session.folder / BEST_FOLDER))
    return at.finished


def finish(session: Session, trainer: Any, stopped_by: str, extra: dict[str, object]) -> dict[str, object]:
    """Exports the model and gives the figures of result.json. The model is null when nothing good was learned."""
    peak = memory.peak_gib(session.on_gpu)  # of the training: the export comes after it
    at, has_model = session.progress, stopped_by != DIVERGED or _has_weights(session.folder)
    whole, trained = memory.tensor_count(session.model)
    own = whole if session.job.method == "full" else whole - trained
    if has_model and session.is_first:
        if session.job.method != "full":
            save_adapter(session.folder / ADAPTER_FOLDER, session.model, session.tokenizer)
        save_whole(session.folder / MODEL_FOLDER, session.model, session.tokenizer, session.job.model)
    trainer.accelerator.wait_for_everyone()
    adapters = has_model and session.job.method != "full"
    return {
        "model": str(session.folder / MODEL_FOLDER) if has_model else None,
        "adapter": str(session.folder / ADAPTER_FOLDER) if adapters else None,
        "parameters": own,
        "trained_parameters": trained,
        "steps": at.step,
        "tokens": at.tokens,
        "loss": at.losses[-1] if at.losses else math.nan,
        "stopped_by": stopped_by,
        "learning_rate": session.job.rate,
        "precision": session.precision,
        "seconds": round(at.seconds, 2),
        "cpu_seconds": round(at.cpu_seconds, 2),
        "memory": {**session.memory.model_dump(), "peak_gib": peak},
        "curve": thinned(at.losses),
        **extra,
    }


def thinned(values: Sequence[float]) -> list[tuple[int, float]]:
    """A curve of few points: the last step of each stretch, and the stretch's mean."""
    stretch = max(1, math.ceil(len(values) / CURVE_POINTS))
    parts = [values[at : at + stretch] for at in range(0, len(values), stretch)]
    return [(at * stretch + len(part), sum(part) / len(part)) for at, part in enumerate(parts)]


def launch_words(folder: Path, processes: int) -> str:
    """How the same job is started on several GPUs of one machine."""
    return (
        f"accelerate launch --multi_gpu --num_processes {processes} --module stratos.tools.tuning {folder / JOB_FILE}"
    )


def _import_libraries(job: AnyJob) -> None:
    """Now, so that what they take of the memory is seen before the model is loaded; quiet, for progress lines own standard output."""
    from transformers import Trainer  # noqa: F401  # pyright: ignore[reportUnusedImport]
    from transformers.utils import logging

    if job.method != "full":
        import peft  # noqa: F401  # pyright: ignore[reportUnusedImport]
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _where_it_stands(job: AnyJob, folder: Path) -> tuple[Path | None, Progress]:
    from accelerate import PartialState

    with PartialState(cpu=_is_cpu_only()).main_process_first():  # the first one removes what is broken
        checkpoint, at, troubles = newest(folder, job.course)
    for trouble in troubles:
        report("note", text=f"{trouble}: removed; falling back to the one before")
    if checkpoint is None:
        shutil.rmtree(folder / BEST_FOLDER, ignore_errors=True)
    return checkpoint, at


def _is_cpu_only() -> bool:
    import torch

    return not torch.cuda.is_available()


def _tell(session: Session) -> None:
    import torch

    use, gpus = session.memory, torch.cuda.device_count() if session.on_gpu else 0
    report(
        "note",
        text=f"{session.job.method} tuning at {session.precision} on {'a GPU' if session.on_gpu else 'the CPU'}: about "
        f"{use.needed_gib:.2f} GiB of {use.available_gib:.2f} free",
    )
    if session.checkpoint:
        report("note", text=f"continuing after step {session.progress.step}")
    if gpus > 1 and torch.distributed.is_available() and not torch.distributed.is_initialized():
        report("note", text=f"one of {gpus} GPUs is used; all of them: {launch_words(session.folder, gpus)}")


def _too_little_memory(session: Session) -> str:
    use, job = session.memory, session.job
    return (
        f"out of memory after step {session.progress.step}: {memory.peak_gib(session.on_gpu):.2f} GiB were held, about "
        f"{use.needed_gib:.2f} had been expected; {memory.what_to_lower(use, job.method, job.gradient_checkpointing)}"
    )


def _go_back(session: Session, trainer: Any) -> None:
    """To the newest checkpoint that a finite loss followed: the one the bad step began from is not good."""
    at = session.progress
    if session.is_first:
        report("note", text=f"the loss of step {at.step + 1} is no finite number; stopped before it was learned")
        shutil.rmtree(checkpoint_folder(session.folder, at.step), ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    checkpoint, before, _ = newest(session.folder, session.job.course)
    if checkpoint is not None:
        trainer._load_from_checkpoint(str(checkpoint))
        if session.is_first:
            report("note", text=f"the model of step {before.step} is kept; lower learning_rate to go further")


def _has_weights(folder: Path) -> bool:
    """Whether a training that diverged left good weights."""
    return (folder / BEST_FOLDER).is_dir() or any(folder.glob("checkpoint-*"))
