"""What a person reads of an evaluation."""

import io

from rich.console import Console
from stratos.agent.display import RichDisplay
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
