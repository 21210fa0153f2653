"""Greedy answers: batches change nothing, and a comparison counts what was gained and lost."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path
from typing import Any

import pytest
import torch
from stratos.state.errors import Correctable
from stratos.tools.tuning.answers import answers, compare
from stratos.tools.tuning.specs import TuneJob
from stratos.tools.tuning.tune import tune

from . import tiny

PROMPTS = [line["prompt"] + " " * (at % 5) for at, line in enumerate(tiny.lines(11, seed=4))]


def alone(model: Path, prompt: str) -> str:
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(model)
    network: Any = AutoModelForCausalLM.from_pretrained(model)
    messages = [{"role": "user", "content": prompt}]
    given = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")
    with torch.no_grad():
        written = network.generate(**given, max_new_tokens=12, do_sample=False)
    return tokenizer.decode(written[0, given["input_ids"].shape[1] :], skip_special_tokens=True)


def test_a_batch_answers_as_each_prompt_alone_does_and_in_order(model: Path) -> None:
    found = answers(model, PROMPTS, max_tokens=12, batch=4)
    assert found == [alone(model, prompt) for prompt in PROMPTS]
    assert len(set(found)) > 1


def test_no_prompts_no_answers(model: Path) -> None:
    assert answers(model, [], max_tokens=12) == []
    with pytest.raises(Correctable, match="no prompts"):
        compare(model, model, [], lambda prompt, answer: True, max_tokens=12)


def test_a_folder_without_a_model_is_told_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(Correctable, match=r"no config\.json"):
        answers(tmp_path, PROMPTS, max_tokens=12)


def test_a_tuned_model_is_compared_with_the_one_before(model: Path, tmp_path: Path) -> None:
    always = [{**line, "completion": "I do not know."} for line in tiny.lines(300)]
    job = TuneJob(
        model=model,
        shards=(tiny.shard(tmp_path / "s.jsonl", always),),
        method="full",
        learning_rate=3e-3,
        epochs=6.0,
        batch_tokens=512,
        max_sequence_tokens=64,
    )
    (tmp_path / "a").mkdir()
    after = Path(str(tune(job, tmp_path / "a")["model"]))
    asked = [line["prompt"] for line in tiny.lines(12, seed=4)]
    found = compare(model, after, asked, lambda prompt, answer: answer.strip() == "I do not know.", max_tokens=24)
    assert (found.before.value, found.gained, found.lost) == (0, round(found.after.value * len(asked)), 0)
    assert found.after.value > 0.9
