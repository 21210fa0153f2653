"""What a candidate is expected to take, a miss and the attempt after it included.

The cheapest candidate that is predicted to reach a target reaches it in little more than half of all cases; what follows a
miss is paid for too. So candidates are compared by what they cost times the chance that it stays at that.
"""

import numpy as np
from numpy.typing import NDArray

from ..state.plan import Prediction
from .accuracy import Z_80

Floats = NDArray[np.float64]

SURE = 0.9
"""Chance from which a candidate counts as one that will reach the target."""
NARROWEST = 1e-6
"""Least spread of a prediction, log odds: a figure without a band is as good as certain."""


def chance_of_reaching(accuracy: Floats, low: Floats, high: Floats, target: float) -> Floats:
    """(rows,) chance that the true accuracy reaches a target, 0 to 1; 0 where the accuracy is unknown (NaN).

    Normal in the log odds, in which `accuracy.py` states its 80 % bands; half the band's width is Z_80 standard deviations.
    """
    spread = np.maximum((_odds(high) - _odds(low)) / (2 * Z_80), NARROWEST)
    chance = _normal_cdf((_odds(accuracy) - _odds(np.asarray(target, dtype=np.float64))) / spread)
    return np.where(np.isnan(accuracy), 0.0, chance)


def chance_of(accuracy: Prediction | None, target: float) -> float:
    """Of one prediction; 0 where it is unknown."""
    if accuracy is None:
        return 0.0
    value, low, high = (np.array([end], dtype=np.float64) for end in (accuracy.value, accuracy.low, accuracy.high))
    return float(chance_of_reaching(value, low, high, target)[0])


def expected(once: Floats, again: Floats, chance: Floats, usable: NDArray[np.bool_]) -> Floats:
    """(rows,) dollars or hours of a candidate, and, for the share of cases in which it misses, of a second attempt.

    `once` is what each takes, `again` what it would take as a second attempt. That attempt is the cheapest of the `usable` rows
    that is SURE to reach the target; where none is, the surest. Without a usable row nothing follows a miss.
    """
    if not usable.any():
        return once
    sure = usable & (chance >= SURE)
    next_one = again[sure].min() if sure.any() else again[usable][chance[usable].argmax()]
    return once + (1.0 - chance) * next_one


def _odds(share: Floats) -> Floats:
    held = np.minimum(np.maximum(share, 1e-9), 1 - 1e-9)
    return np.log(held / (1 - held))


def _normal_cdf(z: Floats) -> Floats:
    """Abramowitz and Stegun 26.2.17; off by less than 7.5e-8, and the same on every machine to that."""
    t = 1 / (1 + 0.2316419 * np.abs(z))
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    upper = np.exp(-z * z / 2) / np.sqrt(2 * np.pi) * series
    return np.asarray(np.where(z >= 0, 1 - upper, upper), dtype=np.float64)
