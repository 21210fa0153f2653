"""The families of the strategies eval are what they say, and its figures are added up right."""

from collections.abc import Callable

import pytest
from stratos.evals.strategies.__main__ import Result, probe_of
from stratos.evals.strategies.families import FAMILIES, TEST, Family
from stratos.evals.strategies.training import lessons
from stratos.state.evidence import wilson
from stratos.tools.teaching.ways import TeachingChoice

READ: dict[str, Callable[[str], str]] = {
    "parity": lambda text: ["even", "odd"][text.count("1") % 2],
    "count": lambda text: str(text.split()[2:].count(text[0])),
    "negation": lambda text: "is-" + ["good", "bad"][(text.split().count("not") + ("bad" in text.split())) % 2],
}
BY_NAME = {family.name: family for family in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_questions_are_all_different_and_the_same_for_a_seed(family: Family) -> None:
    one, other = family.questions(0), family.questions(0)
    every = [*one.test, *one.labelled, *one.unlabelled]
    assert one == other
    assert len({example.prompt for example in every}) == len(every)
    assert (len(one.test), len(one.labelled)) == (TEST, family.labelled)


def test_half_of_the_families_are_held_out() -> None:
    assert sum(family.held_out for family in FAMILIES) * 2 == len(FAMILIES) == 16


@pytest.mark.parametrize(
    ("name", "prompt", "answer"),
    [("parity", "1 1 0 1", "odd"), ("count", "p : p q p r", "2"), ("negation", "w1 not good w2", "is-bad")],
)
def test_answers_follow_from_the_questions(name: str, prompt: str, answer: str) -> None:
    """The maker's own answers, by an independent reading of its questions, which is tried on one worked by hand."""
    read = READ[name]
    assert read(prompt) == answer
    assert all(read(example.prompt) == example.answer for example in BY_NAME[name].questions(1).test)


def test_a_teacher_is_right_as_often_as_it_is_said_to_be() -> None:
    family = BY_NAME["noisy teacher"]
    asked = family.questions(0).unlabelled
    right = sum(one.answer == other.answer for one, other in zip(family.taught(asked, 0), asked, strict=True))
    assert right / len(asked) == pytest.approx(0.5, abs=0.02)


def test_a_teachers_wrong_answers_are_left_out_where_the_right_ones_are_known() -> None:
    family = BY_NAME["noisy teacher"]
    questions = family.questions(0)
    known = {one.prompt: one.answer for one in questions.labelled}
    taught = lessons(family, questions, 0)["teacher"][1]
    assert all(known.get(one.prompt, one.answer) == one.answer for one in taught)
    assert len(taught) < len(known) + len(questions.unlabelled)


def test_the_probe_is_none_of_what_the_guesses_learn_from() -> None:
    family = BY_NAME["memory"]
    found = probe_of(family, family.questions(0), 0)
    assert found.guess.n == 100
    assert found.guess.value > 0.9  # its key words are in both


def result(*, chosen: str = "answers", ways: tuple[int, ...]) -> Result:
    """A family whose answers reached 80 of 100 under every seed, and its worked ways so many."""
    choice = TeachingChoice.model_validate({"way": chosen, "verdict": "injection", "probability": 1.0, "why": ""})
    reached = [{"answers": wilson(80, 100), "ways": wilson(right, 100), "teacher": wilson(10, 100)} for right in ways]
    return Result(family=FAMILIES[0], chosen=[choice] * len(ways), reached=reached)


def test_regret_is_what_the_best_way_had_more_over_all_seeds() -> None:
    one = result(ways=(90,))
    assert one.regret == pytest.approx(0.1)
    assert not one.within_noise  # the best one's interval begins at 82.6 %
    assert result(ways=(90, 100)).regret == pytest.approx(0.15)


def test_a_way_that_wins_under_one_seed_alone_is_not_the_best() -> None:
    assert result(ways=(100, 20)).regret == 0
    assert result(chosen="ways", ways=(100, 20)).regret == pytest.approx(0.2)
