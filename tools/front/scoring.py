"""The four-term score of accuracy, latency, dollars and hours: one definition for choosing, explaining and measuring.

Each objective has a scale: the value at which its term is 1 and the value at which it is 0, linear between them and never
beyond. The score is the mean of the terms by the brief's weights, 0 to 1.

- accuracy: 0 to 1 is its own scale, with a target or without; an unknown accuracy counts as 0;
- latency, dollars, hours with a target or limit: from 0 to the limit, so that the term is the share of it left unused;
- the same without one (or with a limit of 0): from the least to the most among the feasible candidates; where these do not
  differ, or there are none to compare with, the objective tells nothing and is left out, its weight too.

Dollars are what the candidate's `usd` says; hard limits are held against `needed_usd` before anything is scored.

The Stratos paper (arXiv 2510.15992) names the same four terms and reports its choice at least 22 % above single-objective ones.
How it normalises them we could not establish; these scales are ours, so the two scores' figures must not be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import Field

from ...state.brief import EVEN, Brief, Record

if TYPE_CHECKING:
    from .table import CandidateTable, Floats, Rows

Objective = Literal["accuracy", "latency", "usd", "hours"]
OBJECTIVES: tuple[Objective, ...] = ("accuracy", "latency", "usd", "hours")

FigureT = TypeVar("FigureT", float, "Floats")


class Scale(Record):
    """One objective's part in a score."""

    weight: float = Field(ge=0)
    best: float = Field(description="the value at which the term is 1")
    worst: float = Field(description="the value at which the term is 0")

    @property
    def span(self) -> float:
        """From worst to best: how much of the objective one whole term is."""
        return abs(self.best - self.worst)

    def term(self, value: FigureT) -> FigureT:
        """0 to 1 where a value, or each of an array, lies on the scale."""
        share = (value - self.worst) / (self.best - self.worst)
        return min(1.0, max(0.0, share)) if isinstance(share, float | int) else _clipped(share)


Scales = Mapping[Objective, Scale]
"""The objectives that count; those that tell nothing are absent."""


class Change(Record):
    """What one objective alone would have to become for a candidate's score to equal another."""

    objective: Objective
    now: float
    wanted: float


def limit_scales(brief: Brief) -> dict[Objective, Scale]:
    """The scales that a brief gives by itself."""
    weights = brief.weights or EVEN
    found: dict[Objective, Scale] = {"accuracy": Scale(weight=weights.accuracy, best=1.0, worst=0.0)}
    for objective, limit in _limits(brief).items():
        if limit:
            found[objective] = Scale(weight=getattr(weights, objective), best=0.0, worst=limit)
    return found


def scales(brief: Brief, table: CandidateTable, feasible: Rows) -> dict[Objective, Scale]:
    """The scales of a choice among the feasible rows of a table."""
    found = limit_scales(brief)
    if len(feasible):
        weights, values = brief.weights or EVEN, figures(table, feasible)
        for objective in _limits(brief):
            least, most = float(values[objective].min()), float(values[objective].max())
            if objective not in found and least < most:
                found[objective] = Scale(weight=getattr(weights, objective), best=least, worst=most)
    return found


def figures(table: CandidateTable, rows: Rows) -> dict[Objective, Floats]:
    """The four objectives' values of some rows of a table."""
    return {
        "accuracy": table.known_accuracy()[rows],
        "latency": table.latency_p95_ms[rows],
        "usd": table.usd[rows],
        "hours": table.hours[rows],
    }


def score(values: Mapping[Objective, FigureT], of: Scales) -> FigureT:
    """The weighted mean of the terms, 0 to 1, of one candidate or of arrays of them; 0 where no scale has a weight."""
    total = sum(scale.weight for scale in of.values()) or 1.0
    terms = [scale.weight / total * scale.term(values[objective]) for objective, scale in of.items()]
    return sum(terms[1:], start=terms[0])


def changes_to_reach(wanted: float, values: Mapping[Objective, float], of: Scales) -> tuple[Change, ...]:
    """For each objective, alone, the value at which the score equals `wanted`; without those that cannot make it up alone.

    It solves the score for one term at a time: the term must gain (wanted - score) x weights' sum / its weight, which is that
    share of its scale. Empty where the score is `wanted` or more.
    """
    missing = (wanted - score(values, of)) * sum(scale.weight for scale in of.values())
    found: list[Change] = []
    for objective, scale in of.items():
        term = scale.term(values[objective])
        if scale.weight > 0 and missing > 0 and term + missing / scale.weight <= 1.0:
            reached = scale.worst + (term + missing / scale.weight) * (scale.best - scale.worst)
            found.append(Change(objective=objective, now=values[objective], wanted=reached))
    return tuple(found)


def _clipped(shares: Floats) -> Floats:
    import numpy as np

    return np.clip(shares, 0.0, 1.0)


def _limits(brief: Brief) -> dict[Objective, float | None]:
    return {"latency": brief.targets.latency_p95_ms, "usd": brief.limits.usd, "hours": brief.limits.hours}
