"""Predicts a student's accuracy from learning curves that were measured, and from nothing else.

Evidence is a CSV beside the skill (`learning_curves.csv`, written by `python -m stratos.evals.mahjong`) and this run's own
attempts. Model: the error falls as a power of tokens and of parameters, fitted by least squares on logarithms. Without
evidence the answer is None: unknown.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..skills import skill_folder
from ..state.evidence import Attempt, CurvePoint
from ..state.plan import Prediction, Strategy

CURVES_FILE = "learning_curves.csv"
Z_80 = 1.2815515655446004
MIN_POINTS = 4
"""Fewer points than this cannot tell three coefficients and their error."""

PRIOR_TOKEN_EXPONENT = -1.0
"""assumption, where only this run's own attempts tell anything: twice the tokens, half the error; its band is wide."""

PRIOR_SPREAD = 0.5
"""assumption: standard deviation of the logarithm of the error around a prediction that rests on the prior exponent."""

SHIPPED_WEIGHT = 0.5
"""assumption: attempts the shipped curve's own level counts for, so that one attempt moves it and does not replace it."""

ERROR_FLOOR, ERROR_CEILING = 0.0005, 0.98


def measured_points(skill: str, task: str) -> tuple[CurvePoint, ...]:
    """The points shipped with a skill for one task; empty when it has none."""
    path = skill_folder(skill) / CURVES_FILE
    if not path.exists():
        return ()
    with path.open(encoding="utf-8", newline="") as lines:
        return tuple(
            CurvePoint.model_validate({**{name: row[name] for name in _FIELDS}, "accuracy": row["exact"]})
            for row in csv.DictReader(lines)
            if row["task"] == task
        )


_FIELDS = ("strategy", "parameters", "tokens", "n")


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """log error = constant + by_tokens * log tokens + by_parameters * log parameters, with its residual spread."""

    constant: float
    by_tokens: float
    by_parameters: float
    spread: float
    points: int

    def log_error(self, parameters: int, tokens: int) -> float:
        return self.constant + self.by_tokens * math.log(tokens) + self.by_parameters * math.log(parameters)


class AccuracyModel:
    """Fitted once to the evidence of a run; pure, as a replay fits it again."""

    def __init__(self, curve: Sequence[CurvePoint], attempts: Sequence[Attempt], strategy: Strategy) -> None:
        self._own = own_points(attempts, strategy)
        self._fit = _fitted([point for point in curve if point.strategy == strategy])

    def predict(self, parameters: int, tokens: int) -> Prediction | None:
        """Share of items exactly right with its 80 % band; None without evidence."""
        if self._fit is not None:
            return self._from_curve(self._fit, parameters, tokens)
        if not self._own:
            return None
        nearest = min(self._own, key=lambda point: abs(math.log(point.tokens / tokens)))
        centre = _log_error(nearest) + PRIOR_TOKEN_EXPONENT * math.log(tokens / nearest.tokens)
        return _prediction(centre, PRIOR_SPREAD, "this run's attempts and a prior exponent")

    def _from_curve(self, fit: _Fit, parameters: int, tokens: int) -> Prediction:
        """The shipped curve, moved to what this run measured."""
        own = len(self._own)
        shifts = [_log_error(point) - fit.log_error(point.parameters, point.tokens) for point in self._own]
        centre = fit.log_error(parameters, tokens) + sum(shifts) / (own + SHIPPED_WEIGHT)
        spread = fit.spread * math.sqrt(1 + 1 / fit.points) / math.sqrt(1 + own)
        source = f"{fit.points} measured points" + (f" and {own} of this run" if own else "")
        return _prediction(centre, spread, source)


def own_points(attempts: Sequence[Attempt], strategy: Strategy) -> list[CurvePoint]:
    """What this run measured on its development split; sealed results never guide a plan."""
    return [
        CurvePoint(
            strategy=strategy,
            parameters=attempt.candidate.parameters,
            tokens=attempt.tokens,
            accuracy=attempt.evaluations[0].student.exact.value,
            n=attempt.evaluations[0].student.exact.n,
        )
        for attempt in attempts
        if attempt.evaluations and attempt.candidate.strategy == strategy
    ]


def _fitted(points: Sequence[CurvePoint]) -> _Fit | None:
    if len(points) < MIN_POINTS:
        return None
    import numpy as np

    rows = np.array([[1.0, math.log(point.tokens), math.log(point.parameters)] for point in points])
    errors = np.array([_log_error(point) for point in points])
    coefficients, *_ = np.linalg.lstsq(rows, errors, rcond=None)
    residuals = errors - rows @ coefficients
    spread = math.sqrt(float(residuals @ residuals) / max(1, len(points) - 3))
    constant, by_tokens, by_parameters = (float(value) for value in coefficients)
    return _Fit(constant=constant, by_tokens=by_tokens, by_parameters=by_parameters, spread=spread, points=len(points))


def _log_error(point: CurvePoint) -> float:
    """Logarithm of the error, at least half an item away from none or all wrong."""
    return math.log(min(max(1 - point.accuracy, 0.5 / point.n), 1 - 0.5 / point.n))


def _prediction(log_error: float, spread: float, source: str) -> Prediction:
    value, low, high = (_accuracy(log_error + shift * Z_80 * spread) for shift in (0, 1, -1))
    return Prediction(value=value, low=low, high=high, source=source)


def _accuracy(log_error: float) -> float:
    return round(1 - min(max(math.exp(log_error), ERROR_FLOOR), ERROR_CEILING), 5)
