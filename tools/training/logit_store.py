"""A teacher's top log-probabilities, kept on disk: written once, shard by shard, and read by any number of students.

Every token keeps as many of the teacher's likeliest tokens as cover its mass, at most `top_k`, each with its log-probability
in steps of 1/16 nat, and the mass of all others. A reader renormalises, which is why so coarse a step does: what it gets
wrong is the odds between tokens, by 3 %, never the sum. Files are named by the shard's hash; a shard's entry is written last.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...state.brief import Record
from ..jobs import write_atomic

VERSION = 2
HEADER_FILE = "store.json"
STEPS_PER_NAT = 16
LOWEST = 255
"""The code of everything below e^-15.9, which is 1e-7."""

LEAST_REST = -30 * STEPS_PER_NAT
"""e^-30: nothing, and still a number that can be renormalised with."""
FAINT_NATS = -6.0
"""e^-6, a quarter of a percent. The mass of all others below it is kept in whole nats, wrong by two thirds of itself at most; half
of its bytes are saved, which are the most of a store over few tokens."""


class Header(Record):
    """What a whole store is of; two stores with one header hold the same for the same shard."""

    version: int = VERSION
    teacher_sha256: str
    vocabulary_sha256: str
    vocabulary: int
    top_k: int
    cover: float
    temperatures: tuple[float, ...]


class Entry(Record):
    """One shard's part of a store."""

    shard: str
    shard_sha256: str
    rows_sha256: str
    rows: int
    tokens: int
    stored: int
    file_sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class StoredLogits:
    """Log-probability codes of many rows' learned tokens, flat: token t has entries `starts[t]` to `starts[t + 1]`."""

    row_starts: NDArray[np.int64]
    """Row r has tokens `row_starts[r]` to `row_starts[r + 1]`."""
    starts: NDArray[np.int64]
    ids: NDArray[np.int64]
    codes: NDArray[np.uint8]
    rest: NDArray[np.int16]
    """(tokens, temperatures): the log of the sum, over all other tokens, of probability to the power 1/temperature, in the
    same steps. It may be above 0."""


class StoreMismatch(ValueError):
    """The store is not of what it is asked for; the text names each thing that differs."""


def rows_sha256(rows: Sequence[tuple[list[int], int]]) -> str:
    """Hash of encoded rows: it changes with the tokenizer, with the text, and with which part of it is learned."""
    digest = hashlib.sha256()
    for ids, given in rows:
        digest.update(np.array([len(ids), given, *ids], dtype=np.int64).tobytes())
    return digest.hexdigest()


def codes_of(log_probabilities: NDArray[Any]) -> NDArray[np.uint8]:
    """Log-probabilities as bytes."""
    return np.clip(np.rint(-STEPS_PER_NAT * log_probabilities), 0, LOWEST).astype(np.uint8)


def rest_of(logs: NDArray[Any]) -> NDArray[np.int16]:
    """Logs of sums of probabilities as stored; nothing at all is as little as can be written."""
    steps = np.where(logs < FAINT_NATS, STEPS_PER_NAT * np.rint(logs), np.rint(STEPS_PER_NAT * logs))
    return np.clip(steps, LEAST_REST, -LEAST_REST).astype(np.int16)


class LogitStore:
    """A folder with a header and, for every shard, its entry and its numbers."""

    def __init__(self, folder: Path, header: Header) -> None:
        self.folder, self.header = folder, header

    @classmethod
    def create(cls, folder: Path, header: Header) -> "LogitStore":
        """A new store, or the one that is there and is of the same; raises StoreMismatch naming what differs."""
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / HEADER_FILE).exists():
            there = cls.open(folder)
            there.require(**header.model_dump())
            return there
        write_atomic(folder / HEADER_FILE, header.model_dump_json(indent=2))
        return cls(folder, header)

    @classmethod
    def open(cls, folder: Path) -> "LogitStore":
        """A store that is there. Raises StoreMismatch where there is none, or one of another version."""
        path = folder / HEADER_FILE
        if not path.is_file():
            raise StoreMismatch(f"no stored logits in {str(folder)!r}: it has no {HEADER_FILE}")
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.get("version") != VERSION:
            raise StoreMismatch(
                f"{str(folder)!r} is of format version {found.get('version')!r}, and this program reads {VERSION}"
            )
        return cls(folder, Header.model_validate(found))

    def require(self, **wanted: object) -> None:
        """Raises StoreMismatch when the header has another value of any field given."""
        has = self.header.model_dump()
        wrong = [f"{name} is {has[name]!r}, not {value!r}" for name, value in wanted.items() if has[name] != value]
        if wrong:
            raise StoreMismatch(f"the stored logits in {str(self.folder)!r} are of something else: {'; '.join(wrong)}")

    def entry(self, shard: str, shard_sha256: str, rows: Sequence[tuple[list[int], int]]) -> Entry | None:
        """What is stored of a shard, if anything. Raises StoreMismatch when its rows are encoded otherwise now."""
        path = self._path(shard_sha256, ".json")
        if not path.exists():
            return None
        found = Entry.model_validate_json(path.read_text(encoding="utf-8"))
        if found.rows_sha256 != rows_sha256(rows):
            raise StoreMismatch(
                f"shard {shard!r} is encoded otherwise than when its logits were stored in {str(self.folder)!r}: "
                "another tokenizer, or another target (rationale, answer_only)"
            )
        return found

    def put(self, shard: str, shard_sha256: str, rows: Sequence[tuple[list[int], int]], logits: StoredLogits) -> Entry:
        """Writes a shard's numbers, then its entry."""
        path = self._path(shard_sha256, ".npz")
        partial = path.with_name(f".{path.name}.partial.npz")
        np.savez_compressed(partial, **_packed(logits))
        partial.replace(path)
        entry = Entry(
            shard=shard,
            shard_sha256=shard_sha256,
            rows_sha256=rows_sha256(rows),
            rows=len(rows),
            tokens=len(logits.starts) - 1,
            stored=len(logits.ids),
            file_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            bytes=path.stat().st_size,
        )
        write_atomic(self._path(shard_sha256, ".json"), entry.model_dump_json(indent=2))
        return entry

    def read(self, shard: str, shard_sha256: str, rows: Sequence[tuple[list[int], int]]) -> StoredLogits:
        """A shard's numbers. Raises StoreMismatch when they are missing, of other rows, or not what was written."""
        entry = self.entry(shard, shard_sha256, rows)
        if entry is None:
            raise StoreMismatch(
                f"no logits of shard {shard!r} (SHA-256 {shard_sha256[:12]}...) in {str(self.folder)!r}: the shard changed "
                "since they were stored, or was never read by the teacher; run stratos.tools.training.teacher on it"
            )
        path = self._path(shard_sha256, ".npz")
        if hashlib.sha256(path.read_bytes()).hexdigest() != entry.file_sha256:
            raise StoreMismatch(
                f"{str(path)!r} is damaged: its SHA-256 is not what was written; delete its .json and store again"
            )
        with np.load(path) as arrays:
            return _unpacked(dict(arrays))

    def _path(self, shard_sha256: str, suffix: str) -> Path:
        return self.folder / f"{shard_sha256[:32]}{suffix}"


def joined(parts: Sequence[StoredLogits]) -> StoredLogits:
    """The rows of several shards, one shard behind the other."""
    return StoredLogits(
        row_starts=_chained([part.row_starts for part in parts]),
        starts=_chained([part.starts for part in parts]),
        ids=np.concatenate([part.ids for part in parts]),
        codes=np.concatenate([part.codes for part in parts]),
        rest=np.concatenate([part.rest for part in parts]),
    )


def _chained(starts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return starts_of(np.concatenate([np.diff(part) for part in starts]))


def starts_of(counts: NDArray[Any]) -> NDArray[np.int64]:
    """Where each of so many things begins, and where the last ends."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def _packed(logits: StoredLogits) -> dict[str, Any]:
    """Each kind of byte in an array of its own, which deflates best: ids by their two lower bytes and the upper one."""
    return {
        "row_tokens": np.diff(logits.row_starts).astype(np.uint32),
        "counts": np.diff(logits.starts).astype(np.uint16),
        "ids_low": (logits.ids & 0xFF).astype(np.uint8),
        "ids_mid": (logits.ids >> 8 & 0xFF).astype(np.uint8),
        "ids_high": (logits.ids >> 16).astype(np.uint8),
        "codes": logits.codes,
        "rest_low": (logits.rest & 0xFF).astype(np.uint8),
        "rest_high": (logits.rest >> 8).astype(np.int8),
    }


def _unpacked(arrays: dict[str, NDArray[Any]]) -> StoredLogits:
    low, mid, high = (arrays[name].astype(np.int64) for name in ("ids_low", "ids_mid", "ids_high"))
    return StoredLogits(
        row_starts=starts_of(arrays["row_tokens"]),
        starts=starts_of(arrays["counts"]),
        ids=low | mid << 8 | high << 16,
        codes=arrays["codes"],
        rest=arrays["rest_high"].astype(np.int16) << 8 | arrays["rest_low"].astype(np.int16),
    )
