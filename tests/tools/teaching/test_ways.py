"""Which way of teaching a probe's figures call for."""

from typing import Any

import pytest
from stratos.state.evidence import wilson
from stratos.tools.teaching.ways import Probe, chance_above, choose_way

TOKENS = 300_000


def probe(**changes: Any) -> Probe:
    """A task that no guess comes near, with many right answers and worked ways to them, and no teacher."""
    values: dict[str, Any] = {
        "chance": 0.5,
        "guess": wilson(52, 100),
        "teacher": None,
        "labelled": 6000,
        "worked": True,
        "unlabelled": 8000,
        "tokens_an_example": 20.0,
    }
    return Probe(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "way", "verdict"),
    [
        ({}, "ways", "injection"),
        ({"guess": wilson(95, 100)}, "answers", "plain fine-tuning suffices"),
        ({"worked": False}, "answers", "plain fine-tuning is all there is"),
        ({"worked": False, "teacher": wilson(90, 100)}, "teacher", "alignment"),
        ({"worked": False, "teacher": wilson(5, 100)}, "ways", "injection"),
        ({"worked": False, "teacher": wilson(5, 100), "hinted": wilson(95, 100)}, "ways", "injection"),
        ({"worked": False, "teacher": wilson(5, 100), "hinted": wilson(10, 100)}, "answers", "out of reach"),
        ({"teacher": wilson(90, 100)}, "ways", "injection"),
        ({"teacher": wilson(90, 100), "labelled": 150}, "teacher", "alignment"),
        ({"teacher": wilson(90, 100), "labelled": 150, "unlabelled": 0}, "ways", "injection"),
        ({"teacher": wilson(5, 100), "labelled": 150}, "ways", "injection"),
        ({"teacher": wilson(55, 100), "labelled": 150}, "ways", "injection"),  # its interval begins at 45 %
    ],
)
def test_the_way_that_the_figures_call_for(changes: dict[str, Any], way: str, verdict: str) -> None:
    chosen = choose_way(probe(**changes), TOKENS)
    assert (chosen.way, chosen.verdict) == (way, verdict)


def test_the_reason_names_the_figures() -> None:
    assert "100 times each" in choose_way(probe(teacher=wilson(90, 100), labelled=150), TOKENS).why
    assert "the teacher is right on 5% only" in choose_way(probe(teacher=wilson(5, 100)), TOKENS).why


def test_few_right_answers_are_enough_for_a_short_training() -> None:
    few = probe(teacher=wilson(90, 100), labelled=150)
    assert choose_way(few, 20_000).way == "ways"


def test_a_verdict_is_as_sure_as_its_figures_are_clear() -> None:
    clear, open_ = (choose_way(probe(worked=False, teacher=wilson(right, 100)), TOKENS) for right in (99, 61))
    assert clear.verdict == open_.verdict == "alignment"
    assert clear.probability > 0.99 > open_.probability > 0.5


def test_the_chance_that_a_share_reaches_a_threshold_is_the_posteriors() -> None:
    assert chance_above(wilson(50, 100), 0.5) == pytest.approx(0.5)
    assert chance_above(wilson(60, 100), 0.5) == pytest.approx(0.976, abs=0.003)  # Beta(61, 41): 0.9767 exactly
