"""Checkpoints: which are trusted, which are removed, and what a failed write leaves."""

from pathlib import Path

import pytest
from stratos.state.errors import Correctable, ToolFailed
from stratos.tools.tuning.keeping import MARK, Progress, checkpoint_folder, forget_old, in_folder, mark, newest, written


def kept(folder: Path, step: int, *, course: str = "c") -> Path:
    path = checkpoint_folder(folder, step)
    path.mkdir()
    (path / "weights").write_bytes(bytes(1000))
    (path / "state").write_text(f"at {step}")
    mark(path, Progress(course=course, step=step, losses=[0.5] * step, readings=[(step, 0.25)]))
    return path


def test_the_newest_comes_back_with_where_it_stands(tmp_path: Path) -> None:
    kept(tmp_path, 9)
    ten = kept(tmp_path, 10)  # which a sort by name would put before 9
    path, progress, troubles = newest(tmp_path, "c")
    assert (path, progress.step, progress.readings, troubles) == (ten, 10, [(10, 0.25)], [])


@pytest.mark.parametrize("damage", ["torn", "changed", "lost", "unfinished", "mark torn"])
def test_a_damaged_one_is_removed_and_the_one_before_taken(tmp_path: Path, damage: str) -> None:
    before, broken = kept(tmp_path, 1), kept(tmp_path, 2)
    weights = broken / "weights"
    {
        "torn": lambda: weights.write_bytes(bytes(999)),
        "changed": lambda: weights.write_bytes(b"\1" + bytes(999)),
        "lost": weights.unlink,
        "unfinished": (broken / MARK).unlink,
        "mark torn": lambda: (broken / MARK).write_text('{"files": '),
    }[damage]()
    path, progress, troubles = newest(tmp_path, "c")
    assert (path, progress.step, len(troubles)) == (before, 1, 1)
    assert not broken.exists()


def test_nothing_kept_is_a_beginning(tmp_path: Path) -> None:
    assert newest(tmp_path, "c") == (None, Progress(course="c"), [])


def test_another_jobs_checkpoint_is_refused_not_removed(tmp_path: Path) -> None:
    path = kept(tmp_path, 1, course="other")
    with pytest.raises(Correctable, match="put the changed job into a folder of its own"):
        newest(tmp_path, "c")
    assert path.is_dir()


def test_only_the_newest_two_are_kept(tmp_path: Path) -> None:
    for step in (8, 9, 10):
        kept(tmp_path, step)
    forget_old(tmp_path)
    assert [path.name for path in in_folder(tmp_path)] == ["checkpoint-9", "checkpoint-10"]


def half_written(path: Path) -> None:
    """A disk that is full after the first file."""
    with written(path, "it continues after step 5"):
        (path / "half").write_text("half")
        raise OSError(28, "No space left on device")


def test_a_failed_write_is_removed_and_says_where_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-7"
    path.mkdir()
    with pytest.raises(ToolFailed, match=r"No space left .* make room .* it continues after step 5"):
        half_written(path)
    assert not path.exists()


def test_an_error_that_is_not_the_disks_passes_through(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shape"), written(tmp_path / "x", ""):
        raise RuntimeError("shape mismatch")
