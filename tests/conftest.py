"""What tests of several folders share."""

import pytest
from hypothesis import settings

from .recorded import Recorded, make

settings.register_profile("stratos", deadline=None)  # tests time nothing
settings.load_profile("stratos")


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Whole runs in one journal; tests only read it, or copy it first."""
    return make(tmp_path_factory.mktemp("recorded"))


@pytest.fixture(autouse=True)
def no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output is as wide as its text, whatever the terminal that started the tests says."""
    monkeypatch.delenv("COLUMNS", raising=False)
