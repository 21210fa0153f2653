"""Stored distributions against whole ones and against numbers worked out by hand."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stratos.tools.generation import file_sha256
from stratos.tools.training.alignment import StoredTeacher
from stratos.tools.training.batches import IGNORE, Batch
from stratos.tools.training.distillation_loss import Divergence, divergences
from stratos.tools.training.logit_store import Header, LogitStore, StoredLogits, StoreMismatch, codes_of, rest_of
from stratos.tools.training.targets import StoredTargets
from stratos.tools.training.teacher import read_rows
from stratos.tools.training.teacher_model import TeacherModel, vocabulary_sha256

WORDS = {f"w{at}": at for at in range(4)}
ROWS = [([0, 1], 1)]
BATCH = Batch(ids=torch.tensor([[0, 1]]), labels=torch.tensor([[IGNORE, 1]]), tokens=2, rows=(0,))
LEARNED = torch.tensor([[True]])


def header(**changes: Any) -> Header:
    values: dict[str, Any] = {
        "teacher_sha256": "t",
        "vocabulary_sha256": vocabulary_sha256(WORDS),
        "vocabulary": 4,
        "top_k": 4,
        "cover": 1.0,
        "temperatures": (1.0,),
    }
    return Header(**{**values, **changes})


def targets(
    folder: Path,
    logits: StoredLogits,
    *,
    temperature: float = 1.0,
    **changes: Any,
) -> StoredTargets:
    """One token's distribution as a student reads it."""
    shard = folder / "s.jsonl"
    shard.write_text("{}")
    LogitStore.create(folder, header(**changes)).put(shard.name, file_sha256(shard), ROWS, logits)
    return StoredTargets(StoredTeacher(folder=folder), temperature, WORDS, [(shard, ROWS)])


def top_two(*, temperature: float = 1.0) -> StoredLogits:
    """A teacher at (1/2, 1/4, 1/8, 1/8), its likeliest two kept."""
    sums = [2 * 0.125 ** (1 / at) for at in dict.fromkeys((1.0, temperature))]
    return StoredLogits(
        row_starts=np.array([0, 1]),
        starts=np.array([0, 2]),
        ids=np.array([0, 1]),
        codes=codes_of(np.log([0.5, 0.25])),
        rest=rest_of(np.log([sums])),
    )


def both(found: StoredTargets, *student: float) -> tuple[list[float], list[float]]:
    """Probabilities of the outcomes: the student's and the teacher's."""
    one, other = found.of(BATCH, LEARNED)(torch.tensor([student]).log(), slice(0, 1))
    return one.exp()[0].tolist(), other.exp()[0].tolist()


def test_what_is_not_stored_is_one_outcome_on_both_sides(tmp_path: Path) -> None:
    student, teacher = both(targets(tmp_path, top_two()), 0.4, 0.3, 0.2, 0.1)
    assert student == pytest.approx([0.4, 0.3, 0.3], abs=1e-6)
    assert teacher == pytest.approx([0.5, 0.25, 0.25], abs=0.01)  # a sixteenth of a nat is the step


def test_a_temperature_is_exact_where_the_rest_was_stored_for_it(tmp_path: Path) -> None:
    # Roots of 1/2, 1/4, 1/8, 1/8: 0.707, 0.5 and twice 0.354, which sum to 1.914.
    found = targets(tmp_path, top_two(temperature=2.0), temperature=2.0, temperatures=(1.0, 2.0))
    assert both(found, 0.25, 0.25, 0.25, 0.25)[1] == pytest.approx([0.369, 0.261, 0.369], abs=0.01)
    with pytest.raises(StoreMismatch, match=r"at temperatures .1.0, 2.0., not at 3.0"):
        StoredTargets(StoredTeacher(folder=tmp_path), 3.0, WORDS, [])


def test_another_vocabulary_or_teacher_is_refused(tmp_path: Path) -> None:
    targets(tmp_path, top_two())
    with pytest.raises(StoreMismatch, match="vocabulary_sha256"):
        StoredTargets(StoredTeacher(folder=tmp_path), 1.0, {**WORDS, "w3": 4}, [])
    with pytest.raises(StoreMismatch, match="teacher_sha256 is 't', not 'u'"):
        StoredTargets(StoredTeacher(folder=tmp_path, teacher_sha256="u"), 1.0, WORDS, [])


class Flat:
    """A model whose hidden states are fixed: its logits are states times head."""

    def base_model(self, input_ids: Any, use_cache: bool) -> Any:
        states = torch.randn(*input_ids.shape, 3, generator=torch.Generator().manual_seed(5))
        return type("Output", (), {"last_hidden_state": states})()


@pytest.mark.parametrize("kind", ["forward", "reverse", "js", "skew_forward", "skew_reverse"])
@pytest.mark.parametrize(("top_k", "cover"), [(20, 1.0), (20, 0.9), (3, 1.0)])
def test_a_stored_divergence_comes_near_the_whole_one_from_below(
    tmp_path: Path, kind: Divergence, top_k: int, cover: float
) -> None:
    words = {f"w{at}": at for at in range(20)}
    rows = [(torch.randint(20, (9,), generator=torch.Generator().manual_seed(row)).tolist(), 2) for row in range(5)]
    head = torch.randn(23, 3, generator=torch.Generator().manual_seed(9))  # three rows pad
    teacher = TeacherModel(model=Flat(), head=head, sha256="t")
    made = header(vocabulary_sha256=vocabulary_sha256(words), vocabulary=20, top_k=top_k, cover=cover)
    shard = tmp_path / "s.jsonl"
    shard.write_text("{}")
    LogitStore.create(tmp_path, made).put(
        shard.name, file_sha256(shard), rows, read_rows(teacher, rows, made, batch_tokens=1000)
    )
    found = StoredTargets(StoredTeacher(folder=tmp_path), 1.0, words, [(shard, rows)])
    batch = Batch(ids=torch.zeros(5, 9), labels=torch.zeros(5, 9), tokens=45, rows=tuple(range(5)))
    learned = torch.zeros(5, 8, dtype=torch.bool)
    learned[:, 1:] = True
    student = torch.randn(35, 20, generator=torch.Generator().manual_seed(7))
    stored = divergences(*found.of(batch, learned)(student, slice(0, 35)), kind=kind)
    states = teacher.hidden(torch.zeros(5, 9))[:, :-1][learned]
    whole = divergences(student.log_softmax(-1), (states @ head[:20].T).log_softmax(-1), kind=kind)
    assert bool((stored < whole + 0.05).all())
    assert bool((stored > -1e-6).all())
    if top_k == 20:  # a lumped tail hides most from a student that puts its mass there: reverse 1.19 of 1.77 nats
        assert stored.mean().item() == pytest.approx(whole.mean().item(), rel=0.4 if cover < 1 else 0.01)
