"""Fits the estimator's constants to one half of the measured points; the other half is never read here.

Which half a point belongs to follows from its configuration alone, so repeated measurements of one configuration are never
on both sides. Formulas and spreads were chosen by cross-validation inside the fitted half; `estimator_bands.py` makes the bands.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..tools.estimating.calibration import (
    ALL,
    CONSTANTS,
    ConstantName,
    ConstantPrior,
    all_levels,
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
FIRST_TOKEN: tuple[ConstantName, ...] = ("request_ms", "first_token_steps", "queue_factor", "queue_power")
"""Constants that only TTFT knows."""
NOISE_FIRST_TOKEN = 0.10
"""How far a good TTFT strays where only those are fitted. Cross-validated in the fitted half: median error 17.8 % without
a fit of their own, 17.7 % at 0.2, 16.2 % at 0.15, 15.1 % at 0.1."""
STEP = 1e-6
"""Of a logarithm, for slopes."""

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

    def __init__(self, points: Sequence[ServingPoint]) -> None:
        self.points = points
        self.cells = [(point.engine, point.accelerator, point.precision) for point in points]
        facts = [accelerator_facts()[point.accelerator] for point in points]
        precisions: list[ServePrecision] = [point.precision for point in points]
        peaks = np.array([peak_tflops(one, precision) for one, precision in zip(facts, precisions, strict=True)])
        self._models = models_array([point.architecture for point in points])
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
    """The effects that are likeliest given the points and the priors; a few wild points pull little (soft L1).

    All constants together first. There TTFT counts little, for its wild points would move what TPOT knows well; what only
    TTFT knows is fitted to it again, closely, while the rest stands still.
    """
    noise = np.where(rows.concurrency == 1, NOISE_ALONE, NOISE_TPOT)

    def first_token(found: Point) -> Array:
        return np.nan_to_num(np.log(found.ttft_ms / rows.ttft_ms))

    def both(found: Point) -> Array:
        return np.stack([np.log(found.tpot_ms / rows.tpot_ms) / noise, first_token(found) / NOISE_TTFT])

    together = _likeliest(rows, priors, {}, both)
    own: dict[ConstantName, ConstantPrior] = {name: priors[name] for name in FIRST_TOKEN}
    fixed: Effects = {name: effects for name, effects in together.items() if name not in own}
    return fixed | _likeliest(rows, own, fixed, lambda found: first_token(found)[None] / NOISE_FIRST_TOKEN)


def _likeliest(
    rows: Rows, priors: Mapping[ConstantName, ConstantPrior], fixed: Effects, misses: Callable[[Point], Array]
) -> Effects:
    """The effects of the constants in `priors` beside `fixed` ones.

    `misses` are those of a prediction in standard deviations, (figures, points); zero where nothing was measured.
    """
    from scipy.optimize import least_squares

    found_levels = all_levels(rows.cells)
    member = np.array([[level in levels(*one) for level in found_levels] for one in rows.cells], dtype=np.float64)
    names = _free(found_levels, priors)
    spreads = np.array([priors[name].spread if level == ALL else priors[name].varies for name, level in names])
    columns: dict[ConstantName, tuple[list[int], Array]] = {
        name: (
            [at for at, (of, _) in enumerate(names) if of == name],
            member[:, [found_levels.index(level) for of, level in names if of == name]],
        )
        for name in priors
    }
    standing: dict[ConstantName, Array] = {
        name: member @ np.array([of.get(level, 0.0) for level in found_levels]) for name, of in fixed.items()
    }

    def logs(free: Array) -> dict[ConstantName, Array]:
        moved: dict[ConstantName, Array] = {
            name: math.log(priors[name].value) + of @ free[at] for name, (at, of) in columns.items()
        }
        return {**standing, **moved}

    def soft(at: Mapping[ConstantName, Array]) -> Array:
        data = misses(rows.predict(lambda name: at[name]))
        return np.sign(data) * np.sqrt(2 * (np.sqrt(1 + data**2) - 1))

    def residuals(free: Array) -> Array:
        return np.concatenate([soft(logs(free)).ravel(), free / spreads])

    def slopes(free: Array) -> Array:
        # A point feels its own constants alone: a prediction for each constant, not for each effect.
        at = logs(free)
        here = soft(at)
        found = np.zeros((here.size, len(free)))
        for name, (places, of) in columns.items():
            moved: dict[ConstantName, Array] = {**at, name: at[name] + STEP}
            slope = (soft(moved) - here) / STEP
            found[:, places] = (slope[:, :, None] * of).reshape(here.size, -1)
        return np.concatenate([found, np.diag(1 / spreads)])

    solve: Any = least_squares
    found = solve(residuals, np.zeros(len(names)), jac=slopes, method="trf", max_nfev=40, ftol=1e-5)
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


def cross_validated(rows: Rows, folds: int) -> tuple[Array, Array]:
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
        left = Rows([point for point, out in zip(rows.points, inside, strict=True) if out])
        found = left.predict_with(fit(Rows(seen)))
        tpot[inside] = np.log(left.tpot_ms / found.tpot_ms)
        ttft[inside] = np.log(left.ttft_ms / found.ttft_ms)
    return tpot, ttft
