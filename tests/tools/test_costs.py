"""What the user is told that a plan's money is for."""

from stratos.tools.base import Settings
from stratos.tools.costs import PATIENCE, patient_training_usd, plan_parts, training_usd

from ..building import brief, choice, state


def parts_under(usd: float) -> tuple[list[str], bool]:
    """The words for the training, and whether it is left less than a patient one may take."""
    run = state(brief=brief(usd=usd), choice=choice(usd_per_hour=0.1))
    cut = training_usd(run) < patient_training_usd(run.known_plan)
    return [words for words in plan_parts(run, Settings()) if words.startswith("training")], cut


def test_a_training_that_may_take_its_time_is_told_so() -> None:
    assert parts_under(100.0) == (
        [f"training (a busy machine may take {PATIENCE:g} times the longest predicted)"],
        False,
    )


def test_a_training_that_the_limit_cuts_is_told_before_it_is_paid() -> None:
    (words,), cut = parts_under(0.02)
    assert cut
    assert "the limit leaves it" in words
    assert "a slow one is cut short" in words
