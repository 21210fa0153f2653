"""Tests of the workspace's paths, run names and run locks."""

from pathlib import Path

import pytest
from stratos.state.errors import JournalError
from stratos.state.workspace import Workspace, _stamp  # pyright: ignore[reportPrivateUsage]


def test_the_folder_comes_from_the_argument_the_environment_or_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRATOS_WORKSPACE", raising=False)
    assert Workspace().path == tmp_path / ".stratos"
    monkeypatch.setenv("STRATOS_WORKSPACE", str(tmp_path / "other"))
    assert Workspace().path == tmp_path / "other"
    assert Workspace(tmp_path / "third").journal_file == tmp_path / "third" / "journal.duckdb"


def test_naming_paths_makes_no_folder(workspace: Workspace) -> None:
    assert workspace.run_folder("a").parent.parent == workspace.path
    assert workspace.deployments_folder.name == "deployments"
    assert not workspace.is_running("a")
    assert not workspace.path.exists()


def test_new_run_ids_differ_and_have_their_folders(workspace: Workspace) -> None:
    names = [workspace.new_run_id() for _ in range(200)]
    assert len(set(names)) == 200
    assert all(workspace.run_folder(name).is_dir() and len(name) == 18 for name in names)


def test_run_ids_sort_by_time() -> None:
    start = 1795320720.0  # 2026-11-22 04:12 UTC
    names = [_stamp(start + 0.05 * step, chance=1295 - step) for step in range(1300)]
    assert names[0] == "20261122-0412-00zz"
    assert names == sorted(names)


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "a b", ".lock", "x" * 65])
def test_a_path_is_not_a_run(workspace: Workspace, name: str) -> None:
    with pytest.raises(JournalError, match="not the name of a run"):
        workspace.run_folder(name)


def test_a_run_is_continued_once_at_a_time(workspace: Workspace) -> None:
    lock = workspace.lock_run("run")
    assert workspace.is_running("run")
    with pytest.raises(JournalError, match="being continued by another process"):
        workspace.lock_run("run")
    workspace.lock_run("another").release()
    lock.release()
    assert not workspace.is_running("run")
