"""Controls that need no model, and the verdict on how hard a task is."""

from pathlib import Path

from stratos.skills import load
from stratos.skills.protocol import Example
from stratos.tools.classify_complexity import CLASSIFY_COMPLEXITY, ClassifyComplexity
from stratos.tools.controls import fit_shortcuts, most_frequent, right_answers

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
