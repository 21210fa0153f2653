"""The store: what is written is read, and nothing else is taken for it."""

import math
from pathlib import Path

import numpy as np
import pytest
from stratos.tools.training.logit_store import (
    Header,
    LogitStore,
    StoredLogits,
    StoreMismatch,
    codes_of,
    joined,
    rest_of,
)

HEADER = Header(
    teacher_sha256="t", vocabulary_sha256="v", vocabulary=151_936, top_k=2, cover=0.9, temperatures=(1.0, 2.0)
)
ROWS = [([5, 6, 7], 1), ([5, 9], 1)]
SHA256 = "a" * 64


def logits() -> StoredLogits:
    """Three learned tokens, with two, one and two kept."""
    return StoredLogits(
        row_starts=np.array([0, 2, 3]),
        starts=np.array([0, 2, 3, 5]),
        ids=np.array([151_935, 3, 256, 0, 65_536]),
        codes=np.array([0, 40, 255, 1, 7], dtype=np.uint8),
        rest=np.array([[-480, -200], [-1, 130], [0, 300]], dtype=np.int16),
    )


def same(one: StoredLogits, other: StoredLogits) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in one.__dataclass_fields__)


def test_what_is_put_is_read_and_survives_opening_again(tmp_path: Path) -> None:
    entry = LogitStore.create(tmp_path, HEADER).put("s.jsonl", SHA256, ROWS, logits())
    assert same(LogitStore.open(tmp_path).read("s.jsonl", SHA256, ROWS), logits())
    assert (entry.rows, entry.tokens, entry.stored) == (2, 3, 5)


def test_codes_are_sixteenths_of_a_nat_and_the_rest_has_a_sign() -> None:
    assert codes_of(np.array([0, -math.log(2), -20, -np.inf])).tolist() == [0, 11, 255, 255]  # 16 ln 2 = 11.09
    assert rest_of(np.array([-np.inf, -1.0, 2.5])).tolist() == [-480, -16, 40]


def test_of_a_faint_rest_whole_nats_are_kept() -> None:
    assert rest_of(np.array([-5.9, -6.1, -8.6])).tolist() == [-94, -96, -144]
    wrong = np.exp(rest_of(np.linspace(-12, -6.01, 500)) / 16 - np.linspace(-12, -6.01, 500))
    assert 0.6 < wrong.min() < wrong.max() < 1.66


def test_shards_are_joined_in_order() -> None:
    both = joined([logits(), logits()])
    assert both.row_starts.tolist() == [0, 2, 3, 5, 6]
    assert both.starts.tolist() == [0, 2, 3, 5, 7, 8, 10]
    assert len(both.ids) == len(both.codes) == 10


def test_another_teacher_is_refused_by_name_and_value(tmp_path: Path) -> None:
    LogitStore.create(tmp_path, HEADER)
    with pytest.raises(StoreMismatch, match="teacher_sha256 is 't', not 'other'; top_k is 2, not 4"):
        LogitStore.create(tmp_path, HEADER.model_copy(update={"teacher_sha256": "other", "top_k": 4}))


def test_a_shard_that_changed_is_not_found(tmp_path: Path) -> None:
    kept = LogitStore.create(tmp_path, HEADER)
    kept.put("s.jsonl", SHA256, ROWS, logits())
    with pytest.raises(StoreMismatch, match=r"no logits of shard 's.jsonl' .SHA-256 bbbbbbbbbbbb"):
        kept.read("s.jsonl", "b" * 64, ROWS)


def test_rows_encoded_otherwise_are_refused(tmp_path: Path) -> None:
    kept = LogitStore.create(tmp_path, HEADER)
    kept.put("s.jsonl", SHA256, ROWS, logits())
    for rows in ([([5, 6, 7], 1), ([5, 8], 1)], [([5, 6, 7], 2), ([5, 9], 1)]):
        with pytest.raises(StoreMismatch, match="encoded otherwise"):
            kept.read("s.jsonl", SHA256, rows)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    kept = LogitStore.create(tmp_path, HEADER)
    kept.put("s.jsonl", SHA256, ROWS, logits())
    (path,) = tmp_path.glob("*.npz")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreMismatch, match="damaged"):
        kept.read("s.jsonl", SHA256, ROWS)


def test_no_store_and_another_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreMismatch, match=r"no stored logits in .* it has no store.json"):
        LogitStore.open(tmp_path)
    (tmp_path / "store.json").write_text('{"version": 7}')
    with pytest.raises(StoreMismatch, match="format version 7, and this program reads 2"):
        LogitStore.open(tmp_path)
