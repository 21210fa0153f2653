"""The job that asks a teacher once: `python -m stratos.tools.training.teacher job.json` stores its top log-probabilities.

It goes shard by shard and continues behind the last whole one, so that a killed job loses at most a shard's reading.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...state.plan import Strategy
from ..generation import file_sha256
from ..jobs import SkillJob, TimedJob, main, progress
from .batches import IGNORE, encode_shards, padded
from .head_loss import CHUNK_LOGITS
from .logit_store import Entry, Header, LogitStore, StoredLogits, codes_of, rest_of, starts_of
from .teacher_model import TeacherModel, load_teacher, require_vocabulary, vocabulary_sha256
from .tokenizer import build_tokenizer

FULL_BYTES = 4
"""Of one float32: what a stored distribution is compared with is one of these for every token of the vocabulary."""


class StoreJob(SkillJob, TimedJob):
    """Stores a teacher's distribution over every learned token of the shards, for students that learn the same `target`."""

    target: Strategy
    teacher: Path = Field(description="Hugging Face model folder; its tokenizer must be the skill's")
    shards: tuple[Path, ...]
    store: Path = Field(description="folder; what it holds of these shards already is kept")
    top_k: int = Field(default=64, gt=0, le=65_535, description="most tokens kept at one place")
    cover: float = Field(default=0.999, gt=0, le=1, description="as few tokens are kept as hold this much of the mass")
    temperatures: tuple[float, ...] = Field(
        default=(1.0,), min_length=1, description="of the losses that may use it; one byte a place for each"
    )
    threads: int = Field(default=1, gt=0)
    batch_tokens: int = Field(default=4096, gt=0, description="tokens of one forward pass, padding included")


def store(job: StoreJob, folder: Path) -> dict[str, object]:
    """Runs or continues the job; returns the figures of result.json."""
    import torch

    torch.set_num_threads(job.threads)
    skill = job.load_skill()
    vocabulary: dict[str, int] = build_tokenizer(skill, max_tokens=1).get_vocab()  # its length does not matter here
    require_vocabulary(job.teacher, vocabulary)
    teacher = load_teacher(job.teacher)
    header = Header(
        teacher_sha256=teacher.sha256,
        vocabulary_sha256=vocabulary_sha256(vocabulary),
        vocabulary=len(vocabulary),
        top_k=job.top_k,
        cover=job.cover,
        temperatures=job.temperatures,
    )
    kept = LogitStore.create(job.store, header)
    entries, read, began = list[Entry](), 0, time.process_time()
    for number, (path, rows) in enumerate(zip(job.shards, encode_shards(skill, job.target, job.shards), strict=True)):
        progress(number, len(job.shards), "shards")
        sha256 = file_sha256(path)
        entry = kept.entry(path.name, sha256, rows)
        if entry is None:
            entry = kept.put(path.name, sha256, rows, read_rows(teacher, rows, header, job.batch_tokens))
            read += sum(len(ids) for ids, _ in rows)
        entries.append(entry)
    progress(len(job.shards), len(job.shards), "shards")
    return {**_figures(entries, header), "read_tokens": read, "cpu_seconds": round(time.process_time() - began, 2)}


def _figures(entries: Sequence[Entry], header: Header) -> dict[str, object]:
    tokens, size = sum(entry.tokens for entry in entries), sum(entry.bytes for entry in entries)
    full = tokens * header.vocabulary * FULL_BYTES
    return {
        "teacher_sha256": header.teacher_sha256,
        "shards": [entry.shard for entry in entries],
        "learned_tokens": tokens,
        "stored_per_token": round(sum(entry.stored for entry in entries) / max(1, tokens), 3),
        "bytes": size,
        "full_bytes": full,
        "share_of_full": size / max(1, full),
    }


def read_rows(
    teacher: TeacherModel, rows: Sequence[tuple[list[int], int]], header: Header, batch_tokens: int
) -> StoredLogits:
    """One shard, read in batches of like length; the result is in the shard's order."""
    by_row: dict[int, list[tuple[NDArray[Any], ...]]] = {row: [] for row in range(len(rows))}
    for chosen in _groups(rows, batch_tokens):
        batch = padded(rows, chosen)
        learned = batch.labels[:, 1:] != IGNORE
        states = teacher.hidden(batch.ids)[:, :-1][learned]
        parts = [np.concatenate(part) for part in zip(*_reduced(teacher, states, header), strict=True)]
        counts, ids, codes, rest = parts
        ends = starts_of(learned.sum(-1).numpy())
        flat = starts_of(counts)
        for at, row in enumerate(chosen):
            first, last = ends[at], ends[at + 1]
            span = slice(flat[first], flat[last])
            by_row[row].append((counts[first:last], ids[span], codes[span], rest[first:last]))
    ordered = [part for row in range(len(rows)) for part in by_row[row]]
    counts, ids, codes, rest = (np.concatenate(part) for part in zip(*ordered, strict=True))
    return StoredLogits(
        row_starts=starts_of(np.array([len(ids) - given for ids, given in rows])),
        starts=starts_of(counts),
        ids=ids,
        codes=codes,
        rest=rest,
    )


def _groups(rows: Sequence[tuple[list[int], int]], batch_tokens: int) -> Iterator[list[int]]:
    """Row numbers, shortest rows first, of as many rows as fit a batch."""
    group: list[int] = []
    for row in sorted(range(len(rows)), key=lambda row: len(rows[row][0])):
        if group and len(rows[row][0]) * (len(group) + 1) > batch_tokens:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _reduced(teacher: TeacherModel, states: Any, header: Header) -> Iterator[tuple[NDArray[Any], ...]]:
    """Per chunk of places: how many tokens are kept at each, their ids and codes, flat, and the rest's mass."""
    import torch

    size = max(1, CHUNK_LOGITS // header.vocabulary)
    head = teacher.head[: header.vocabulary]
    temperatures = torch.tensor(header.temperatures)
    for at in range(0, len(states), size):
        logs = (states[at : at + size] @ head.T).log_softmax(-1)
        top, ids = logs.topk(min(header.top_k, header.vocabulary))
        before = top.exp().cumsum(-1) - top.exp()
        kept = before < header.cover  # the likeliest is always kept: nothing is before it
        others = logs.scatter(-1, ids, top.masked_fill(kept, -torch.inf))
        rest = torch.stack([(others / one).logsumexp(-1) for one in temperatures], dim=-1)
        yield kept.sum(-1).numpy(), ids[kept].numpy(), codes_of(top[kept].numpy()), rest_of(rest.numpy())


if __name__ == "__main__":
    main(StoreJob, store)
