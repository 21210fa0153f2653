"""What tests of several folders share."""

from collections.abc import Generator
from functools import partial

import pytest
from filelock import FileLock
from hypothesis import settings
from stratos.state.plan import Machine
from stratos.tools import executor
from stratos.tools.machine import Parts, measured
from stratos.tools.remembered_machine import remembered_machine

from .recorded import Recorded, made_once

settings.register_profile("stratos", deadline=None)  # tests time nothing
settings.load_profile("stratos")


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Recorded:
    """Whole runs in one journal, which all workers share; tests only read it, or copy it first."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    with FileLock(shared / "recorded.lock"):
        return made_once(shared / "recorded")


@pytest.fixture(scope="session", autouse=True)
def machine_measured_once() -> Generator[None]:
    """The machine is the same in all workspaces of a process: its speeds are measured for the first alone."""
    known: dict[str, Machine] = {}

    def measured_once(parts: Parts) -> Machine:
        key = parts.model_dump_json()
        if key not in known:
            known[key] = measured(parts)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "remembered_machine", partial(remembered_machine, measure=measured_once))
        yield


@pytest.fixture(autouse=True)
def no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output is as wide as its text, whatever the terminal that started the tests says."""
    monkeypatch.delenv("COLUMNS", raising=False)
