"""Turns shards of examples into padded batches in an order that depends on nothing but the job file."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...skills.protocol import SPECIAL_TOKENS, Example, Skill
from ...state.plan import Strategy
from .tokenizer import text_encoders

IGNORE = -100
"""Label that cross entropy skips (PyTorch's default): prompts and padding are read, not learned."""

POOL_BATCHES = 16
"""Batches that are sorted by length together, so that little is padded and the order stays mixed."""


SAMPLE_ROWS = 1000


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Token ids and labels, both (examples, longest) int64 tensors, how many ids are not padding, and which rows these are."""

    ids: Any
    labels: Any
    tokens: int
    rows: tuple[int, ...]


def read_examples(path: Path) -> list[Example]:
    """Examples of one JSON-lines shard."""
    with path.open(encoding="utf-8") as lines:
        return [Example(**json.loads(line)) for line in lines]


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """Encodes `<bos> prompt <answer> completion <eos>`.

    The ids of a prompt equal the tokenizer's own under its chat template; a test holds the two together.
    """

    skill: Skill
    rationale: bool

    def encode(self, examples: Sequence[Example]) -> list[tuple[list[int], int]]:
        """Ids of every example with the length of the part that is given, not learned."""
        prompts, completions = text_encoders(self.skill)
        begin, end, answer = (SPECIAL_TOKENS.index(token) for token in ("<bos>", "<eos>", "<answer>"))
        written = completions([self.skill.completion(example, rationale=self.rationale) for example in examples])
        return [
            ([begin, *asked, answer, *learned, end], len(asked) + 2)
            for asked, learned in zip(prompts([example.prompt for example in examples]), written, strict=True)
        ]


def encode_shards(skill: Skill, target: Strategy, shards: Sequence[Path]) -> list[list[tuple[list[int], int]]]:
    """The rows of every shard, in the shards' order."""
    encoder = Encoder(skill=skill, rationale=target == "rationale")
    return [encoder.encode(read_examples(shard)) for shard in shards]


def examples_per_batch(rows: Sequence[tuple[list[int], int]], batch_tokens: int) -> int:
    """Examples that make a batch of about so many tokens; told by the first rows, which stay when data is added."""
    first = rows[:SAMPLE_ROWS]
    return max(1, round(batch_tokens * len(first) / sum(len(ids) for ids, _ in first)))


def batches(rows: Sequence[tuple[list[int], int]], size: int, seed: int, start: int) -> Iterator[Batch]:
    """Endless batches, epoch after epoch, from batch number `start` on."""
    pool_rows = size * POOL_BATCHES
    per_epoch = max(1, -(-len(rows) // size))
    number = start
    while True:
        epoch, within = divmod(number, per_epoch)
        order = _epoch_order(rows, pool_rows, size, seed, epoch)
        for index in range(within, per_epoch):
            yield padded(rows, order[index * size : (index + 1) * size])
            number += 1


def _epoch_order(rows: Sequence[tuple[list[int], int]], pool_rows: int, size: int, seed: int, epoch: int) -> list[int]:
    """Row numbers of one epoch: the shards' order first, shuffled when repeated; batches of like length, mixed in a pool."""
    rng = random.Random(f"order:{seed}:{epoch}")
    order = list(range(len(rows)))
    if epoch:
        rng.shuffle(order)
    mixed: list[int] = []
    for at in range(0, len(order), pool_rows):
        pool = sorted(order[at : at + pool_rows], key=lambda row: len(rows[row][0]))
        chunks = [pool[index : index + size] for index in range(0, len(pool), size)]
        # Only full chunks move: a short one in the middle would shift every batch boundary behind it.
        last = [chunks.pop()] if len(chunks[-1]) < size else []
        rng.shuffle(chunks)
        for chunk in (*chunks, *last):
            mixed.extend(chunk)
    return mixed


def padded(rows: Sequence[tuple[list[int], int]], chosen: Sequence[int]) -> Batch:
    """Some rows, padded on the right; with causal attention nothing that counts can see the padding, so no mask is needed."""
    import torch

    longest = max(len(rows[row][0]) for row in chosen)
    ids = torch.zeros((len(chosen), longest), dtype=torch.long)
    labels = torch.full((len(chosen), longest), IGNORE, dtype=torch.long)
    for index, (row, given) in enumerate(rows[number] for number in chosen):
        ids[index, : len(row)] = torch.tensor(row)
        labels[index, given : len(row)] = ids[index, given : len(row)]
    return Batch(ids=ids, labels=labels, tokens=sum(len(rows[row][0]) for row in chosen), rows=tuple(chosen))
