"""The front as a table: the chosen candidate between its neighbours, and what would be as accurate elsewhere."""

from bisect import bisect_left
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from ..state.plan import Candidate, Prediction
from ..state.run import Choice

ROWS, NEIGHBOURS = 9, 3
WIDE, SERVER_WIDTH, NARROW_SERVER_WIDTH = 118, 24, 14
"""Columns from which bands are shown, and how many the server's name gets with and without them."""


def front_table(choice: Choice, width: int) -> Table:
    """A few rows of a front, the chosen one marked; without bands where the screen is narrow."""
    chosen = choice.plan.candidate if choice.plan else None
    table = Table(
        box=None,
        pad_edge=False,
        title=f"{choice.front_size or len(choice.front):,} of {choice.candidates:,} candidates are beaten by no other",
        title_justify="left",
        title_style="dim",
    )
    wide = width >= WIDE
    exact = "exact (80 % band)" if wide else "exact"
    for column in ("", "server", "student", "tokens", exact, "p95 ms", "minutes", "$"):
        table.add_column(column, no_wrap=True)
    for candidate in rows_to_show(choice.front, chosen):
        table.add_row(*_cells(candidate, chosen, wide))
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
    return candidate.total_usd, candidate.hours.value


def _exact(candidate: Candidate) -> float:
    return candidate.accuracy.value if candidate.accuracy else 0.0


def _cells(candidate: Candidate, chosen: Candidate | None, wide: bool) -> tuple[str | Text, ...]:
    known = candidate.accuracy
    exact = "unknown" if known is None else f"{known.value:.1%}"
    if known is not None and wide:
        exact += f" ({known.low:.1%}–{known.high:.1%})"
    server = server_name(candidate.offer_id, SERVER_WIDTH if wide else NARROW_SERVER_WIDTH)
    return (
        "→" if candidate == chosen else "",
        Text(server, style="" if candidate.executable else "dim"),
        Text(candidate.student),
        f"{candidate.train_tokens / 1e6:g}M",
        exact,
        band(candidate.latency_p95_ms) if wide else f"{candidate.latency_p95_ms.value:.3g}",
        band(candidate.hours, 60) if wide else f"{60 * candidate.hours.value:.3g}",
        f"{candidate.total_usd:.3g}",
    )


def server_name(offer_id: str, width: int = SERVER_WIDTH) -> str:
    """An offer's id for people: cloud and instance type, no longer than the column."""
    cloud, _, rest = offer_id.partition("/")
    _, _, instance = rest.partition("/")
    name = instance.split("/")[0].replace("-", " ") if cloud == "local" else f"{cloud} {instance.split('/')[0]}"
    return name if len(name) <= width else f"{name[: width - 1]}…"
