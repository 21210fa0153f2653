"""Predicts a student's accuracy from learning curves that were measured, and from nothing else.

Evidence is a CSV beside the skill (`learning_curves.csv`, written by `python -m stratos.evals.mahjong`) and this run's own
attempts. Model: the error falls as a power of tokens and of parameters, fitted by least squares on logarithms. Without
evidence the answer is None: unknown.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from ..skills import skill_folder
from ..state.evidence import Attempt
from ..state.plan import Prediction, Strategy

CURVES_FILE = "learning_curves.csv"
Z_80 = 1.2815515655446004
MIN_POINTS = 4
"""Fewer points than this cannot tell three coefficients and their error."""

PRIOR_TOKEN_EXPONENT = -1.0
"""assumption, where only this run's own attempts tell anything: twice the tokens, half the error; its band is wide."""

PRIOR_SPREAD = 0.5
"""assumption: standard deviation of the logarithm of the error around a prediction that rests on the prior exponent."""

ERROR_FLOOR, ERROR_CEILING = 0.0005, 0.98


@dataclass(frozen=True, kw_only=True)
class Point:
    """One measured accuracy."""

    parameters: int
    tokens: int
    accuracy: float
    n: int

    @property
    def log_error(self) -> float:
        """Logarithm of the error, half an item away from none or all wrong."""
        error = min(max(1 - self.accuracy, 0.5 / self.n), 1 - 0.5 / self.n)
        return math.log(error)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """log error = constant + by_tokens * log tokens + by_parameters * log parameters, with its residual spread."""

    constant: float
    by_tokens: float
    by_parameters: float
    spread: float
    points: int

    def log_error(self, parameters: int, tokens: int) -> float:
        """Logarithm of the error at that size and length."""
        return self.constant + self.by_tokens * math.log(tokens) + self.by_parameters * math.log(parameters)


@cache
def measured_points(skill: str, task: str, strategy: Strategy) -> tuple[Point, ...]:
    """The points shipped with a skill; empty when it has none."""
    path = skill_folder(skill) / CURVES_FILE
    if not path.exists():
        return ()
    with path.open(encoding="utf-8", newline="") as lines:
        return tuple(
            Point(
                parameters=int(row["parameters"]),
                tokens=int(row["tokens"]),
                accuracy=float(row["exact"]),
                n=int(row["n"]),
            )
            for row in csv.DictReader(lines)
            if row["task"] == task and row["strategy"] == strategy
        )


def fit(points: Sequence[Point]) -> Fit | None:
    """Least squares over the points; None when there are too few to say how far off it may be."""
    if len(points) < MIN_POINTS:
        return None
    import numpy as np

    rows = np.array([[1.0, math.log(point.tokens), math.log(point.parameters)] for point in points])
    errors = np.array([point.log_error for point in points])
    coefficients, *_ = np.linalg.lstsq(rows, errors, rcond=None)
    residuals = errors - rows @ coefficients
    spread = math.sqrt(float(residuals @ residuals) / max(1, len(points) - 3))
    constant, by_tokens, by_parameters = (float(value) for value in coefficients)
    return Fit(constant=constant, by_tokens=by_tokens, by_parameters=by_parameters, spread=spread, points=len(points))


def predict_accuracy(
    *,
    skill: str,
    task: str,
    strategy: Strategy,
    parameters: int,
    tokens: int,
    attempts: Sequence[Attempt] = (),
) -> Prediction | None:
    """Share of items exactly right, with its 80 % band; None without evidence. Pure."""
    shipped = fit(measured_points(skill, task, strategy))
    own = own_points(attempts, strategy)
    if shipped is None and not own:
        return None
    if shipped is None:
        nearest = min(own, key=lambda point: abs(math.log(point.tokens / tokens)))
        centre = nearest.log_error + PRIOR_TOKEN_EXPONENT * math.log(tokens / nearest.tokens)
        spread, source = PRIOR_SPREAD, "this run's attempts and a prior exponent"
    else:
        shift = sum(point.log_error - shipped.log_error(point.parameters, point.tokens) for point in own)
        # Half weight for the shipped curve's own level: one attempt moves the prediction, it does not replace the curve.
        weight = len(own) / (len(own) + 0.5) if own else 0.0
        centre = shipped.log_error(parameters, tokens) + (weight * shift / len(own) if own else 0.0)
        spread = shipped.spread * math.sqrt(1 + 1 / shipped.points) / math.sqrt(1 + len(own))
        source = f"{shipped.points} measured points of {skill}/{task}" + (f" and {len(own)} of this run" if own else "")
    return Prediction(
        value=_accuracy(centre),
        low=_accuracy(centre + Z_80 * spread),
        high=_accuracy(centre - Z_80 * spread),
        source=source,
    )


def own_points(attempts: Sequence[Attempt], strategy: Strategy) -> list[Point]:
    """What this run measured on its development split; sealed results never guide a plan."""
    return [
        Point(
            parameters=attempt.candidate.parameters,
            tokens=attempt.tokens,
            accuracy=attempt.evaluations[0].student.exact.value,
            n=attempt.evaluations[0].student.exact.n,
        )
        for attempt in attempts
        if attempt.evaluations and attempt.candidate.strategy == strategy
    ]


def _accuracy(log_error: float) -> float:
    return round(1 - min(max(math.exp(log_error), ERROR_FLOOR), ERROR_CEILING), 5)
