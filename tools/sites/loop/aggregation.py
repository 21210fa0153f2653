"""What a site takes over from the others: their importances, weighted by how near their data are, without those that lie.

Weights are exp(-sharpness x distance / median distance). Sharpness 0 is the plain mean of all sites, none of its own the site alone:
which one serves is told by validation data (ACME's own weights are nearly uniform).
"""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

ALONE = math.inf
SHARPNESSES = (0.0, 1.0, 2.0, 4.0, 8.0, ALONE)
"""What is tried: from the mean of all to the site alone."""

NEAREST = 64
"""Sites that one site listens to, of many: what is farther has little weight."""

Robust = Literal["none", "median"]
"""none: the weighted mean. median: unit by unit the weighted median, and sites whose order of units contradicts all others' are left
out: up to half of the weight may then be of liars."""
LEAST_AGREEMENT = 0.0
"""Rank correlation with the median of all sites up to which a site is left out: an inverted order has -1, a random one 0."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What the sites sent, as far as it can be used: the vectors, in the order of `sites`, and why others are not among them."""

    sites: tuple[str, ...]
    vectors: Floats
    """(sites, units), NaN where a site's model does not have the unit; each scaled to a mean of 1 over the units that all have,
    since losses of different sites have different sizes."""
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])


def heard(sent: Mapping[str, Floats], held: Mapping[str, Places], units: int, robust: Robust = "none") -> Heard:
    """The usable vectors, each put at the places (of so many units) that its site's model holds.

    A site that sends another length, numbers that are none or negative, or nothing but zeros is left out and named, and with `median`
    one whose order of units contradicts the others'. Raises ValueError where no unit is held by all.
    """
    left_out = {site: wrong for site, vector in sent.items() if (wrong := _wrong(vector, len(held[site])))}
    usable = [site for site in sent if site not in left_out]
    vectors = np.full((len(usable), units), np.nan)
    for row, site in enumerate(usable):
        vectors[row, held[site]] = sent[site]
    common = ~np.isnan(vectors).any(axis=0)
    if len(usable) and not common.any():
        raise ValueError("no unit is held by every site: their models have nothing in common")
    if robust == "median" and len(usable) > 2:
        agreements = _agreements(vectors[:, common])
        left_out |= {
            site: f"its order of units contradicts the others' (rank correlation {agreement:.2f})"
            for site, agreement in zip(usable, agreements, strict=True)
            if agreement <= LEAST_AGREEMENT
        }
        kept = [place for place, site in enumerate(usable) if site not in left_out]
        usable, vectors = [usable[place] for place in kept], vectors[kept]
    if len(usable):
        vectors = vectors / np.maximum(vectors[:, common].mean(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return Heard(sites=tuple(usable), vectors=vectors, left_out=left_out)


def _wrong(vector: Floats, units: int) -> str:
    """What is wrong with a vector of importances; empty where nothing is."""
    if vector.shape != (units,):
        return f"it sent an array of shape {vector.shape!r} for {units} units"
    if not bool(np.isfinite(vector).all()):
        return f"{int((~np.isfinite(vector)).sum())} of its {units} importances are no numbers"
    if bool((vector < 0).any()):
        return f"{int((vector < 0).sum())} of its {units} importances are negative"
    return "" if vector.any() else "all its importances are zero"


def _agreements(vectors: Floats) -> Floats:
    """Rank correlation (Spearman) of each vector with the unit-wise median of all."""
    ranks = _ranks(vectors)
    middle = _ranks(np.median(vectors, axis=0)[None])[0]
    return np.array([np.corrcoef(row, middle)[0, 1] if row.std() and middle.std() else 0.0 for row in ranks])


def _ranks(rows: Floats) -> Floats:
    """Ranks within each row, those of equal values their mean."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(rows, axis=1), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Nearness:
    """Of each site the sites that it listens to, itself among them."""

    places: Places
    """(sites, at most NEAREST): their rows."""
    distances: Floats
    """(sites, at most NEAREST)."""
    scale: float
    """The median distance between different sites, the unit that distances count in; 0 where all sites are alike."""

    @classmethod
    def of(cls, distances: Floats) -> "Nearness":
        """From all distances (sites, sites), as `similarity.distances` gives them."""
        count = len(distances)
        others = distances[~np.eye(count, dtype=bool)]
        most = min(NEAREST, count)
        places = np.sort(np.argpartition(distances, most - 1, axis=1)[:, :most], axis=1)
        return cls(
            places=places,
            distances=np.take_along_axis(distances, places, axis=1),
            scale=float(np.median(others)) if len(others) else 0.0,
        )

    def weights(self, sharpness: float) -> Floats:
        """How much each site takes of each that it listens to: rows sum to 1. Raises ValueError for a sharpness below 0 or without end."""
        if not 0 <= sharpness < ALONE:
            raise ValueError(f"sharpness is at least 0 and finite, not {sharpness!r}")
        near = np.exp(-sharpness * self.distances / self.scale) if self.scale else np.ones(self.distances.shape)
        return near / near.sum(axis=1, keepdims=True)


def aggregate(vectors: Floats, shares: Floats, robust: Robust = "none") -> Floats:
    """Each site's own importances (sites, units) from those of all (sites, units, NaN where not held) by its shares (sites, sites).

    A unit counts by the shares of the sites that hold it; NaN where none of weight does.
    """
    holds = ~np.isnan(vectors)
    if robust == "median":
        return np.stack([_weighted_median(vectors, holds * share[:, None]) for share in shares])
    weight = shares @ holds
    sums = shares @ np.where(holds, vectors, 0.0)
    return np.divide(sums, weight, out=np.full(sums.shape, np.nan), where=weight > 0)


def personal(vectors: Floats, nearness: Nearness, sharpness: float, robust: Robust = "none") -> Floats:
    """Each site's own importances (sites, units) at a sharpness; see `aggregate`.

    The mean of all (sharpness 0) is made once; else each site listens to its nearest alone, so that a server's work grows with the
    number of sites and no faster.
    """
    count = len(vectors)
    if sharpness == ALONE:
        return vectors
    if sharpness == 0:
        return np.repeat(aggregate(vectors, np.full((1, count), 1 / count), robust), count, axis=0)
    shares = nearness.weights(sharpness)
    rows = zip(nearness.places, shares, strict=True)
    return np.concatenate([aggregate(vectors[places], share[None], robust) for places, share in rows])


def _weighted_median(vectors: Floats, share: Floats) -> Floats:
    """Unit by unit, the smallest value that at least half of the weight (sites, units) does not exceed."""
    order = np.argsort(vectors, axis=0, kind="stable")  # NaN last, and without weight
    up_to = np.cumsum(np.take_along_axis(share, order, axis=0), axis=0)
    first = np.argmax(up_to >= 0.5 * up_to[-1] - 1e-12, axis=0)
    found = np.take_along_axis(vectors, np.take_along_axis(order, first[None], axis=0), axis=0)[0]
    return np.where(up_to[-1] > 0, found, np.nan)
