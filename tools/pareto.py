"""The exact front of enumerated candidates, and the choice on it: hard limits first, then the brief's rule.

Pure and deterministic, because a replay computes it again and compares. It does not search: it judges what it is given. All of
it works on columns (`front/`), so that of a million candidates only those that are shown become records.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from ..state.brief import Brief, Record
from ..state.plan import Candidate
from .front.limits import NO_EXECUTOR, Constraint, Violation, broken_shares, violations
from .front.rule import CHEAPEST, NEAR_THE_BEST, Rule
from .front.scoring import Change, limit_scales, score
from .front.words import changes_to_win, chosen_by, described, figures_of, to_win

if TYPE_CHECKING:
    from .front.table import Bools, CandidateTable, Floats, Rows

__all__ = ["NEAR_THE_BEST", "NO_EXECUTOR", "Front", "Infeasible", "RunnerUp", "Violation", "solve_pareto", "violations",
           "weighted_score", "why_not"]  # fmt: skip

RUNNERS_UP = 5
NEAR = 9
"""Candidates shown where none meets every limit."""
FRONT_KEPT = 200
"""Members of the front that become records: more than anybody reads, few enough to journal at each choice."""


class Infeasible(Record):
    """All candidates that break one constraint, told by the one that breaks it least."""

    constraint: Constraint
    candidates: int
    nearest: Violation


class RunnerUp(Record):
    """A candidate that was not chosen and what would have to change for it to win."""

    candidate: Candidate
    to_win: str
    changes: tuple[Change, ...] = Field(
        default=(), description="where a score chose: what each objective alone would have to become"
    )


class Front(Record):
    """What no other candidate beats in accuracy, latency, dollars and hours, and what was chosen."""

    front: tuple[Candidate, ...] = Field(
        description="non-dominated, by rising dollars, then hours; servers not executable included; of more than FRONT_KEPT "
        "an even part, with the best in each objective, the chosen one and the runners-up"
    )
    front_size: int = Field(description="how many are non-dominated")
    dominated: int
    feasible: int = Field(description="candidates that meet every limit and can be executed here")
    infeasible: tuple[Infeasible, ...]
    rule: Rule = CHEAPEST
    chosen: Candidate | None
    reason: str
    nearest: Candidate | None = Field(
        description="when nothing is feasible: the executable candidate that breaks the limits least"
    )
    near: tuple[Candidate, ...] = Field(
        default=(),
        description="when nothing is feasible: the candidates that break the limits least, executable or not, nearest first",
    )
    pilot: Candidate | None = Field(
        description="when nothing is feasible: the cheapest executable one within all other limits whose accuracy is unknown, "
        "or whose band reaches the target"
    )
    lacks_usd: tuple[Candidate, ...] = Field(
        default=(),
        description="when nothing is feasible: those that money alone keeps from being planned, the one of least dollars to try and "
        "the one of least dollars that should reach the target; data and evaluations included",
    )
    runners_up: tuple[RunnerUp, ...]


def solve_pareto(candidates: Sequence[Candidate] | CandidateTable, brief: Brief, *, pick: int | None = None) -> Front:
    """Finds the candidates nobody beats and chooses one by the brief; spends nothing.

    Objectives: accuracy (more), latency p95, dollars and hours (less), at their predicted values. The choice meets every limit
    of the brief and can be executed here. Among those it is the row `pick` where the user picked one, else what the brief's
    `choose` names: the best by the brief's weights, the knee, or the cheapest (with no accuracy target: of those within
    NEAR_THE_BEST of the most accurate), then the fastest to have, the most accurate, the quickest to answer, the first by id.
    An unknown accuracy never meets a target. Raises Correctable for two candidates of one id, a prediction that is no finite
    number, or a pick that breaks a limit.
    """
    import numpy as np

    from .front.choice import choose, rule_for, scores
    from .front.nondominated import non_dominated
    from .front.table import CandidateTable

    table = candidates if isinstance(candidates, CandidateTable) else CandidateTable.of(candidates)
    broken = broken_shares(table, brief)
    distance: Floats = sum(broken.values(), start=np.zeros(len(table)))
    feasible = np.flatnonzero(distance == 0.0)
    rule = Rule(strategy="pick") if pick is not None else rule_for(table, feasible, brief)
    row = choose(table, feasible, rule, pick)
    chosen = None if row is None else table.materialise(row)
    front = table.in_order(non_dominated(table.objectives()))
    others = front[front != row] if row is not None else front
    # A score orders those that meet every limit; what breaks one is told by how far, whatever it would score.
    merit = np.where(distance[others] == 0.0, scores(table, others, rule), 0.0)
    runners_up = _of_different_kinds(table, others[np.lexsort((np.arange(len(others)), -merit, distance[others]))], row)
    kept = _kept(table, front, distance, must=[*runners_up.tolist(), *([] if row is None else [row])])
    return Front(
        front=tuple(table.materialise(one) for one in kept),
        front_size=len(front),
        dominated=len(table) - len(front),
        feasible=len(feasible),
        infeasible=_summary(table, broken, brief),
        rule=rule,
        chosen=chosen,
        reason=_reason(table, broken, brief, chosen, rule, len(feasible), beaten=len(others) == len(front)),
        nearest=_nearest(table, distance) if chosen is None else None,
        near=tuple(map(table.materialise, _least_broken(table, distance, np.arange(len(table)), NEAR)))
        if chosen is None
        else (),
        pilot=_pilot(table, broken, brief) if chosen is None else None,
        lacks_usd=_lacks_usd(table, broken, brief) if chosen is None else (),
        runners_up=tuple(_runner_up(table.materialise(one), chosen, brief, rule) for one in runners_up),
    )


def weighted_score(candidate: Candidate, brief: Brief) -> float:
    """The four-term score, 0 to 1, of one candidate by itself: what has no target or limit has no scale and is left out.

    A choice among many scales such terms by the range of what is feasible: see `front/scoring.py`, which defines both.
    """
    return score(figures_of(candidate), limit_scales(brief))


def why_not(front: Front, candidate: Candidate, brief: Brief) -> str:
    """Why this candidate was not chosen, in words; says so when it was."""
    if front.chosen is not None and front.chosen.id == candidate.id:
        return f"{candidate.id!r} was chosen: {front.reason}"
    return _told(candidate, front.chosen, brief, front.rule)


def _told(candidate: Candidate, chosen: Candidate | None, brief: Brief, rule: Rule) -> str:
    if broken := violations(candidate, brief):
        return "; ".join(violation.arithmetic for violation in broken)
    if chosen is None:
        return "it meets every limit, yet was not among the candidates"
    return to_win(candidate, chosen, rule)


def _runner_up(candidate: Candidate, chosen: Candidate | None, brief: Brief, rule: Rule) -> RunnerUp:
    allowed = chosen is not None and not violations(candidate, brief)
    changes = changes_to_win(candidate, chosen, rule) if chosen is not None and allowed else ()
    return RunnerUp(candidate=candidate, to_win=_told(candidate, chosen, brief, rule), changes=changes)


def _of_different_kinds(table: CandidateTable, rows: Rows, chosen: int | None) -> Rows:
    """The first rows, of each kind the first alone, without the chosen one's kind."""
    import numpy as np

    if table.kind is None:
        return rows[:RUNNERS_UP]
    if chosen is not None:
        rows = rows[table.kind[rows] != table.kind[chosen]]
    firsts = np.unique(table.kind[rows], return_index=True)[1]
    return rows[np.sort(firsts)[:RUNNERS_UP]]


def _kept(table: CandidateTable, front: Rows, distance: Floats, must: Sequence[int]) -> Rows:
    """The rows of a front that become records, in its order: feasible ones, others that can be executed, and the rest have each
    a third of the places, evenly along the front; what one group leaves free goes to the larger ones."""
    import numpy as np

    if len(front) <= FRONT_KEPT:
        return front
    here, kept = table.executable[front], np.isin(front, must)
    for group in (np.flatnonzero(here), np.arange(len(front))):
        if len(group):
            kept[group[table.objectives(front[group]).argmin(axis=0)]] = True
    feasible = distance[front] == 0.0
    groups = sorted((np.flatnonzero(mask & ~kept) for mask in (feasible, here & ~feasible, ~here)), key=len)
    for number, group in enumerate(groups):
        places = min(len(group), max(0, FRONT_KEPT - int(kept.sum())) // (len(groups) - number))
        if places:
            kept[group[np.linspace(0, len(group) - 1, places).round().astype(int)]] = True
    return front[kept]


def _nearest(table: CandidateTable, distance: Floats) -> Candidate | None:
    import numpy as np

    rows = np.flatnonzero(table.executable)
    found = _least_broken(table, distance, rows if len(rows) else np.arange(len(table)), 1)
    return table.materialise(found[0]) if len(found) else None


def _least_broken(table: CandidateTable, distance: Floats, rows: Rows, most: int) -> Rows:
    """The first of some rows by the sum of what they break; among equals the most accurate, then by the order of preference."""
    import numpy as np

    if len(rows) > most:
        rows = rows[distance[rows] <= np.partition(distance[rows], most - 1)[most - 1]]
    rows = table.in_order(rows)
    return rows[np.lexsort((-table.known_accuracy()[rows], distance[rows]))][:most]


def _pilot(table: CandidateTable, broken: Mapping[Constraint, Floats], brief: Brief) -> Candidate | None:
    """The first executable candidate that keeps all but the accuracy target, and whose accuracy leaves room for it."""
    import numpy as np

    rows = np.flatnonzero(_may_tell(table, brief) & _keeps(table, broken, but=("accuracy",)))
    return table.materialise(table.first(rows)) if len(rows) else None


def _lacks_usd(table: CandidateTable, broken: Mapping[Constraint, Floats], brief: Brief) -> tuple[Candidate, ...]:
    """The executable candidates that the least money would make one to try, and one to choose; one where they are the same."""
    import numpy as np

    if "usd" not in broken:
        return ()
    to_try = _may_tell(table, brief) & _keeps(table, broken, but=("usd", "accuracy"))
    to_choose = table.executable & _keeps(table, broken, but=("usd",))
    found = [
        table.first(rows[table.needed_usd[rows] == table.needed_usd[rows].min()])
        for rows in map(np.flatnonzero, (to_try, to_choose))
        if len(rows)
    ]
    return tuple(map(table.materialise, dict.fromkeys(found)))


def _may_tell(table: CandidateTable, brief: Brief) -> Bools:
    """(rows,) whether each can be executed and its accuracy leaves room for the target."""
    import numpy as np

    high = table.accuracy if table.accuracy_high is None else table.accuracy_high
    return table.executable & (np.isnan(table.accuracy) | (high >= (brief.targets.accuracy or 0.0)))


def _keeps(table: CandidateTable, broken: Mapping[Constraint, Floats], but: Sequence[Constraint]) -> Bools:
    """(rows,) whether each keeps every limit and target `but` these."""
    import numpy as np

    kept: Bools = np.ones(len(table), dtype=bool)
    for constraint, shares in broken.items():
        if constraint not in but:
            kept &= shares == 0.0
    return kept


def _summary(table: CandidateTable, broken: Mapping[Constraint, Floats], brief: Brief) -> tuple[Infeasible, ...]:
    import numpy as np

    found: list[Infeasible] = []
    for constraint, shares in broken.items():
        rows = np.flatnonzero(shares > 0)
        nearest = table.materialise(table.first(rows[shares[rows] == shares[rows].min()]))
        violation = next((one for one in violations(nearest, brief) if one.constraint == constraint), None)
        assert violation is not None, f"the record of {nearest.id!r} does not hold the figures of its columns"
        found.append(Infeasible(constraint=constraint, candidates=len(rows), nearest=violation))
    return tuple(found)


def _reason(
    table: CandidateTable,
    broken: Mapping[Constraint, Floats],
    brief: Brief,
    chosen: Candidate | None,
    rule: Rule,
    feasible: int,
    *,
    beaten: bool,
) -> str:
    if not len(table):
        return "there are no candidates to choose from"
    if chosen is not None:
        reason = f"{chosen_by(rule)} of {feasible:,} candidates that meet every limit: {described(chosen)}"
        return reason + ("; what beats it cannot be executed here" if beaten and rule.strategy != "pick" else "")
    import numpy as np

    elsewhere: Bools = ~table.executable
    for constraint, shares in broken.items():
        if constraint != "executor":
            elsewhere = elsewhere & (shares == 0.0)
    unknown = int(np.isnan(table.accuracy).sum())
    reason = f"none of {len(table):,} candidates meets every limit and can be executed here"
    reason += f"; {elsewhere.sum():,} would, but {NO_EXECUTOR}" if elsewhere.any() else ""
    return reason + (f"; the accuracy of {unknown:,} is unknown" if unknown else "")
