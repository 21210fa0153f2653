"""When a price has moved far enough from its quote that a plan made with it no longer holds."""

from dataclasses import dataclass

from ...state.numbers import AS_SAID, shown

MOVED_SHARE = 0.05
"""A price within 5 % of its quote leaves the plan as it is: the bands of predicted hours are wider by far, and a new choice costs the user
another approval. What is billed is billed in any case."""

ROUNDING = 1e-9
"""Figures are decimal and floats are not: 1.05 is exactly 5 % above 1."""


@dataclass(frozen=True, kw_only=True)
class PriceMove:
    """A price that left its quote by more than 5 %, US dollars an hour."""

    quoted: float
    now: float

    @property
    def share(self) -> float:
        """How far it moved, as a share of the quote; below 0: cheaper. Infinite where nothing was quoted."""
        return self.now / self.quoted - 1 if self.quoted else float("inf")

    @property
    def words(self) -> str:
        """As "$1.2 an hour, 20 % above the $1 quoted"."""
        if not self.quoted:
            return f"${shown(self.now, AS_SAID)} an hour, where it was quoted at nothing"
        side, quoted = "above" if self.share > 0 else "below", shown(self.quoted, AS_SAID)
        return f"${shown(self.now, AS_SAID)} an hour, {abs(self.share):.0%} {side} the ${quoted} quoted"


def price_moved(quoted: float, now: float) -> PriceMove | None:
    """The move when `now` differs from `quoted` by more than 5 % of it, dearer or cheaper; None where the plan stays. US dollars an hour,
    both at least 0."""
    if abs(now - quoted) <= MOVED_SHARE * quoted + ROUNDING:
        return None
    return PriceMove(quoted=quoted, now=now)
