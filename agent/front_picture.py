"""The front as a picture in the terminal: accuracy against dollars, the plan marked, target and limit drawn as lines.

A mark's size and colour say how soon it answers, a hollow one that it is priced only; what none of the marks can show is left to the
table beside it. Nothing is drawn where there is nothing to compare.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from ..state.brief import Brief
from ..state.numbers import AS_SAID, dollars, shown
from ..state.plan import Candidate
from ..state.run import Choice
from .scales import LATENCY_WORDS, LogScale, OddsScale, Tick, latency_bounds, latency_class, shown_limit

ROWS, LEAST_WIDTH, MOST_WIDTH = 13, 50, 100
LABELS = 6
"""Columns of the accuracies' labels."""
FREE_COLUMNS = 6
"""Columns at the left for what costs nothing: a logarithm has no place for it."""
COLOURS = ("green", "yellow", "red")


@dataclass(frozen=True, kw_only=True)
class Signs:
    """The characters of a picture: marks of a fast, a middling and a slow candidate, lines, and a corner."""

    here: str
    elsewhere: str
    plan: str
    across: str
    down: str
    axis: str
    side: str
    corner: str


UNICODE = Signs(here="●•·", elsewhere="○◦˙", plan="◆", across="╌", down="┊", axis="─", side="│", corner="└")
ASCII = Signs(here="FMS", elsewhere="fms", plan="*", across="-", down=":", axis="-", side="|", corner="+")

Cell = tuple[str, str]
"""A character and its style."""


def front_picture(choice: Choice, brief: Brief, width: int, *, ascii_only: bool = False) -> Text | None:
    """The picture, at most `width` columns wide; None on a narrow screen or for fewer than two known accuracies."""
    chosen = choice.plan.candidate if choice.plan else None
    front = [one for one in choice.front if one != chosen] + ([chosen] if chosen else [])
    placed = [one for one in front if one.accuracy is not None]
    if width < LEAST_WIDTH or len(placed) < 2:
        return None
    signs, columns = ASCII if ascii_only else UNICODE, min(width, MOST_WIDTH) - LABELS - 2
    plot = _Plot(placed, brief, columns)
    cells = plot.lines(signs)
    for one in sorted(placed, key=lambda one: (one == chosen, one.executable, -one.latency_p95_ms.value)):
        cells[plot.row(one)][plot.column(one)] = _mark(one, chosen, plot.bounds, signs)
    text = Text(no_wrap=True, overflow="crop")
    labels = {round(tick.at): tick.label for tick in plot.accuracy_ticks}
    for number, row in enumerate(cells):
        text.append(f"{labels.get(number, ''):>{LABELS}} ", "dim")
        text.append(signs.side, "dim")
        for character, style in row:
            text.append(character, style)
        text.append("\n")
    text.append(f"{'% right':>{LABELS + 1}}{signs.corner}{signs.axis * columns}\n", "dim")
    text.append(f"{' ' * (LABELS + 2)}{_labelled(plot.dollar_ticks, columns)}\n", "dim")
    return text.append_text(_legend(plot, brief, signs, len(front) - len(placed), columns + LABELS + 2))


class _Plot:
    """Where candidates, limits and labels lie on a grid of characters."""

    def __init__(self, placed: Sequence[Candidate], brief: Brief, columns: int) -> None:
        self._columns = columns
        self.target = brief.targets.accuracy
        shares = [one.accuracy.value for one in placed if one.accuracy]
        self._odds = OddsScale([*shares, *([self.target] if self.target else [])], ROWS - 1, 0)
        paid = [one.total_usd for one in placed if one.total_usd > 0]
        self._free = sorted({one.hours.value for one in placed if one.total_usd <= 0})
        start = FREE_COLUMNS if self._free else 0
        self.limit = shown_limit(brief.limits.usd, paid)
        shown = [*paid, self.limit] if self.limit else paid
        self._dollars = LogScale(shown, start, columns - 1) if shown else None
        self.bounds = latency_bounds([one.latency_p95_ms.value for one in placed], brief.targets.latency_p95_ms)
        self.accuracy_ticks = self._odds.ticks(1.6)
        ticks = self._dollars.ticks() if self._dollars else ()
        self.dollar_ticks = (*((Tick(at=0, label="$0"),) if self._free else ()), *ticks)

    @property
    def has_free(self) -> bool:
        """Whether anything costs nothing."""
        return bool(self._free)

    def row(self, one: Candidate) -> int:
        """Of a candidate's accuracy, 0 at the top."""
        assert one.accuracy is not None
        return _within(self._odds(one.accuracy.value), ROWS)

    def column(self, one: Candidate) -> int:
        """Of a candidate's dollars; those that cost nothing lie beside each other by their hours."""
        if one.total_usd > 0:
            return self._column(one.total_usd)
        width = FREE_COLUMNS - 1 if self._dollars else self._columns
        return _within(width * self._free.index(one.hours.value) / len(self._free), width)

    def _column(self, usd: float) -> int:
        assert self._dollars is not None
        return _within(self._dollars(usd), self._columns)

    def lines(self, signs: Signs) -> list[list[Cell]]:
        """The empty grid with the target and the limit drawn; a limit beyond the dearest candidate is not."""
        cells: list[list[Cell]] = [[(" ", "")] * self._columns for _ in range(ROWS)]
        if self.limit:
            for row in cells:
                row[self._column(self.limit)] = (signs.down, "red")
        if self.target:
            cells[_within(self._odds(self.target), ROWS)] = [(signs.across, "green")] * self._columns
        return cells


def _within(place: float, count: int) -> int:
    return min(count - 1, max(0, round(place)))


def _mark(one: Candidate, chosen: Candidate | None, bounds: tuple[float, float], signs: Signs) -> Cell:
    if one == chosen:
        return signs.plan, "bold"
    speed = latency_class(one.latency_p95_ms.value, bounds)
    return (signs.here if one.executable else signs.elsewhere)[speed], COLOURS[speed]


def _labelled(ticks: Sequence[Tick], columns: int) -> str:
    """Labels under their places, without those that would touch the one before."""
    line = ""
    for tick in ticks:
        start = max(0, min(round(tick.at) - len(tick.label) // 2, columns - len(tick.label)))
        if not line or start > len(line):
            line = line.ljust(start) + tick.label
    return line


def _legend(plot: _Plot, brief: Brief, signs: Signs, unplaced: int, width: int) -> Text:
    fast, slow = plot.bounds
    parts: list[list[tuple[str, str]]] = [
        [(signs.plan, "bold"), (" the plan", "dim")],
        [
            *((sign, colour) for sign, colour in zip(signs.here, COLOURS, strict=True)),
            (
                f" p95 {LATENCY_WORDS[0]} (to {shown(fast)} ms), {LATENCY_WORDS[1]} (to {shown(slow)} ms), {LATENCY_WORDS[2]}",
                "dim",
            ),
        ],
        [(signs.elsewhere, ""), (" priced only", "dim")],
    ]
    if brief.targets.accuracy:
        parts.append(
            [(signs.across * 2, "green"), (f" target {shown(100 * brief.targets.accuracy, AS_SAID)} %", "dim")]
        )
    if plot.limit:
        parts.append([(signs.down, "red"), (f" limit {dollars(plot.limit)}", "dim")])
    parts.append([("dollars to the right, logarithmic" + (", $0 by hours" if plot.has_free else ""), "dim")])
    if unplaced:
        parts.append([(f"{unplaced} without a known accuracy not drawn", "dim")])
    text, used = Text(), 0
    for part in parts:
        length = sum(len(piece) for piece, _ in part)
        if used and used + 3 + length > width:
            text.append("\n")
            used = 0
        elif used:
            text.append("   ")
            used += 3
        for piece in part:
            text.append(*piece)
        used += length
    return text
