"""A fresh workspace and journal for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "space")


@pytest.fixture
def journal(workspace: Workspace) -> Iterator[Journal]:
    journal = Journal(workspace, secrets=())
    yield journal
    journal.close()
