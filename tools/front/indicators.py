"""What a front is like: its knee, and how much it dominates."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import numpy as np
from numpy.typing import NDArray

from ...state.errors import Correctable

Floats = NDArray[np.float64]


def spans(front: Floats) -> tuple[Floats, Floats]:
    """Best value and range of each objective over the rows of a front that are finite; less is better.

    The range is 0 where an objective is constant, and where no row is finite.
    """
    finite = front[np.isfinite(front).all(axis=1)]
    if not len(finite):
        return np.zeros(front.shape[1]), np.zeros(front.shape[1])
    return finite.min(axis=0), np.ptp(finite, axis=0)


def bulges(objectives: Floats, best: Floats, span: Floats) -> Floats:
    """How far each row lies from the plane through the worst values, towards the best; at most 1, -inf for a row not finite.

    It is the distance to the plane whose intercepts are the worst values, as a share of the ideal point's distance; objectives
    of no span are left out.
    """
    used = span > 0
    found = np.full(len(objectives), -np.inf)
    finite = np.isfinite(objectives).all(axis=1)
    found[finite] = 1.0 - ((objectives[finite][:, used] - best[used]) / span[used]).sum(axis=1)
    return found


def knee(front: Floats) -> int:
    """The row of a front's knee: (n, m), less is better; the first of equals.

    The knee is the point that bulges farthest from the plane towards the ideal point, after each objective is scaled to its
    range on the front (Das, "On characterizing the knee of the Pareto curve", Structural Optimization 18, 1999). The plane goes
    through the intercepts at the worst values instead of through the extreme points, as with more than two objectives one point
    is often the worst in several and no plane is left. Raises Correctable for no rows, or where none is finite.
    """
    if not len(front) or not np.isfinite(front).all(axis=1).any():
        raise Correctable(f"no knee: none of {len(front)} rows is finite in all objectives")
    return int(np.argmax(bulges(front, *spans(front))))


def hypervolume(front: Floats, reference: Floats) -> float:
    """The volume that a front dominates up to a reference point, in the objectives' units; (n, m) and (m,), less is better.

    Points that do not dominate the reference add nothing. The computation is pymoo's HV (Fonseca, Paquete and López-Ibáñez,
    CEC 2006).
    """
    from pymoo.indicators.hv import HV

    inside = front[(front < reference).all(axis=1)]
    return float(HV(ref_point=reference)(inside) or 0.0) if len(inside) else 0.0
