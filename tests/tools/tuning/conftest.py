"""What tests of tuning share: a checkpoint, and sums to teach it."""

from pathlib import Path

import pytest

from . import tiny


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("tuning") / "model")


@pytest.fixture(scope="session")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.shard(tmp_path_factory.mktemp("tuning") / "sums.jsonl", tiny.lines(400))


@pytest.fixture(scope="session")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.shard(tmp_path_factory.mktemp("tuning") / "unseen.jsonl", tiny.lines(40, seed=9))
