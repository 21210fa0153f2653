"""Batches: what is learned, what is only read, and an order that can be continued anywhere."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import itertools
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from stratos.skills import load
from stratos.tools.training.batches import IGNORE, Encoder, batches, examples_per_batch, read_examples
from stratos.tools.training.tokenizer import build_tokenizer, token_ids

SKILL = load("mahjong")
EXAMPLES = SKILL.make("win", seed=1, block=0, count=50)
ROWS = Encoder(skill=SKILL, rationale=True).encode(EXAMPLES)


def test_the_encoder_and_the_tokenizer_agree() -> None:
    tokenizer = build_tokenizer(SKILL, 64)
    for example, (ids, given) in zip(EXAMPLES[:10], ROWS, strict=False):
        chat = [{"role": "user", "content": example.prompt}]
        prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        text = f"{prompt} {SKILL.completion(example, rationale=True)} <eos>"
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids
        assert tokenizer(prompt, add_special_tokens=False)["input_ids"] == ids[:given]


def test_every_token_is_one_word_of_the_vocabulary() -> None:
    assert len(token_ids(SKILL.vocabulary)) == len(SKILL.vocabulary) + 5


def test_batches_hold_about_the_tokens_asked_for_however_long_the_texts() -> None:
    short, long = [([1] * 20, 5)] * 3000, [([1] * 80, 5)] * 3000
    assert [examples_per_batch(rows, 1100) for rows in (short, long)] == [55, 14]
    assert examples_per_batch(long, 10) == 1
    assert examples_per_batch(long[:1000] + short, 1100) == 14  # what is added later changes no batch


def test_only_the_completion_is_learned() -> None:
    batch = next(batches(ROWS, 8, seed=0, start=0))
    learned = batch.labels != IGNORE
    assert bool((batch.labels[learned] == batch.ids[learned]).all())
    assert not bool(learned[:, :17].any())  # <bos>, the task's word, 14 tiles and <answer>
    assert int((batch.ids != 0).sum()) == batch.tokens


def test_an_epoch_reads_every_example_once() -> None:
    read = [row.tolist() for batch in itertools.islice(batches(ROWS, 8, seed=0, start=0), 7) for row in batch.ids]
    assert sorted([token for token in row if token] for row in read) == sorted(ids for ids, _ in ROWS)


@pytest.mark.parametrize("start", [1, 5, 9, 20])
def test_starting_later_continues_the_same_order(start: int) -> None:
    whole = list(itertools.islice(batches(ROWS, 8, seed=3, start=0), start + 4))
    rest = list(itertools.islice(batches(ROWS, 8, seed=3, start=start), 4))
    assert all(bool((a.ids == b.ids).all()) for a, b in zip(whole[start:], rest, strict=True))


def test_answers_alone_are_shorter_targets() -> None:
    ids, given = Encoder(skill=SKILL, rationale=False).encode(EXAMPLES)[0]
    assert len(ids) - given == 3  # =, yes or no, <eos>


def test_examples_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "shard.jsonl"
    path.write_text("".join(json.dumps(asdict(example)) + "\n" for example in EXAMPLES))
    assert read_examples(path) == EXAMPLES
