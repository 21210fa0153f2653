"""What stored logits cost in bytes and save in time, and what the chunked loss saves in memory.

Bytes and memory are of a vocabulary of Qwen2.5's size over a small model with random weights: its distribution is flat, so
that every place stores all `top_k` tokens and their ids do not compress. Text of a trained model takes less.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import multiprocessing
from pathlib import Path
from typing import Any, Literal

from ..tools.training.alignment import LiveTeacher, LogitAlignment, StoredTeacher
from ..tools.training.head_loss import CHUNK_LOGITS, head_loss
from ..tools.training.logit_store import Header, LogitStore
from ..tools.training.students import TrainJob, shape_named
from ..tools.training.teacher import FULL_BYTES, read_rows
from ..tools.training.teacher_model import load_teacher
from ..tools.training.train import build_student
from .alignment_data import SKILL, TASK, Data, trained
from .reporting import Claim, Report

VOCABULARY = 151_936
"""Rows of Qwen2.5's embeddings (its config.json)."""

WIDTH = 64
TOP_K = 64
PLACES = 512
SPEED_TOKENS = 60_000
SPEED_STUDENT, SPEED_TEACHERS = "scratch-0.35M", ("scratch-0.8M", "scratch-2M", "scratch-5M")


def measure_bytes(report: Report, seed: int, folder: Path) -> None:
    """Bytes a token of a store over the large vocabulary, as a share of the whole distribution in float32."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder / "qwen-like")
    teacher = load_teacher(folder / "qwen-like")
    rows = [(torch.randint(VOCABULARY, (65,)).tolist(), 1) for _ in range(16)]
    header = Header(
        teacher_sha256=teacher.sha256,
        vocabulary_sha256="",
        vocabulary=VOCABULARY,
        top_k=TOP_K,
        cover=0.999,
        temperatures=(1.0,),
    )
    entry = LogitStore.create(folder / "qwen-store", header).put(
        "random", "0" * 64, rows, read_rows(teacher, rows, header, 4096)
    )
    share = entry.bytes / (entry.tokens * VOCABULARY * FULL_BYTES)
    name = f"bytes stored, {VOCABULARY:,} tokens, {entry.stored / entry.tokens:.0f} kept, of full float32"
    report.add(Claim(name=name, value=share, unit="share", n=entry.tokens, goal="<= 0.01", met=share <= 0.01))
    report.details["bytes a token, large vocabulary"] = entry.bytes / entry.tokens


def measure_memory(report: Report) -> None:
    """Peak memory of a loss and its gradients over the large vocabulary, in units of all its logits in float32."""
    once = PLACES * VOCABULARY * FULL_BYTES
    taken = {name: _peak_bytes(size) for name, size in (("chunked", CHUNK_LOGITS), ("whole", PLACES * VOCABULARY))}
    for name, peak in taken.items():
        times, goal = peak / once, "< 1" if name == "chunked" else "none"
        report.add(
            Claim(
                name=f"peak memory of a divergence, {name}, over one float32 matrix of logits",
                value=times,
                unit="ratio",
                n=PLACES,
                goal=goal,
                met=times < 1 if name == "chunked" else None,
            )
        )
    report.details["peak bytes of a divergence"] = taken


def _peak_bytes(chunk_logits: int) -> int:
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measure_peak, args=(chunk_logits, theirs))
    process.start()
    peak: int = mine.recv()
    process.join()
    return peak


def _measure_peak(chunk_logits: int, answer: Any) -> None:
    """In a process of its own, which gives nothing back that another measurement would take again."""
    import torch

    from ..tools.training.distillation_loss import divergences

    torch.set_num_threads(1)
    hidden, head = torch.randn(PLACES, WIDTH).requires_grad_(), torch.randn(VOCABULARY, WIDTH).requires_grad_()
    states, matrix = torch.randn(PLACES, WIDTH), torch.randn(VOCABULARY, WIDTH)

    def loss(logits: Any, rows: slice) -> Any:
        return divergences(logits.log_softmax(-1), (states[rows] @ matrix.T).log_softmax(-1)).sum()

    head_loss(hidden[:1], head, loss).backward()  # what libraries take once is not the loss's
    before = _resident_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak is counted from here (proc(5))
    head_loss(hidden, head, loss, chunk_logits=chunk_logits).backward()
    answer.send(_resident_bytes("VmHWM") - before)


def _resident_bytes(what: Literal["VmRSS", "VmHWM"]) -> int:
    """Memory of this process as Linux counts it: now, or at most since the peak was cleared."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith(what)).split()[1]) * 1024


def measure_speed(report: Report, data: Data, store: Path, seed: int, folder: Path) -> None:
    """An epoch with the store over one beside a teacher, by CPU-seconds. The teachers' weights are random: what they say
    does not change how long it takes."""

    def cpu_seconds(name: str, who: LiveTeacher | StoredTeacher) -> float:
        result = trained(
            TASK,
            folder / f"speed-{name}",
            data.prompts,
            SPEED_TOKENS,
            seed,
            shape_named(SPEED_STUDENT),
            LogitAlignment(teacher=who),
        )
        return result["cpu_seconds"]

    stored = cpu_seconds("stored", StoredTeacher(folder=store))
    for shape in SPEED_TEACHERS:
        faster = cpu_seconds(shape, LiveTeacher(folder=_random_teacher(shape, data, seed, folder))) / stored
        sizes = " beside ".join(name.removeprefix("scratch-") for name in (SPEED_STUDENT, shape))
        report.add(
            Claim(
                name=f"epoch with stored logits, times faster than {sizes}",
                value=faster,
                unit="ratio",
                n=1,
                goal=">= 2",
                met=faster >= 2,
            )
        )


def _random_teacher(shape: str, data: Data, seed: int, folder: Path) -> Path:
    job = TrainJob(
        skill=SKILL,
        task=TASK,
        student=shape_named(shape),
        target="rationale",
        shards=data.few,
        tokens=1,
        seed=seed,
    )
    for part in build_student(job):
        part.save_pretrained(folder / shape)
    return folder / shape
