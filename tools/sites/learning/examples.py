"""A site's own examples, read from its file and split for good: what trains, what chooses, what judges.

A file is CSV or JSON lines of texts and labels, or of prompts and answers, or an .npz of `pixels` (images, height, width) or (images,
channels, height, width) and `labels`. It is read where the site runs; nothing of it is put into a letter.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....state.brief import Answers
from ....state.errors import RequestError

SHARES = (0.7, 0.15, 0.15)
"""Of training, validation and test where the site has no test file: seeded, by label."""
PARTS = ("train", "validation", "test")
COLUMNS = (("text", "label"), ("prompt", "answer"))
"""Of a file of texts, whatever kind of answers it holds."""
IMAGES = ".npz"


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Inputs, and the numbers of their labels or the texts that answer them."""

    texts: tuple[str, ...] = ()
    pixels: NDArray[np.float32] | None = None
    """(images, channels, height, width)."""
    labels: NDArray[np.intp]
    """Of answers that are texts: the same for all."""
    answers: tuple[str, ...] = ()
    """Of those; else empty."""

    @classmethod
    def answered(cls, texts: Sequence[str], answers: Sequence[str]) -> "Examples":
        """Prompts and the texts that answer them."""
        return cls(texts=tuple(texts), answers=tuple(answers), labels=np.zeros(len(texts), dtype=np.intp))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def bytes(self) -> int:
        """What sending them would take: their text, or a byte a pixel, and two for a label."""
        texts = sum(len(text.encode()) for text in (*self.texts, *self.answers))
        return texts + (0 if self.pixels is None else self.pixels.size) + (0 if self.answers else 2 * len(self))

    def take(self, rows: Sequence[int]) -> "Examples":
        """Some of them."""
        return Examples(
            texts=tuple(self.texts[row] for row in rows) if self.texts else (),
            pixels=None if self.pixels is None else self.pixels[list(rows)],
            labels=self.labels[list(rows)],
            answers=tuple(self.answers[row] for row in rows) if self.answers else (),
        )


@dataclass(frozen=True, kw_only=True)
class SiteExamples:
    """All that a site has, and the names of its labels in the order of their numbers."""

    names: tuple[str, ...]
    """None where the answers are texts."""
    parts: Mapping[str, Examples]
    """By PARTS."""


def read(path: Path, seed: int, answers: Answers = "labels") -> SiteExamples:
    """The examples of a file, split. Raises RequestError with everything wrong with the file: fewer than two labels, a label with too
    few examples to be split, or too few answers that are texts."""
    if answers == "texts":
        return _read_answers(path, seed)
    texts, pixels, labels = images(path) if path.suffix == IMAGES else _texts(path)
    names = tuple(sorted(set(labels)))
    number = {name: place for place, name in enumerate(names)}
    every = Examples(texts=texts, pixels=pixels, labels=np.array([number[label] for label in labels], dtype=np.intp))
    least = len(PARTS)
    few = [name for name, count in zip(names, np.bincount(every.labels), strict=True) if count < least]
    problems = [f"{path}: {len(names)} label, at least two are needed"] if len(names) < 2 else []
    if few:
        problems.append(f"{path}: fewer than {least} examples of {', '.join(map(repr, few))}")
    if problems:
        raise RequestError(problems)
    return SiteExamples(names=names, parts=split(every, seed))


def _read_answers(path: Path, seed: int) -> SiteExamples:
    if path.suffix == IMAGES:
        raise RequestError([f"{path}: pictures have labels, not texts for answers: say `answers: labels`"])
    texts, _, answers = _texts(path)
    if len(texts) < len(PARTS):
        raise RequestError([f"{path}: {len(texts)} rows, at least {len(PARTS)} are needed"])
    return SiteExamples(names=(), parts=split(Examples.answered(texts, answers), seed))


def split(every: Examples, seed: int) -> dict[str, Examples]:
    """By PARTS: each label's examples are dealt in the shares, at least one to every part."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[int]] = {part: [] for part in PARTS}
    for label in np.unique(every.labels):
        own = rng.permutation(np.flatnonzero(every.labels == label))
        held = [max(1, round(share * len(own))) for share in SHARES[1:]]
        for part, some in zip(PARTS, np.split(own, [len(own) - sum(held), len(own) - held[-1]]), strict=True):
            rows[part] += [int(row) for row in some]
    return {part: every.take(sorted(taken)) for part, taken in rows.items()}


def images(path: Path) -> tuple[tuple[str, ...], NDArray[np.float32], list[str]]:
    """Of a file no texts, the pixels (images, channels, height, width) and the labels. Raises RequestError with all that is wrong."""
    with np.load(path, allow_pickle=False) as file:
        missing = [name for name in ("pixels", "labels") if name not in file]
        if missing:
            raise RequestError([f"{path}: no array {' and no '.join(missing)}; it has {', '.join(file) or 'none'}"])
        pixels, labels = as_pixels(file["pixels"]), file["labels"]
    problems: list[str] = []
    if pixels.ndim != 4:
        problems.append(
            f"{path}: pixels of shape {pixels.shape!r}, not (images, height, width) with or without channels"
        )
    elif pixels.shape[-1] != pixels.shape[-2]:
        problems.append(f"{path}: pictures of {pixels.shape[-2]} by {pixels.shape[-1]} pixels are not square")
    if len(pixels) != len(labels):
        problems.append(f"{path}: {len(pixels)} images and {len(labels)} labels")
    if not bool(np.isfinite(pixels).all()):
        problems.append(f"{path}: pixels that are no numbers")
    if problems:
        raise RequestError(problems)
    return (), pixels, [str(label) for label in labels]


def as_pixels(given: NDArray[Any]) -> NDArray[np.float32]:
    """(images, channels, height, width) where it is (images, height, width); bytes become -1 to 1."""
    pixels = given.astype(np.float32) / 127.5 - 1 if given.dtype == np.uint8 else given.astype(np.float32)
    return pixels[:, None] if pixels.ndim == 3 else pixels


def _texts(path: Path) -> tuple[tuple[str, ...], None, list[str]]:
    """Columns `text` and `label`, or `prompt` and `answer`, or the only two there are."""
    rows = list(_rows(path))
    if not rows:
        raise RequestError([f"{path}: no row"])
    names = list(rows[0])
    known = next((pair for pair in COLUMNS if set(pair) <= set(names)), None)
    text, label = known or (*names[:2], "", "")[:2]
    if not label or (len(names) > 2 and known is None):
        wanted = "text and label are wanted, or prompt and answer, or two columns alone"
        raise RequestError([f"{path}: columns {', '.join(names)}; {wanted}"])
    bad = [number for number, row in enumerate(rows, 1) if _missing(row.get(text)) or _missing(row.get(label))]
    if bad:
        shown = ", ".join(map(str, bad[:10])) + (" ..." if len(bad) > 10 else "")
        raise RequestError([f"{path}: {len(bad)} rows without {text} or {label}: {shown}"])
    return tuple(str(row[text]) for row in rows), None, [str(row[label]) for row in rows]


def _missing(value: object) -> bool:
    return value is None or not str(value).strip()


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as lines:
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in lines if line.strip()]
        return list(csv.DictReader(lines))
