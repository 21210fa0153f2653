"""Fits the estimator's constants to one half of the measured points; the other half is never read here.

Which half a point belongs to follows from its configuration alone, so repeated measurements of one configuration are never
on both sides. Formulas and spreads were chosen by cross-validation inside the fitted half.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..tools.estimating.architecture import Architecture
from ..tools.estimating.calibration import ALL, CONSTANTS, ConstantName, ConstantPrior, all_levels, levels
from ..tools.estimating.chips import peak_tflops
from ..tools.estimating.grids import chips_array, constants_array, formats_array, models_array
from ..tools.estimating.physics import Array, Point, operating_point
from ..tools.estimating.points import ARCHITECTURES, ServingPoint
from ..tools.pricing.accelerators import accelerator_facts

NOISE_TPOT, NOISE_TTFT = 0.10, 0.40
"""assumption: how far a good prediction strays in the logarithm; sets how much a point counts against a prior."""

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
        precisions = [point.precision for point in points]
        peaks = np.array([peak_tflops(one, precision) for one, precision in zip(facts, precisions, strict=True)])
        self._models = models_array([architectures[point.model] for point in points])
        self._chips, self._formats = chips_array(facts, peaks), formats_array(precisions)
        self._ways, self._concurrency = self._column("gpus"), self._column("concurrency")
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
            concurrency=self._concurrency,
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
    columns = {
        name: (
            [at for at, (of, _) in enumerate(names) if of == name],
            member[:, [found_levels.index(level) for of, level in names if of == name]],
        )
        for name in priors
    }

    def residuals(free: Array) -> Array:
        found = rows.predict(
            lambda name: math.log(priors[name].value) + columns[name][1] @ free[columns[name][0]]
        )
        tpot = np.log(found.tpot_ms / rows.tpot_ms) / NOISE_TPOT
        ttft = np.log(found.ttft_ms[has_ttft] / rows.ttft_ms[has_ttft]) / NOISE_TTFT
        data = np.concatenate([tpot, ttft])
        soft = np.sign(data) * np.sqrt(2 * (np.sqrt(1 + data**2) - 1))
        return np.concatenate([soft, free / spreads])

    found = least_squares(residuals, np.zeros(len(names)), method="trf", max_nfev=40, ftol=1e-5)
    return effects_of(found.x, names, priors)


def _free(found: Sequence[str], priors: Mapping[ConstantName, ConstantPrior]) -> list[tuple[ConstantName, str]]:
    """What is fitted: each constant's own effect, and one of each level where the constant varies."""
    return [
        (name, level) for name, prior in priors.items() for level in found if level == ALL or prior.varies > 0
    ]


def effects_of(
    free: Array, names: Sequence[tuple[ConstantName, str]], priors: Mapping[ConstantName, ConstantPrior]
) -> Effects:
    """The fitted offsets as effects: each constant's centre is its prior's plus its own offset."""
    effects: Effects = {name: {ALL: math.log(prior.value)} for name, prior in priors.items()}
    for (name, level), offset in zip(names, free, strict=True):
        effects[name][level] = effects[name].get(level, 0.0) + float(offset)
    return effects


def cross_validated(rows: Rows, folds: int = 5) -> tuple[Array, Array]:
    """Logarithms of predicted over measured TPOT and TTFT, each point predicted by a fit that did not see its fold."""
    tpot, ttft = np.zeros(len(rows.points)), np.zeros(len(rows.points))
    of = np.array([fold_of(point, folds) for point in rows.points])
    for fold in range(folds):
        seen = [point for point, at in zip(rows.points, of, strict=True) if at != fold]
        unseen = [point for point, at in zip(rows.points, of, strict=True) if at == fold]
        if not unseen or not seen:
            continue
        effects = fit(Rows(seen, rows.architectures))
        left = Rows(unseen, rows.architectures)
        found = left.predict_with(effects)
        tpot[of == fold] = np.log(found.tpot_ms / left.tpot_ms)
        ttft[of == fold] = np.log(found.ttft_ms / left.ttft_ms)
    return tpot, ttft
