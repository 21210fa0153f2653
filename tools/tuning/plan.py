"""Which examples are learned together and in which order, from the first step to the last: decided before the first.

The order depends on the rows, the seed and the job alone, so that a killed job goes on with exactly the batch it would have had.
"""

# pyright: reportUnknownMemberType=false

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .rows import IGNORE, Row

POOL_BATCHES = 16
"""About so many batches are sorted by length together: little is padded and the order stays mixed."""

Batch = tuple[int, ...]
"""Numbers of rows."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All batches, and the tokens of each, padding not counted."""

    batches: tuple[Batch, ...]
    tokens: tuple[int, ...]


def planned(
    lengths: Sequence[int], *, batch_tokens: int, epochs: float | None, max_tokens: int | None, seed: int
) -> Plan:
    """Batches of at most `batch_tokens`, padding included, until an end is reached, whichever comes first."""
    batches: list[Batch] = []
    tokens: list[int] = []
    ends = epochs if epochs is not None or max_tokens is not None else 1.0
    rows_left = None if ends is None else round(ends * len(lengths))
    tokens_left = max_tokens
    epoch = 0
    while rows_left is None or rows_left > 0:
        for batch in _epoch(lengths, batch_tokens, random.Random(f"tuning:{seed}:{epoch}")):
            if (tokens_left is not None and tokens_left <= 0) or (rows_left is not None and rows_left <= 0):
                return Plan(batches=tuple(batches), tokens=tuple(tokens))
            batches.append(batch)
            tokens.append(sum(lengths[row] for row in batch))
            tokens_left = None if tokens_left is None else tokens_left - tokens[-1]
            rows_left = None if rows_left is None else rows_left - len(batch)
        epoch += 1
    return Plan(batches=tuple(batches), tokens=tuple(tokens))


def in_order(lengths: Sequence[int], batch_tokens: int) -> list[Batch]:
    """Every row once, sorted by length: for reading, where the order does not matter."""
    return _filled(sorted(range(len(lengths)), key=lambda row: lengths[row]), lengths, batch_tokens)


def padded(rows: Sequence[Row]) -> dict[str, Any]:
    """`input_ids` and `labels`, int64 (rows, longest), padded on the right.

    No mask is needed: with causal attention nothing that is learned can see the padding behind it.
    """
    import torch

    longest = max(len(row.ids) for row in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    labels = torch.full((len(rows), longest), IGNORE, dtype=torch.long)
    for at, row in enumerate(rows):
        ids[at, : len(row.ids)] = torch.from_numpy(row.ids)
        labels[at, : len(row.ids)] = torch.from_numpy(row.labels)
    return {"input_ids": ids, "labels": labels}


def _epoch(lengths: Sequence[int], batch_tokens: int, rng: random.Random) -> list[Batch]:
    """Every row once: shuffled, sorted by length within a pool, filled into batches, the batches shuffled."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    mean = max(1.0, sum(lengths) / len(lengths))
    pool_rows = max(1, round(POOL_BATCHES * batch_tokens / mean))
    batches: list[Batch] = []
    for at in range(0, len(order), pool_rows):
        pool = sorted(order[at : at + pool_rows], key=lambda row: lengths[row])
        batches += _filled(pool, lengths, batch_tokens)
    rng.shuffle(batches)
    return batches


def _filled(order: Sequence[int], lengths: Sequence[int], batch_tokens: int) -> list[Batch]:
    """Cuts rows of rising length into batches whose padded size stays within the limit; a longer row is one of its own."""
    batches: list[Batch] = []
    batch: list[int] = []
    for row in order:
        if batch and (len(batch) + 1) * lengths[row] > batch_tokens:
            batches.append(tuple(batch))
            batch = []
        batch.append(row)
    return [*batches, tuple(batch)] if batch else batches
