"""Trainings with a teacher: they come near it, continue exactly, and refuse what does not fit."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from stratos.state.errors import Correctable
from stratos.tools.executor import LocalExecutor
from stratos.tools.training.alignment import (
    HiddenMatching,
    JensenShannon,
    LiveTeacher,
    LogitAlignment,
    Loss,
    OnPolicyAlignment,
    PlainKL,
    SkewedKL,
    StoredTeacher,
)
from stratos.tools.training.logit_store import StoreMismatch
from stratos.tools.training.train import train
from stratos.tools.waiting import JobRequest, run

from .taught import job, make_store, make_teacher, same_weights, write_shard

LOSSES: list[Loss] = [
    PlainKL(kind="forward"),
    PlainKL(kind="reverse"),
    JensenShannon(),
    SkewedKL(kind="skew_forward"),
    SkewedKL(kind="skew_reverse"),
]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("shards")
    return [write_shard(folder / f"train-{block}.jsonl", block) for block in range(2)]


@pytest.fixture(scope="module")
def teacher(shards: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_teacher(tmp_path_factory.mktemp("teacher") / "job", shards, tokens=60_000)


@pytest.fixture(scope="module")
def store(teacher: Path, shards: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    make_store(folder, teacher, shards)
    return folder


def trained(folder: Path, shards: list[Path], alignment: Any, **changes: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return dict(train(job(shards, alignment=alignment, **changes), folder))


def stored(store: Path, **changes: Any) -> LogitAlignment:
    return LogitAlignment(teacher=StoredTeacher(folder=store), **changes)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.kind)
def test_every_loss_brings_the_student_nearer(loss: Loss, shards: list[Path], store: Path, tmp_path: Path) -> None:
    found = trained(tmp_path / "a", shards, stored(store, loss=loss), tokens=40_000)
    assert found["loss"] < 0.7 * found["curve"][0][1]


def test_a_store_teaches_what_its_teacher_does(shards: list[Path], store: Path, teacher: Path, tmp_path: Path) -> None:
    live = LogitAlignment(teacher=LiveTeacher(folder=teacher), loss=PlainKL(temperature=1.0))
    beside, after = (trained(tmp_path / name, shards, part) for name, part in (("l", live), ("s", stored(store))))
    assert after["loss"] == pytest.approx(beside["loss"], rel=0.02)
    assert after["batches"] == beside["batches"]


def test_hard_labels_are_mixed_in(shards: list[Path], store: Path, tmp_path: Path) -> None:
    none, half = (trained(tmp_path / f"{w}", shards, stored(store, hard_label_weight=w)) for w in (0.0, 0.5))
    assert not same_weights(tmp_path / "0.0", tmp_path / "0.5")
    assert half["loss"] > none["loss"]  # the labels' own entropy is in it


@pytest.mark.parametrize("kind", ["stored", "hidden", "on_policy"])
def test_a_training_stopped_and_continued_gives_the_same_weights(
    kind: str, shards: list[Path], store: Path, teacher: Path, tmp_path: Path
) -> None:
    live = LiveTeacher(folder=teacher)
    part = {
        "stored": stored(store, loss=SkewedKL()),
        "hidden": LogitAlignment(teacher=live, hidden=HiddenMatching()),
        "on_policy": OnPolicyAlignment(teacher=live, student_share=0.5),
    }[kind]
    whole = trained(tmp_path / "whole", shards, part, tokens=4_000)
    stopped = trained(tmp_path / "parts", shards, part, tokens=4_000, wall_clock_s=0.001)
    assert stopped["stopped_by"] == "clock"
    continued = trained(tmp_path / "parts", shards, part, tokens=4_000)
    assert continued["curve"] == whole["curve"]
    assert same_weights(tmp_path / "whole", tmp_path / "parts")


def test_a_killed_training_gives_the_same_curve_and_weights(shards: list[Path], store: Path, tmp_path: Path) -> None:
    given = job(shards, alignment=stored(store), tokens=40_000, checkpoint_every_s=0.05)
    request = JobRequest(module="stratos.tools.training", job=given, folder=tmp_path / "killed", threads=1)
    handle = LocalExecutor().submit(request.module, given, request.folder, threads=1)
    while not list(handle.folder.glob("checkpoint-*.pt")):
        time.sleep(0.001)
    os.kill(_pid(handle.folder), signal.SIGKILL)
    killed = run(LocalExecutor(), request)
    whole = run(LocalExecutor(), JobRequest(module=request.module, job=given, folder=tmp_path / "whole", threads=1))
    assert "continuing after" in (handle.folder / "log.jsonl").read_text()
    assert killed["curve"] == whole["curve"]
    assert same_weights(tmp_path / "killed", tmp_path / "whole")


def test_a_changed_shard_has_no_logits(shards: list[Path], store: Path, tmp_path: Path) -> None:
    changed = write_shard(tmp_path / "train-0.jsonl", block=9)
    with pytest.raises(StoreMismatch, match="the shard changed"):
        trained(tmp_path / "a", [changed], stored(store))


def test_logits_of_rationales_do_not_teach_answers_alone(shards: list[Path], store: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreMismatch, match="encoded otherwise"):
        trained(tmp_path / "a", shards, stored(store), target="answer_only")


def test_gold_is_not_taken_for_the_teachers_text(shards: list[Path], store: Path, tmp_path: Path) -> None:
    with pytest.raises(Correctable, match=r"'text' says 'teacher', and no provenance.json"):
        trained(tmp_path / "a", shards, stored(store, text="teacher"))


def test_hidden_states_are_asked_of_a_model_alone(store: Path) -> None:
    with pytest.raises(ValidationError, match="'hidden' needs a teacher of kind 'model', not 'store'"):
        stored(store, hidden=HiddenMatching())


def test_hidden_states_come_nearer_too(shards: list[Path], teacher: Path, tmp_path: Path) -> None:
    part = LogitAlignment(teacher=LiveTeacher(folder=teacher), hidden=HiddenMatching(weight=10.0))
    found = trained(tmp_path / "a", shards, part, tokens=40_000)
    assert found["loss"] < 0.8 * found["curve"][0][1]
    assert found["parameters"] == job(shards).student.parameters(49)  # the projection is not the student's


def test_a_training_on_labels_is_continued_with_a_teacher(shards: list[Path], store: Path, tmp_path: Path) -> None:
    labels = trained(tmp_path / "labels", shards, None)
    found = trained(tmp_path / "a", shards, stored(store, loss=JensenShannon()), continue_from=tmp_path / "labels")
    assert found["batches"] == labels["batches"]
    assert found["curve"][0] == labels["curve"][0]
    assert found["curve"][-1] != labels["curve"][-1]


def test_hidden_states_are_not_matched_from_the_middle_on(shards: list[Path], teacher: Path, tmp_path: Path) -> None:
    trained(tmp_path / "labels", shards, None)
    part = LogitAlignment(teacher=LiveTeacher(folder=teacher), hidden=HiddenMatching())
    with pytest.raises(ValueError, match="had 0 weights beside its student, this one has 2"):
        trained(tmp_path / "a", shards, part, continue_from=tmp_path / "labels")


def test_the_students_own_text_is_what_is_compared(shards: list[Path], teacher: Path, tmp_path: Path) -> None:
    part = OnPolicyAlignment(teacher=LiveTeacher(folder=teacher), student_share=1.0)
    found = trained(tmp_path / "a", shards, part, tokens=8_000, batch_tokens=300)
    assert found["loss"] < found["curve"][0][1]


def _pid(folder: Path) -> int:
    return json.loads((folder / "process.json").read_text())["pid"]
