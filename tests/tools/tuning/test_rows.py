"""From shards to labels: what is learned, what is left out, and what is refused."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path
from typing import Any

import pytest
from stratos.state.errors import Correctable
from stratos.tools.tuning.loading import load_tokenizer
from stratos.tools.tuning.rows import IGNORE, Encoded, encode

from . import tiny


def encoded(model: Path, folder: Path, rows: list[dict[str, Any]], *, max_tokens: int = 64) -> tuple[Encoded, Any]:
    tokenizer, stops = load_tokenizer(model, None)
    return encode((tiny.shard(folder / "s.jsonl", rows),), tokenizer, stops, max_tokens), tokenizer


def learned(found: Encoded, tokenizer: Any, at: int = 0) -> str:
    row = found.rows[at]
    return tokenizer.decode(row.ids[row.labels != IGNORE])


def test_only_the_completion_and_its_end_are_learned(model: Path, tmp_path: Path) -> None:
    found, tokenizer = encoded(model, tmp_path, [{"prompt": "What is 1 plus 2?", "completion": "The sum is 3."}])
    assert learned(found, tokenizer) == "The sum is 3.<|im_end|>\n"
    whole = "<|im_start|>user\nWhat is 1 plus 2?<|im_end|>\n<|im_start|>assistant\nThe sum is 3.<|im_end|>\n"
    assert tokenizer.decode(found.rows[0].ids) == whole


def test_the_prompt_is_cut_into_the_tokens_that_a_model_is_asked_with(model: Path, tmp_path: Path) -> None:
    found, tokenizer = encoded(model, tmp_path, tiny.lines(20))
    for row, line in zip(found.rows, tiny.lines(20), strict=True):
        messages = [{"role": "user", "content": line["prompt"]}]
        asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
        assert row.ids[row.labels == IGNORE].tolist() == asked


def test_every_answer_of_a_conversation_is_learned(model: Path, tmp_path: Path) -> None:
    said = [("system", "Add."), ("user", "1 and 1?"), ("assistant", "2"), ("user", "2 and 2?"), ("assistant", "4")]
    messages = [{"role": role, "content": text} for role, text in said]
    found, tokenizer = encoded(model, tmp_path, [{"messages": messages}], max_tokens=128)
    assert learned(found, tokenizer) == "2<|im_end|>\n4<|im_end|>\n"


def test_examples_that_are_too_long_are_left_out_and_counted(model: Path, tmp_path: Path) -> None:
    rows = [*tiny.lines(3), {"prompt": "What " * 100, "completion": "No."}]
    found, _ = encoded(model, tmp_path, rows)
    assert len(found.rows) == 3
    assert found.notes == ("1 examples are longer than max_sequence_tokens 64 and were left out",)


def test_nothing_left_names_what_to_raise(model: Path, tmp_path: Path) -> None:
    with pytest.raises(Correctable, match="3 are longer than max_sequence_tokens 4; raise it"):
        encoded(model, tmp_path, tiny.lines(3), max_tokens=4)


def test_a_template_without_an_end_gets_one(model: Path, tmp_path: Path) -> None:
    tokenizer, stops = load_tokenizer(model, None)
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    found = encode((tiny.shard(tmp_path / "s.jsonl", tiny.lines(2)),), tokenizer, stops, 64)
    assert all(row.ids[-1] == row.labels[-1] == tokenizer.eos_token_id for row in found.rows)
    assert found.notes == ("the template ends 2 answers without '<|im_end|>': it was added",)


def test_a_template_that_asks_otherwise_than_it_shows_is_refused(model: Path, tmp_path: Path) -> None:
    tokenizer, stops = load_tokenizer(model, None)
    tokenizer.chat_template = tiny.CHATML.replace("'<|im_start|>assistant\n'", "'Answer now: '")
    with pytest.raises(Correctable, match=r"s.jsonl:1: the chat template writes another text .*Answer now"):
        encode((tiny.shard(tmp_path / "s.jsonl", tiny.lines(1)),), tokenizer, stops, 64)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"prompt": "a"}', "s.jsonl:1 holds prompt; a line needs the texts prompt and completion, or messages"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "s.jsonl:1: messages must end with the assistant's"),
        ("[1]", "s.jsonl:1 holds no JSON object"),
        ('{"prompt": ', "s.jsonl:1 is no JSON"),
        ("", "the shards hold no examples"),
    ],
)
def test_lines_that_cannot_be_used_are_named(model: Path, tmp_path: Path, text: str, said: str) -> None:
    tokenizer, stops = load_tokenizer(model, None)
    (tmp_path / "s.jsonl").write_text(text)
    with pytest.raises(Correctable, match=said):
        encode((tmp_path / "s.jsonl",), tokenizer, stops, 64)


def test_a_missing_shard_is_named(model: Path, tmp_path: Path) -> None:
    tokenizer, stops = load_tokenizer(model, None)
    with pytest.raises(Correctable, match=r"none.jsonl' cannot be read"):
        encode((tmp_path / "none.jsonl",), tokenizer, stops, 64)
