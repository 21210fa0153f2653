"""A loss over a vocabulary of any size: logits are made for a few tokens at a time and never kept."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Callable
from typing import Any

CHUNK_LOGITS = 2**23
"""Logits made at a time: 32 MiB in float32, 55 tokens of a vocabulary of 151,936. A vocabulary of a skill fits a batch whole."""

ChunkLoss = Callable[[Any, slice], Any]
"""Sum of the loss over some places, from their logits (places, vocabulary) in float32 and which of all places they are."""


def head_loss(hidden: Any, head: Any, chunk_loss: ChunkLoss, *, chunk_logits: int = CHUNK_LOGITS) -> Any:
    """Mean loss over the places of `hidden` (places, width) under the output matrix `head` (vocabulary, width).

    More than one chunk is recomputed in the backward pass: about a third more work in the head, and no logits in memory
    but one chunk's. Gradients flow into `hidden` and `head`. Raises ValueError without a place.
    """
    from torch.utils.checkpoint import checkpoint

    places = hidden.shape[0]
    if not places:
        raise ValueError("no token of the batch is learned: every label is IGNORE")
    size = max(1, chunk_logits // head.shape[0])

    def of(rows: slice, states: Any, matrix: Any) -> Any:
        return chunk_loss((states @ matrix.T).float(), rows)

    chunks = [slice(at, min(at + size, places)) for at in range(0, places, size)]
    if len(chunks) == 1:
        return of(chunks[0], hidden, head) / places
    total = hidden.new_zeros(())
    for rows in chunks:
        total = total + checkpoint(of, rows, hidden[rows], head, use_reentrant=False, preserve_rng_state=False)
    return total / places
