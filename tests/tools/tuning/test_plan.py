"""Batches by tokens: their size, their order, and where they end."""

# pyright: reportUnknownMemberType=false

import random
from itertools import chain
from typing import Any

import numpy as np
from stratos.tools.tuning.plan import Plan, in_order, padded, planned
from stratos.tools.tuning.rows import IGNORE, Row

LENGTHS = [random.Random(1).randrange(5, 60) for _ in range(500)]


def plan(**changes: Any) -> Plan:
    given: dict[str, Any] = {"batch_tokens": 256, "epochs": None, "max_tokens": None, "seed": 3}
    return planned(LENGTHS, **{**given, **changes})


def test_one_epoch_reads_every_row_once() -> None:
    assert sorted(chain.from_iterable(plan().batches)) == list(range(500))
    assert sum(plan().tokens) == sum(LENGTHS)


def test_no_batch_is_larger_than_allowed_with_its_padding() -> None:
    assert all(len(batch) * max(LENGTHS[row] for row in batch) <= 256 for batch in plan().batches)


def test_little_of_a_batch_is_padding() -> None:
    padded_tokens = sum(len(batch) * max(LENGTHS[row] for row in batch) for batch in plan().batches)
    assert padded_tokens < 1.15 * sum(LENGTHS)


def test_the_seed_alone_decides_the_order_and_epochs_differ() -> None:
    two = plan(epochs=2.0).batches
    assert two == plan(epochs=2.0).batches
    assert two != plan(epochs=2.0, seed=4).batches
    assert two[: len(plan().batches)] == plan().batches
    assert set(two[len(plan().batches) :]) != set(plan().batches)


def test_it_ends_at_the_tokens_or_the_epochs_whichever_come_first() -> None:
    by_tokens = plan(max_tokens=30_000)
    assert 30_000 <= sum(by_tokens.tokens) < 30_000 + 256
    assert plan(max_tokens=10**9, epochs=1.0).batches == plan().batches
    half = sum(len(batch) for batch in plan(epochs=0.5).batches)
    assert 250 <= half < 250 + 256 // 5


def test_a_row_longer_than_a_batch_is_one_of_its_own() -> None:
    assert in_order([300, 10, 10], 256) == [(1, 2), (0,)]


def test_padding_is_on_the_right_and_not_learned() -> None:
    rows = [
        Row(ids=np.array(ids, dtype=np.int32), labels=np.array(labels, dtype=np.int32))
        for ids, labels in (([5, 6, 7], [IGNORE, 6, 7]), ([8], [8]))
    ]
    found = padded(rows)
    assert found["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert found["labels"].tolist() == [[IGNORE, 6, 7], [8, IGNORE, IGNORE]]
