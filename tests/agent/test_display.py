"""What a person reads of an evaluation."""

import io

from rich.console import Console
from stratos.agent.brief_words import brief_rows
from stratos.agent.display import RichDisplay
from stratos.state.brief import Brief, Limits, Targets, Weights
from stratos.state.evidence import Evaluation, FamilyScore, wilson

from ..building import attempt, evaluation, state


def shown(measured: Evaluation) -> str:
    text = io.StringIO()
    display = RichDisplay(Console(file=text, width=200))
    display.step("evaluate", state(attempts=(attempt(measured),)), replayed=False)
    return text.getvalue()


def test_the_families_of_a_split_are_shown_worst_first() -> None:
    families = (FamilyScore(family="easy", exact=wilson(9, 10)), FamilyScore(family="hard", exact=wilson(1, 4)))
    assert "exact by family: hard 25.0% of 4; easy 90.0% of 10" in shown(
        evaluation(600).model_copy(update={"families": families})
    )


def test_a_split_without_families_shows_none() -> None:
    assert "family" not in shown(evaluation(600))


def test_a_brief_is_told_whole_on_the_terminal_and_on_the_page() -> None:
    whole = Brief(
        request="a test",
        skill="mahjong",
        task="win",
        targets=Targets(accuracy=0.9, latency_p95_ms=200, throughput_rps=50),
        limits=Limits(
            usd=0.004,
            usd_per_month=20,
            hours=0.5,
            accelerators=("H100", "L4"),
            regions=("eu",),
            clouds=("aws",),
            licences=("apache-2.0",),
            max_parameters=5_000_000,
        ),
        weights=Weights(accuracy=1, hours=3),
    )
    told = {
        "skill, task": "mahjong, win",
        "accuracy": "at least 90 % exact (lower bound)",
        "latency": "p95 at most 200 ms",
        "throughput": "at least 50 requests a second",
        "money": "at most $0.004",
        "serving": "at most $20.00 a month",
        "time": "at most 30 minutes",
        "clouds": "only aws",
        "regions": "only eu",
        "accelerators": "only H100, L4",
        "licences": "only apache-2.0",
        "size": "at most 5,000,000 parameters",
        "weights": "accuracy 1, hours 3",
    }
    rows = brief_rows(whole.model_dump(mode="json"))
    assert dict(rows) == told
    text = io.StringIO()
    RichDisplay(Console(file=text, width=120)).step("intake", state(brief=whole), replayed=False)
    printed = " ".join(text.getvalue().split())
    assert all(f"{label} {words}" in printed for label, words in rows)
