"""The job that stores logits: continued after a kill, shared without a second reading, refused for another vocabulary."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from stratos.state.errors import Correctable
from stratos.tools.executor import LocalExecutor
from stratos.tools.training.teacher import StoreJob
from stratos.tools.waiting import JobRequest, run

from .taught import make_store, make_teacher, write_shard


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("shards")
    return [write_shard(folder / f"train-{block}.jsonl", block) for block in range(6)]


@pytest.fixture(scope="module")
def teacher(shards: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_teacher(tmp_path_factory.mktemp("teacher") / "job", shards[:1])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".npz", ".json")}


def test_a_second_call_reads_nothing_and_a_new_shard_is_added(
    teacher: Path, shards: list[Path], tmp_path: Path
) -> None:
    first = make_store(tmp_path, teacher, shards[:2])
    assert first["read_tokens"] > first["learned_tokens"] > 0
    before = contents(tmp_path)
    assert make_store(tmp_path, teacher, shards[:2])["read_tokens"] == 0
    assert contents(tmp_path) == before
    more = make_store(tmp_path, teacher, shards[:3])
    assert 0 < more["read_tokens"] < first["read_tokens"]


def test_less_cover_takes_fewer_bytes(teacher: Path, shards: list[Path], tmp_path: Path) -> None:
    little, much = (make_store(tmp_path / name, teacher, shards[:1], cover=float(name)) for name in ("0.5", "0.999"))
    assert little["stored_per_token"] < much["stored_per_token"]
    assert little["bytes"] < much["bytes"] < much["full_bytes"]


def test_another_teacher_does_not_write_into_a_store(teacher: Path, shards: list[Path], tmp_path: Path) -> None:
    make_store(tmp_path / "store", teacher, shards[:1])
    other = make_teacher(tmp_path / "other", shards[:1], seed=2)
    with pytest.raises(ValueError, match="of something else: teacher_sha256 is"):
        make_store(tmp_path / "store", other, shards[:1])


def test_a_teacher_with_another_vocabulary_is_refused(teacher: Path, shards: list[Path], tmp_path: Path) -> None:
    for path in teacher.iterdir():
        text = path.read_bytes()
        (tmp_path / path.name).write_bytes(text.replace(b'"9s"', b'"9x"') if path.name == "tokenizer.json" else text)
    with pytest.raises(Correctable, match=r"2 tokens differ .'9s' is None, not 34, '9x' is 34, not None"):
        make_store(tmp_path / "store", tmp_path, shards[:1])


def test_a_job_killed_between_shards_leaves_the_same_store(teacher: Path, shards: list[Path], tmp_path: Path) -> None:
    job = StoreJob(
        skill="mahjong",
        task="waits",
        target="rationale",
        teacher=teacher,
        shards=tuple(shards),
        store=tmp_path / "killed",
    )
    request = JobRequest(module="stratos.tools.training.teacher", job=job, folder=tmp_path / "job", threads=1)
    handle = LocalExecutor().submit(request.module, job, request.folder, threads=1)
    while len(list(job.store.glob("*.npz"))) < 2:
        time.sleep(0.001)
    os.kill(_pid(handle.folder), signal.SIGKILL)
    assert run(LocalExecutor(), request)["learned_tokens"] > 0
    make_store(tmp_path / "whole", teacher, shards)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def _pid(folder: Path) -> int:
    return json.loads((folder / "process.json").read_text())["pid"]
