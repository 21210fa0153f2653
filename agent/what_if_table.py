"""Both sides of a what-if as people read them: what was changed, where it differs first, the two plans row by row, the two outcomes."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..state.numbers import AS_SAID, shown
from ..state.plan import Candidate
from .front_table import add_columns, candidate_cells
from .printable import printable
from .what_if import WhatIf


def print_what_if(found: WhatIf, console: Console) -> None:
    """Prints it; nothing in it steers the terminal or is read as style."""

    def say(text: str) -> None:
        console.print(printable(text), markup=False, emoji=False, highlight=False)

    say(f"{found.run_id} with {changed_words(found.changed) or 'the same brief'}, planned by {found.planner}")
    if found.first_difference is None:
        say("the run would have gone the same way")
        return
    difference = found.first_difference
    where = f", {difference['where']}" if difference["where"] else ""
    say(f"differs first at step {difference['seq']} ({difference['step']}{where})")
    say(f"  recorded: {difference['recorded']!r}\n  now:      {difference['now']!r}")
    console.print(_plans(found, console.width))
    say(f"outcome recorded: {found.outcome_recorded or 'not finished'}")
    say(f"outcome now:      {found.outcome_now or 'unknown'}")
    for line in found.approvals:
        say(f"would need an approval: {line}")
    if found.unknown:
        say(f"unknown: {found.unknown}")


def _plans(found: WhatIf, width: int) -> Table:
    """The last plan of either side, in the columns of a front."""
    table = Table(box=None, pad_edge=False)
    add_columns(table, width, first="plan")
    sides: tuple[tuple[str, Candidate | None], ...] = (
        ("recorded", found.candidate_recorded),
        ("now", found.candidate_now),
    )
    for name, candidate in sides:
        cells = candidate_cells(candidate, width) if candidate else (Text("none"),)
        table.add_row(name, *cells)
    return table


def changed_words(changed: Mapping[str, Any]) -> str:
    """Changes of a brief with their units, such as "usd = $50, accuracy = 90 %"."""
    return ", ".join(f"{name} = {_value(name, value)}" for name, value in changed.items())


def _value(name: str, value: Any) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, str):
        return value
    match name:
        case "usd" | "usd_per_month":
            return f"${shown(value, AS_SAID)}"
        case "accuracy":
            return f"{shown(100 * value, AS_SAID)} %"
        case "hours":
            return f"{shown(60 * value, AS_SAID)} minutes"
        case "latency_p95_ms":
            return f"{shown(value, AS_SAID)} ms"
        case _:
            return shown(value, AS_SAID)
