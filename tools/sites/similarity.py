"""How far apart the data of sites are, told from sketches: quantiles of features along directions that all sites share.

The sliced Wasserstein distance (Bonneel et al., J. Math. Imaging Vis. 2015; Kolouri et al., arXiv 1902.00434) of the clouds of
features, not the distance of all their values as one heap, which calls two sites alike whose features trade places.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DIRECTIONS, QUANTILES = 32, 16
"""Numbers in a sketch: 512, whatever the number of examples and the width of their features."""


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
