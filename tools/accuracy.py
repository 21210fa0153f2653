"""Predicts a student's accuracy from learning curves that were measured, and from nothing else.

Evidence is a CSV beside the skill (`learning_curves.csv`, written by `python -m stratos.evals.mahjong`) and this run's own
attempts. Model: the odds of an error fall as a power of tokens and of parameters, fitted by least squares on logarithms.
Odds, not the error itself, so that one line holds from "nearly all wrong" to "nearly all right": *win* gains 1.7 in log
odds for every doubling from 0.6M to 2.4M tokens. Without evidence the answer is None: unknown.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ..skills import skill_folder
from ..state.evidence import Attempt, CurvePoint
from ..state.plan import Prediction, Strategy

CURVES_FILE = "learning_curves.csv"
Z_80 = 1.2815515655446004
MIN_POINTS = 4
"""Fewer points than this cannot tell three coefficients and their error."""

PRIOR_TOKEN_EXPONENT, PRIOR_EXPONENT_SPREAD = -1.5, 1.0
"""assumption, where only this run's own attempts tell anything: how the odds of an error fall with tokens. Measured on
mahjong: -2.6 for *win*, -1.1 for *waits*, -0.9 for *discard*; so the spread is wide, and two attempts overrule it."""

OWN_SPREAD = 0.4
"""assumption: standard deviation of one attempt's log odds around its own curve, the seed's luck included."""

SHIPPED_WEIGHT = 0.5
"""assumption: attempts the shipped curve's own level counts for, so that one attempt moves it and does not replace it."""

SIZE_SPREAD = 0.6
"""assumption, where the shipped curve is of one size alone: standard deviation of how the log odds of an error change when
parameters grow by a factor of e. Two sizes measured on an earlier *win* gave -0.6."""

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
    """log odds of an error = constant + by_tokens * log tokens + by_parameters * log parameters; its residual spread."""

    constant: float
    by_tokens: float
    by_parameters: float
    spread: float
    points: int
    only_size: int | None
    """The number of parameters, where all points share it: then `by_parameters` is 0, as nothing tells it."""

    def log_odds(self, parameters: int, tokens: int) -> float:
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
        return self._from_attempts(tokens)

    def _from_attempts(self, tokens: int) -> Prediction:
        """Line through this run's attempts in logarithms, its slope held near the prior (ridge regression)."""
        steps = [math.log(point.tokens) for point in self._own]
        odds = [_log_odds(point) for point in self._own]
        middle, level = fmean(steps), fmean(odds)
        # Weights of the slope's prior and of the attempts, as precisions.
        prior = 1 / PRIOR_EXPONENT_SPREAD**2
        seen = sum((step - middle) ** 2 for step in steps) / OWN_SPREAD**2
        tilt = sum((step - middle) * odd for step, odd in zip(steps, odds, strict=True)) / OWN_SPREAD**2
        slope = (prior * PRIOR_TOKEN_EXPONENT + tilt) / (prior + seen)
        away = math.log(tokens) - middle
        spread = math.sqrt(OWN_SPREAD**2 * (1 + 1 / len(steps)) + away**2 / (prior + seen))
        return _prediction(level + slope * away, spread, f"{len(steps)} attempts of this run and a prior slope")

    def _from_curve(self, fit: _Fit, parameters: int, tokens: int) -> Prediction:
        """The shipped curve, moved to what this run measured."""
        own = len(self._own)
        shifts = [_log_odds(point) - fit.log_odds(point.parameters, point.tokens) for point in self._own]
        centre = fit.log_odds(parameters, tokens) + sum(shifts) / (own + SHIPPED_WEIGHT)
        # Attempts tell the level; how far a single result strays from its curve stays as it is.
        away = SIZE_SPREAD * math.log(parameters / fit.only_size) if fit.only_size else 0.0
        spread = math.hypot(fit.spread * math.sqrt(1 + 1 / fit.points), away)
        of_size = f" of {fit.only_size:,} parameters" if fit.only_size else ""
        source = f"{fit.points} measured points{of_size}" + (f" and {own} of this run" if own else "")
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

    sizes = {point.parameters for point in points}
    # With one size, its logarithm is a multiple of the constant's column, and least squares would make up a slope.
    rows = np.array(
        [[1.0, math.log(point.tokens), *([math.log(point.parameters)] if len(sizes) > 1 else [])] for point in points]
    )
    odds = np.array([_log_odds(point) for point in points])
    solved, *_ = np.linalg.lstsq(rows, odds, rcond=None)
    residuals = odds - rows @ solved
    constant, by_tokens, by_parameters = (*map(float, solved), 0.0)[:3]
    return _Fit(
        constant=constant,
        by_tokens=by_tokens,
        by_parameters=by_parameters,
        spread=math.sqrt(float(residuals @ residuals) / max(1, len(points) - len(solved))),
        points=len(points),
        only_size=min(sizes) if len(sizes) == 1 else None,
    )


def _log_odds(point: CurvePoint) -> float:
    """Logarithm of the odds of an error, at least half an item away from none or all wrong."""
    error = min(max(1 - point.accuracy, 0.5 / point.n), 1 - 0.5 / point.n)
    return math.log(error / (1 - error))


def _prediction(log_odds: float, spread: float, source: str) -> Prediction:
    value, low, high = (_accuracy(log_odds + shift * Z_80 * spread) for shift in (0, 1, -1))
    return Prediction(value=value, low=low, high=high, source=source)


def _accuracy(log_odds: float) -> float:
    error = 1 / (1 + math.exp(min(-log_odds, 50.0)))
    return round(1 - min(max(error, ERROR_FLOOR), ERROR_CEILING), 5)
