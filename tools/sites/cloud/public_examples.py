"""The public examples of a run, as its folder of given examples keeps them, in the form that backbones learn from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ....skills.given.folder import read_examples
from ..learning.examples import IMAGES, Examples, images


def public_examples(files: Sequence[Path]) -> tuple[tuple[str, ...], list[Examples]]:
    """The names of all labels, and the examples of each file with their labels' numbers."""
    if files[0].suffix == IMAGES:
        return _pictures(files)
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


def _pictures(files: Sequence[Path]) -> tuple[tuple[str, ...], list[Examples]]:
    parts = [images(file) for file in files]
    names = tuple(sorted({label for _, _, labels in parts for label in labels}))
    number = {name: place for place, name in enumerate(names)}
    return names, [
        Examples(pixels=pixels, labels=np.array([number[label] for label in labels], dtype=np.intp))
        for _, pixels, labels in parts
    ]


def public_answers(files: Sequence[Path]) -> list[Examples]:
    """The prompts of each file with the texts that answer them."""
    parts = [read_examples(file) for file in files]
    return [
        Examples.answered([example.prompt for example in part], [example.answer for example in part]) for part in parts
    ]
