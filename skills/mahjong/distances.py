"""What every suit there can be lacks to become m melds and p pairs: the table of the *discard* solver.

Imported at the point of use: it needs NumPy.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from .tiles import COPIES

_FAR = 99
_NUMBERS = 9
_MELDS = 4
_CHOICES = [(pairs, sets, runs) for pairs in range(2) for sets in range(2) for runs in range(3)]
"""What may begin at a tile: three equal runs lack what three sets lack, so that more than two need not be tried."""

_Costs = NDArray[np.int8]
"""Tiles lacking for p pairs and m melds of suits in order of their counts, at [p, m, suit]."""


def cost_table(width: int) -> bytes:
    """Tiles lacking for form 5 p + m of suit n, at 5 ** width * form + n: the digits of n in base 5 are the counts.

    Filled from the last tile on: `ahead` are the costs behind the next tile, where some runs begun need two tiles more,
    or one.
    """
    runs = range(3 if width == _NUMBERS else 1)
    nothing = np.full((2, _MELDS + 1, 1), _FAR, np.int8)
    ahead = {begun: nothing for begun in product(runs, runs)}
    ahead[0, 0] = nothing.copy()
    ahead[0, 0][0, 0] = 0
    for before in reversed(range(width)):
        begun = product(runs if before > 0 else [0], runs if before > 1 else [0])
        ahead = {(two, one): _with_tile(ahead, two, one) for two, one in begun}
    return ahead[0, 0].tobytes()


def _with_tile(ahead: dict[tuple[int, int], _Costs], two: int, one: int) -> _Costs:
    """Costs with one tile more, of which runs begun before it need `two` + `one` copies."""
    best = np.full((2, _MELDS + 1, COPIES + 1, ahead[0, 0].shape[-1]), _FAR, np.int8)
    for pairs, sets, runs in _CHOICES:
        need = two + one + 2 * pairs + 3 * sets + runs
        if need <= COPIES and (runs, two) in ahead:
            rest = ahead[runs, two][: 2 - pairs, : _MELDS + 1 - sets - runs]
            for copies in range(COPIES + 1):
                to = best[pairs:, sets + runs :, copies]
                np.minimum(to, rest + np.int8(max(0, need - copies)), out=to)
    return best.reshape(2, _MELDS + 1, -1)
