"""Differential privacy of what a site sends: noise that hides whether any one of its examples was there.

A site's importances are a mean over its examples of vectors of one length, so that another example in one's place moves it by a known
distance at most. The Gaussian mechanism hides that move (Dwork and Roth 2014, section 3.5). Neighbours differ in one example.
"""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DELTA = 1e-5
"""Chance that the promise fails; usual, and below one over the examples of any site here."""


def noise_for(epsilon: float, delta: float, sensitivity: float) -> float:
    """Standard deviation of the normal noise that makes a release (epsilon, delta)-private, in the unit of the sensitivity.

    The least there is: the analytic Gaussian mechanism (Balle and Wang, arXiv 1805.06530, theorem 8), by bisection. Raises
    ValueError for an epsilon or a sensitivity that is not above 0, or a delta outside (0, 1).
    """
    if not (epsilon > 0 and sensitivity > 0 and 0 < delta < 1):
        raise ValueError(
            f"epsilon {epsilon!r} and sensitivity {sensitivity!r} must be above 0, delta {delta!r} between 0 and 1"
        )
    low, high = 0.0, 1.0
    while _delta_of(high, epsilon) > delta:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _delta_of(middle, epsilon) > delta else (low, middle)
    return high * sensitivity


def _delta_of(sigma: float, epsilon: float) -> float:
    """The smallest delta of noise sigma at a sensitivity of 1 (their theorem 8)."""
    if not sigma:
        return 1.0
    near, far = 1 / (2 * sigma), epsilon * sigma
    return _below(near - far) - math.exp(min(epsilon, 700.0)) * _below(-near - far)


def _below(value: float) -> float:
    """The normal distribution function."""
    return 0.5 * math.erfc(-value / math.sqrt(2))


def private_mean(mean: Floats, examples: int, epsilon: float, delta: float, rng: np.random.Generator) -> Floats:
    """A mean over so many rows, each of an L2 length of 1 at most and without negative values, with the noise for (epsilon, delta).

    Another row in one's place moves the mean by at most sqrt(2) over their number, as two rows without negative values cannot point
    away from each other. The number of rows is taken to be known. What the noise makes negative becomes 0: that costs no privacy.
    Raises ValueError without a row.
    """
    if examples < 1:
        raise ValueError(f"a mean over {examples} examples")
    sigma = noise_for(epsilon, delta, math.sqrt(2) / examples)
    return np.maximum(mean + rng.normal(scale=sigma, size=len(mean)), 0.0)
