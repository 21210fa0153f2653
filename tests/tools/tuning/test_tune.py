"""The tuning job: it learns, keeps its best, resumes exactly, stops where it must, and leaves a model anyone can load."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from stratos.state.errors import Correctable, NotAvailable
from stratos.tools.tuning.plan import planned
from stratos.tools.tuning.rows import encode
from stratos.tools.tuning.specs import TUNE_RATES, Method, TuneJob
from stratos.tools.tuning.start import begin, learn
from stratos.tools.tuning.tune import trainer_of, tune

from . import tiny


def job(model: Path, shard: Path, **changes: Any) -> TuneJob:
    values: dict[str, Any] = {
        "model": model,
        "shards": (shard,),
        "method": "full",
        "learning_rate": 3e-3,
        "batch_tokens": 512,
        "max_sequence_tokens": 64,
        "seed": 1,
    }
    return TuneJob(**{**values, **changes})


def tuned(folder: Path, model: Path, shard: Path, **changes: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return dict(tune(job(model, shard, **changes), folder))


@pytest.fixture(scope="module")
def whole(model: Path, sums: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tuning that nothing befell, in a folder that tests only read."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "result.json").write_text(json.dumps(tuned(folder, model, sums)))
    return folder


def result_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


def weights(folder: Path) -> dict[str, Any]:
    return load_file(folder / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_it_learns_and_says_how(model: Path, sums: Path, unseen: Path, tmp_path: Path) -> None:
    found = tuned(tmp_path / "a", model, sums, validation=unseen, epochs=2.0)
    read = [loss for _, loss in found["validation"]]
    assert len(read) == 10
    assert read[-1] < 0.5 * read[0]
    assert (found["stopped_by"], found["epochs"], found["examples"]) == ("steps", 2.0, 400)
    assert found["curve"][-1][0] == found["steps"]
    assert found["memory"]["peak_gib"] > 0


def test_the_same_job_gives_the_same_weights_and_another_seed_others(model: Path, sums: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        tuned(tmp_path / name, model, sums, seed=seed, max_tokens=2000)
    assert same(tmp_path / "a" / "model", tmp_path / "b" / "model")
    assert not same(tmp_path / "a" / "model", tmp_path / "c" / "model")


@pytest.mark.parametrize("method", ["full", "lora"])
def test_stopped_by_the_clock_and_continued_it_is_the_same(
    model: Path, sums: Path, unseen: Path, tmp_path: Path, method: Method
) -> None:
    more = {"method": method, "adapter": {"dropout": 0.1}, "gradient_accumulation": 2, "validation": unseen}
    whole = tuned(tmp_path / "whole", model, sums, **more)
    stopped = tuned(tmp_path / "parts", model, sums, wall_clock_s=0.01, **more)
    assert stopped["stopped_by"] == "clock"
    assert stopped["steps"] < whole["steps"]
    parts = tuned(tmp_path / "parts", model, sums, **more)
    assert parts["curve"] == whole["curve"]
    assert parts["validation"] == whole["validation"]
    assert same(tmp_path / "whole" / "model", tmp_path / "parts" / "model")


def test_a_torn_newest_checkpoint_falls_back_and_ends_the_same(
    model: Path, sums: Path, whole: Path, tmp_path: Path
) -> None:
    tuned(tmp_path / "torn", model, sums, checkpoint_every_s=0, wall_clock_s=0.5)
    newest = max((tmp_path / "torn").glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    optimiser = newest / "optimizer.pt"
    optimiser.write_bytes(optimiser.read_bytes()[:1000])
    tuned(tmp_path / "torn", model, sums)
    assert same(whole / "model", tmp_path / "torn" / "model")


def test_a_finished_job_is_only_exported_again(model: Path, sums: Path, whole: Path, tmp_path: Path) -> None:
    first = result_of(whole)
    shutil.copytree(whole, tmp_path / "a")
    (tmp_path / "a" / "model" / "model.safetensors").rename(tmp_path / "before.safetensors")
    again = tuned(tmp_path / "a", model, sums)
    before = load_file(tmp_path / "before.safetensors")
    after = weights(tmp_path / "a" / "model")
    assert [list(point) for point in again["curve"]] == first["curve"]
    assert all(torch.equal(before[name], after[name]) for name in after)


def test_accumulated_batches_are_one_larger_batch(model: Path, sums: Path, whole: Path, tmp_path: Path) -> None:
    found = tuned(tmp_path / "a", model, sums, gradient_accumulation=4)
    single = result_of(whole)
    assert found["steps"] == math.ceil(single["steps"] / 4)
    assert found["tokens"] == single["tokens"]
    # Every token counts the same: the mean over four batches is that of the first four steps at almost the first weights.
    assert found["curve"][0][1] == pytest.approx(single["curve"][0][1], rel=0.02)


def test_what_gets_no_better_is_stopped_and_the_best_is_exported(
    model: Path, sums: Path, unseen: Path, tmp_path: Path
) -> None:
    few = tiny.shard(tmp_path / "few.jsonl", tiny.lines(12))
    more = {"validation": unseen, "epochs": 120.0, "validations": 40, "patience": 3, "learning_rate": 1e-2}
    found = tuned(tmp_path / "a", model, few, **more)
    read = [loss for _, loss in found["validation"]]
    assert found["stopped_by"] == "validation"
    assert len(read) < 40
    assert read.index(min(read)) == len(read) - 4
    assert found["best_step"] == found["validation"][-4][0]
    assert same(tmp_path / "a" / "best", tmp_path / "a" / "model")


def test_a_loss_that_is_no_number_stops_it_before_it_is_learned(model: Path, sums: Path, tmp_path: Path) -> None:
    found = tuned(tmp_path / "a", model, sums, learning_rate=1e30, warm_up_share=0.0)
    assert (found["stopped_by"], found["steps"], found["model"]) == ("diverged", 1, None)
    assert math.isfinite(found["loss"])


def test_the_checkpoint_before_the_bad_step_is_what_is_left(model: Path, sums: Path, tmp_path: Path) -> None:
    # The warm-up begins at a rate of 0, so that the first checkpoint is the model as it came, and the second one is ruined.
    more = {"checkpoint_every_s": 0, "warm_up_share": 0.5}
    found = tuned(tmp_path / "a", model, sums, learning_rate=1e30, **more)
    assert (found["stopped_by"], found["steps"]) == ("diverged", 2)
    assert [path.name for path in (tmp_path / "a").glob("checkpoint-*")] == ["checkpoint-1"]
    assert same(model, tmp_path / "a" / "model")


def test_learned_weights_survive_a_divergence(model: Path, sums: Path, tmp_path: Path) -> None:
    given = job(model, sums, checkpoint_every_s=0)
    session = begin(given, tmp_path, batch_tokens=given.batch_tokens)
    rows = encode(given.shards, session.tokenizer, session.stops, given.max_sequence_tokens).rows
    plan = planned([len(row.ids) for row in rows], batch_tokens=512, epochs=None, max_tokens=None, seed=1)
    trainer, keeper = trainer_of(session, rows, plan)

    def ruin(step: int, network: Any) -> str:
        if step == 6:
            next(network.parameters()).data.fill_(math.nan)
        return ""

    keeper.after_step.append(ruin)
    assert learn(session, trainer) == "diverged"
    kept = load_file(tmp_path / "checkpoint-5" / "model.safetensors")
    assert not (tmp_path / "checkpoint-6").exists()
    assert all(torch.equal(session.model.state_dict()[name], weight) for name, weight in kept.items())
    assert not torch.equal(kept["model.norm.weight"], weights(model)["model.norm.weight"])


def test_a_changed_job_in_the_same_folder_is_refused(model: Path, sums: Path, whole: Path) -> None:
    with pytest.raises(Correctable, match="put the changed job into a folder of its own"):
        tuned(whole, model, sums, learning_rate=1e-3)


def test_what_cannot_fit_is_refused_with_the_figures(model: Path, sums: Path, tmp_path: Path) -> None:
    with pytest.raises(Correctable, match=r"needs about .* GiB .*0\.10 GiB are free: lower batch_tokens"):
        tuned(tmp_path / "a", model, sums, memory_limit_gib=0.1)


def test_qlora_without_a_gpu_names_what_is_missing(model: Path, sums: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(NotAvailable, match=r"needs a GPU with CUDA .*: use method 'lora'"):
        tuned(tmp_path / "a", model, sums, method="qlora")


def test_the_usual_rates_are_taken_where_none_is_given(model: Path, sums: Path) -> None:
    for method, rate in TUNE_RATES.items():
        assert job(model, sums, method=method, learning_rate=None).rate == rate


def test_senseless_jobs_are_refused(model: Path, sums: Path) -> None:
    with pytest.raises(ValueError, match="patience needs a validation file"):
        job(model, sums, patience=2)
    with pytest.raises(ValueError, match="batch_tokens 32 is below max_sequence_tokens 64"):
        job(model, sums, batch_tokens=32)


def test_a_tracker_draws_the_curves(model: Path, sums: Path, whole: Path, tmp_path: Path) -> None:
    tuned(tmp_path / "a", model, sums, tracker="tensorboard")
    assert list((tmp_path / "a").rglob("events.out.tfevents.*"))
    assert not list(whole.rglob("events.out.tfevents.*"))


def test_checkpointing_and_sixteen_bits_learn_too(model: Path, sums: Path, whole: Path, tmp_path: Path) -> None:
    plain = result_of(whole)
    saving = tuned(tmp_path / "b", model, sums, gradient_checkpointing=True)
    short = tuned(tmp_path / "c", model, sums, precision="bfloat16")
    assert saving["loss"] == pytest.approx(plain["loss"], rel=1e-3)
    assert short["loss"] == pytest.approx(plain["loss"], rel=0.1)
    config = json.loads((tmp_path / "c" / "model" / "config.json").read_text())
    assert config["dtype"] == "float32"
