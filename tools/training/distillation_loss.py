"""How far a student's next-token distribution is from its teacher's, over the tokens that both have.

Rows that pad an embedding are no tokens: they are cut off before the softmax, so the teacher is renormalised over what is
left, and `padding_loss` keeps the student from putting mass on rows that the divergence no longer sees.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .batches import IGNORE

Divergence = Literal["forward", "reverse", "js", "skew_forward", "skew_reverse"]
"""forward: KL(teacher, student), covers the teacher. reverse: KL(student, teacher), seeks its modes. js: the generalised
Jensen-Shannon divergence of Agarwal et al. (arXiv 2306.13649, section 3). skew_forward, skew_reverse: the same two with a
share alpha of the first distribution mixed into the second, so that no ratio is unbounded (DistiLLM, arXiv 2402.03898,
section 3.1)."""


@dataclass(frozen=True, kw_only=True)
class SharedVocabulary:
    """Which logits of the two models mean the same token.

    Ids 0..size - 1 of the student without `excluded`; the teacher's row for id i is `teacher_ids[i]`, or i itself.
    """

    size: int
    excluded: Sequence[int] = ()
    teacher_ids: Sequence[int] | None = None
    student_tokens: int | None = None
    """Ids of the student's tokenizer; rows from here on are padding. None: nothing is known to be padding."""


def divergence(
    student_logits: Any,
    teacher_logits: Any,
    labels: Any,
    shared: SharedVocabulary,
    *,
    kind: Divergence = "forward",
    temperature: float = 1.0,
    beta: float = 0.5,
    alpha: float = 0.1,
) -> Any:
    """Mean divergence over the learned tokens, nats times temperature squared (Hinton et al., arXiv 1503.02531, section 2).

    Logits are (examples, tokens, rows), each model's own number of rows; labels (examples, tokens) as in `batches.Batch`: the
    logits at a place are of the label one place on, and where that is IGNORE nothing counts. `beta` and `alpha` are those of
    `divergences`. Gradients flow into the student alone. Raises ValueError where no token is learned, or a model has fewer
    rows than the vocabulary that is said to be shared.
    """
    import torch

    learned = _learned(labels)
    own, others = _rows(student_logits, learned), _rows(teacher_logits, learned).detach()
    student = torch.log_softmax(_taken(own, shared, None, "student") / temperature, dim=-1)
    teacher = torch.log_softmax(_taken(others, shared, shared.teacher_ids, "teacher") / temperature, dim=-1)
    each = divergences(student, teacher, kind=kind, beta=beta, alpha=alpha)
    return each.mean() * temperature**2


def divergences(
    student: Any, teacher: Any, *, kind: Divergence = "forward", beta: float = 0.5, alpha: float = 0.1
) -> Any:
    """The divergence at every place, nats: log-probabilities of both are (places, outcomes), the result (places,).

    With `js`, `beta` weighs the teacher in the mixture; with the skewed kinds `alpha` is the share of the first in the second.
    A log-probability must be finite: where an outcome cannot be, a large negative number.
    """
    match kind:
        case "forward":
            return _kl(teacher, student)
        case "reverse":
            return _kl(student, teacher)
        case "js":
            mixture = _mixture(teacher, student, beta)
            return beta * _kl(teacher, mixture) + (1 - beta) * _kl(student, mixture)
        case "skew_forward":
            return _kl(teacher, _mixture(teacher, student, alpha))
        case "skew_reverse":
            return _kl(student, _mixture(student, teacher, alpha))


def padding_loss(student_logits: Any, labels: Any, shared: SharedVocabulary) -> Any:
    """Mean of -log of the mass on real tokens, nats; zero where no row is padding.

    Added to the forward divergence at temperature 1 it makes the KL to a teacher that has no mass on padding at all.
    """
    import torch

    tokens = shared.student_tokens
    if tokens is None or tokens >= student_logits.shape[-1]:
        return student_logits.new_zeros(())
    own = _rows(student_logits, _learned(labels))
    return (torch.logsumexp(own, dim=-1) - torch.logsumexp(own[:, :tokens], dim=-1)).mean()


def _learned(labels: Any) -> Any:
    """(examples, tokens - 1) mask of the places whose next token is learned."""
    learned = labels[:, 1:] != IGNORE
    if not bool(learned.any()):
        raise ValueError("no token of the batch is learned: every label is IGNORE")
    return learned


def _rows(logits: Any, learned: Any) -> Any:
    """(learned tokens, rows) in float32: prompts and padding are dropped before the softmax, which saves its memory."""
    return logits[:, :-1][learned].float()


def _taken(logits: Any, shared: SharedVocabulary, ids: Sequence[int] | None, who: str) -> Any:
    """The shared tokens' columns, in the student's order."""
    import torch

    highest = shared.size if ids is None else max(ids, default=-1) + 1
    if logits.shape[-1] < highest:
        raise ValueError(f"the {who}'s logits have {logits.shape[-1]} rows, fewer than the {highest} that are shared")
    out = set(shared.excluded)
    if ids is None and not out:
        return logits[:, : shared.size]
    kept = [at if ids is None else ids[at] for at in range(shared.size) if at not in out]
    return logits.index_select(-1, torch.tensor(kept, device=logits.device))


def _mixture(one: Any, other: Any, share: float) -> Any:
    """Log of the mixture that holds so much of the first."""
    import torch

    return torch.logaddexp(one + math.log(share), other + math.log1p(-share))


def _kl(one: Any, other: Any) -> Any:
    """KL of log-probabilities (tokens, vocabulary) over the last axis, nats."""
    return (one.exp() * (one - other)).sum(dim=-1)
