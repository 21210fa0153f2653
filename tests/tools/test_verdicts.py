"""Verdicts by item: kept, found again, and the student against the attempt before."""

from pathlib import Path

import pytest
from stratos.state.evidence import Evaluation
from stratos.tools.verdicts import STUDENT, VERDICTS_FILE, against_before, read_verdicts, write_verdicts

from ..building import attempt, evaluation, state


def measured(run_folder: Path, name: str, exact: list[bool], split: str = "dev") -> Evaluation:
    (run_folder / name).mkdir(parents=True)
    found = evaluation(sum(exact), len(exact), split=split)
    file = write_verdicts(run_folder / name, found.split_sha256, {STUDENT: exact, "control": exact[:1]})
    return found.model_copy(update={"verdicts": file.model_copy(update={"path": f"{name}/{VERDICTS_FILE}"})})


def test_verdicts_are_read_back_by_model(tmp_path: Path) -> None:
    kept = measured(tmp_path, "1", [True, False, True]).verdicts
    assert kept is not None
    assert read_verdicts(tmp_path, kept) == {STUDENT: [True, False, True], "control": [True]}


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_verdicts_that_are_not_those_recorded_are_refused(tmp_path: Path, damage: str) -> None:
    kept = measured(tmp_path, "1", [True]).verdicts
    assert kept is not None
    path = tmp_path / kept.path
    path.write_text("{}") if damage == "changed" else path.unlink()
    with pytest.raises(ValueError, match=r"1/verdicts.json is gone or not the file whose hash was recorded"):
        read_verdicts(tmp_path, kept)


def test_a_student_is_paired_with_that_of_the_last_attempt_measured_on_the_same_split(tmp_path: Path) -> None:
    first = measured(tmp_path, "1", [False, False, True, False])
    second = measured(tmp_path, "2", [True, False, True, False])
    newest = measured(tmp_path, "4", [True, True, True, False])
    attempts = (attempt(first), attempt(second, number=2), attempt(number=3), attempt(number=4))
    before = against_before(state(attempts=attempts), newest, tmp_path)
    assert before is not None
    assert (before.attempt, before.paired.student_alone, before.paired.other_alone) == (2, 1, 0)


def test_other_splits_and_first_attempts_have_nothing_before_them(tmp_path: Path) -> None:
    newest = measured(tmp_path, "2", [True])
    sealed = measured(tmp_path, "1", [True]).model_copy(update={"split_sha256": "1" * 64})
    assert against_before(state(attempts=(attempt(sealed), attempt(number=2))), newest, tmp_path) is None
    assert against_before(state(attempts=(attempt(),)), newest, tmp_path) is None


def test_a_reinforced_student_is_paired_with_the_one_it_went_on_from(tmp_path: Path) -> None:
    first, second = measured(tmp_path, "1", [True, False]), measured(tmp_path, "2", [False, False])
    newest = measured(tmp_path, "3", [True, True])
    reinforced = attempt(number=3).model_copy(update={"begun_from": 1})
    before = against_before(state(attempts=(attempt(first), attempt(second, number=2), reinforced)), newest, tmp_path)
    assert before is not None
    assert (before.attempt, before.paired.student_alone) == (1, 1)
