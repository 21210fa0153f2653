"""The front as a table: the chosen candidate between its neighbours, and what would be as accurate elsewhere."""

from bisect import bisect_left
from collections.abc import Sequence

from rich.table import Table

from ..state.plan import Candidate, Prediction
from ..state.run import Choice

ROWS, NEIGHBOURS = 9, 3


def front_table(choice: Choice) -> Table:
    """A few rows of a front, the chosen one marked."""
    chosen = choice.plan.candidate if choice.plan else None
    table = Table(
        box=None,
        pad_edge=False,
        title=f"{len(choice.front)} of {choice.candidates:,} candidates are beaten by no other",
        title_justify="left",
        title_style="dim",
    )
    for column in ("", "server", "student", "tokens", "exact (80 % band)", "p95 ms", "minutes", "$"):
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    for candidate in rows_to_show(choice.front, chosen):
        table.add_row(*_cells(candidate, chosen))
    return table


def band(prediction: Prediction | None, scale: float = 1.0, unit: str = "") -> str:
    """A prediction with its 80 % band."""
    if prediction is None:
        return "unknown"
    low, value, high = (scale * figure for figure in (prediction.low, prediction.value, prediction.high))
    return f"{value:.3g}{unit} ({low:.3g}–{high:.3g})"


def rows_to_show(front: Sequence[Candidate], chosen: Candidate | None) -> list[Candidate]:
    """The chosen one between its neighbours by price, then the cheapest elsewhere that should be as accurate."""
    here = sorted((one for one in front if one.executable and one != chosen), key=_price)
    elsewhere = sorted((one for one in front if not one.executable), key=_price)
    if chosen is None:
        return [*here, *elsewhere][:ROWS]
    at = bisect_left(here, _price(chosen), key=_price)
    here.insert(at, chosen)
    first = max(0, at - NEIGHBOURS)
    rivals = [one for one in elsewhere if _exact(one) >= _exact(chosen)]
    return [*here[first : at + NEIGHBOURS + 1], *rivals][:ROWS]


def _price(candidate: Candidate) -> tuple[float, float]:
    return candidate.usd.value, candidate.hours.value


def _exact(candidate: Candidate) -> float:
    return candidate.accuracy.value if candidate.accuracy else 0.0


def _cells(candidate: Candidate, chosen: Candidate | None) -> tuple[str, ...]:
    accuracy = candidate.accuracy
    exact = f"{accuracy.value:.1%} ({accuracy.low:.1%}–{accuracy.high:.1%})" if accuracy else "unknown"
    return (
        "→" if candidate == chosen else "",
        candidate.offer_id if candidate.executable else f"[dim]{candidate.offer_id}",
        candidate.student,
        f"{candidate.train_tokens / 1e6:g}M",
        exact,
        band(candidate.latency_p95_ms),
        band(candidate.hours, 60),
        band(candidate.usd),
    )
