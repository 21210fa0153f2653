"""What a front is like: the ranges of its objectives, and how much it dominates."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def spans(front: Floats) -> tuple[Floats, Floats]:
    """Best value and range of each objective over the rows of a front that are finite; less is better.

    The range is 0 where an objective is constant, and where no row is finite.
    """
    finite = front[np.isfinite(front).all(axis=1)]
    if not len(finite):
        return np.zeros(front.shape[1]), np.zeros(front.shape[1])
    return finite.min(axis=0), np.ptp(finite, axis=0)


def hypervolume(front: Floats, reference: Floats) -> float:
    """The volume that a front dominates up to a reference point, in the objectives' units; (n, m) and (m,), less is better.

    Points that do not dominate the reference add nothing. The computation is pymoo's HV (Fonseca, Paquete and López-Ibáñez,
    CEC 2006).
    """
    from pymoo.indicators.hv import HV

    inside = front[(front < reference).all(axis=1)]
    return float(HV(ref_point=reference)(inside) or 0.0) if len(inside) else 0.0
