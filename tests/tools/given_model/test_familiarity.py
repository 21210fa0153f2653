"""How foreign a task is to a checkpoint: a model that knows nothing, and what reading a few answers changes."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from pathlib import Path
from typing import Any

import pytest
from stratos.state.teaching import Familiarity
from stratos.tools.executor import LocalExecutor
from stratos.tools.given_model.familiarity import FamiliarityJob, look
from stratos.tools.likelihood import Likelihood
from stratos.tools.waiting import JobRequest, run

from ..tuning import tiny


def indifferent(folder: Path) -> Path:
    """A checkpoint to which every token is as likely as any other."""
    from transformers import AutoModelForCausalLM

    tiny.checkpoint(folder)
    loaded: Any = AutoModelForCausalLM.from_pretrained(folder)
    loaded.get_input_embeddings().weight.data.zero_()
    loaded.save_pretrained(folder)
    return folder


def familiarity(model: Path, folder: Path, **changes: Any) -> Familiarity:
    folder.mkdir(parents=True, exist_ok=True)
    shard = tiny.shard(folder / "texts.jsonl", tiny.lines(20))
    return Familiarity.model_validate(look(FamiliarityJob(model=model, shard=shard, seconds=60, **changes), folder))


def test_to_a_model_that_knows_nothing_each_token_is_one_of_its_vocabulary(tmp_path: Path) -> None:
    model = indifferent(tmp_path / "model")
    vocabulary = len(Likelihood(model, 1).tokenizer)
    found = familiarity(model, tmp_path)
    assert found.items == 20
    for perplexity in (found.question_perplexity, found.answer_perplexity, found.ordinary_perplexity):
        assert perplexity == pytest.approx(vocabulary, rel=1e-4)


def test_only_what_the_model_is_to_say_counts_as_an_answer(tmp_path: Path) -> None:
    model = Likelihood(tiny.checkpoint(tmp_path / "model"), 1)
    ids = model.tokens("one two three")
    alone = [model.nats(ids[: at + 1], at) for at in range(1, len(ids))]
    assert model.nats(ids) == pytest.approx(sum(alone) / len(alone), rel=1e-4)
    assert model.nats(ids, len(ids) - 1) == pytest.approx(alone[-1], rel=1e-4)


def test_a_model_that_read_such_answers_expects_them(tmp_path: Path) -> None:
    model = tiny.checkpoint(tmp_path / "model")
    before = familiarity(model, tmp_path / "before")
    job = {
        "kind": "tune",
        "model": str(model),
        "shards": [str(tiny.shard(tmp_path / "read.jsonl", tiny.lines(200, seed=1)))],
        "method": "full",
        "learning_rate": 3e-3,
        "epochs": 2,
        "batch_tokens": 512,
        "max_sequence_tokens": 128,
    }
    with tiny.started(job, tmp_path / "tuned") as tuning:
        tuning.communicate()
    after = familiarity(tmp_path / "tuned" / "model", tmp_path / "after")
    assert after.answer_perplexity < before.answer_perplexity / 5


def test_the_time_ends_the_reading_after_the_first_text(tmp_path: Path) -> None:
    model = tiny.checkpoint(tmp_path / "model")
    shard = tiny.shard(tmp_path / "texts.jsonl", tiny.lines(500))
    job = FamiliarityJob(model=model, shard=shard, seconds=1e-6)
    request = JobRequest(module="stratos.tools.given_model.familiarity", job=job, folder=tmp_path / "job")
    found = run(LocalExecutor(), request)
    assert found["items"] == 1
    assert found["seconds"] > 0
