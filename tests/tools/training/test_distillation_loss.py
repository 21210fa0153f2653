"""The divergences against numbers worked out by hand, and a padded pair that is trained."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import math
from typing import Any, get_args

import pytest
import torch
from stratos.tests.tools.pairing.tiny import bpe, llama
from stratos.tools.pairing.tokenizers import compare_tokenizers, shared_vocabulary
from stratos.tools.training.batches import IGNORE
from stratos.tools.training.distillation_loss import Divergence, SharedVocabulary, divergence, padding_loss

TWO = SharedVocabulary(size=2)
LABELS = torch.tensor([[IGNORE, 1]])
LN2, LN3 = math.log(2), math.log(3)


def logits(*probabilities: float) -> Any:
    """Two places; only the first predicts a learned token, the second is noise."""
    row = torch.tensor(probabilities).log()
    return torch.stack([row, torch.flip(row, (0,)) * 3]).unsqueeze(0)


HALF, QUARTER = logits(0.5, 0.5), logits(0.25, 0.75)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("forward", LN2 - LN3 / 2),  # 0.5 ln(0.5 / 0.25) + 0.5 ln(0.5 / 0.75) = 0.1438
        ("reverse", 0.75 * LN3 - LN2),  # 0.25 ln(0.25 / 0.5) + 0.75 ln(0.75 / 0.5) = 0.1308
        ("js", 0.0338220),  # mixture (0.375, 0.625): half of 0.5 ln 4/3 + 0.5 ln 4/5 and of 0.25 ln 2/3 + 0.75 ln 6/5
        # A tenth of the teacher in the student, (0.275, 0.725): 0.5 ln 0.5/0.275 + 0.5 ln 0.5/0.725
        ("skew_forward", 0.1131368),
        # A tenth of the student in the teacher, (0.475, 0.525): 0.25 ln 0.25/0.475 + 0.75 ln 0.75/0.525
        ("skew_reverse", 0.1070427),
    ],
)
def test_known_numbers(kind: Divergence, expected: float) -> None:
    assert divergence(QUARTER, HALF, LABELS, TWO, kind=kind).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", get_args(Divergence))
def test_a_student_like_its_teacher_is_at_zero(kind: Divergence) -> None:
    assert divergence(HALF, HALF, LABELS, TWO, kind=kind).item() == pytest.approx(0, abs=1e-6)


def test_temperature_flattens_and_is_made_up_for_by_its_square() -> None:
    # At temperature 2 the student's odds 1 : 3 become 1 : sqrt(3).
    low = 1 / (1 + math.sqrt(3))
    expected = 4 * (0.5 * math.log(0.5 / low) + 0.5 * math.log(0.5 / (1 - low)))
    assert divergence(QUARTER, HALF, LABELS, TWO, temperature=2).item() == pytest.approx(expected, abs=1e-6)


def test_padding_rows_count_nothing_and_the_rest_is_renormalised() -> None:
    padded_teacher, padded_student = logits(0.4, 0.4, 0.2), logits(0.1, 0.3, 0.3, 0.3)
    found = divergence(padded_student, padded_teacher, LABELS, TWO)
    assert found.item() == pytest.approx(LN2 - LN3 / 2, abs=1e-6)


def test_mass_on_the_students_padding_is_a_loss_and_completes_the_forward_divergence() -> None:
    student = logits(0.2, 0.6, 0.2)
    shared = SharedVocabulary(size=2, student_tokens=2)
    lost = padding_loss(student, LABELS, shared)
    assert lost.item() == pytest.approx(-math.log(0.8), abs=1e-6)
    whole = divergence(student, HALF, LABELS, shared) + lost
    assert whole.item() == pytest.approx(0.5 * math.log(0.5 / 0.2) + 0.5 * math.log(0.5 / 0.6), abs=1e-6)
    assert padding_loss(HALF, LABELS, shared).item() == 0


def test_excluded_tokens_are_taken_out_of_both() -> None:
    shared = SharedVocabulary(size=3, excluded=(1,))
    found = divergence(logits(0.2, 0.2, 0.6), logits(0.1, 0.8, 0.1), LABELS, shared)
    assert found.item() == pytest.approx(LN2 - LN3 / 2, abs=1e-6)


def test_a_permuted_teacher_is_read_in_the_students_order() -> None:
    shared = SharedVocabulary(size=2, teacher_ids=(1, 0))
    found = divergence(QUARTER, logits(0.75, 0.25), LABELS, shared)
    assert found.item() == pytest.approx(0, abs=1e-6)


def test_prompts_are_ignored_and_the_teacher_gets_no_gradient() -> None:
    student, teacher = HALF.clone().requires_grad_(), QUARTER.clone().requires_grad_()
    divergence(student, teacher, LABELS, TWO).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert bool((student.grad[0, 1] == 0).all())
    with pytest.raises(ValueError, match="IGNORE"):
        divergence(HALF, HALF, torch.full((1, 2), IGNORE), TWO)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer than the 3"):
        divergence(HALF, logits(0.2, 0.2, 0.6), LABELS, SharedVocabulary(size=3))


@pytest.mark.parametrize("kind", get_args(Divergence))
def test_a_padded_pair_is_trained(kind: Divergence) -> None:
    tokens = bpe().get_vocab_size()
    teacher, student = llama(tokens + 7, seed=1), llama(tokens + 40, hidden=16, seed=2)
    match = compare_tokenizers(bpe(), bpe(), teacher_rows=tokens + 7, student_rows=tokens + 40)
    shared = shared_vocabulary(match)
    texts = torch.randint(0, tokens, (8, 12), generator=torch.Generator().manual_seed(0))
    labels = texts.clone()
    labels[:, :3] = IGNORE
    with torch.no_grad():
        target = teacher(input_ids=texts).logits
    optimiser = torch.optim.AdamW(student.parameters(), lr=1e-2)
    losses: list[float] = []
    for _ in range(200):
        found = student(input_ids=texts).logits
        distance = divergence(found, target, labels, shared, kind=kind)
        (distance + padding_loss(found, labels, shared)).backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(distance.item())
    with torch.no_grad():
        mass = student(input_ids=texts).logits[:, 2:-1].softmax(-1)[..., tokens:].sum(-1)
    assert match.verdict == "same"
    assert losses[-1] < 0.2 * losses[0]
    assert mass.mean().item() < 0.01
