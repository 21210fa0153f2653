"""The data job: verified, deterministic, apart from the held-out splits, and never made twice."""

import gc
import json
from pathlib import Path
from typing import Any

import pytest
from stratos.skills import load
from stratos.tools import generation
from stratos.tools.generation import GenerateJob, file_sha256, generate
from stratos.tools.training.batches import read_examples

SKILL = load("mahjong")


def made(folder: Path, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "skill": "mahjong",
        "task": "win",
        "seed": 1,
        "data_folder": folder / "data",
        "examples": 2000,
        "splits": ("dev", "sealed-1"),
        "held_out_items": 200,
        "workers": 1,
    }
    return dict(generate(GenerateJob(**{**values, **changes}), folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("generate")
    made(path)
    return path


def canonical(path: Path) -> set[str]:
    return {SKILL.canonical("win", example.prompt) for example in read_examples(path)}


def test_splits_and_training_share_no_item_under_the_symmetries(folder: Path) -> None:
    dev, sealed = (canonical(folder / "data" / f"{name}.jsonl") for name in ("dev", "sealed-1"))
    train = set[str]().union(*(canonical(path) for path in (folder / "data").glob("train-*.jsonl")))
    assert len(dev) == len(sealed) == 200
    assert not dev & sealed
    assert not train & (dev | sealed)


def test_every_example_is_verified(folder: Path) -> None:
    examples = read_examples(folder / "data" / "train-00000.jsonl")
    assert len(examples) > 1900
    assert all(SKILL.check("win", example) for example in examples[:300])


def test_a_shard_leaves_out_what_is_held_out_and_leaves_the_collector_as_it_was() -> None:
    text, counts = generation.make_shard(SKILL, "win", seed=1, block=7, held_out=frozenset())
    prompt = json.loads(text.splitlines()[0])["prompt"]
    held_out = frozenset([SKILL.canonical("win", prompt)])
    without, fewer = generation.make_shard(SKILL, "win", seed=1, block=7, held_out=held_out)
    assert counts["dropped_as_leaks"] == 0 < fewer["dropped_as_leaks"]
    assert counts["examples"] == fewer["examples"] + fewer["dropped_as_leaks"]
    assert prompt not in without
    assert gc.isenabled()


def test_held_out_items_say_of_which_family_they_are(folder: Path) -> None:
    families = {example.family for example in read_examples(folder / "data" / "sealed-1.jsonl")}
    assert "" not in families
    assert len(families) > 3


def test_there_are_at_least_as_many_as_asked_for_although_some_are_dropped(tmp_path: Path) -> None:
    found = made(tmp_path, examples=generation.SHARD_EXAMPLES, held_out_items=600)
    assert found["dropped_as_leaks"] > 0
    assert found["examples"] >= generation.SHARD_EXAMPLES
    assert len(found["shards"]) == 2


def test_two_workers_make_the_same_as_one(folder: Path, tmp_path: Path) -> None:
    assert made(tmp_path, examples=4000, workers=2)["sha256"] == made(folder, examples=4000)["sha256"]


def test_what_exists_is_not_made_again(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "data").glob("*.jsonl")}
    made(folder, examples=3000)
    assert all(path.stat().st_mtime_ns == written for path, written in before.items())


def test_the_splits_keep_their_recorded_hashes_when_data_is_extended(folder: Path) -> None:
    splits = {split["name"]: split["sha256"] for split in made(folder, examples=3000)["splits"]}
    assert splits == {name: file_sha256(folder / "data" / f"{name}.jsonl") for name in ("dev", "sealed-1")}


def test_another_seed_makes_other_data(folder: Path, tmp_path: Path) -> None:
    assert made(tmp_path, seed=2)["sha256"] != made(folder, examples=2000)["sha256"]


def test_a_task_with_too_few_items_ends_in_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = SKILL.make("win", seed=1, block=0, count=1)
    monkeypatch.setattr(type(SKILL), "make", lambda self, task, **given: one)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with pytest.raises(ValueError, match="only 1 different items"):
        made(tmp_path)


def test_progress_counts_up_to_the_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["event"], last["done"], last["total"], last["unit"]) == ("progress", 2048, 2048, "examples")


def test_held_out_items_are_dealt_to_the_splits_by_chance(folder: Path) -> None:
    first = SKILL.make("win", seed=1, block=generation.HELD_OUT_BLOCK, count=200)
    made_first = {SKILL.canonical("win", example.prompt) for example in first}
    shares = [len(canonical(folder / "data" / f"{name}.jsonl") & made_first) / 200 for name in ("dev", "sealed-1")]
    assert shares == pytest.approx([0.5, 0.5], abs=0.15)
