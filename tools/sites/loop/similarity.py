"""How far apart the data of sites are, told from sketches: quantiles of features along directions that all sites share.

The sliced Wasserstein distance (Bonneel et al., J. Math. Imaging Vis. 2015; Kolouri et al., arXiv 1902.00434) of the clouds of
features, not the distance of all their values as one heap, which calls two sites alike whose features trade places.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .privacy import noise_for

Floats = NDArray[np.float64]

DIRECTIONS, QUANTILES = 32, 16
"""Numbers in a sketch: 512, whatever the number of examples and the width of their features."""


PRIVATE_DIRECTIONS, PRIVATE_BINS = 8, 32
"""Fewer directions need less noise each; bins of a sixteenth."""


def directions(width: int, seed: int, count: int = DIRECTIONS) -> Floats:
    """Unit vectors drawn evenly from the sphere: (count, width). The same seed gives every site the same."""
    drawn = np.random.default_rng(seed).normal(size=(count, width))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def sketch(
    features: Floats,
    along: Floats,
    noise: float = 0.0,
    rng: np.random.Generator | None = None,
    quantiles: int = QUANTILES,
) -> Floats:
    """A site's features (examples, width) as quantiles along each direction: (directions, quantiles).

    `noise` is the standard deviation of normal noise put on every feature first, in units of that feature's own deviation: it hides
    single examples a little and promises nothing (privacy that is reckoned: `privacy`). Raises ValueError without an example, for
    features that are no numbers, or noise without a generator.
    """
    if not len(features) or not bool(np.isfinite(features).all()):
        raise ValueError(f"features of shape {features.shape!r} must be at least one example of finite numbers")
    if noise:
        if rng is None:
            raise ValueError("noise needs a generator")
        features = features + rng.normal(size=features.shape) * noise * features.std(axis=0)
    places = (np.arange(quantiles) + 0.5) / quantiles
    return np.quantile(features @ along.T, places, axis=0).T


def private_sketch(
    features: Floats, along: Floats, epsilon: float, delta: float, rng: np.random.Generator, quantiles: int = QUANTILES
) -> Floats:
    """A sketch that is (epsilon, delta)-private: quantiles of noisy histograms, of features scaled to a length of 1.

    Scaled so, they lie between -1 and 1 along every direction, whatever the data; the first PRIVATE_DIRECTIONS alone are looked along,
    the others get zeros. One example in another's place moves two counts by one along each: sqrt(2 directions) in all. Compare it
    with its like only. Raises ValueError without an example.
    """
    if not len(features):
        raise ValueError("features of no example")
    used = along[:PRIVATE_DIRECTIONS]
    lengths: Floats = np.sqrt(np.square(features).sum(axis=1)).reshape(-1, 1)
    values = features / np.maximum(lengths, np.finfo(np.float64).tiny) @ used.T
    sigma = noise_for(epsilon, delta, float(np.sqrt(2 * len(used))))
    edges = np.linspace(-1, 1, PRIVATE_BINS + 1)
    places = (np.arange(quantiles) + 0.5) / quantiles
    rows = np.zeros((len(along), quantiles))
    for number, column in enumerate(values.T):
        counts = np.histogram(np.clip(column, -1, 1), bins=edges)[0] + rng.normal(scale=sigma, size=PRIVATE_BINS)
        sure = np.where(
            counts > 2 * sigma, counts, 0.0
        )  # what may be noise alone would spread every site over all bins
        up_to = np.concatenate(([0.0], np.cumsum((sure if sure.any() else np.maximum(counts, 0.0)) + 1e-9)))
        rows[number] = np.interp(places, up_to / up_to[-1], edges)
    return rows


def distances(sketches: Sequence[Floats]) -> Floats:
    """Sliced 2-Wasserstein distances between sites, in the features' unit: (sites, sites), symmetric, zero on the diagonal.

    Of two sketches: the root of the mean over directions of the squared distance of their quantiles. Raises ValueError where they
    are not of one shape.
    """
    shapes = {each.shape for each in sketches}
    if len(shapes) != 1:
        raise ValueError(f"sketches of one shape are compared, not of {sorted(shapes)}")
    flat = np.stack([each.reshape(-1) for each in sketches])
    squared = (flat**2).sum(axis=1)
    between = squared[:, None] + squared[None, :] - 2 * flat @ flat.T
    np.fill_diagonal(between, 0.0)
    return np.sqrt(np.maximum(between, 0.0) / flat.shape[1])
