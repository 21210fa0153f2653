"""The hard limits of a brief: which candidates break which of them and how far, one by one in words, or a whole table at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ...state.brief import Brief, Record
from ...state.numbers import AS_SAID, shown
from ...state.plan import Candidate

if TYPE_CHECKING:
    from .table import CandidateTable, Floats

Constraint = Literal["accuracy", "latency_p95_ms", "throughput_rps", "usd", "hours", "parameters", "executor"]
CONSTRAINTS: tuple[Constraint, ...] = (
    "accuracy",
    "latency_p95_ms",
    "throughput_rps",
    "usd",
    "hours",
    "parameters",
    "executor",
)
WORDS: Mapping[Constraint, str] = {
    "latency_p95_ms": "latency p95 {} ms",
    "usd": "${}",
    "hours": "{} hours",
    "parameters": "{} parameters",
}
LEFT_DIGITS = 5
"""Digits of limits below a thousand: more are of what others left over."""

NO_EXECUTOR = "no executor for this cloud is configured (--executor sky)"


class Violation(Record):
    """One candidate against one constraint it breaks."""

    candidate_id: str
    constraint: Constraint
    share: float = Field(
        description="how far past the limit, as a share of it (of 1 where it is 0); 1 where it cannot be told"
    )
    arithmetic: str


def violations(candidate: Candidate, brief: Brief) -> tuple[Violation, ...]:
    """Every hard limit of the brief that a candidate breaks, with the arithmetic; empty when it may be chosen."""
    return tuple(
        Violation(
            candidate_id=candidate.id,
            constraint=constraint,
            share=share,
            arithmetic=_arithmetic(constraint, candidate, brief),
        )
        for constraint in CONSTRAINTS
        if (share := _share(constraint, candidate, brief)) > 0
    )


def broken_shares(table: CandidateTable, brief: Brief) -> dict[Constraint, Floats]:
    """For each constraint that any row breaks: (rows,) how far each row is past it, as `Violation.share`; 0 where it is kept.

    The same figures as `violations` gives, row by row. An unknown accuracy breaks every target.
    """
    import numpy as np

    values = {
        "latency_p95_ms": table.latency_p95_ms,
        "usd": table.needed_usd,
        "hours": table.hours,
        "parameters": table.parameters,
    }
    limits = _upper_limits(brief)
    found: dict[Constraint, Floats] = {}
    for constraint in CONSTRAINTS:
        if constraint == "accuracy":
            wanted = brief.targets.accuracy
            if wanted is not None:
                short = np.where(np.isnan(table.accuracy), wanted, wanted - table.accuracy)
                found[constraint] = np.maximum(short, 0.0) / wanted
        elif constraint == "throughput_rps":
            needed, got = brief.targets.needed_rps, table.throughput_rps
            if needed is not None and got is not None:
                found[constraint] = np.maximum(needed - np.where(np.isnan(got), needed, got), 0.0) / needed
        elif constraint == "executor":
            found[constraint] = np.where(table.executable, 0.0, 1.0)
        elif (limit := limits[constraint]) is not None:
            found[constraint] = np.maximum(values[constraint] - limit, 0.0) / (limit or 1.0)
    return {constraint: shares for constraint, shares in found.items() if shares.any()}


def _upper_limits(brief: Brief) -> dict[Constraint, float | None]:
    return {
        "latency_p95_ms": brief.targets.latency_p95_ms,
        "usd": brief.limits.usd,
        "hours": brief.limits.hours,
        "parameters": brief.limits.max_parameters,
    }


def _value(constraint: Constraint, candidate: Candidate) -> float:
    match constraint:
        case "latency_p95_ms":
            return candidate.latency_p95_ms.value
        case "usd":
            return candidate.needed_usd
        case "hours":
            return candidate.hours.value
        case _:
            return candidate.parameters


def _share(constraint: Constraint, candidate: Candidate, brief: Brief) -> float:
    if constraint == "executor":
        return 0.0 if candidate.executable else 1.0
    if constraint == "accuracy":
        wanted = brief.targets.accuracy
        if wanted is None:
            return 0.0
        return 1.0 if candidate.accuracy is None else max(0.0, wanted - candidate.accuracy.value) / wanted
    if constraint == "throughput_rps":
        needed, got = brief.targets.needed_rps, candidate.throughput_rps
        return 0.0 if needed is None or got is None else max(0.0, needed - got.value) / needed
    limit = _upper_limits(brief)[constraint]
    return 0.0 if limit is None else max(0.0, _value(constraint, candidate) - limit) / (limit or 1.0)


def _arithmetic(constraint: Constraint, candidate: Candidate, brief: Brief) -> str:
    if constraint == "executor":
        return NO_EXECUTOR
    if constraint == "accuracy":
        wanted = brief.targets.accuracy or 0.0
        if candidate.accuracy is None:
            return f"accuracy is unknown, {wanted:.1%} is wanted"
        gap = (wanted - candidate.accuracy.value) * 100
        return f"accuracy {candidate.accuracy.value:.1%} is {gap:.1f} points below the {wanted:.1%} wanted"
    if constraint == "throughput_rps":
        assert candidate.throughput_rps is not None
        got, needed = candidate.throughput_rps.value, brief.targets.needed_rps or 0.0
        return f"{shown(got)} requests a second are {shown(needed - got)} below the {shown(needed)} that the server must carry"
    value, limit = _value(constraint, candidate), _upper_limits(brief)[constraint]
    over = value - (limit or 0.0)
    share = f" ({over / limit:.0%})" if limit else ""
    beside, sign = (_beside(candidate), "$") if constraint == "usd" else ("", "")
    told = f"{WORDS[constraint].format(shown(value))}{beside} is {sign}{shown(over)} over"
    return f"{told} the limit of {sign}{_limit_words(limit or 0.0)}{share}"


def _limit_words(limit: float) -> str:
    """A limit as it was said; what is left of one, which nobody said, without its tail of digits."""
    return shown(limit, AS_SAID if limit >= 1000 else LEFT_DIGITS)


def _beside(candidate: Candidate) -> str:
    """What the dollars of a candidate hold beside its training."""
    parts = [
        what
        for usd, what in ((candidate.overhead_usd, "data and evaluations"), (candidate.serving_usd, "serving"))
        if usd
    ]
    return f" with its {' and its '.join(parts)}" if parts else ""
