"""What tests of several folders share."""

import pytest

from .recorded import Recorded, make


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Whole runs in one journal; tests only read it, or copy it first."""
    return make(tmp_path_factory.mktemp("recorded"))
