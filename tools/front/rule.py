"""How a choice on the front was made, as a record: what another candidate's chances depend on."""

from typing import Literal

from pydantic import Field

from ...state.brief import Brief, Record
from .scoring import Objective, Scale

Strategy = Literal["cheapest", "weighted", "knee", "pick"]

NEAR_THE_BEST = 0.02
"""Without an accuracy target: the share of right answers that is given up for less money and time."""


class Rule(Record):
    """One choice's rule."""

    strategy: Strategy
    scales: dict[Objective, Scale] = Field(
        default={}, description="what `weighted` and `knee` score by; objectives that tell nothing are absent"
    )
    enough: float | None = Field(
        default=None, description="the accuracy from which `cheapest` looks at dollars, where the brief has no target"
    )
    target: float | None = Field(
        default=None, description="the accuracy that `cheapest` reckons with missing: what follows a miss counts too"
    )


CHEAPEST = Rule(strategy="cheapest")


def strategy_of(brief: Brief) -> Literal["cheapest", "weighted", "knee"]:
    """What the brief says, else by its weights where it has any, else the cheapest."""
    return brief.choose or ("weighted" if brief.weights is not None else "cheapest")
