"""Two models on the same items: McNemar's exact test and the interval of the difference of their shares, and both in words."""

import math
from collections.abc import Sequence

from .evidence import Paired, wilson


def pair(student: Sequence[bool], other: Sequence[bool]) -> Paired:
    """The student against another by their verdicts on the same items, in the same order; items that only one of them answered,
    at the end, count for nothing. Raises ValueError without items."""
    both = list(zip(student, other, strict=False))
    right, student_alone = sum(one and two for one, two in both), sum(one and not two for one, two in both)
    other_alone = sum(two and not one for one, two in both)
    neither = len(both) - right - student_alone - other_alone
    low, high = difference_interval(right, student_alone, other_alone, neither)
    return Paired(
        n=len(both),
        student_alone=student_alone,
        other_alone=other_alone,
        difference=(student_alone - other_alone) / len(both),
        low=low,
        high=high,
        p_value=mcnemar_exact(student_alone, other_alone),
    )


def mcnemar_exact(one_alone: int, other_alone: int) -> float:
    """Two-sided p-value of McNemar's exact test: each discordant item falls on either side with probability 1/2
    (McNemar, Psychometrika 1947; the binomial form: Fagerland, Lydersen and Laake, Statistics in Medicine 2014)."""
    discordant = one_alone + other_alone
    ways = whole = 1
    for taken in range(min(one_alone, other_alone)):
        ways = ways * (discordant - taken) // (taken + 1)
        whole += ways
    return min(1.0, 2 * whole / 2**discordant)


def difference_interval(both: int, one_alone: int, other_alone: int, neither: int) -> tuple[float, float]:
    """95 % interval of the difference of two paired shares, the first less the second: Newcombe's method 10, Wilson's intervals
    squared and added with their correlation (Newcombe, Statistics in Medicine 1998, 17:2635). Raises ValueError without items."""
    n = both + one_alone + other_alone + neither
    one, other = wilson(both + one_alone, n), wilson(both + other_alone, n)
    difference = (one_alone - other_alone) / n
    correlation = _correlation(both, one_alone, other_alone, neither)
    below = _added(one.value - one.low, other.high - other.value, correlation)
    above = _added(one.high - one.value, other.value - other.low, correlation)
    return difference - below, difference + above


def _added(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * correlation * one * other + other**2))


def _correlation(both: int, one_alone: int, other_alone: int, neither: int) -> float:
    """Phi of the two-by-two table, corrected for continuity where it is positive, as method 10 has it."""
    margins = (both + one_alone) * (other_alone + neither) * (both + other_alone) * (one_alone + neither)
    if margins == 0:
        return 0.0
    agreement = both * neither - one_alone * other_alone
    if agreement > 0:
        agreement = max(0.0, agreement - (both + one_alone + other_alone + neither) / 2)
    return agreement / math.sqrt(margins)


def in_words(other: str, difference: float, low: float, high: float, p_value: float) -> str:
    """Such as "+21.4 points over the shortcut (18.9 to 23.9, McNemar p < 0.001)"."""
    test = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    return f"{100 * difference:+.1f} points over {other} ({100 * low:.1f} to {100 * high:.1f}, McNemar {test})"


def paired_words(other: str, paired: Paired) -> str:
    """The same of a record."""
    return in_words(other, paired.difference, paired.low, paired.high, paired.p_value)
