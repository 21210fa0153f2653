"""The choice among feasible candidates: the cheapest, the best by weights, the knee, or the one the user picked."""

# pyright: reportUnknownMemberType=false

import numpy as np

from ...state.brief import Brief
from ...state.errors import Correctable
from ..chances import expected
from .indicators import spans
from .nondominated import non_dominated
from .rule import NEAR_THE_BEST, Rule, Strategy, strategy_of
from .scoring import OBJECTIVES, Objective, Scale, figures, scales, score
from .table import CandidateTable, Floats, Rows

SAME = 1e-6
"""Expectations this near, as a share, are the same: the rest is rounding, and the figures themselves decide."""


def rule_for(table: CandidateTable, feasible: Rows, brief: Brief, strategy: Strategy | None = None) -> Rule:
    """The rule by which one of these rows is chosen."""
    strategy = strategy or strategy_of(brief)
    match strategy:
        case "weighted":
            return Rule(strategy=strategy, scales=scales(brief, table, feasible))
        case "knee":
            return Rule(strategy=strategy, scales=knee_scales(table, feasible))
        case "cheapest" if brief.targets.accuracy is None and len(feasible):
            enough = float(table.known_accuracy()[feasible].max()) - NEAR_THE_BEST
            return Rule(strategy=strategy, enough=enough)
        case _:
            return Rule(strategy=strategy, target=brief.targets.accuracy)


def choose(table: CandidateTable, feasible: Rows, rule: Rule, pick: int | None = None) -> int | None:
    """The row chosen by a rule among the feasible ones; None where there are none. `pick` is the row for the rule `pick`.

    The cheapest is the one of least expected dollars, then hours, where an accuracy may be missed (`chances.py`).
    Where several are as good: fewest dollars, fewest hours, most accurate, quickest to answer, first by id. Of rows that are not
    picked, nothing feasible dominates the one chosen: a row that dominates another scores no less, and ties go to it. Raises
    Correctable for a pick that is not feasible.
    """
    if rule.strategy == "pick":
        if pick is None or pick not in feasible:
            raise Correctable(f"row {pick} cannot be picked: it is none of the {len(feasible)} that meet every limit")
        return pick
    if not len(feasible):
        return None
    if rule.strategy in ("weighted", "knee"):
        found = scores(table, feasible, rule)
        return table.first(feasible[found == found.max()])
    if rule.enough is not None:
        feasible = feasible[table.known_accuracy()[feasible] >= rule.enough]
    if rule.target is not None:
        usd, hours = expectations(table, feasible, rule.target)
        least = usd <= usd.min() * (1 + SAME)
        feasible, hours = feasible[least], hours[least]
        feasible = feasible[hours <= hours.min() * (1 + SAME)]
    return table.first(feasible)


def expectations(table: CandidateTable, rows: Rows, target: float) -> tuple[Floats, Floats]:
    """(rows,) dollars and (rows,) hours each is expected to take, the attempt after a miss included."""
    chance = table.chance_of_reaching(rows, target)
    usable = table.executable[rows]
    usd, hours = table.usd[rows], table.hours[rows]
    again = usd if table.attempt_usd is None else table.attempt_usd[rows]
    return expected(usd, again, chance, usable), expected(hours, hours, chance, usable)


def scores(table: CandidateTable, rows: Rows, rule: Rule) -> Floats:
    """(rows,) each row's score by a rule's scales."""
    if not rule.scales:
        return np.zeros(len(rows))
    return score(figures(table, rows), rule.scales)


def knee_scales(table: CandidateTable, feasible: Rows) -> dict[Objective, Scale]:
    """Scales whose score is highest at the knee: each objective over its range on the front of the feasible, all weighing alike.

    The knee is the point that bulges farthest from a plane towards the ideal point, after each objective is scaled to its range on
    the front (Das, "On characterizing the knee of the Pareto curve", Structural Optimization 18, 1999); that distance is this score
    but for a constant factor. The plane goes through the intercepts at the worst values instead of through the extreme points, as
    with more than two objectives one point is often the worst in several and no plane is left.
    """
    front = feasible[non_dominated(table.objectives(feasible))]
    values = figures(table, front)
    signs: dict[Objective, float] = {"accuracy": -1.0, "latency": 1.0, "usd": 1.0, "hours": 1.0}
    best, span = spans(np.column_stack([signs[objective] * values[objective] for objective in OBJECTIVES]))
    return {
        objective: Scale(weight=1.0, best=sign * float(least), worst=sign * float(least + width))
        for (objective, sign), least, width in zip(signs.items(), best, span, strict=True)
        if width > 0
    }
