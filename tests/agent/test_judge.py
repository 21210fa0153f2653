"""The judge: what counts as met, the arithmetic of a miss, and what happens next."""

import pytest
from stratos.agent.judge import judge
from stratos.state.brief import Limits
from stratos.tools.distill import ANSWERS_ONLY_BEFORE, NATURAL_MIX
from stratos.tools.evaluate import UNTUNED

from ..building import attempt, brief, candidate, choice, evaluation, state


def judged(*evaluations: object, attempts: int = 1, max_attempts: int = 4, **targets: object):
    tried = [attempt(evaluation(100), number=number + 1) for number in range(attempts - 1)]
    newest = attempt(*evaluations, number=attempts)  # pyright: ignore[reportArgumentType]
    run = state(choice=choice(), attempts=(*tried, newest), brief=brief(**targets))  # pyright: ignore[reportArgumentType]
    return judge(run, max_attempts)


def test_a_latency_missed_on_a_busy_machine_says_so() -> None:
    measured = evaluation(990, p95_ms=250.0)
    assert measured.latency is not None
    loaded = measured.latency.model_copy(update={"load": 6.1, "cores": 2})
    of = state(brief=brief(latency_p95_ms=200), attempts=(attempt(measured.model_copy(update={"latency": loaded})),))
    (miss,) = judge(of, 4).misses
    assert miss.arithmetic.endswith("; the machine was busy (load 6.1 on 2 cores): an upper end")


def test_a_value_above_the_target_with_its_lower_end_below_is_a_miss() -> None:
    verdict = judged(evaluation(910))
    assert not verdict.met
    assert verdict.misses[0].constraint == "accuracy"
    assert verdict.misses[0].got == pytest.approx(0.8907, abs=1e-3)
    assert "0.9 points below 90.0%" in verdict.misses[0].arithmetic


def test_a_miss_by_a_hair_says_by_how_much() -> None:
    low = evaluation(910).student.exact.low
    miss = judged(evaluation(910), accuracy=low + 0.0002).misses[0]
    assert "is 0.02 points below" in miss.arithmetic


def test_the_point_estimate_is_enough_where_the_brief_says_so() -> None:
    assert judged(evaluation(910), accuracy_rule="point_estimate").met


def test_development_met_opens_the_sealed_split() -> None:
    assert judged(evaluation(950)).next == "open_sealed"


def test_sealed_met_deploys() -> None:
    verdict = judged(evaluation(950), evaluation(950, split="sealed-1"))
    assert (verdict.next, verdict.split) == ("deploy", "sealed-1")


def test_sealed_missed_plans_again() -> None:
    assert judged(evaluation(950), evaluation(900, split="sealed-1")).next == "replan"


def test_a_slow_answer_is_a_miss_of_its_own() -> None:
    verdict = judged(evaluation(950, p95_ms=30), latency_p95_ms=20)
    assert [miss.constraint for miss in verdict.misses] == ["latency"]
    assert "1.50 times the target of 20 ms" in verdict.misses[0].arithmetic


def test_too_few_requests_a_second_is_a_miss() -> None:
    assert [miss.constraint for miss in judged(evaluation(950), throughput_rps=80).misses] == ["throughput"]


def test_the_last_attempt_stops_the_run() -> None:
    verdict = judged(evaluation(500), attempts=4)
    assert verdict.next == "stop"
    assert "after 4 attempts" in verdict.reason


def test_hours_used_up_stop_the_run() -> None:
    limited = brief().model_copy(update={"limits": Limits(usd=1, hours=0.01)})
    run = state(choice=choice(), attempts=(attempt(evaluation(500)),), brief=limited)
    assert judge(run, 4).next == "stop"


def test_a_control_that_meets_the_target_says_do_not_distil() -> None:
    verdict = judged(evaluation(950), evaluation(950, split="sealed-1", control_right=960))
    assert verdict.cheaper_control == "answers-only student, equal compute"
    assert "do not distil" in verdict.reason


def test_without_a_target_accuracy_is_not_judged() -> None:
    assert judged(evaluation(10), accuracy=None).met


def test_only_the_newest_evaluation_counts() -> None:
    run = state(choice=choice(), attempts=(attempt(evaluation(100), evaluation(960), of=candidate()),))
    assert judge(run, 4).met


def test_an_untuned_model_that_reaches_the_target_makes_tuning_pointless() -> None:
    sealed = evaluation(950, split="sealed-1", control_right=950)
    untuned = sealed.controls[0].model_copy(update={"name": UNTUNED})
    verdict = judged(evaluation(950), sealed.model_copy(update={"controls": (untuned, *sealed.controls)}))
    assert verdict.cheaper_control == UNTUNED
    assert "do not distil: 'untuned model, prompt only' meets the accuracy target too" in verdict.reason


def test_a_control_that_meets_what_the_student_misses_is_served_in_its_place() -> None:
    first = judged(evaluation(480, control_right=960))
    assert (first.met, first.next, first.cheaper_control) == (
        True,
        "open_sealed",
        "answers-only student, equal compute",
    )
    last = judged(evaluation(480, control_right=960), evaluation(480, split="sealed-1", control_right=950))
    assert (last.met, last.next) == (True, "deploy")
    assert "do not distil: 'answers-only student, equal compute' meets the accuracy target on sealed-1" in last.reason


def test_a_student_on_examples_as_they_come_stands_in_but_is_no_reason_not_to_distil() -> None:
    measured = evaluation(480, control_right=960, p95_ms=10)
    natural = measured.controls[0].model_copy(update={"name": NATURAL_MIX})
    alone = judged(measured.model_copy(update={"controls": (natural,)}), latency_p95_ms=20)
    assert (alone.met, alone.next, alone.cheaper_control) == (True, "open_sealed", NATURAL_MIX)
    assert "do not distil" not in alone.reason
    both = judged(evaluation(960), evaluation(960, split="sealed-1").model_copy(update={"controls": (natural,)}))
    assert (both.next, both.cheaper_control) == ("deploy", None)


def test_no_control_stands_in_for_a_student_that_misses_more_than_accuracy() -> None:
    verdict = judged(evaluation(480, control_right=960, p95_ms=30), latency_p95_ms=20)
    assert (verdict.met, verdict.next) == (False, "replan")


def test_an_untuned_model_whose_speed_nobody_measured_stands_in_only_where_speed_does_not_matter() -> None:
    measured = evaluation(480, control_right=960)
    untuned = measured.controls[0].model_copy(update={"name": UNTUNED})
    measured = measured.model_copy(update={"controls": (untuned,)})
    assert judged(measured).cheaper_control == UNTUNED
    assert judged(measured, latency_p95_ms=20).next == "replan"


def test_the_control_of_before_a_reward_stands_in_though_speed_matters() -> None:
    measured = evaluation(480, control_right=960)
    kept = measured.controls[0].model_copy(update={"name": ANSWERS_ONLY_BEFORE})
    verdict = judged(measured.model_copy(update={"controls": (kept,)}), latency_p95_ms=20)
    assert (verdict.next, verdict.cheaper_control) == ("open_sealed", ANSWERS_ONLY_BEFORE)


def test_an_untuned_student_that_meets_the_target_says_not_to_distil() -> None:
    as_it_is = attempt(
        evaluation(950), evaluation(950, split="sealed-1"), of=candidate(tokens=0, student="mine", training="none")
    )
    verdict = judge(state(choice=choice(), attempts=(as_it_is,)), 4)
    assert (verdict.next, verdict.cheaper_control) == ("deploy", None)
    assert "do not distil: the model's own prompt meets the target" in verdict.reason


def test_what_needs_no_model_is_never_served() -> None:
    measured = evaluation(480, control_right=960)
    guess = measured.controls[0].model_copy(update={"name": "bag of words (naive Bayes)"})
    assert judged(measured.model_copy(update={"controls": (guess,)})).next == "replan"
