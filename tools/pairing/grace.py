"""GRACE: how well a teacher's answers suit a student, from the student's gradients on them. Lower is better.

Panigrahi, Liu, Malladi, Kakade and Goel, "In Good GRACEs: Principled Teacher Selection for Knowledge Distillation" (arXiv
2511.02833, ICLR 2026). With h the projected gradient of one answer, S(D) the mean of h h' over a set, and T(D) the same with
every h scaled to length one,

    GRACE = (1 / N) sum over folds i, answers in D_i of  h' (T(D without D_i) + smoothing)^-1 h
          = 'variance' (of h about the mean of all) + 'bias' (of that mean) + what is left over between folds.

It joins two scores that alone predict badly: the size of the gradients (G-Norm, the trace of S) and the spread of their
directions (G-Vendi, the entropy of T's eigenvalues; Jung et al., arXiv 2505.20161).

What this follows: the authors' published code (GRACE_computation.py: unit rows in the training part and not in the held-out
part; eigenvalues smoothed as (1 - s) w + s mean(w) with s = 0.001) and summaries of the paper, whose own text was not at hand:
ten folds, all answers to one prompt in one fold, gradients multiplied by the log of the answer's length (the published code
leaves that factor out, and so does `answer_gradients(length_scale="none")`), 512 prompts x 4 answers, dimension 512.

Where it departs: the folds are a partition, where that code draws ten random tenths; the projection is a count sketch instead
of a Rademacher matrix; no constant factor divides it. None of the three changes what is estimated. Scores compare only under
one student, one dimension, one seed and the same prompts. With few answers the dimension must be small: a direction that T
never saw costs d / s, and beyond T's rank the score counts little else; `dimension_for` keeps the paper's four answers a dimension.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .evidence import GraceScore
from .gradients import Row, answer_gradients

SMOOTHING = 1e-3
FOLDS = 10
ANSWERS_PER_DIMENSION = 4
"""2,048 answers at dimension 512."""

Matrix = NDArray[np.float64]


def dimension_for(answers: int) -> int:
    """The projection's dimension for so many answers: a quarter, at least 8 and at most 512."""
    return max(8, min(512, answers // ANSWERS_PER_DIMENSION))


def score_teacher(
    model: Any, rows: Sequence[Row], prompts: Sequence[int] | None = None, *, seed: int = 0
) -> GraceScore:
    """GRACE of one teacher's answers to the probe set for a loaded student; rows are those of `encode_answers` or an Encoder.

    It costs one backward pass an answer. Every teacher must have answered the same prompts. Raises ValueError as `grace` does.
    """
    found = answer_gradients(model, rows, dimension=dimension_for(len(rows)), seed=seed)
    return grace(found.projected, prompts, seed=seed).model_copy(update={"answer_tokens": mean_answer_tokens(rows)})


def mean_answer_tokens(rows: Sequence[Row]) -> float:
    """Tokens of the answers, prompts left out, the mean."""
    return sum(len(ids) - given for ids, given in rows) / len(rows)


def grace(
    projected: Matrix,
    prompts: Sequence[int] | None = None,
    *,
    folds: int = FOLDS,
    smoothing: float = SMOOTHING,
    seed: int = 0,
) -> GraceScore:
    """The score of projected gradients (answers, dimension); `prompts` numbers the prompt of each answer, None: all differ.

    Raises ValueError with fewer prompts than two, a shape that is no matrix, or numbers that are not finite.
    """
    if projected.ndim != 2 or not np.isfinite(projected).all():
        raise ValueError(f"gradients must be a finite matrix (answers, dimension), not of shape {projected.shape}")
    groups = np.arange(len(projected)) if prompts is None else np.asarray(prompts)
    names = np.unique(groups)
    if len(names) < 2 or len(groups) != len(projected):
        raise ValueError(f"{len(groups)} prompt numbers of {len(names)} prompts for {len(projected)} answers: too few")
    folds = min(folds, len(names))
    fold_of = dict(
        zip(np.random.default_rng(seed).permutation(names).tolist(), np.arange(len(names)) % folds, strict=True)
    )
    fold = np.array([fold_of[name] for name in groups.tolist()])
    units = projected / np.maximum(np.linalg.norm(projected, axis=1, keepdims=True), 1e-12)
    mean = projected.mean(axis=0)
    whole, variance, bias = (np.zeros(len(projected)) for _ in range(3))
    for number in range(folds):
        held_out = fold == number
        inverse = _smoothed_inverse(units[~held_out], smoothing)
        whole[held_out] = _weighted(projected[held_out], inverse)
        variance[held_out] = _weighted(projected[held_out] - mean, inverse)
        bias[held_out] = mean @ inverse @ mean
    each = np.array([whole[fold == number].mean() for number in range(folds)])
    return GraceScore(
        score=float(whole.mean()),
        standard_error=float(each.std(ddof=1) / math.sqrt(folds)),
        variance=float(variance.mean()),
        bias=float(bias.mean()),
        g_norm=float((projected**2).sum(axis=1).mean()),
        g_vendi=_entropy(units),
        answers=len(projected),
        dimension=projected.shape[1],
        folds=folds,
    )


def _smoothed_inverse(units: Matrix, smoothing: float) -> Matrix:
    """Inverse of the second moment of unit rows, its eigenvalues drawn a little towards their mean."""
    values, vectors = np.linalg.eigh(units.T @ units / len(units))
    values = np.clip(values, 0.0, None)
    return (vectors / ((1 - smoothing) * values + smoothing * values.mean() + 1e-12)) @ vectors.T


def _weighted(rows: Matrix, inverse: Matrix) -> Matrix:
    """h' M h of every row."""
    return np.einsum("nd,de,ne->n", rows, inverse, rows)


def _entropy(units: Matrix) -> float:
    values = np.linalg.eigvalsh(units.T @ units / len(units))
    values = values[values > 1e-12]
    return float(-(values * np.log(values)).sum())
