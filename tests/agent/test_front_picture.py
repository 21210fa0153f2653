"""The picture of a front in the terminal: marks where their figures are, the plan on top, on every screen."""

import io
from typing import Any

import pytest
from rich.console import Console
from stratos.agent.display import RichDisplay
from stratos.agent.front_picture import ASCII, LEAST_WIDTH, ROWS, UNICODE, front_picture
from stratos.agent.scales import latency_bounds, latency_class
from stratos.state.plan import Candidate
from stratos.state.run import Choice

from ..building import brief, candidate, choice, prediction, state


def priced(
    usd: float, accuracy: float | None, p95_ms: float = 20, *, here: bool = True, hours: float = 0.1
) -> Candidate:
    return candidate(
        id=f"{usd}|{accuracy}|{p95_ms}|{here}|{hours}",
        usd=prediction(usd),
        accuracy=None if accuracy is None else prediction(accuracy),
        latency_p95_ms=prediction(p95_ms),
        hours=prediction(hours),
        executable=here,
    )


PLAN = priced(0.1, 0.93, 90)
FRONT = (priced(0.01, 0.5, 30), PLAN, priced(1, 0.99, 300), priced(0.02, 0.96, 300, here=False))


def of(*front: Candidate, plan: Candidate | None = PLAN) -> Choice:
    found = choice(plan or PLAN).model_copy(update={"front": front})
    return found if plan else found.model_copy(update={"plan": None})


def drawn(found: Choice, width: int = 80, *, ascii_only: bool = False, **limits: Any) -> list[str]:
    text = front_picture(found, brief(usd=2, latency_p95_ms=100, **limits), width, ascii_only=ascii_only)
    assert text is not None
    return text.plain.split("\n")


def place(lines: list[str], sign: str) -> tuple[int, int]:
    """Row and column of a mark in the grid, above the legend."""
    return next((number, line.index(sign)) for number, line in enumerate(lines[:ROWS]) if sign in line[8:])


def test_dearer_lies_right_and_better_lies_above() -> None:
    lines = drawn(of(*FRONT))
    fast, plan, slow, elsewhere = (place(lines, sign) for sign in ("●", "◆", "·", "˙"))
    assert fast[1] < elsewhere[1] < plan[1] < slow[1]
    assert fast[0] > plan[0] > elsewhere[0] > slow[0]


def test_target_and_limit_are_lines_with_words() -> None:
    lines = drawn(of(*FRONT), accuracy=0.9)
    assert sum(UNICODE.across * 20 in line for line in lines[:ROWS]) == 1
    assert sum(UNICODE.down in line for line in lines[:ROWS]) >= ROWS - 1
    legend = "\n".join(lines[ROWS + 2 :])
    assert "target 90 %" in legend
    assert "limit $2.00" in legend
    assert "fast (to 50 ms), middling (to 100 ms), slow" in legend


def test_a_limit_far_beyond_the_dearest_is_neither_drawn_nor_named() -> None:
    text = front_picture(of(*FRONT), brief(usd=1000), 80)
    assert text is not None
    assert UNICODE.down not in text.plain
    assert "limit" not in text.plain


@pytest.mark.parametrize("width", [LEAST_WIDTH, 60, 80, 100, 200])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_it_fits_every_screen_and_says_the_same_in_ascii(width: int, ascii_only: bool) -> None:
    lines = drawn(of(*FRONT, priced(0.05, None)), width, ascii_only=ascii_only, accuracy=0.9)
    assert max(map(len, lines[: ROWS + 2])) <= width
    whole = "\n".join(lines)
    assert whole.isascii() == ascii_only
    assert (ASCII if ascii_only else UNICODE).plan in whole
    assert "1 without a known accuracy not drawn" in whole


def test_what_costs_nothing_lies_side_by_side_by_its_hours() -> None:
    free = [priced(0, share, hours=hours) for share, hours in ((0.5, 0.1), (0.8, 0.2), (0.9, 0.3))]
    plan = priced(0, 0.95, hours=0.4)
    lines = drawn(of(*free, priced(1, 0.99, 300), plan=plan))
    columns = sorted(line.index("●", 8) for line in lines[:ROWS] if "●" in line[8:])
    assert len(set(columns)) == 3
    assert columns[-1] < place(lines, "◆")[1] < place(lines, "·")[1]
    assert "$0" in lines[ROWS + 1]
    only_free = drawn(of(*free, plan=plan))
    assert len(only_free[0]) == 80


def test_marks_on_one_place_show_the_plan() -> None:
    lines = drawn(of(PLAN, priced(0.1, 0.93, 10), priced(5, 0.99)))
    assert "◆" in lines[place(lines, "◆")[0]]


def test_nothing_is_drawn_where_there_is_nothing_to_compare() -> None:
    assert front_picture(of(PLAN), brief(), 80) is None
    assert front_picture(of(priced(1, None), PLAN), brief(), 80) is None
    assert front_picture(of(*FRONT), brief(), LEAST_WIDTH - 1) is None


def test_without_a_plan_the_front_is_drawn_all_the_same() -> None:
    lines = drawn(of(*FRONT, plan=None))
    assert not any("◆" in line for line in lines[:ROWS])


def test_latency_classes_are_halves_of_the_target_or_thirds() -> None:
    assert latency_bounds([1, 2, 3], 100) == (50, 100)
    bounds = latency_bounds([5, 1, 2, 4, 3, 6, 7], None)
    assert [latency_class(value, bounds) for value in range(1, 8)] == [0, 0, 0, 1, 1, 2, 2]
    assert latency_bounds([], None) == (0, 0)


@pytest.mark.parametrize(("encoding", "sign"), [("utf-8", "◆"), ("ascii", "*")])
def test_the_display_draws_it_beside_the_table_once(encoding: str, sign: str) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, errors="replace")
    RichDisplay(Console(file=out, width=100)).step("solve_pareto", state(choice=of(*FRONT)), replayed=False)
    out.flush()
    assert f"{sign} the plan" in raw.getvalue().decode(encoding)
