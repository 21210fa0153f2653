"""Controls that need no model, and the verdict on how hard a task is."""

import math
from pathlib import Path

import pytest
from stratos.skills import load
from stratos.skills.protocol import Example
from stratos.tools.classify_complexity import CLASSIFY_COMPLEXITY, ClassifyComplexity
from stratos.tools.controls import (
    WORD_COUNTS,
    WordCounts,
    fit_shortcuts,
    guesses_of,
    most_frequent,
    right_answers,
)

from ..building import brief, context, state

SKILL = load("mahjong")
MADE = SKILL.make("win", seed=1, block=0, count=400)


def example(answer: str) -> Example:
    return Example(prompt="win", rationale="", answer=answer)


def test_the_most_frequent_answer_is_given_to_everything() -> None:
    control = most_frequent([example("no"), example("yes"), example("no")])
    assert {control.answer(item.prompt) for item in MADE[:5]} == {"no"}


def test_a_tie_goes_to_the_first_in_the_alphabet() -> None:
    assert most_frequent([example("yes"), example("no")]).otherwise == "no"


def test_the_verifier_counts_the_right_guesses() -> None:
    control = most_frequent(MADE)
    expected = sum(item.answer == control.otherwise for item in MADE)
    assert right_answers(SKILL, "win", control, MADE) == expected


def test_every_declared_shortcut_is_fitted_and_answers_like_the_majority_of_its_value() -> None:
    controls = fit_shortcuts(SKILL, "win", MADE)
    assert len(controls) == len(SKILL.tasks["win"].shortcuts)
    control = controls[0]
    same = [item for item in MADE if control.feature(item.prompt) == control.feature(MADE[0].prompt)]
    yes = sum(item.answer == "yes" for item in same)
    assert control.answer(MADE[0].prompt) == ("yes" if yes > len(same) - yes else "no")


def test_what_was_never_seen_gets_the_most_frequent_answer() -> None:
    control = fit_shortcuts(SKILL, "win", MADE[:1])[0]
    unseen = next(item for item in MADE if control.feature(item.prompt) not in control.by_value)
    assert control.answer(unseen.prompt) == MADE[0].answer


def test_a_demanding_target_calls_for_injection(tmp_path: Path) -> None:
    found = CLASSIFY_COMPLEXITY.run(context(state(brief=brief(0.9)), tmp_path), ClassifyComplexity())
    assert (found.verdict, found.teacher_accuracy, found.distinct_answers) == ("injection", 1.0, 2)
    assert found.best_shortcut_share < 0.8
    assert found.rationale_tokens_p95 > found.rationale_tokens > 5 * found.answer_tokens


def test_a_target_that_guessing_reaches_needs_no_distilling(tmp_path: Path) -> None:
    found = CLASSIFY_COMPLEXITY.run(context(state(brief=brief(0.3)), tmp_path), ClassifyComplexity())
    assert found.verdict == "plain fine-tuning suffices"
    assert found.probability > 0.99


def labelled(*pairs: tuple[str, str]) -> list[Example]:
    return [Example(prompt=prompt, rationale="", answer=answer) for prompt, answer in pairs]


def test_a_bag_of_words_follows_the_words_an_answer_came_with() -> None:
    control = WordCounts(
        labelled(("red apple", "fruit"), ("green apple", "fruit"), ("red car", "thing"), ("car", "thing"))
    )
    assert [control.answer(prompt) for prompt in ("an apple", "that car", "red apple!")] == ["fruit", "thing", "fruit"]
    assert control.answer("nothing known") == "fruit"  # of equals the first in the alphabet


def test_the_weights_of_a_bag_of_words_by_hand() -> None:
    # Answers a: "x x y", b: "y". Features of a: x, x, y, "x x", "x y"; of b: y. Everything: x 2, y 2, "x x" 1, "x y" 1.
    # "y" is met once outside a, among 1, and once outside b, among 5: (1 + s) / (1 + 4 s) against (1 + s) / (5 + 4 s).
    against_a, against_b = WordCounts(labelled(("x x y", "a"), ("y", "b")), smoothing=0.1).against("y")
    assert against_a - against_b == pytest.approx(math.log(1.1 / 1.4) - math.log(1.1 / 5.4))


def test_skills_that_make_their_examples_have_no_bag_of_words() -> None:
    names = {guess.name for guess in guesses_of(SKILL, "win", MADE)}
    assert WORD_COUNTS not in names
    assert len(names) == 1 + len(SKILL.tasks["win"].shortcuts)
