"""What is shipped of a fit: its constants, and 80 % bands from predictions of points left out, inside the fitted half alone.

The bands cover points like those measured, and accelerators of which none was.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..tools.estimating.calibration import ALL, UNMEASURED, Calibrated, Measure, Source, Spread, cell
from ..tools.estimating.physics import Array
from .estimator_fit import Rows, across_accelerators, cross_validated, fit, fold_of

FOLDS: Mapping[Measure, int] = {"tpot_ms": 5, "ttft_ms": 20}
"""Fits to 80 % of the points, five folds, predict worse than the shipped one, and bands of theirs are too wide. Nested inside the
fitted half, a fifth left out of everything: five folds hold 85.0 % of TPOT and 86.6 % of TTFT, twenty 82.8 % and 82.9 %. TPOT's band
is a few percent wide, so there the wider one costs a plan little."""
MEASURES: tuple[Measure, ...] = ("tpot_ms", "ttft_ms")
PRIOR_POINTS = 4
"""assumption: the weight of the band of all cells in a cell's own, in points."""


def calibrate(rows: Rows, source: Source) -> Calibrated:
    """Constants and bands of these points, as they are shipped."""
    effects = fit(rows)
    counted = Counter(cell(*one) for one in rows.cells)
    return Calibrated(
        effects={
            name: {level: round(size, 4) for level, size in of.items() if abs(size) >= 5e-4 or level == ALL}
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
        found.setdefault(cell(*one), []).append(point.architecture.parameters)
    return {name: (min(sizes), max(sizes)) for name, sizes in sorted(found.items())}


def bands(rows: Rows) -> dict[Measure, Spread]:
    """80 % bands of all cells, of each, and of an accelerator never measured."""
    accelerators = len({point.accelerator for point in rows.points})
    names = np.array([cell(*one) for one in rows.cells])
    found: dict[Measure, Spread] = {}
    for at, outside in enumerate(across_accelerators(rows)):
        measure = MEASURES[at]
        folds = np.array([fold_of(point, FOLDS[measure]) for point in rows.points])
        inside = cross_validated(rows, FOLDS[measure])[at]
        stretch = stretch_of(inside, names, folds)
        ends = {name: (low * stretch, high * stretch) for name, (low, high) in cell_bands(inside, names).items()}
        low, high = ends[ALL]
        # Which way an accelerator nobody measured strays is not known either, and few were measured.
        wide = max(-low, high, *(abs(end) for end in quantiles(outside))) * (1 + 1 / accelerators)
        ends[UNMEASURED] = (-wide, wide)
        found[measure] = Spread(
            low={name: round(end[0], 4) for name, end in ends.items()},
            high={name: round(end[1], 4) for name, end in ends.items()},
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
