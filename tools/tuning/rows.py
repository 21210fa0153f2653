"""From shards of prompts and answers to token ids with labels, through the model's own chat template.

A conversation is rendered whole and cut into tokens whole, as it is when the model reads it; what is learned is found by the
characters the assistant's turns take. Examples that are too long are left out, never cut: half an answer teaches no ending.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ...state.errors import Correctable

IGNORE = -100
"""Label that cross entropy skips (PyTorch's default)."""

CHUNK = 1000
"""Conversations cut into tokens at once: the Rust tokenizers work on a list several times as fast as one by one."""

Message = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One example: int32 arrays of ids, and labels that are IGNORE where nothing is learned."""

    ids: Any
    labels: Any


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """The rows of some shards, and what had to be done to them, a sentence each."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Text:
    """A rendered conversation and the characters of it that are learned."""

    text: str
    learned: tuple[tuple[int, int], ...]


def read_lines(shards: Sequence[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every line with its place, `file:number`. Raises Correctable where a file or line cannot be read."""
    for shard in shards:
        try:
            with shard.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield f"{shard.name}:{number}", _object(f"{shard.name}:{number}", line)
        except (OSError, UnicodeDecodeError) as error:
            raise Correctable(f"shard {str(shard)!r} cannot be read: {error}") from error


def conversation(where: str, line: dict[str, Any]) -> list[Message]:
    """The messages of a line. Raises Correctable naming what it lacks."""
    if isinstance(line.get("prompt"), str) and isinstance(line.get("completion"), str):
        return [{"role": "user", "content": line["prompt"]}, {"role": "assistant", "content": line["completion"]}]
    messages = line.get("messages")
    if isinstance(messages, list) and all(_is_message(one) for one in cast("list[object]", messages)):
        found = cast("list[Message]", messages)
        if found and found[-1]["role"] == "assistant":
            return found
        raise Correctable(f"{where}: messages must end with the assistant's, for that is what is learned")
    raise Correctable(
        f"{where} holds {', '.join(sorted(line)) or 'nothing'}; a line needs the texts prompt and completion, "
        "or messages, each with role and content"
    )


def encode(shards: Sequence[Path], tokenizer: Any, stops: frozenset[int], max_tokens: int) -> Encoded:
    """All examples of the shards; an answer without one of the model's stop tokens gets the tokenizer's own.

    Raises Correctable where an example cannot be used or none is left.
    """
    rows: list[Row] = []
    too_long = unended = partly = 0
    chunk: list[_Text] = []

    def cut() -> None:
        nonlocal too_long, unended
        for ids, labels in _cut(chunk, tokenizer):
            if not stops & {int(one) for one, label in zip(ids, labels, strict=True) if label != IGNORE}:
                ids, labels = [*ids, tokenizer.eos_token_id], [*labels, tokenizer.eos_token_id]
                unended += 1
            if len(ids) > max_tokens:
                too_long += 1
            else:
                rows.append(_row(ids, labels))
        chunk.clear()

    for where, line in read_lines(shards):
        rendered, whole = _rendered(where, conversation(where, line), tokenizer)
        partly += not whole
        chunk.append(rendered)
        if len(chunk) == CHUNK:
            cut()
    cut()
    if not rows:
        named = ", ".join(str(shard) for shard in shards)
        raise Correctable(
            f"no example is left of {named}: {too_long} are longer than max_sequence_tokens {max_tokens}; raise it"
            if too_long
            else f"the shards hold no examples: {named}"
        )
    notes = (
        (too_long, f"{too_long} examples are longer than max_sequence_tokens {max_tokens} and were left out"),
        (unended, f"the template ends {unended} answers without {tokenizer.eos_token!r}: it was added"),
        (partly, f"of {partly} conversations only the last answer is learned: the template changes earlier ones later"),
    )
    return Encoded(rows=tuple(rows), notes=tuple(text for count, text in notes if count))


def _object(where: str, line: str) -> dict[str, Any]:
    try:
        found: object = json.loads(line)
    except ValueError as error:
        raise Correctable(f"{where} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Correctable(f"{where} holds no JSON object")
    return cast("dict[str, Any]", found)


def _is_message(one: object) -> bool:
    if not isinstance(one, dict):
        return False
    message = cast("dict[str, object]", one)
    return isinstance(message.get("role"), str) and isinstance(message.get("content"), str)


def _rendered(where: str, messages: list[Message], tokenizer: Any) -> tuple[_Text, bool]:
    """The text, and whether every answer in it is learned. Raises Correctable where the template cannot be followed."""
    from jinja2 import TemplateError

    def text(of: list[Message], *, asked: bool) -> str:
        return tokenizer.apply_chat_template(of, tokenize=False, add_generation_prompt=asked)

    try:
        full = text(messages, asked=False)
        spans: list[tuple[int, int]] = []
        answers = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
        for at in answers:
            before = text(messages[:at], asked=True)
            after = full if at == len(messages) - 1 else text(messages[: at + 1], asked=False)
            if full.startswith(before) and full.startswith(after) and len(after) > len(before):
                spans.append((len(before), len(after)))
            elif at == len(messages) - 1:
                raise Correctable(
                    f"{where}: the chat template writes another text before the last answer when it asks for it "
                    f"({before[-40:]!r}) than when it shows it; name a chat_template that keeps the two alike"
                )
    except (TemplateError, TypeError, ValueError) as error:
        raise Correctable(f"{where}: the chat template refuses these messages: {error}") from error
    return _Text(text=full, learned=tuple(spans)), len(spans) == len(answers)


def _cut(texts: Sequence[_Text], tokenizer: Any) -> Iterator[tuple[list[int], list[int]]]:
    """Ids and labels; a token that begins inside the prompt belongs to it."""
    if not texts:
        return
    found = tokenizer([one.text for one in texts], add_special_tokens=False, return_offsets_mapping=True)
    for one, ids, offsets in zip(texts, found["input_ids"], found["offset_mapping"], strict=True):
        labels = [
            token if any(first <= start and end <= last for first, last in one.learned) else IGNORE
            for token, (start, end) in zip(ids, offsets, strict=True)
        ]
        yield ids, labels


def _row(ids: Sequence[int], labels: Sequence[int]) -> Row:
    import numpy as np

    return Row(ids=np.array(ids, dtype=np.int32), labels=np.array(labels, dtype=np.int32))
