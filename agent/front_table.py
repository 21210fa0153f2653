"""The front as a table: the chosen candidate between its neighbours, and what would be as accurate elsewhere."""

from bisect import bisect_left
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from ..state.numbers import at_least, shown
from ..state.plan import Candidate, Prediction
from ..state.run import Break, Choice

ROWS, NEIGHBOURS = 9, 3
LIMIT_NAMES = {"latency_p95_ms": "latency", "throughput_rps": "throughput", "parameters": "size"}
WIDE, SERVER_WIDTH, NARROW_SERVER_WIDTH = 118, 24, 14
"""Columns from which bands are shown, and how many the server's name gets with and without them."""
SPACIOUS = 200
"""Columns from which a server's name is never cut short."""


def front_table(choice: Choice, width: int) -> Table:
    """A few rows of a front, the chosen one marked, or of what comes nearest; without bands where the screen is narrow."""
    chosen = choice.plan.candidate if choice.plan else None
    near = () if chosen else choice.near
    title = (
        f"the nearest of {choice.candidates:,} candidates, of which none meets every limit"
        if near
        else f"{choice.front_size or len(choice.front):,} of {choice.candidates:,} candidates are beaten by no other"
    )
    table = Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="dim")
    wide = width >= WIDE
    add_columns(table, width)
    if near:
        table.add_column("what it breaks")
        for one in near[:ROWS]:
            broken = (_broken(each, one.candidate) for each in one.breaks)
            table.add_row("", *candidate_cells(one.candidate, width), (", " if wide else "\n").join(broken))
    else:
        rows = rows_to_show(choice.front, chosen)
        for candidate in rows:
            table.add_row("→" if candidate == chosen else "", *candidate_cells(candidate, width))
        table.caption, table.caption_justify, table.caption_style = "\n".join(ahead_unseen(rows)) or None, "left", "dim"
    return table


def ahead_unseen(rows: Sequence[Candidate]) -> list[str]:
    """A line for each row that another seems to beat: in what it is ahead of that one, and by how much; none where there is none."""
    lines: list[str] = []
    for one in rows:
        other = next((other for other in rows if _seems_beaten(one, other)), None)
        if other is not None and (ahead := _ahead(one, other)):
            servers = [
                f" on {server_name(row.offer_id)}" if one.offer_id != other.offer_id else "" for row in (one, other)
            ]
            ours, theirs = (
                f"{row.student} {_tokens(row)}{server}" for row, server in zip((one, other), servers, strict=True)
            )
            lines.append(f"  {ours} over {theirs}: {ahead}")
    return ["ahead by less than the figures show:", *dict.fromkeys(lines)] if lines else []


def _seems_beaten(one: Candidate, other: Candidate) -> bool:
    """Whether no figure of one, as shown, is better than the other's, and some are worse."""
    ours, theirs = (
        (
            -round(100 * _exact(row), 1),
            *(float(shown(figure).replace(",", "")) for figure in (row.latency_p95_ms.value, *_price(row))),
        )
        for row in (one, other)
    )
    return ours != theirs and all(mine >= its for mine, its in zip(ours, theirs, strict=True))


def _ahead(one: Candidate, other: Candidate) -> str:
    """What one has over the other; empty where that is nothing."""
    usd, hours = (mine - its for mine, its in zip(_price(one), _price(other), strict=True))
    accuracy, sooner = _exact(one) - _exact(other), other.latency_p95_ms.value - one.latency_p95_ms.value
    gains = (
        (accuracy, f"{shown(100 * accuracy, 2)} points more accurate"),
        (sooner, f"{shown(sooner, 2)} ms sooner"),
        (-hours, f"{shown(-60 * hours, 2)} minutes less"),
        (-usd, f"${shown(-usd, 2)} less"),
    )
    return " and ".join(words for gain, words in gains if gain > 0)


def _broken(one: Break, of: Candidate) -> str:
    """What is broken and how far; dollars as what is needed: of a limit of nothing there is no share."""
    if one.constraint == "executor":
        return "cannot be used from here"
    if one.constraint == "usd":
        return f"needs ${at_least(of.needed_usd)} in all"
    if one.constraint == "accuracy" and of.accuracy is None:
        return "accuracy unknown"
    way = "short" if one.constraint in ("accuracy", "throughput_rps") else "over"
    return f"{LIMIT_NAMES.get(one.constraint, one.constraint)} {shown(100 * one.share)} % {way}"


def band(prediction: Prediction | None, scale: float = 1.0, unit: str = "") -> str:
    """A prediction with its 80 % band."""
    if prediction is None:
        return "unknown"
    low, value, high = (scale * figure for figure in (prediction.low, prediction.value, prediction.high))
    return f"{shown(value)}{unit} ({shown(low)}–{shown(high)})"


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


def excluded_words(choice: Choice) -> list[str]:
    """What was not planned and why, each candidate named as in the table."""
    runners = choice.plan.runners_up if choice.plan else ()
    named = {f"{one.id}: ": f"{one.student} {_tokens(one)} on {server_name(one.offer_id)}: " for one in runners}
    lines: list[str] = []
    for line in choice.excluded:
        told = next((known for known in named if line.startswith(known)), "")
        lines.append(named.get(told, "") + line.removeprefix(told))
    return lines


def add_columns(table: Table, width: int, first: str = "") -> None:
    """The columns of `candidate_cells` behind a first one."""
    exact = "exact (80 % band)" if width >= WIDE else "exact"
    for column in (first, "server", "student", "tokens", exact, "p95 ms", "minutes", "$"):
        table.add_column(column, no_wrap=True)


def candidate_cells(candidate: Candidate, width: int) -> tuple[str | Text, ...]:
    """A candidate's server, student, training length and predictions; with bands where a screen of `width` columns has room."""
    wide = width >= WIDE
    known = candidate.accuracy
    exact = "unknown" if known is None else f"{known.value:.1%}"
    if known is not None and wide:
        exact += f" ({known.low:.1%}–{known.high:.1%})"
    room = width if width >= SPACIOUS else SERVER_WIDTH if wide else NARROW_SERVER_WIDTH
    server = server_name(candidate.offer_id, room)
    return (
        Text(server, style="" if candidate.executable else "dim"),
        Text(candidate.student),
        _tokens(candidate),
        exact,
        band(candidate.latency_p95_ms) if wide else shown(candidate.latency_p95_ms.value),
        band(candidate.hours, 60) if wide else shown(60 * candidate.hours.value),
        shown(candidate.total_usd),
    )


def _tokens(candidate: Candidate) -> str:
    return f"{candidate.train_tokens / 1e6:g}M"


def server_name(offer_id: str, width: int = SERVER_WIDTH) -> str:
    """An offer's id for people: cloud and instance type, no longer than the column."""
    cloud, _, rest = offer_id.partition("/")
    _, _, instance = rest.partition("/")
    name = instance.split("/")[0].replace("-", " ") if cloud == "local" else f"{cloud} {instance.split('/')[0]}"
    return name if len(name) <= width else f"{name[: width - 1]}…"
