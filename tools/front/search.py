"""The front of a space, of every point or of those that a search comes upon: pymoo's NSGA-II and a local search around it.

The search starts from a coarse grid, from random points and from the best of each objective; NSGA-II with mixed variables (Deb and
others, IEEE TEC 6(2), 2002; pymoo) spreads out from there; then all points that differ in one or two variables from a member of the
front are tried, the loneliest members first (Pareto local search: Paquete, Chiarandini and Stützle, 2004). All points evaluated are
kept, so that the result is the exact front of what was seen, and it never gets worse. One seed gives one result.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...state.errors import Correctable
from .nondominated import non_dominated
from .space import (
    CHUNK,
    Choices,
    Evaluate,
    Floats,
    Integers,
    Points,
    Reals,
    Space,
    check_space,
    count_of,
    drawn,
    encoded,
    enumerate_space,
    joined,
    random_points,
    size_of,
    taken,
)

BUDGET = 200_000
"""Evaluations of a search where none is given."""
GRID_SHARE, RANDOM_SHARE = 0.1, 0.1
GENETIC_SHARE, MOST_GENETIC = 0.3, 4_000
"""NSGA-II's part, at most: pymoo handles mixed variables one point at a time, about 900 a second, the rest goes by the million."""
POPULATION = 100
VALUES_TRIED = 24
"""Other values of one variable that are tried around a member of the front."""
IN_VAIN = 200
"""Rounds without a new point after which a search ends before its budget."""
BATCH = 64
"""Members whose surroundings are tried at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """A front: its points, their objectives (n, m), how many points were evaluated, and whether these were all."""

    points: Points
    objectives: Floats
    evaluations: int
    exact: bool


def exact_front(space: Space, evaluate: Evaluate) -> Found:
    """The front of every allowed point, a chunk at a time, so that memory does not grow with the space."""
    archive = _Archive(space, evaluate)
    for points in enumerate_space(space):
        archive.add(points)
    return archive.found(exact=True)


def search_front(space: Space, evaluate: Evaluate, *, seed: int, budget: int = BUDGET, local: bool = True) -> Found:
    """The front of the allowed points that a search of at most `budget` evaluations comes upon; NSGA-II alone where not `local`.

    Raises Correctable for a space without points or a budget that does not hold one population.
    """
    check_space(space)
    if budget < 2 * POPULATION:
        raise Correctable(f"a budget of {budget} evaluations is too small: at least {2 * POPULATION}, two populations")
    rng, archive = np.random.default_rng(seed), _Archive(space, evaluate)
    if local:
        archive.add(archive.unseen(_coarse_grid(space, int(GRID_SHARE * budget))))
    archive.add(random_points(space, max(POPULATION, int(RANDOM_SHARE * budget if local else 0)), rng))
    left = budget - archive.evaluations
    _genetic(archive, min(int(GENETIC_SHARE * left), MOST_GENETIC) if local else left, seed)
    if local:
        _local(archive, budget, rng)
    return archive.found(exact=False)


class _Archive:
    """Evaluates points and keeps the front of those that are allowed."""

    def __init__(self, space: Space, evaluate: Evaluate) -> None:
        self.space, self.evaluations, self.count = space, 0, 0
        """`count` is how many objectives there are, 0 before anything was evaluated."""
        self._evaluate = evaluate
        whole = {name: one for name, one in space.items() if not isinstance(one, Reals)}
        self._countable = whole if len(whole) == len(space) and size_of(space) < 2**62 else None
        self._seen: set[int] = set()
        self._points: list[Points] = []
        self._objectives: list[Floats] = []

    def add(self, points: Points) -> tuple[Floats, Floats]:
        """Evaluates points; their objectives and by how much each breaks the limits."""
        objectives, broken = self._evaluate(points)
        self.evaluations, self.count = self.evaluations + count_of(points), objectives.shape[1]
        allowed = np.flatnonzero(broken <= 0)
        if len(allowed):
            best = allowed[non_dominated(objectives[allowed])]
            self._points.append(taken(points, best))
            self._objectives.append(objectives[best])
        if sum(map(len, self._objectives)) > CHUNK:
            self.front()
        return objectives, broken

    def unseen(self, points: Points) -> Points:
        """Those of the points that were never given out by this before, each once; all where a variable is real."""
        if self._countable is None:
            return points
        numbers = encoded(self._countable, points).tolist()
        first = {number: row for row, number in reversed([*enumerate(numbers)]) if number not in self._seen}
        self._seen.update(first)
        return taken(points, np.sort(np.array(list(first.values()), dtype=np.intp)))

    def front(self) -> tuple[Points, Floats]:
        """The points of the front so far, without such as equal another in all variables, and their objectives."""
        if not self._points:
            return {name: np.empty(0, dtype=_dtype(self.space, name)) for name in self.space}, np.empty((0, self.count))
        points, objectives = joined(self._points), np.concatenate(self._objectives)
        best = non_dominated(objectives)
        points, objectives = taken(points, best), objectives[best]
        table = np.column_stack([points[name].astype(np.float64) for name in self.space])
        once = np.sort(np.unique(table, axis=0, return_index=True)[1])
        self._points, self._objectives = [taken(points, once)], [objectives[once]]
        return self._points[0], self._objectives[0]

    def found(self, *, exact: bool) -> Found:
        """What there is at the end."""
        points, objectives = self.front()
        return Found(points=points, objectives=objectives, evaluations=self.evaluations, exact=exact)


def _dtype(space: Space, name: str) -> type:
    return np.float64 if isinstance(space[name], Reals) else np.int64


def _coarse_grid(space: Space, most: int) -> Points:
    """A grid of at most so many points: the values of each variable thinned evenly, those of the most values first."""
    sizes = {name: 64 if isinstance(one, Reals) else one.size for name, one in space.items()}
    while math.prod(sizes.values()) > max(1, most):
        largest = max(sizes, key=lambda name: sizes[name])
        if sizes[largest] == 1:
            break
        sizes[largest] = -(-sizes[largest] // 2) if sizes[largest] > 3 else sizes[largest] - 1
    axes = np.meshgrid(*(_levels(space[name], size) for name, size in sizes.items()), indexing="ij")
    return {name: axis.ravel() for name, axis in zip(space, axes, strict=True)}


def _levels(variable: Choices | Integers | Reals, count: int) -> NDArray[Any]:
    low, high = _ends(variable)
    levels = np.linspace(low, high, count) if count > 1 else np.array([(low + high) / 2])
    return levels if isinstance(variable, Reals) else np.round(levels).astype(np.int64)


def _ends(variable: Choices | Integers | Reals) -> tuple[float, float]:
    return (0, variable.options - 1) if isinstance(variable, Choices) else (variable.low, variable.high)


def _genetic(archive: _Archive, evaluations: int, seed: int) -> None:
    """NSGA-II from the front so far; everything it evaluates goes into the archive."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.mixed import MixedVariableDuplicateElimination, MixedVariableMating
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem
    from pymoo.core.variable import Choice, Integer, Real
    from pymoo.optimize import minimize

    generations = evaluations // POPULATION
    if not generations:
        return

    def as_pymoo(variable: Choices | Integers | Reals) -> Any:
        match variable:
            case Choices():
                return Choice(options=list(range(variable.options)))
            case Integers():
                return Integer(bounds=(variable.low, variable.high))
            case Reals():
                return Real(bounds=(variable.low, variable.high))

    class AsPymoo(Problem):
        """The space as pymoo sees it: a dict for each point."""

        def _evaluate(self, x: Any, out: Any, *_: object, **__: object) -> None:
            points = {
                name: np.array([one[name] for one in x], dtype=_dtype(archive.space, name)) for name in archive.space
            }
            archive.unseen(points)
            objectives, broken = archive.add(points)
            # Points that are not allowed are judged by how far they are from it alone; pymoo wants finite objectives.
            out["F"], out["G"] = np.nan_to_num(objectives, posinf=1e300, neginf=-1e300), broken[:, None]

    points, objectives = archive.front()
    start = taken(points, _apart(objectives, POPULATION))
    more = random_points(archive.space, POPULATION - count_of(start), np.random.default_rng(seed))
    first = [dict(zip(archive.space, one, strict=True)) for one in _as_rows(archive.space, joined([start, more]))]
    problem = AsPymoo(
        vars={name: as_pymoo(one) for name, one in archive.space.items()}, n_obj=archive.count, n_ieq_constr=1
    )
    same: Any = MixedVariableDuplicateElimination()
    sampling: Any = Population.new(X=np.array(first, dtype=object))
    mating = MixedVariableMating(eliminate_duplicates=same)
    algorithm = NSGA2(pop_size=POPULATION, sampling=sampling, mating=mating, eliminate_duplicates=same)
    minimize(problem, algorithm, ("n_gen", generations), seed=seed, verbose=False, copy_algorithm=False)


def _as_rows(space: Space, points: Points) -> list[tuple[Any, ...]]:
    """Each point's values in the order of the space."""
    return list(zip(*(points[name].tolist() for name in space), strict=True))


def _apart(objectives: Floats, most: int) -> NDArray[np.intp]:
    """Rows of a front spread over it, at most so many: the ends of each objective, then the loneliest."""
    if len(objectives) <= most:
        return np.arange(len(objectives))
    return np.argsort(-_loneliness(objectives), kind="stable")[:most]


def _loneliness(objectives: Floats) -> Floats:
    """Crowding distance: the gap between a member's neighbours in each objective's order, inf at the ends.

    Gaps are counted logarithmically from one unit on (a dollar, an hour, a millisecond): counted evenly, as in NSGA-II, those of a
    few dear servers hide all others. It decides the order of the search alone. On `evals/front.py` 200,000 evaluations then reach
    0.999 of the hypervolume of logarithms; in an order by chance 0.998, with the median as the unit 0.997.
    """
    total = np.zeros(len(objectives))
    for values in objectives.T:
        order = np.argsort(values, kind="stable")
        scaled = np.log1p(values[order] - values[order[0]])
        span = (scaled[-1] - scaled[0]) or 1.0
        gaps = np.full(len(values), np.inf)
        gaps[1:-1] = (scaled[2:] - scaled[:-2]) / span
        total[order] += gaps
    return total


def _local(archive: _Archive, budget: int, rng: np.random.Generator) -> None:
    """Tries what differs in one variable from members of the front, then mixtures of two; ends early where nothing new is left."""
    tried: set[tuple[Any, ...]] = set()
    in_vain = 0
    while archive.evaluations < budget and in_vain < IN_VAIN:
        points, objectives = archive.front()
        if not count_of(points):
            near = random_points(archive.space, POPULATION, rng)
        else:
            keys = _as_rows(archive.space, points)
            order = np.argsort(-_loneliness(objectives), kind="stable")
            fresh = [row for row in order if keys[row] not in tried][:BATCH]
            tried.update(keys[row] for row in fresh)
            if fresh:
                near = _surroundings(archive.space, taken(points, np.array(fresh)), rng)
            else:
                near = _mixtures(archive.space, points, BATCH * VALUES_TRIED, rng)
        room = budget - archive.evaluations
        if count_of(near) > room:
            near = taken(near, rng.permutation(count_of(near))[:room])
        near = archive.unseen(near)
        in_vain = 0 if count_of(near) else in_vain + 1
        if count_of(near):
            archive.add(near)


def _surroundings(space: Space, members: Points, rng: np.random.Generator) -> Points:
    """Members with one variable changed: to every other value where there are few, else to near and to random ones."""
    parts: list[Points] = []
    for name, variable in space.items():
        now = members[name]
        few = not isinstance(variable, Reals) and variable.size <= VALUES_TRIED
        low, high = _ends(variable)
        if few:
            other = np.tile(np.arange(low, high + 1, dtype=np.int64), (len(now), 1))
        elif isinstance(variable, Reals):
            steps = (
                rng.normal(0, 1, (len(now), VALUES_TRIED)) * (high - low) * rng.choice([0.1, 0.01, 0.001], VALUES_TRIED)
            )
            other = np.clip(now[:, None] + steps, low, high)
        else:
            steps = np.concatenate([np.arange(-4, 0), np.arange(1, 5)])
            close = np.clip(now[:, None] + steps, low, high).astype(np.int64)
            other = np.column_stack([close, drawn(variable, len(now) * (VALUES_TRIED - 8), rng).reshape(len(now), -1)])
        rows = np.repeat(np.arange(len(now)), other.shape[1])
        changed = {**taken(members, rows), name: other.ravel()}
        parts.append(taken(changed, np.flatnonzero(changed[name] != now[rows])))
    return joined(parts)


def _mixtures(space: Space, members: Points, count: int, rng: np.random.Generator) -> Points:
    """Points that take each variable from one of two members, one variable in four from nowhere."""
    one, other = rng.integers(0, count_of(members), (2, count))
    found: dict[str, NDArray[Any]] = {}
    for name, variable in space.items():
        mixed = np.where(rng.random(count) < 0.5, members[name][one], members[name][other])
        found[name] = np.where(rng.random(count) < 1 / len(space), drawn(variable, count, rng), mixed)
    return found
