"""The public examples of a run, as its folder of given examples keeps them, in the form that backbones learn from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...skills.given.folder import read_examples
from .examples import Examples


def public_examples(files: Sequence[Path]) -> tuple[tuple[str, ...], list[Examples]]:
    """The names of all labels, and the examples of each file with their labels' numbers."""
    parts = [read_examples(file) for file in files]
    names = tuple(sorted({example.answer for part in parts for example in part}))
    number = {name: place for place, name in enumerate(names)}
    return names, [
        Examples(
            texts=tuple(example.prompt for example in part),
            labels=np.array([number[example.answer] for example in part], dtype=np.intp),
        )
        for part in parts
    ]


def public_answers(files: Sequence[Path]) -> list[Examples]:
    """The prompts of each file with the texts that answer them."""
    parts = [read_examples(file) for file in files]
    return [
        Examples.answered([example.prompt for example in part], [example.answer for example in part]) for part in parts
    ]
