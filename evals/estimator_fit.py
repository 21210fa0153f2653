"""Fits the estimator's constants to one half of the measured points; the other half is never read here.

Which half a point belongs to follows from its configuration alone, so repeated measurements of one configuration are never
on both sides. Formulas and spreads were chosen by cross-validation inside the fitted half.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tools.estimating.architecture import Architecture
from ..tools.estimating.calibration import (
    ALL,
    CONSTANTS,
    UNMEASURED,
    Calibrated,
    ConstantName,
    ConstantPrior,
    Measure,
    Source,
    Spread,
    all_levels,
    cell,
    levels,
)
from ..tools.estimating.chips import ServePrecision, kv_bytes, peak_tflops
from ..tools.estimating.grids import chips_array, constants_array, formats_array, models_array
from ..tools.estimating.physics import Array, Point, operating_point
from ..tools.estimating.points import ServingPoint
from ..tools.pricing.accelerators import accelerator_facts

NOISE_TPOT, NOISE_TTFT = 0.10, 0.40
"""assumption: how far a good prediction strays in the logarithm; sets how much a point counts against a prior."""
NOISE_ALONE = 0.05
"""assumption: the same of TPOT at one client, where nothing queues and nothing interferes."""
FOLDS = 5
PRIOR_POINTS = 4
"""assumption: the weight of the band of all cells in a cell's own, in points."""

Effects = dict[ConstantName, dict[str, float]]


def configuration(point: ServingPoint) -> str:
    """What was measured, without its result: the same text for repeated measurements."""
    precision = "" if point.precision_is_assumed else point.precision
    return "|".join(
        (
            point.model,
            point.gpu,
            str(point.gpus),
            point.engine,
            precision,
            str(point.concurrency),
            str(point.input_tokens),
            str(point.output_tokens),
        )
    )


def _digest(point: ServingPoint) -> str:
    return hashlib.sha256(configuration(point).encode()).hexdigest()


def is_held_out(point: ServingPoint) -> bool:
    """Whether the last digit of its configuration's SHA-256 is odd."""
    return int(_digest(point)[-1], 16) % 2 == 1


def fold_of(point: ServingPoint, folds: int) -> int:
    """The fold of a fitted point, from other digits of the same hash."""
    return int(_digest(point)[:8], 16) % folds


class Rows:
    """Points as arrays for the physics, made once."""

    def __init__(self, points: Sequence[ServingPoint], architectures: Mapping[str, Architecture]) -> None:
        self.points, self.architectures = points, architectures
        self.cells = [(point.engine, point.accelerator, point.precision) for point in points]
        facts = [accelerator_facts()[point.accelerator] for point in points]
        precisions: list[ServePrecision] = [point.precision for point in points]
        peaks = np.array([peak_tflops(one, precision) for one, precision in zip(facts, precisions, strict=True)])
        self._models = models_array([architectures[point.model] for point in points])
        self._chips, self._formats = (
            chips_array(facts, peaks),
            formats_array(precisions, np.array([kv_bytes(p.engine, p.precision) for p in points])),
        )
        self._ways, self.concurrency = self._column("gpus"), self._column("concurrency")
        self._input, self._output = self._column("input_tokens"), self._column("output_tokens")
        self.tpot_ms = self._column("tpot_ms")
        self.ttft_ms = np.array([math.nan if point.ttft_ms is None else point.ttft_ms for point in points])
        """Measured; NaN where it was not."""

    def _column(self, name: str) -> Array:
        return np.array([getattr(point, name) for point in self.points], dtype=np.float64)

    def predict(self, constant: Callable[[ConstantName], Array]) -> Point:
        """The physics at every point with each constant's logarithms."""
        return operating_point(
            self._models,
            self._chips,
            self._formats,
            constants_array(lambda name: np.minimum(np.exp(constant(name)), CONSTANTS[name].highest)),
            ways=self._ways,
            concurrency=self.concurrency,
            input_tokens=self._input,
            output_tokens=self._output,
        )

    def predict_with(self, effects: Effects) -> Point:
        """The physics at every point with these effects."""
        rows = [levels(*one) for one in self.cells]
        return self.predict(
            lambda name: np.array([sum(effects[name].get(level, 0.0) for level in row) for row in rows])
        )


def fit(rows: Rows, priors: Mapping[ConstantName, ConstantPrior] = CONSTANTS) -> Effects:
    """The effects that are likeliest given the points and the priors; a few wild points pull little (soft L1)."""
    from scipy.optimize import least_squares

    found_levels = all_levels(rows.cells)
    member = np.array([[level in levels(*one) for level in found_levels] for one in rows.cells], dtype=np.float64)
    names = _free(found_levels, priors)
    spreads = np.array([priors[name].spread if level == ALL else priors[name].varies for name, level in names])
    has_ttft = ~np.isnan(rows.ttft_ms)
    noise = np.where(rows.concurrency == 1, NOISE_ALONE, NOISE_TPOT)
    columns = {
        name: (
            [at for at, (of, _) in enumerate(names) if of == name],
            member[:, [found_levels.index(level) for of, level in names if of == name]],
        )
        for name in priors
    }

    def residuals(free: Array) -> Array:
        found = rows.predict(lambda name: math.log(priors[name].value) + columns[name][1] @ free[columns[name][0]])
        tpot = np.log(found.tpot_ms / rows.tpot_ms) / noise
        ttft = np.log(found.ttft_ms[has_ttft] / rows.ttft_ms[has_ttft]) / NOISE_TTFT
        data = np.concatenate([tpot, ttft])
        soft = np.sign(data) * np.sqrt(2 * (np.sqrt(1 + data**2) - 1))
        return np.concatenate([soft, free / spreads])

    found: Any = least_squares(residuals, np.zeros(len(names)), method="trf", max_nfev=40, ftol=1e-5)
    return effects_of(np.asarray(found.x, dtype=np.float64), names, priors)


def _free(found: Sequence[str], priors: Mapping[ConstantName, ConstantPrior]) -> list[tuple[ConstantName, str]]:
    """What is fitted: each constant's own effect, and one of each level where the constant varies."""
    return [(name, level) for name, prior in priors.items() for level in found if level == ALL or prior.varies > 0]


def effects_of(
    free: Array, names: Sequence[tuple[ConstantName, str]], priors: Mapping[ConstantName, ConstantPrior]
) -> Effects:
    """The fitted offsets as effects: each constant's centre is its prior's plus its own offset."""
    effects: Effects = {name: {ALL: math.log(prior.value)} for name, prior in priors.items()}
    for (name, level), offset in zip(names, free, strict=True):
        effects[name][level] = effects[name].get(level, 0.0) + float(offset)
    return effects


def cross_validated(rows: Rows, folds: int = FOLDS) -> tuple[Array, Array]:
    """Logarithms of measured over predicted TPOT and TTFT, each point predicted by a fit that did not see its fold."""
    return _left_out(rows, [fold_of(point, folds) for point in rows.points])


def across_accelerators(rows: Rows) -> tuple[Array, Array]:
    """The same, each point predicted by a fit that saw nothing of its accelerator: how wrong an unmeasured one may be."""
    return _left_out(rows, [point.accelerator for point in rows.points])


def _left_out(rows: Rows, parts: Sequence[object]) -> tuple[Array, Array]:
    tpot, ttft = np.full(len(parts), np.nan), np.full(len(parts), np.nan)
    for part in dict.fromkeys(parts):
        inside = np.array([one == part for one in parts])
        seen = [point for point, left in zip(rows.points, inside, strict=True) if not left]
        if not seen:
            continue
        left = Rows([point for point, out in zip(rows.points, inside, strict=True) if out], rows.architectures)
        found = left.predict_with(fit(Rows(seen, rows.architectures)))
        tpot[inside] = np.log(left.tpot_ms / found.tpot_ms)
        ttft[inside] = np.log(left.ttft_ms / found.ttft_ms)
    return tpot, ttft


def bands(rows: Rows) -> dict[Measure, Spread]:
    """80 % bands from predictions of points left out: of all cells, of each, and of an accelerator never measured."""
    accelerators = len({point.accelerator for point in rows.points})
    folds = np.array([fold_of(point, FOLDS) for point in rows.points])
    names = np.array([cell(*one) for one in rows.cells])
    measures: tuple[Measure, ...] = ("tpot_ms", "ttft_ms")
    found: dict[Measure, Spread] = {}
    for measure, inside, outside in zip(measures, cross_validated(rows), across_accelerators(rows), strict=True):
        stretch = stretch_of(inside, names, folds)
        ends = {name: (low * stretch, high * stretch) for name, (low, high) in cell_bands(inside, names).items()}
        low, high = ends[ALL]
        # Which way an accelerator nobody measured strays is not known either, and few were measured.
        wide = max(-low, high, *(abs(end) for end in quantiles(outside))) * (1 + 1 / accelerators)
        ends[UNMEASURED] = (-wide, wide)
        found[measure] = Spread(
            low=_rounded({name: end[0] for name, end in ends.items()}),
            high=_rounded({name: end[1] for name, end in ends.items()}),
        )
    return found


def cell_bands(errors: Array, names: NDArray[np.str_]) -> dict[str, tuple[float, float]]:
    """10-90 % quantiles of all errors, and of each cell's averaged with them; those of all weigh PRIOR_POINTS points."""
    low, high = quantiles(errors)
    found = {ALL: (low, high)}
    for name in dict.fromkeys(names.tolist()):
        own = errors[names == name]
        own = own[~np.isnan(own)]
        if not len(own):
            continue
        ends = quantiles(own)
        mixed = [
            (end * len(own) + of_all * PRIOR_POINTS) / (len(own) + PRIOR_POINTS)
            for end, of_all in zip(ends, (low, high), strict=True)
        ]
        found[name] = (mixed[0], mixed[1])
    return found


def stretch_of(errors: Array, names: NDArray[np.str_], folds: NDArray[np.int_]) -> float:
    """How much wider than `cell_bands` of other points a band must be to hold 80 % of points it was not made from.

    Quantiles of few points are too narrow for the next. Each fold is held against bands of the others; the 80 % quantile
    of its distances in half-widths is the stretch: cross-conformal prediction (Vovk 2015).
    """
    distances: list[float] = []
    for fold in np.unique(folds):
        made = cell_bands(errors[folds != fold], names[folds != fold])
        for error, name in zip(errors[folds == fold], names[folds == fold], strict=True):
            low, high = made.get(str(name), made[ALL])
            half = low if error < 0 else high
            if not np.isnan(error):
                distances.append(float(error / half) if half else np.inf)
    return max(1.0, float(np.quantile(distances, 0.8))) if distances else 1.0


def quantiles(logs: Array) -> tuple[float, float]:
    """10 and 90 % quantiles, with no change in between them; NaN is left out."""
    known = logs[~np.isnan(logs)]
    if not len(known):
        return 0.0, 0.0
    return min(float(np.quantile(known, 0.1)), 0.0), max(float(np.quantile(known, 0.9)), 0.0)


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(figure, 4) for name, figure in figures.items()}


def calibrate(rows: Rows, source: Source) -> Calibrated:
    """Constants and bands of these points, as they are shipped."""
    effects = fit(rows)
    counted = Counter(cell(*one) for one in rows.cells)
    return Calibrated(
        effects={
            name: _rounded({level: size for level, size in of.items() if abs(size) >= 5e-4 or level == ALL})
            for name, of in effects.items()
        },
        bands=bands(rows),
        points=dict(sorted(counted.items())),
        sizes=_sizes(rows),
        source=source,
    )


def _sizes(rows: Rows) -> dict[str, tuple[int, int]]:
    """The smallest and the largest model of each cell, parameters."""
    found: dict[str, list[int]] = {}
    for point, one in zip(rows.points, rows.cells, strict=True):
        found.setdefault(cell(*one), []).append(rows.architectures[point.model].parameters)
    return {name: (min(sizes), max(sizes)) for name, sizes in sorted(found.items())}
