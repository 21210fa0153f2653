"""The chunked loss against the plain one, and against a number worked out by hand."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
from typing import Any

import pytest
import torch
from stratos.tools.training.distillation_loss import Divergence, divergences
from stratos.tools.training.head_loss import head_loss

PLACES, WIDTH, VOCABULARY = 7, 4, 11


def drawn(*shape: int, seed: int) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def loss_and_gradients(kind: Divergence, chunk_logits: int) -> tuple[Any, Any, Any]:
    hidden, head = (
        drawn(PLACES, WIDTH, seed=1).requires_grad_(),
        drawn(VOCABULARY, WIDTH, seed=2).requires_grad_(),
    )
    teacher = drawn(PLACES, VOCABULARY, seed=3).log_softmax(-1)
    found = head_loss(
        hidden,
        head,
        lambda logits, rows: divergences(logits.log_softmax(-1), teacher[rows], kind=kind).sum(),
        chunk_logits=chunk_logits,
    )
    found.backward()
    return found.detach(), hidden.grad, head.grad


@pytest.mark.parametrize("kind", ["forward", "reverse", "js", "skew_forward", "skew_reverse"])
@pytest.mark.parametrize("places_a_chunk", [1, 3])
def test_chunks_change_neither_the_loss_nor_its_gradients(kind: Divergence, places_a_chunk: int) -> None:
    whole, parts = (loss_and_gradients(kind, size) for size in (PLACES * VOCABULARY, places_a_chunk * VOCABULARY))
    for one, other in zip(whole, parts, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_known_number_over_two_chunks() -> None:
    # Cross entropy of the first token at logits (0, 0) and (ln 3, 0): ln 2 and ln 4/3.
    hidden, head = torch.tensor([[0.0], [math.log(3)]]), torch.tensor([[1.0], [0.0]])
    found = head_loss(hidden, head, lambda logits, rows: -logits.log_softmax(-1)[:, 0].sum(), chunk_logits=2)
    assert found.item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2, abs=1e-6)


def test_no_more_logits_than_a_chunk_are_made_at_a_time() -> None:
    sizes: list[int] = []

    def seen(logits: Any, rows: slice) -> Any:
        sizes.append(logits.numel())
        return logits.sum()

    head_loss(drawn(PLACES, WIDTH, seed=1), drawn(VOCABULARY, WIDTH, seed=2), seen, chunk_logits=2 * VOCABULARY)
    assert max(sizes) == 2 * VOCABULARY
    assert sum(sizes) == PLACES * VOCABULARY


def test_a_batch_without_a_learned_token_is_refused() -> None:
    with pytest.raises(ValueError, match="IGNORE"):
        head_loss(torch.zeros(0, WIDTH), torch.zeros(VOCABULARY, WIDTH), lambda logits, rows: logits.sum())
