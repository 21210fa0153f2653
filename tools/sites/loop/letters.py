"""What travels between the server and a site: named arrays and a few facts, in as few bytes as they need, every one counted.

A letter is a safetensors file in memory: no code can hide in it, and what it holds can be listed. Weights travel in eight to four
bits with shared scales, coded by Huffman; importances and sketches as half floats, choices of units as one bit each.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Fact = str | int | float | bool | None
Direction = Literal["down", "up"]
"""down: to the site. up: from it."""

Bits = Literal[8, 6, 5, 4]
STEPS, SCALES, SHORT = "steps", "scales", "short"
"""Arrays of packed weights: the steps of all matrices, coded by Huffman; the scale of each group of them; norms and biases."""
GROUPS: Mapping[int, int] = {8: 128, 6: 64, 5: 32, 4: 32}
"""Weights that share a scale, by bits: at a byte each the scales cost a sixteenth of a bit a weight to a quarter."""
SCALE_STEPS = 8
"""Scales travel as a byte, in steps of an eighth of an octave below the largest: 32 octaves."""
MOST_TEXT = 10_000_000
"""Bytes of a text that is unpacked: tokenizers of large models have a few millions."""
SHORTEST_MATRIX = 2
"""Dimensions from which weights travel in few bits; norms and biases are few and travel as half floats."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One message, either way."""

    kind: str
    arrays: Mapping[str, Array] = field(default_factory=dict[str, Array])
    facts: Mapping[str, Fact] = field(default_factory=dict[str, Fact])

    def to_bytes(self) -> bytes:
        """The letter as it travels."""
        from safetensors.numpy import save

        return save(
            {name: np.ascontiguousarray(array) for name, array in self.arrays.items()},
            # One entry: safetensors writes several in any order, and equal letters must be equal bytes.
            metadata={"letter": json.dumps([self.kind, dict(self.facts)], allow_nan=False)},
        )

    @classmethod
    def from_bytes(cls, sent: bytes) -> "Letter":
        """The letter that was sent. Raises ValueError for bytes that are none."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            arrays = load(sent)
            length = int.from_bytes(sent[:8], "little")
            kind, facts = json.loads(json.loads(sent[8 : 8 + length])["__metadata__"]["letter"])
            return cls(kind=kind, arrays=arrays, facts=facts)
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{len(sent)} bytes that are no letter: {error}") from error


class NotSent(str):
    """In the place of an answer: why the letter did not even go to its site. Its bytes count for nothing."""

    __slots__ = ()


@dataclass
class Meter:
    """Bytes that travelled, by site and direction, and how many letters."""

    bytes: dict[tuple[str, Direction], int] = field(default_factory=dict[tuple[str, Direction], int])
    letters: int = 0

    def count(self, site: str, direction: Direction, length: int) -> None:
        """Adds one letter."""
        self.bytes[site, direction] = self.bytes.get((site, direction), 0) + length
        self.letters += 1

    def total(self, direction: Direction | None = None) -> int:
        """Bytes of all sites, one way or both."""
        return sum(length for (_, way), length in self.bytes.items() if direction in (None, way))


def packed_weights(weights: Mapping[str, Array], bits: Bits = 8) -> dict[str, Array]:
    """Weights as they travel: all matrices, in their order, in so many bits, the rest as half floats. No names and no shapes: the
    receiver's own model has them.

    The weights of a matrix are taken row by row in groups that share a scale (the last is filled up with zeros). The error of a weight
    is at most half a step: 1.1 times its group's largest absolute value over 2^bits - 2.
    """
    levels = 2 ** (bits - 1) - 1
    matrices = [array for array in weights.values() if array.ndim >= SHORTEST_MATRIX]
    short = [array.reshape(-1) for array in weights.values() if array.ndim < SHORTEST_MATRIX]
    groups = np.concatenate([_grouped(matrix, GROUPS[bits]) for matrix in matrices])
    largest = np.abs(groups).max(axis=1)
    top = np.float32(largest.max() or 1.0)
    # Rounded to the larger scale, so that nothing is cut off; groups of nothing but zeros have the smallest.
    octaves = np.log2(np.maximum(largest, top * 2.0**-31) / top)
    codes = np.clip(np.floor(-SCALE_STEPS * octaves), 0, 255).astype(np.uint8)
    steps = np.rint(groups / _scales(codes, top)[:, None] * levels).astype(np.int8)
    huffman = zlib.compressobj(9, strategy=zlib.Z_HUFFMAN_ONLY)
    return {
        STEPS: np.frombuffer(huffman.compress(steps.tobytes()) + huffman.flush(), dtype=np.uint8),
        SCALES: np.concatenate([np.frombuffer(top.tobytes(), dtype=np.uint8), codes]),
        SHORT: np.concatenate([np.zeros(0), *short]).astype(np.float16),
    }


def _grouped(matrix: Array, size: int) -> NDArray[np.float32]:
    flat = matrix.astype(np.float32).reshape(-1)
    return np.pad(flat, (0, -len(flat) % size)).reshape(-1, size)


def _scales(codes: NDArray[np.uint8], top: np.float32) -> NDArray[np.float32]:
    return (top * np.exp2(-codes.astype(np.float32) / SCALE_STEPS)).astype(np.float32)


def unpacked_weights(
    packed: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]], bits: Bits = 8
) -> dict[str, NDArray[np.float32]]:
    """The weights that `packed_weights` packed, as float32, by the names and shapes of the model they are of.

    Raises ValueError where they are not those of such a model.
    """
    size = GROUPS[bits]
    counts = {name: -(-math.prod(shape) // size) for name, shape in shapes.items() if len(shape) >= SHORTEST_MATRIX}
    total = sum(counts.values())
    length = total * size
    coded = _inflated(packed[STEPS], length)
    scales, short = packed[SCALES], packed[SHORT]
    few = sum(math.prod(shape) for name, shape in shapes.items() if name not in counts)
    if len(coded) != length or scales.nbytes != total + 4 or short.size != few:
        raise ValueError(
            f"the weights are not those of the model: {len(coded)} bytes of steps, {scales.nbytes} of scales and {short.size} others, "
            f"where it has {length}, {total + 4} and {few}"
        )
    steps = np.frombuffer(coded, dtype=np.int8)
    bytes_of_scales = scales.view(np.uint8)
    top = np.frombuffer(bytes_of_scales[:4].tobytes(), dtype=np.float32)[0]
    values = (
        steps.reshape(-1, size).astype(np.float32)
        * (_scales(bytes_of_scales[4:], top) / (2 ** (bits - 1) - 1))[:, None]
    )
    weights: dict[str, NDArray[np.float32]] = {}
    at, at_short = 0, 0
    for name, shape in shapes.items():
        wanted = math.prod(shape)
        if name in counts:
            rows: Array = values[at : at + counts[name]]
            weights[name] = rows.reshape(-1)[:wanted].reshape(shape).astype(np.float32)
            at += counts[name]
        else:
            weights[name] = short[at_short : at_short + wanted].astype(np.float32).reshape(shape)
            at_short += wanted
    return weights


def _inflated(coded: Array, length: int) -> bytes:
    """At most one byte more than expected: what is far too long is not unpacked. Raises ValueError for what is not coded so."""
    try:
        return zlib.decompressobj().decompress(coded.tobytes(), length + 1)
    except zlib.error as error:
        raise ValueError(f"bytes that are not coded: {error}") from error


def packed_text(text: str) -> Array:
    """A text as it travels."""
    return np.frombuffer(zlib.compress(text.encode(), 9), dtype=np.uint8)


def unpacked_text(packed: Array) -> str:
    """The text that was packed. Raises ValueError for what is none, or too long."""
    return _inflated(packed, MOST_TEXT).decode()


def packed_choice(chosen: NDArray[np.bool_]) -> Array:
    """Which units are kept, a bit each."""
    return np.packbits(chosen)


def unpacked_choice(packed: Array, units: int) -> NDArray[np.bool_]:
    """The choice that was packed. Raises ValueError where the bits are too few for the units."""
    if packed.dtype != np.uint8 or packed.shape != (-(-units // 8),):
        raise ValueError(f"a choice of {units} units has {-(-units // 8)} bytes, not {packed.dtype} {packed.shape!r}")
    return np.unpackbits(packed, count=units).astype(bool)
