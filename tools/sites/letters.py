"""What travels between the server and a site: named arrays and a few facts, in as few bytes as they need, every one counted.

A letter is a safetensors file in memory: no code can hide in it, and what it holds can be listed. Weights travel in eight or four
bits with scales, importances and sketches as half floats, choices of units as one bit each.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Fact = str | int | float | bool | None
Direction = Literal["down", "up"]
"""down: to the site. up: from it."""

Bits = Literal[8, 4]
SCALE, SHAPE = ".scale", ".shape"
"""Behind the name of weights sent in few bits: the array of their scales, and, in four bits, of their shape."""
GROUP = 32
"""Weights that share a scale in four bits: the scale then costs half a bit a weight."""
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
    """Weights as they travel: matrices in so many bits with half-float scales, the rest as half floats.

    Eight bits have a scale for each row. Four bits have one for every GROUP weights of a row, two weights a byte, in rows padded with
    zeros to whole groups. The error of a weight is at most half a step: its group's largest absolute value over 254, or over 14.
    """
    packed: dict[str, Array] = {}
    for name, array in weights.items():
        if array.ndim < SHORTEST_MATRIX:
            packed[name] = array.astype(np.float16)
            continue
        rows = array.reshape(len(array), -1).astype(np.float32)
        if bits == 8:
            steps, scales = _stepped(rows, 127)
            packed[name] = steps.astype(np.int8).reshape(array.shape)
        else:
            width = rows.shape[1]
            padded: NDArray[np.float32] = np.pad(rows, ((0, 0), (0, -width % GROUP)))
            steps, scales = _stepped(padded.reshape(-1, GROUP), 7)
            halves = (steps + 8).astype(np.uint8)
            packed[name] = halves[:, 0::2] << 4 | halves[:, 1::2]
            packed[name + SHAPE] = np.array(array.shape, dtype=np.int32)
        packed[name + SCALE] = scales
    return packed


def _stepped(rows: NDArray[np.float32], levels: int) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
    """Each row as whole steps from -levels to levels, and the value of the largest step."""
    scales = np.maximum(np.abs(rows).max(axis=1), 1e-6).astype(np.float16)
    steps = np.rint(rows / scales.astype(np.float32)[:, None] * levels)
    return np.clip(steps, -levels, levels).astype(np.float32), scales


def unpacked_weights(packed: Mapping[str, Array]) -> dict[str, NDArray[np.float32]]:
    """The weights that `packed_weights` packed, as float32."""
    weights: dict[str, NDArray[np.float32]] = {}
    for name, array in packed.items():
        if name.endswith((SCALE, SHAPE)):
            continue
        if array.dtype == np.int8:
            scales = packed[name + SCALE].astype(np.float32) / np.float32(127)
            scaled: Array = array.astype(np.float32) * scales.reshape(-1, *(1 for _ in array.shape[1:]))
            weights[name] = scaled.astype(np.float32)
        elif array.dtype == np.uint8:
            shape = tuple(int(size) for size in packed[name + SHAPE])
            steps = np.stack([array >> 4, array & 15], axis=-1).reshape(-1, GROUP).astype(np.float32) - 8
            values: Array = steps * (packed[name + SCALE].astype(np.float32) / np.float32(7))[:, None]
            rows = values.astype(np.float32).reshape(shape[0], -1)
            weights[name] = rows[:, : math.prod(shape[1:])].reshape(shape)
        else:
            weights[name] = array.astype(np.float32)
    return weights


def packed_choice(chosen: NDArray[np.bool_]) -> Array:
    """Which units are kept, a bit each."""
    return np.packbits(chosen)


def unpacked_choice(packed: Array, units: int) -> NDArray[np.bool_]:
    """The choice that was packed. Raises ValueError where the bits are too few for the units."""
    if packed.dtype != np.uint8 or packed.shape != (-(-units // 8),):
        raise ValueError(f"a choice of {units} units has {-(-units // 8)} bytes, not {packed.dtype} {packed.shape!r}")
    return np.unpackbits(packed, count=units).astype(bool)
