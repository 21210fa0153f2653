"""Candidates as columns: what a million of them are compared by, each made into a record only when it is asked for."""

# pyright: reportUnknownMemberType=false

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...state.errors import Correctable
from ...state.plan import Candidate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]

UNKNOWN_ACCURACY = 0.0
"""No evidence claims nothing: an unknown accuracy never dominates a known one and never meets a target."""
COLUMNS = (
    "accuracy", "latency_p95_ms", "usd", "hours", "needed_usd", "parameters", "executable", "accuracy_high", "kind"
)  # fmt: skip
NAMED = 10
"""Wrong rows that an error names."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CandidateTable:
    """All candidates of one choice: arrays of one length, a row each, and how to make a row's id and record.

    Ids must be unique and must not depend on the order of rows: they decide where all figures are equal. Raises Correctable for
    columns of different lengths, and for dollars, hours or latencies that are not finite numbers.
    """

    accuracy: Floats
    """Predicted share right, 0 to 1; NaN where there is no evidence."""
    latency_p95_ms: Floats
    usd: Floats
    """What is compared and scored: the predicted dollars in the sense of `Candidate.usd`."""
    hours: Floats
    needed_usd: Floats
    """What must be left for the candidate to be begun: held against the brief's limit."""
    parameters: Floats
    executable: Bools
    name: Callable[[int], str]
    """The id of a row."""
    make: Callable[[int], Candidate]
    """The record of a row; its figures equal the columns'."""
    accuracy_high: Floats | None = None
    """Upper end of the accuracy's band, NaN where unknown; None: no band reaches beyond its value."""
    kind: Rows | None = None
    """A number for each sort of candidate, such as its model on its accelerator: the runners-up are then each of another sort than
    the others and the chosen one. None: neighbours of the chosen one that differ in a trifle may be all of them."""

    def __post_init__(self) -> None:
        columns: dict[str, Floats | Bools | Rows | None] = {name: getattr(self, name) for name in COLUMNS}
        shapes = {name: column.shape for name, column in columns.items() if column is not None}
        lengths = {name: shape for name, shape in shapes.items() if shape != (len(self.usd),)}
        if lengths:
            raise Correctable(f"columns must have one dimension and {len(self.usd)} rows as usd has: {lengths}")
        wrong = ~(np.isfinite(self.usd) & np.isfinite(self.hours) & np.isfinite(self.latency_p95_ms))
        wrong |= ~np.isfinite(self.needed_usd) | np.isinf(self.accuracy)
        if wrong.any():
            named = [self.name(int(row)) for row in np.flatnonzero(wrong)[:NAMED]]
            more = f" and {wrong.sum() - NAMED} more" if wrong.sum() > NAMED else ""
            raise Correctable(f"predictions that are not finite numbers: {named}{more}")

    @classmethod
    def of(cls, candidates: Sequence[Candidate]) -> "CandidateTable":
        """The table of records that there are already. Raises Correctable for ids used twice and figures that are not finite."""
        _check(candidates)
        unknown = math.nan
        return cls(
            accuracy=_column([one.accuracy.value if one.accuracy else unknown for one in candidates]),
            accuracy_high=_column([one.accuracy.high if one.accuracy else unknown for one in candidates]),
            latency_p95_ms=_column([one.latency_p95_ms.value for one in candidates]),
            usd=_column([one.usd.value for one in candidates]),
            hours=_column([one.hours.value for one in candidates]),
            needed_usd=_column([one.needed_usd for one in candidates]),
            parameters=_column([one.parameters for one in candidates]),
            executable=np.array([one.executable for one in candidates], dtype=bool),
            name=lambda row: candidates[row].id,
            make=lambda row: candidates[row],
        )

    def __len__(self) -> int:
        return len(self.usd)

    def materialise(self, row: int) -> Candidate:
        """The record of one row."""
        return self.make(int(row))

    def known_accuracy(self) -> Floats:
        """(rows,) accuracies, UNKNOWN_ACCURACY where there is no evidence."""
        return np.where(np.isnan(self.accuracy), UNKNOWN_ACCURACY, self.accuracy)

    def objectives(self, rows: Rows | None = None) -> Floats:
        """(rows, 4): dollars, hours, minus accuracy, latency; less is better, in order of preference."""
        columns = (self.usd, self.hours, -self.known_accuracy(), self.latency_p95_ms)
        return np.column_stack([column if rows is None else column[rows] for column in columns])

    def in_order(self, rows: Rows) -> Rows:
        """Rows by rising dollars, hours, minus accuracy, latency, then by id; ids are made only where all four are equal."""
        objectives = self.objectives(rows)
        order = np.lexsort(objectives.T[::-1])
        rows, objectives = rows[order], objectives[order]
        differs = np.flatnonzero((objectives[1:] != objectives[:-1]).any(axis=1)) + 1
        groups = np.split(rows, differs) if len(differs) < len(rows) - 1 else []
        found = [sorted(map(int, group), key=self.name) if len(group) > 1 else group for group in groups]
        return np.concatenate(found).astype(np.intp) if found else rows

    def first(self, rows: Rows) -> int:
        """The row that comes first in the order of preference; at least one row."""
        for column in self.objectives(rows).T:
            least = column == column.min()
            if not least.all():
                return self.first(rows[least])
        return min(map(int, rows), key=self.name) if len(rows) > 1 else int(rows[0])


def _column(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)


def _check(candidates: Sequence[Candidate]) -> None:
    twice = sorted(name for name, count in Counter(one.id for one in candidates).items() if count > 1)
    wrong = [one.id for one in candidates if not all(math.isfinite(figure) for figure in _figures(one))]
    problems = [f"ids used twice: {twice}"] if twice else []
    problems += [f"predictions that are not finite numbers: {wrong}"] if wrong else []
    if problems:
        raise Correctable("; ".join(problems))


def _figures(one: Candidate) -> tuple[float, ...]:
    accuracy = one.accuracy.value if one.accuracy else UNKNOWN_ACCURACY
    return one.usd.value, one.hours.value, accuracy, one.latency_p95_ms.value, one.needed_usd
