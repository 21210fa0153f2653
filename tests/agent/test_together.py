"""What is wrong with request, examples, teacher and student is told in one go, whichever of them is looked at first."""

from pathlib import Path

import pytest
from stratos.agent import session
from stratos.agent.session import replay
from stratos.agent.together import wrong_with_files
from stratos.state.brief import DataSource, TeacherSource
from stratos.state.errors import RequestError
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings

from ..skills.given.files import rows, write_jsonl

WORDS = "label my tickets, 120 % right"


def named(folder: Path, **more: object) -> Settings:
    """Settings that name a file and a model's folder which are not there."""
    data = DataSource(path=str(folder / "none.jsonl"))
    return Settings.model_validate({"data": data, "student": str(folder / "nobody"), "deploy": False, **more})


def test_a_request_that_cannot_be_used_is_refused_with_what_is_wrong_beside_it(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "at")
    outcome = session.start(WORDS, workspace=workspace, settings=named(tmp_path))
    assert outcome.status == "refused"
    for told in ("120 % is impossible", "none.jsonl: there is no such file or folder", "nobody' is no folder"):
        assert told in outcome.reason
    assert replay(outcome.run_id, workspace=workspace).divergence is None


def test_examples_and_student_are_told_together(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "at")
    outcome = session.start("label my tickets, at least 60 % right", workspace=workspace, settings=named(tmp_path))
    assert [part in outcome.reason for part in ("none.jsonl: there is no such", "nobody' is no folder")] == [True, True]
    assert replay(outcome.run_id, workspace=workspace).divergence is None


def test_a_teacher_that_cannot_be_asked_is_told_with_all_else_before_a_run_begins(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "at")
    with pytest.raises(RequestError) as found:
        session.start(WORDS, workspace=workspace, settings=named(tmp_path, teacher=TeacherSource(name="nowhere")))
    told = "\n".join(found.value.problems)
    for part in (
        "teacher 'nowhere' is not available",
        "120 % is impossible",
        "none.jsonl: there is",
        "nobody' is no folder",
    ):
        assert part in told
    assert Journal(workspace).runs() == []


def test_files_that_can_be_read_and_data_sets_of_a_hub_are_no_problem(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", rows(3))
    assert wrong_with_files(DataSource(path=path, test="some/set:train"), None) == []
    (missing,) = wrong_with_files(DataSource(path=path, test=str(tmp_path / "b.jsonl")), None)
    assert missing.endswith("b.jsonl: there is no such file or folder")
