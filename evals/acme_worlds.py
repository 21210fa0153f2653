"""The sites of the `acme` eval: whose data they have, how alike they are, and what their boxes allow.

Splits in the spirit of the paper's: *alike*, every site has all labels; *two thirds*, *third* and *apart*, a site has that share of all
labels or labels that no other site has. Part of the training data is the cloud's own, public. Labels are told to no one but the site.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..tools.sites.cloud.shape import Shape
from ..tools.sites.learning.examples import Examples
from ..tools.sites.loop.letters import Bits

Split = Literal["alike", "two thirds", "third", "apart"]
SPLITS: tuple[Split, ...] = ("alike", "two thirds", "third", "apart")
PUBLIC_SHARE, PUBLIC_VALIDATION_SHARE = 0.25, 0.05
SHARES_OF_LABELS = {"alike": 1.0, "two thirds": 2 / 3, "third": 1 / 3}
LEAST_EXAMPLES = 3
"""Of a label at a site: fewer cannot be split."""
BOXES = (0.02, 0.1, 0.3, 0.6, 1.0)
"""Limits of the sites in turn, from the smallest cut's bytes (0) to the whole backbone's (1). A single model for all has to fit the
tightest."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Data and sites of one seed."""

    name: str
    labels: tuple[str, ...]
    public: Examples
    validation: Examples
    """Public too."""
    sites: dict[str, Examples]
    """Labels by their numbers in `labels`."""
    shape: Shape
    epochs: tuple[int, int]
    """At a site: of the model as sent, and of what was kept of it."""
    rate: float
    bits: Bits
    """Of each weight on its way to a site: few weights bear less rounding."""

    def write(self, folder: Path) -> dict[str, Path]:
        """A file for each site, as a site has it."""
        return {name: self._written(examples, folder / name / "data") for name, examples in self.sites.items()}

    def write_public(self, folder: Path) -> Path:
        """A file of all that is public, validation included."""
        pixels = (self.public.pixels, self.validation.pixels)
        every = Examples(
            texts=self.public.texts + self.validation.texts,
            pixels=None if pixels[0] is None or pixels[1] is None else np.concatenate([pixels[0], pixels[1]]),
            labels=np.concatenate([self.public.labels, self.validation.labels]),
        )
        return self._written(every, folder / "public")

    def _written(self, examples: Examples, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        labels = [self.labels[label] for label in examples.labels]
        if examples.pixels is not None:
            pictures = path.with_suffix(".npz")
            np.savez(pictures, pixels=examples.pixels, labels=labels)
            return pictures
        texts = path.with_suffix(".csv")
        with texts.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.writer(lines, lineterminator="\n")
            writer.writerows([("text", "label"), *zip(examples.texts, labels, strict=True)])
        return texts


def digits(seed: int, split: Split, sites: int = 5) -> World:
    """scikit-learn's 1,797 pictures of digits, 8 x 8 pixels."""
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    every = Examples(pixels=(found.images / 8 - 1).astype(np.float32)[:, None], labels=found.target.astype(np.intp))
    labels = tuple(str(digit) for digit in range(10))
    shape = Shape(hidden=48, layers=4, heads=4, feed_forward=96, patch=2)
    return _world("digits", every, labels, seed, split, sites, shape, (8, 16), 2e-3, 4)


def banking77(folder: Path, seed: int, split: Split, sites: int = 10) -> World:
    """Questions to a bank, 77 intents: its training and test files together; rows without an intent are left out."""
    rows = [row for name in ("train.csv", "test.csv") for row in _rows(folder / name)]
    labels = tuple(sorted({label for _, label in rows}))
    number = {label: place for place, label in enumerate(labels)}
    every = Examples(
        texts=tuple(text for text, _ in rows), labels=np.array([number[label] for _, label in rows], dtype=np.intp)
    )
    return _world(
        "banking77",
        every,
        labels,
        seed,
        split,
        sites,
        Shape(hidden=128, layers=4, heads=4, feed_forward=256),
        (4, 6),
        1e-3,
        4,
    )


def _rows(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return [(row["text"], row["category"]) for row in csv.DictReader(lines) if row["text"] and row["category"]]


def _world(
    name: str,
    every: Examples,
    labels: tuple[str, ...],
    seed: int,
    split: Split,
    sites: int,
    shape: Shape,
    epochs: tuple[int, int],
    rate: float,
    bits: Bits,
) -> World:
    # What is public is the same for all splits of a seed: one family serves them all.
    order = np.random.default_rng(seed).permutation(len(every))
    public, validation, rest = np.split(
        order, [round(PUBLIC_SHARE * len(order)), round((PUBLIC_SHARE + PUBLIC_VALIDATION_SHARE) * len(order))]
    )
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    names = [f"site-{number}" for number in range(sites)]
    dealt = _dealt(every.labels[rest], len(labels), split, sites, rng)
    return World(
        name=name,
        labels=labels,
        public=every.take([int(row) for row in public]),
        validation=every.take([int(row) for row in validation]),
        sites={site: every.take([int(row) for row in rest[places]]) for site, places in zip(names, dealt, strict=True)},
        shape=shape,
        epochs=epochs,
        rate=rate,
        bits=bits,
    )


def _dealt(
    labels: NDArray[np.intp], count: int, split: Split, sites: int, rng: np.random.Generator
) -> list[NDArray[np.intp]]:
    """Rows of each site: every row is at one site, among those that have its label."""
    owners = _owners(count, split, sites, rng)
    at = np.array([rng.choice(owners[label]) for label in labels])
    return [_enough(np.flatnonzero(at == site), labels) for site in range(sites)]


def _owners(count: int, split: Split, sites: int, rng: np.random.Generator) -> list[list[int]]:
    """Which sites have each label: one, or the share of all of them that is nearest, dealt in turn so that sites have as many."""
    each = 1 if split == "apart" else max(1, round(SHARES_OF_LABELS[split] * sites))
    turn = 0
    owners: list[list[int]] = [[] for _ in range(count)]
    for label in rng.permutation(count):
        owners[label] = [(turn + place) % sites for place in range(each)]
        turn = (turn + each) % sites
    return owners


def _enough(rows: NDArray[np.intp], labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Without rows of a label that a site has too few of."""
    counts = np.bincount(labels[rows])
    return rows[counts[labels[rows]] >= LEAST_EXAMPLES]


def limits(smallest_bytes: int, whole_bytes: int, sites: Sequence[str]) -> dict[str, int]:
    """The most bytes each site's backbone may have."""
    return {
        site: smallest_bytes + round(BOXES[number % len(BOXES)] * (whole_bytes - smallest_bytes))
        for number, site in enumerate(sites)
    }
