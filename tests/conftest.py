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
