"""A loss over a vocabulary of any size: logits are made for a few tokens at a time, and their gradient is taken at once.

So no chunk's logits outlive it and none are made twice (as Liger-Kernel's fused cross entropy does, arXiv 2410.10989).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false

from collections.abc import Callable
from functools import cache
from typing import Any

CHUNK_LOGITS = 2**21
"""Logits made at a time: 8 MiB in float32, 13 tokens of a vocabulary of 151,936. A vocabulary of a skill fits a batch whole."""

ChunkLoss = Callable[[Any, slice], Any]
"""Sum of the loss over some places, from their logits (places, vocabulary) in float32 and which of all places they are."""


def head_loss(hidden: Any, head: Any, chunk_loss: ChunkLoss, *, chunk_logits: int = CHUNK_LOGITS) -> Any:
    """Mean loss over the places of `hidden` (places, width) under the output matrix `head` (vocabulary, width).

    Gradients flow into `hidden` and `head` alone, not into what `chunk_loss` holds. Raises ValueError without a place.
    """
    places = hidden.shape[0]
    if not places:
        raise ValueError("no token of the batch is learned: every label is IGNORE")
    size = max(1, chunk_logits // head.shape[0])
    return _chunked().apply(hidden, head, chunk_loss, size) / places


@cache
def _chunked() -> Any:
    """The autograd function, made when it is first needed: torch is imported only then."""
    import torch

    class Chunked(torch.autograd.Function):
        """Sum of the loss; its gradients are known when it is."""

        @staticmethod
        def forward(ctx: Any, hidden: Any, head: Any, chunk_loss: ChunkLoss, size: int) -> Any:
            to_hidden, to_head = torch.empty_like(hidden), torch.zeros_like(head)
            total = hidden.new_zeros((), dtype=torch.float32)
            for at in range(0, len(hidden), size):
                rows = slice(at, min(at + size, len(hidden)))
                with torch.enable_grad():
                    logits = (hidden[rows] @ head.T).float().detach().requires_grad_()
                    loss = chunk_loss(logits, rows)
                (to_logits,) = torch.autograd.grad(loss, logits)
                to_logits = to_logits.to(head.dtype)
                to_hidden[rows] = to_logits @ head
                to_head.addmm_(to_logits.T, hidden[rows])
                total += loss.detach()
            ctx.save_for_backward(to_hidden, to_head)
            return total

        @staticmethod
        def backward(ctx: Any, *outputs: Any) -> Any:
            to_hidden, to_head = ctx.saved_tensors
            return to_hidden.mul_(outputs[0]), to_head.mul_(outputs[0]), None, None  # in place: they are needed once

    return Chunked
