"""The pairing eval's parts: teachers are as right as they are said to be, and ranks and regrets are those worked out by hand."""

import pytest
from stratos.evals.pairing import LONGEST_SEARCH, hands
from stratos.evals.pairing_scores import accuracy, ranked, regret, spearman
from stratos.evals.pairing_teachers import TEACHERS
from stratos.skills import load
from stratos.skills.protocol import Example
from stratos.tools.pairing.evidence import GraceScore


@pytest.fixture(scope="module")
def solved() -> list[Example]:
    return hands(seed=3, first_block=0, count=300)


def test_hands_are_short_different_and_about_half_complete(solved: list[Example]) -> None:
    assert max(len(one.rationale.split()) for one in solved) <= LONGEST_SEARCH
    assert len({load("mahjong").canonical("win", one.prompt) for one in solved}) == 300
    assert 0.35 < sum(one.answer == "yes" for one in solved) / 300 < 0.65


def test_held_out_hands_are_not_drawn_again(solved: list[Example]) -> None:
    held_out = frozenset(load("mahjong").canonical("win", one.prompt) for one in solved[:50])
    again = hands(seed=3, first_block=0, count=100, without=held_out)
    assert not held_out & {load("mahjong").canonical("win", one.prompt) for one in again}


@pytest.mark.parametrize(
    ("name", "exact", "answer"),
    [
        ("solver", (1, 1), (1, 1)),
        ("terse", (1, 1), (1, 1)),
        ("verbose", (0.3, 0.7), (1, 1)),
        ("shuffled", (0.3, 0.95), (1, 1)),
        ("wrong-10", (0.82, 0.97), (0.82, 0.97)),
        ("wrong-30", (0.6, 0.8), (0.6, 0.8)),
        ("sloppy", (0.3, 0.8), (1, 1)),
        ("unrelated", (0.3, 0.7), (1, 1)),
        ("answers", (0.3, 0.7), (1, 1)),
    ],
)
def test_a_teacher_is_as_right_as_it_is_said_to_be(
    solved: list[Example], name: str, exact: tuple[float, float], answer: tuple[float, float]
) -> None:
    found = accuracy(TEACHERS[name].answers(solved, seed=0))
    assert exact[0] <= found[0].value <= exact[1]
    assert answer[0] <= found[1].value <= answer[1]


def test_a_teacher_answers_alike_for_the_same_seed_in_words_the_student_has(solved: list[Example]) -> None:
    known = set(load("mahjong").vocabulary)
    for teacher in TEACHERS.values():
        answers = teacher.answers(solved, seed=1)
        assert answers == teacher.answers(solved, seed=1)
        assert all(set(one.rationale.split()) <= known for one in answers)
        assert [one.prompt for one in answers] == [one.prompt for one in solved]


def test_rank_correlations_worked_out_by_hand() -> None:
    assert spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(0.8)  # 1 - 6 x 2 / (4 x 15)
    assert spearman([1, 1, 2], [1, 2, 3]) == pytest.approx(0.8660254)  # ranks 0.5, 0.5, 2 against 0, 1, 2
    assert spearman([1, 1, 1], [1, 2, 3]) == 0


def test_regret_is_the_mean_over_those_that_share_the_highest_prediction() -> None:
    gained = {"a": 0.9, "b": 0.5, "c": 0.1}
    assert regret({"a": 1, "b": 0, "c": 0}, gained) == pytest.approx(0)
    assert regret({"a": 1, "b": 1, "c": 0}, gained) == pytest.approx(0.2)


def test_the_ranking_is_the_products_own(solved: list[Example]) -> None:
    probe = {name: TEACHERS[name].answers(solved, seed=0) for name in ("solver", "wrong-30")}
    score = GraceScore(
        score=1, standard_error=0.1, variance=1, bias=0, g_norm=1, g_vendi=1, answers=64, dimension=16, folds=10
    )
    assert ranked(probe, {"solver": score, "wrong-30": score}) == {"solver": -1, "wrong-30": -2}
