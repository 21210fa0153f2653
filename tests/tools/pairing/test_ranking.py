"""Ranking by evidence: accuracy alone does not decide, nothing is made up, and everyone left out is told why."""

from typing import Any

import pytest
from stratos.state.evidence import wilson
from stratos.tools.pairing.evidence import GraceScore, PairEvidence
from stratos.tools.pairing.preflight import PairCheck
from stratos.tools.pairing.ranking import rank_pairs, shortlist


def score(value: float, error: float = 0.1) -> GraceScore:
    return GraceScore(
        score=value,
        standard_error=error,
        variance=value,
        bias=0,
        g_norm=1,
        g_vendi=1,
        answers=64,
        dimension=16,
        folds=10,
    )


def pair(teacher: str, right: int | None = None, grace: float | None = None, **changes: Any) -> PairEvidence:
    verdict = changes.get("verdict", "ok")
    problems = ("licence Closed Terms does not let its outputs train another model",) if verdict == "refused" else ()
    check = PairCheck(
        teacher=teacher, student=changes.get("student", "s"), verdict=verdict, methods=(), problems=problems, why=""
    )
    return PairEvidence(
        check=check,
        teacher_accuracy=None if right is None else wilson(right, 100),
        student_accuracy=wilson(changes.get("own", 5), 100),
        grace=None if grace is None else score(grace),
    )


def order(pairs: list[PairEvidence], **options: Any) -> list[str]:
    return [one.evidence.check.teacher for one in rank_pairs(pairs, **options).ranked]


def test_the_more_accurate_of_two_with_the_same_score_comes_first() -> None:
    assert order([pair("worse", 60, 5.0), pair("better", 95, 5.0)]) == ["better", "worse"]


def test_the_score_decides_between_teachers_whose_accuracies_cannot_be_told_apart() -> None:
    assert order([pair("a", 96, 9.0), pair("b", 94, 3.0)]) == ["b", "a"]


def test_the_most_accurate_teacher_loses_to_one_that_suits_the_student() -> None:
    assert order([pair("strong", 99, 9.0), pair("suited", 85, 3.0)]) == ["suited", "strong"]


def test_the_score_alone_does_not_lift_the_least_accurate_above_one_with_more_of_both() -> None:
    pairs = [pair("wrong", 40, 2.0), pair("good", 95, 3.0), pair("middle", 70, 4.0)]
    assert order(pairs)[0] == "good"


def test_scores_within_their_errors_are_no_difference() -> None:
    assert order([pair("a", 80, 5.0), pair("b", 98, 5.1)])[0] == "b"


def test_missing_evidence_is_not_made_up_and_comes_after_evidence() -> None:
    ranking = rank_pairs([pair("unknown"), pair("half", 90), pair("known", 70, 5.0)])
    assert [one.evidence.check.teacher for one in ranking.ranked] == ["known", "half", "unknown"]
    last = ranking.ranked[-1]
    assert last.evidence.grace is None
    assert last.evidence.gap is None
    assert last.why == "unknown: accuracy not known, GRACE not known"


def test_a_refused_pair_is_out_with_the_name_of_its_licence() -> None:
    ranking = rank_pairs([pair("closed", 99, 1.0, verdict="refused"), pair("open", 80, 5.0)])
    assert [one.evidence.check.teacher for one in ranking.ranked] == ["open"]
    assert ranking.rejected == ("closed: refused: licence Closed Terms does not let its outputs train another model",)


def test_a_teacher_surely_below_its_student_is_out_and_one_that_may_be_above_is_not() -> None:
    ranking = rank_pairs([pair("below", 30, 1.0, own=80), pair("maybe", 75, 5.0, own=80)])
    assert [one.evidence.check.teacher for one in ranking.ranked] == ["maybe"]
    assert "less accurate than the student itself: 30%" in ranking.rejected[0]


def test_every_pair_but_the_first_has_one_line_with_the_figures_of_both() -> None:
    ranking = rank_pairs([pair("a", 96, 9.0), pair("b", 94, 3.0), pair("c", 20, verdict="refused")])
    assert len(ranking.rejected) == 2
    assert "96%" in ranking.rejected[0]
    assert "behind b (accuracy 94%" in ranking.rejected[0]
    assert not any("\n" in line for line in ranking.rejected)


def test_the_score_is_asked_for_the_shortlist_alone() -> None:
    asked: list[str] = []

    def counted(teacher: str) -> GraceScore:
        asked.append(teacher)
        return score(len(asked))

    pairs = [pair(name, right) for name, right in (("a", 99), ("b", 98), ("c", 70), ("d", 20))]
    ranking = rank_pairs(pairs, counted, shortlist_size=2)
    assert sorted(asked) == ["a", "b"]
    assert {one.evidence.check.teacher for one in ranking.ranked[2:]} == {"c", "d"}
    assert "not on the shortlist" in ranking.ranked[-1].why


def test_who_cannot_be_told_from_the_last_of_the_shortlist_is_on_it() -> None:
    pairs = [pair("a", 99), pair("b", 90), pair("c", 88), pair("d", 20), pair("e"), pair("f", 95, verdict="refused")]
    assert shortlist(pairs, 2) == ["a", "b", "c"]
    assert shortlist(pairs, 5) == ["a", "b", "c", "d", "e"]


def test_a_tie_goes_to_the_method_that_carries_more() -> None:
    assert order([pair("a", 90, 5.0, verdict="sequence_level"), pair("b", 90, 5.0)]) == ["b", "a"]


def test_pairs_of_two_students_are_not_ranked_together() -> None:
    with pytest.raises(ValueError, match="one student"):
        rank_pairs([pair("a", 90), pair("b", 90, student="other")])


def test_the_score_of_answers_far_shorter_than_the_others_does_not_count() -> None:
    pairs = [pair("short", 95, 0.5), pair("a", 95, 5.0), pair("b", 94, 9.0)]
    lengths = {"short": 3.0, "a": 28.0, "b": 30.0}
    told = [
        one.model_copy(
            update={"grace": one.grace and one.grace.model_copy(update={"answer_tokens": lengths[one.check.teacher]})}
        )
        for one in pairs
    ]
    assert order(pairs) == ["short", "a", "b"]
    ranking = rank_pairs(told)
    assert [one.evidence.check.teacher for one in ranking.ranked] == ["a", "b", "short"]
    assert "not counted, its answers are too short" in ranking.ranked[-1].why


def test_what_cannot_be_told_apart_goes_by_its_figures_and_not_by_the_alphabet() -> None:
    assert order([pair("a", 95, 5.1), pair("b", 95, 5.0)]) == ["b", "a"]
    assert order([pair("a", 94), pair("b", 95)]) == ["b", "a"]
