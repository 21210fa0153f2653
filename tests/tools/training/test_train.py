"""The training job: exact resume, continuation, the clock, torn checkpoints, and a model others can load."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from stratos.skills import load
from stratos.state.evidence import NO_BETTER
from stratos.state.plan import StudentShape
from stratos.tools.training import checkpoints
from stratos.tools.training.batches import Encoder, examples_per_batch, read_examples
from stratos.tools.training.students import TrainJob
from stratos.tools.training.train import learning_rate_scale, train
from stratos.tools.training.validation import PATIENCE, Watch

from ..curves import points

TINY = StudentShape(name="tiny", hidden=32, layers=1, heads=1, feed_forward=64)


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train-00000.jsonl"
    examples = load("mahjong").make("win", seed=1, block=0, count=600)
    path.write_text("".join(json.dumps(asdict(example)) + "\n" for example in examples))
    return path


def job(shard: Path, **changes: Any) -> TrainJob:
    values: dict[str, Any] = {
        "skill": "mahjong",
        "task": "win",
        "student": TINY,
        "target": "rationale",
        "shards": (shard,),
        "tokens": 12_000,
        "seed": 1,
        "batch_tokens": 1440,
        "warm_up_tokens": 2_000,
        "checkpoint_every_s": 1000,
    }
    return TrainJob(**{**values, **changes})


def trained(shard: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return dict(train(job(shard, **changes), folder))


@pytest.fixture(scope="module")
def whole(shard: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing befell, in a folder that tests only read."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "result.json").write_text(json.dumps(trained(shard, folder)))
    return folder


def result_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model" / "model.safetensors")


def largest_batch(shard: Path) -> int:
    """Tokens of a batch of the longest examples alone: batches count examples, and are of like length."""
    rows = Encoder(skill=load("mahjong"), rationale=True).encode(read_examples(shard))
    lengths = sorted(len(ids) for ids, _ in rows)
    return sum(lengths[-examples_per_batch(rows, 1440) :])


def same_weights(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_the_rate_warms_up_stays_and_falls_to_zero(shard: Path) -> None:
    given = job(shard, tokens=100_000, warm_up_tokens=10_000, decay_share=0.5)
    scales = [learning_rate_scale(given, tokens, given.tokens) for tokens in (4_999, 20_000, 50_000, 75_000, 100_000)]
    assert scales == pytest.approx([0.5, 1.0, 1.0, 0.5, 0.0])


def test_training_lowers_the_loss_and_counts_its_tokens(shard: Path, tmp_path: Path) -> None:
    result = trained(shard, tmp_path / "a", tokens=160_000)
    assert result["loss"] < result["curve"][0][1] - 1
    assert 160_000 <= result["tokens"] < 160_000 + largest_batch(shard)
    assert result["stopped_by"] == "tokens"


def test_a_training_stopped_by_the_clock_and_continued_gives_the_same_weights(
    shard: Path, whole: Path, tmp_path: Path
) -> None:
    stopped = trained(shard, tmp_path / "parts", wall_clock_s=0.001)
    assert stopped["stopped_by"] == "clock"
    assert stopped["tokens"] < 12_000
    trained(shard, tmp_path / "parts")
    assert same_weights(whole, tmp_path / "parts")


def test_a_torn_newest_checkpoint_falls_back_to_the_one_before(shard: Path, whole: Path, tmp_path: Path) -> None:
    trained(shard, tmp_path / "torn", checkpoint_every_s=1e-9, wall_clock_s=0.3)
    newest = sorted((tmp_path / "torn").glob("checkpoint-*.pt"))[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    trained(shard, tmp_path / "torn")
    assert same_weights(whole, tmp_path / "torn")


def test_only_the_newest_checkpoints_are_kept(shard: Path, tmp_path: Path) -> None:
    trained(shard, tmp_path / "a", checkpoint_every_s=1e-9)
    assert len(list((tmp_path / "a").glob("checkpoint-*.pt"))) == checkpoints.KEEP


def test_a_longer_training_continues_from_before_the_decay(shard: Path, whole: Path, tmp_path: Path) -> None:
    long = trained(shard, tmp_path / "long", tokens=20_000, continue_from=whole)
    trunk = checkpoints.load(whole / checkpoints.TRUNK)
    assert 12_000 * 0.65 <= trunk["tokens"] < result_of(whole)["tokens"]
    assert long["tokens"] >= 20_000
    assert long["curve"][0][0] < trunk["tokens"]  # the curve of the first leg is kept


def test_a_lengthened_training_reads_as_many_batches_as_one_long_one(shard: Path, whole: Path, tmp_path: Path) -> None:
    lengthened = trained(shard, tmp_path / "lengthened", tokens=13_000, continue_from=whole)
    long = trained(shard, tmp_path / "long", tokens=13_000)
    assert (lengthened["batches"], lengthened["tokens"]) == (long["batches"], long["tokens"])


def test_answers_alone_use_the_same_tokens_on_more_examples(shard: Path, whole: Path, tmp_path: Path) -> None:
    rationale = result_of(whole)
    answers = trained(shard, tmp_path / "b", target="answer_only")
    assert answers["epochs"] > 1.5 * rationale["epochs"]
    assert answers["batches"] == pytest.approx(rationale["batches"], rel=0.15)
    assert answers["tokens"] == pytest.approx(rationale["tokens"], rel=0.15)


def test_a_loss_that_is_no_number_stops_the_training_and_says_so(shard: Path, tmp_path: Path) -> None:
    rates = {"learning_rate_rest": 1e30, "learning_rate_matrices": 1e30, "warm_up_tokens": 0}
    found = trained(shard, tmp_path / "a", **rates)
    assert found["stopped_by"] == "diverged"
    assert found["tokens"] < 12_000
    assert math.isfinite(found["loss"])


def test_the_student_as_it_was_before_the_first_step_is_kept_as_a_control(
    shard: Path, whole: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    trained(shard, tmp_path / "b", continue_from=whole, tokens=20_000)
    before, after = (load_file(whole / name / "model.safetensors") for name in ("untrained", "model"))
    lengthened = load_file(tmp_path / "b" / "untrained" / "model.safetensors")
    name = "model.embed_tokens.weight"
    assert not torch.equal(before[name], after[name])
    assert torch.equal(before[name], lengthened[name])


def test_a_server_under_another_user_can_read_the_model(whole: Path) -> None:
    assert (whole / "model" / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_the_saved_folder_loads_as_any_hugging_face_model(whole: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    result = result_of(whole)
    model: Any = AutoModelForCausalLM.from_pretrained(whole / "model")
    tokenizer: Any = AutoTokenizer.from_pretrained(whole / "model")
    assert model.config.model_type == "llama"
    assert model.num_parameters() == result["parameters"]
    prompt = load("mahjong").make("win", seed=9, block=0, count=1)[0].prompt
    ids = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True)
    assert tokenizer.decode(ids["input_ids"]) == f"<bos> {prompt} <answer>"


def test_parameters_are_predicted_exactly(shard: Path, tmp_path: Path) -> None:
    result = trained(shard, tmp_path / "a", tokens=1_500)
    vocabulary = len(load("mahjong").vocabulary) + 5
    assert result["parameters"] == TINY.parameters(vocabulary)


def few(folder: Path, name: str, block: int, count: int) -> Path:
    path = folder / name
    examples = load("mahjong").make("win", seed=1, block=block, count=count)
    path.write_text("".join(json.dumps(asdict(example)) + "\n" for example in examples))
    return path


def test_a_training_that_learns_its_few_examples_by_heart_ends_early_with_its_decay(tmp_path: Path) -> None:
    shard, validation = few(tmp_path, "train-00000.jsonl", 0, 6), few(tmp_path, "validation.jsonl", 1, 30)
    changes = {"tokens": 150_000, "batch_tokens": 300, "target": "answer_only", "validation": validation}
    result = trained(shard, tmp_path / "stopped", **changes)
    assert result["stopped_by"] == NO_BETTER
    assert 30_000 < result["tokens"] < 120_000
    assert (tmp_path / "stopped" / checkpoints.TRUNK).exists()


def test_a_stop_is_the_same_after_a_kill(tmp_path: Path) -> None:
    shard, validation = few(tmp_path, "train-00000.jsonl", 0, 6), few(tmp_path, "validation.jsonl", 1, 30)
    changes = {"tokens": 60_000, "batch_tokens": 300, "target": "answer_only", "validation": validation}
    whole = trained(shard, tmp_path / "whole", **changes)
    killed = tmp_path / "killed"
    trained(shard, killed, **changes, wall_clock_s=0.4)
    resumed = trained(shard, killed, **changes)
    assert (resumed["tokens"], resumed["stopped_by"]) == (whole["tokens"], whole["stopped_by"])
    assert resumed["loss"] == pytest.approx(whole["loss"], rel=1e-4)


def test_one_that_has_not_found_out_yet_what_its_task_is_goes_on() -> None:
    watch = Watch([([1, 2, 3], 1)], every_tokens=100)
    watch.exact, watch.loss, watch.worse = 0.0, 1.0, PATIENCE
    assert not watch.is_over(training_loss=0.9)
    assert watch.is_over(training_loss=0.1)


def test_a_tracker_draws_loss_and_rate_over_the_tokens(shard: Path, whole: Path, tmp_path: Path) -> None:
    found = trained(shard, tmp_path / "a", tracker="tensorboard", batch_tokens=200)
    losses = [step for tag, step, _ in points(tmp_path / "a" / "runs") if tag == "train/loss"]
    assert len(losses) == found["batches"] // 10
    assert losses[-1] <= found["tokens"]
    assert not list(whole.rglob("events.out.tfevents.*"))
