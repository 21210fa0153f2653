"""Spaces of named variables, small enough to enumerate or not, and their points as arrays."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...state.errors import Correctable

Floats = NDArray[np.float64]
Points: TypeAlias = Mapping[str, NDArray[Any]]
"""An array for each variable, all of one length: a choice's are positions in its options, an integer's and a real's its values."""
Evaluate: TypeAlias = Callable[[Points], tuple[Floats, Floats]]
"""Of points: (n, m) objectives, less is better, and (n,) by how much the limits are broken, 0 where a point is allowed.

Pure, and vectorised: it is called with up to CHUNK points. Objectives of points that are not allowed are never looked at.
"""

CHUNK = 1 << 18
"""Points that are evaluated at once: a hundred columns of them stay under 256 MiB."""


@dataclass(frozen=True)
class Choices:
    """One of several things without an order; `options` is how many there are."""

    options: int

    @property
    def size(self) -> int:
        """How many values it takes."""
        return self.options


@dataclass(frozen=True)
class Integers:
    """A whole number from low to high, both included."""

    low: int
    high: int

    @property
    def size(self) -> int:
        """How many values it takes."""
        return self.high - self.low + 1


@dataclass(frozen=True)
class Reals:
    """A number from low to high."""

    low: float
    high: float


Variable: TypeAlias = Choices | Integers | Reals
Space: TypeAlias = Mapping[str, Variable]


def check_space(space: Space) -> None:
    """Raises Correctable with everything wrong with a space: no variables, or variables of no values."""
    problems = ["a space needs at least one variable"] if not space else []
    for name, variable in space.items():
        if isinstance(variable, Choices) and variable.options < 1:
            problems.append(f"{name}: {variable.options} options, at least 1 is needed")
        elif isinstance(variable, Integers | Reals) and not variable.low <= variable.high:
            problems.append(f"{name}: low {variable.low!r} must not be above high {variable.high!r}")
    if problems:
        raise Correctable("; ".join(problems))


def size_of(space: Space) -> float:
    """How many points there are; inf where a variable is real."""
    sizes = [math.inf if isinstance(one, Reals) else one.size for one in space.values()]
    return math.prod(sizes)


def enumerate_space(space: Space, chunk: int = CHUNK) -> Iterator[Points]:
    """Every point, a chunk at a time, the last variable changing fastest. Raises Correctable where a variable is real."""
    check_space(space)
    if endless := [name for name, one in space.items() if isinstance(one, Reals)]:
        raise Correctable(f"{endless} are real and cannot be enumerated; search the space, or make them choices")
    whole = {name: one for name, one in space.items() if not isinstance(one, Reals)}
    total = math.prod(one.size for one in whole.values())
    for start in range(0, total, chunk):
        yield decoded(whole, np.arange(start, min(start + chunk, total), dtype=np.int64))


def decoded(space: Mapping[str, Choices | Integers], numbers: NDArray[np.int64]) -> Points:
    """The points of these numbers in the order of `enumerate_space`."""
    points: dict[str, NDArray[Any]] = {}
    for name in reversed(list(space)):
        variable = space[name]
        numbers, place = np.divmod(numbers, variable.size)
        points[name] = place + variable.low if isinstance(variable, Integers) else place
    return {name: points[name] for name in space}


def encoded(space: Mapping[str, Choices | Integers], points: Points) -> NDArray[np.int64]:
    """The numbers of points, as `decoded` takes them; the space must have fewer than 2**63."""
    numbers = np.zeros(count_of(points), dtype=np.int64)
    for name, variable in space.items():
        low = variable.low if isinstance(variable, Integers) else 0
        numbers = numbers * variable.size + (points[name] - low)
    return numbers


def random_points(space: Space, count: int, rng: np.random.Generator) -> Points:
    """Points drawn evenly."""
    return {name: drawn(variable, count, rng) for name, variable in space.items()}


def drawn(variable: Variable, count: int, rng: np.random.Generator) -> NDArray[Any]:
    """Values of one variable, drawn evenly."""
    match variable:
        case Choices():
            return rng.integers(0, variable.options, count)
        case Integers():
            return rng.integers(variable.low, variable.high, count, endpoint=True)
        case Reals():
            return rng.uniform(variable.low, variable.high, count)


def count_of(points: Points) -> int:
    """How many points there are."""
    return len(next(iter(points.values())))


def taken(points: Points, rows: NDArray[Any]) -> Points:
    """Some of the points."""
    return {name: values[rows] for name, values in points.items()}


def joined(parts: list[Points]) -> Points:
    """All points of several."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
