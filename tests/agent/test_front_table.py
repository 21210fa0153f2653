"""What of a front is shown: the plan among its neighbours, and what would be as accurate on another server."""

import io

from rich.console import Console
from stratos.agent.front_table import ROWS, ahead_unseen, band, front_table, rows_to_show, server_name
from stratos.state.plan import Candidate
from stratos.state.run import Break, Choice, NearMiss

from ..building import candidate, choice, prediction


def priced(usd: float, accuracy: float = 0.9, *, executable: bool = True) -> Candidate:
    return candidate(
        id=f"{usd}|{accuracy}|{executable}",
        usd=prediction(usd),
        accuracy=prediction(accuracy),
        executable=executable,
    )


def test_the_plan_stands_between_its_neighbours_by_price_then_come_rivals_elsewhere() -> None:
    here = [priced(usd) for usd in range(1, 9)]
    worse, rival = priced(0.5, 0.8, executable=False), priced(20, 0.95, executable=False)
    shown = rows_to_show([rival, *reversed(here), worse], here[4])
    assert shown == [*here[1:8], rival]


def test_a_plan_that_the_front_does_not_hold_is_shown_all_the_same() -> None:
    plan = priced(2.5)
    assert rows_to_show([priced(2), priced(3)], plan) == [priced(2), plan, priced(3)]


def test_without_a_plan_what_can_run_here_comes_first_and_the_table_stays_short() -> None:
    shown = rows_to_show([priced(usd, executable=usd > 5) for usd in range(1, 20)], None)
    assert len(shown) == ROWS
    assert all(one.executable for one in shown)


def test_without_a_plan_the_table_shows_what_comes_nearest_and_what_each_breaks() -> None:
    breaks = (Break(constraint="latency_p95_ms", share=13.61), Break(constraint="accuracy", share=0.05))
    near = NearMiss(candidate=priced(7), breaks=breaks)
    elsewhere = NearMiss(candidate=priced(9, executable=False), breaks=(Break(constraint="executor", share=1.0),))
    none = Choice(candidates=5, front=(priced(1, 0.02),), plan=None, nearest=None, near=(near, elsewhere), reason="")
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(front_table(none, 160))
    text = console.export_text()
    assert "the nearest of 5 candidates, of which none meets every limit" in text
    assert "2.0%" not in text
    assert "latency 1,361 % over, accuracy 5 % short" in text
    assert "cannot be used from here" in text


def test_a_row_that_seems_beaten_is_told_by_what_it_is_ahead() -> None:
    plan, other = priced(0.003, 0.85401), priced(0.004, 0.85434)
    assert ahead_unseen([plan, other, priced(0.005, 0.9)]) == [
        "ahead by less than the figures show:",
        f"  {other.student} 0.3M over {plan.student} 0.3M: 0.033 points more accurate",
    ]
    assert ahead_unseen([plan, priced(0.004, 0.9), priced(0.005, 0.5)]) == []  # better as shown; beaten in truth
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(front_table(choice(plan).model_copy(update={"front": (plan, other)}), 200))
    assert "0.033 points more accurate" in console.export_text()


def test_dollars_are_told_as_what_is_needed_and_an_unknown_accuracy_as_unknown() -> None:
    unknown = candidate(usd=prediction(0.0123), overhead_usd=0.0333)
    broken = (Break(constraint="usd", share=0.0456), Break(constraint="accuracy", share=1.0))
    near = (NearMiss(candidate=unknown, breaks=broken),)
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(front_table(Choice(candidates=1, front=(), plan=None, nearest=None, near=near, reason=""), 100))
    text = console.export_text()
    assert "needs $0.0456 in all" in text
    assert "accuracy unknown" in text
    assert "%" not in text


def test_a_band_says_what_is_unknown() -> None:
    assert band(None) == "unknown"
    assert band(prediction(0.1), 60) == "6 (3–12)"


def test_no_figure_is_cut_on_any_screen_and_the_plan_stays_marked() -> None:
    long_name = "simplepod/Europe-EE/gpu_1x_rtxa4000_10_and_more/RTXA4000 x 1"
    plan = priced(0.00519, 0.969).model_copy(update={"offer_id": long_name, "train_tokens": 2_400_000})
    for width in (80, 120, 140):
        console = Console(width=width, record=True, file=io.StringIO())
        console.print(front_table(choice(plan), width))
        text = console.export_text()
        assert "→" in text
        for figure in ("2.4M", "96.9%", "0.00519", plan.student):
            assert figure in text


def test_servers_have_short_names() -> None:
    assert server_name("local/local/this-machine") == "this machine"
    assert server_name("aws/us-east-1/g6.xlarge/L4 x 1") == "aws g6.xlarge"
    assert len(server_name("simplepod/Europe-EE/gpu_1x_rtxa4000_10_and_more/RTXA4000 x 1")) == 24
