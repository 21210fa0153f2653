"""A checkpoint of the user's as candidates: what is predicted of it, and what attempts rule out."""

from pathlib import Path
from typing import Any

import pytest
from stratos.state.evidence import Attempt, Sampled, wilson
from stratos.state.plan import Candidate
from stratos.tools.candidates import PILOT_TOKENS, build_candidates, candidate_table
from stratos.tools.choose import SOLVE_PARETO, SolvePareto
from stratos.tools.given_model.candidates import requests_timed
from stratos.tools.given_model.reinforcing import begun_from
from stratos.tools.match_models import MATCH_MODELS, MatchModels

from ...building import attempt, brief, candidate, checkpoint, complexity, context, evaluation, offer
from ..test_choose import prepared


def built(folder: Path, **changes: Any) -> list[Candidate]:
    return build_candidates(context(prepared(**{"checkpoint": checkpoint(), **changes}), folder))


def tried(planned: int, training: str = "lora", **changes: Any):
    of = candidate(tokens=planned, student="mine", training=training)
    return attempt(evaluation(300), of=of).model_copy(update=changes)


def test_it_is_the_only_student_tuned_here_in_every_way_that_fits(tmp_path: Path) -> None:
    found = built(tmp_path)
    assert {one.student for one in found} == {"mine"}
    assert {one.training for one in found} == {"lora", "full"}
    assert {one.offer_id for one in found} == {"local/here"}
    assert all(one.accuracy is None and one.train_tokens >= PILOT_TOKENS for one in found)
    assert {one.training for one in built(tmp_path, checkpoint=checkpoint("lora"))} == {"lora"}


def test_its_hours_follow_from_weights_and_tokens_and_say_how_little_was_measured(tmp_path: Path) -> None:
    lora, full = (next(one for one in built(tmp_path) if one.training == kind) for kind in ("lora", "full"))
    # Student and control: 2 x 0.6M tokens x 6 x 0.5e9 FLOPs at 0.88 of 60 GFLOP/s, twice that, 38 h; adapters two thirds of it.
    assert full.hours.value == pytest.approx(2 * 2 * 600_000 * 6 * 0.5e9 / (0.88 * 60e9) / 3600, rel=0.02)
    assert lora.hours.value == pytest.approx(full.hours.value * 2 / 3, rel=0.01)
    assert full.hours.high == pytest.approx(4 * full.hours.value)
    assert full.hours.source.endswith("measured at two sizes alone")
    assert full.latency_p95_ms.source.endswith("not measured")


def test_an_hour_of_tuning_that_was_measured_corrects_the_next(tmp_path: Path) -> None:
    before = next(one for one in built(tmp_path) if one.train_tokens == 1_200_000)
    slow = tried(600_000, seconds=before.hours.value * 3600)  # half of the tokens in the time of all
    after = next(
        one for one in built(tmp_path, attempts=(slow,)) if one.train_tokens == 1_200_000 and one.training == "lora"
    )
    assert after.hours.value == pytest.approx(2 * before.hours.value, rel=0.01)
    assert after.accuracy is not None


def test_only_longer_tunings_follow_one_and_none_follows_one_that_got_no_better(tmp_path: Path) -> None:
    longer = built(tmp_path, attempts=(tried(1_200_000),))
    assert min(one.train_tokens for one in longer if one.training == "lora") > 1_200_000
    assert min(one.train_tokens for one in longer if one.training == "full") == PILOT_TOKENS
    ended = built(tmp_path, attempts=(tried(1_200_000, tokens=500_000, stopped_by="validation"),))
    assert {one.training for one in ended} == {"full"}


def test_a_tuning_that_diverged_may_be_tried_again(tmp_path: Path) -> None:
    again = built(tmp_path, attempts=(tried(600_000, stopped_by="diverged"),))
    assert min(one.train_tokens for one in again if one.training == "lora") == PILOT_TOKENS
    assert not {one.id for one in again} & {one.id for one in built(tmp_path)}


def test_without_evidence_the_cheapest_is_the_pilot(tmp_path: Path) -> None:
    chosen = SOLVE_PARETO.run(context(prepared(checkpoint=checkpoint(), brief=brief(0.5)), tmp_path), SolvePareto())
    assert chosen.pilot
    assert chosen.plan is not None
    assert (chosen.plan.candidate.training, chosen.plan.candidate.train_tokens) == ("lora", PILOT_TOKENS)


def test_where_no_way_is_left_there_is_no_plan_and_no_other_student(tmp_path: Path) -> None:
    ended = tuple(tried(600_000, kind, stopped_by="validation") for kind in ("lora", "full"))
    run = prepared(checkpoint=checkpoint(), attempts=ended)
    assert len(candidate_table(context(run, tmp_path))) == 0
    chosen = SOLVE_PARETO.run(context(run, tmp_path), SolvePareto())
    assert chosen.plan is None
    assert "there are no candidates to choose from" in chosen.reason


def test_measuring_a_slow_model_takes_more_money_and_fewer_requests(tmp_path: Path) -> None:
    priced = built(tmp_path, offers=(offer(1.0),))[0]
    assert priced.evaluation_minutes is not None
    assert priced.evaluation_minutes > 60
    assert priced.overhead_usd > priced.evaluation_minutes / 60
    assert requests_timed(priced, 1000) < 200
    assert requests_timed(candidate(), 1000) == 200


def test_matching_leaves_every_other_student_out(tmp_path: Path) -> None:
    found = MATCH_MODELS.run(context(prepared(checkpoint=checkpoint()), tmp_path), MatchModels())
    assert (found.students, found.hub_students) == ((), ())
    assert "every student but mine" in found.rejected[0]


PROMPTABLE = complexity().model_copy(update={"verdict": "prompting suffices", "student_before": wilson(95, 100)})


def test_where_its_prompt_suffices_the_plan_is_the_checkpoint_as_it_is(tmp_path: Path) -> None:
    run = prepared(checkpoint=checkpoint(), complexity=PROMPTABLE, brief=brief(0.8))
    chosen = SOLVE_PARETO.run(context(run, tmp_path), SolvePareto())
    assert chosen.plan is not None
    plan = chosen.plan.candidate
    assert (plan.training, plan.train_tokens, plan.hours.value, plan.usd.value) == ("none", 0, 0, 0)
    assert plan.accuracy is not None
    assert (plan.accuracy.value, plan.accuracy.low) == (
        0.95,
        pytest.approx(0.9095, abs=1e-3),
    )  # 95 % ends: 0.888, 0.978
    assert not chosen.pilot


def test_what_its_prompt_missed_once_is_tuned(tmp_path: Path) -> None:
    as_it_is = attempt(evaluation(700), of=candidate(tokens=0, student="mine", training="none"))
    found = built(tmp_path, complexity=PROMPTABLE, attempts=(as_it_is,))
    assert {one.training for one in found} == {"lora", "full"}
    assert all(one.accuracy is None for one in found)


def sampled_attempt(right: int, mixed: int, number: int = 1, training: str = "lora", **changes: Any) -> Attempt:
    """A tuning, and what its sampled answers to 32 questions showed."""
    found = Sampled(questions=32, samples=8, right=0, solved=mixed, mixed=mixed)
    measured = evaluation(right).model_copy(update={"sampled": found})
    of = candidate(tokens=600_000, student="mine", training=training)
    return attempt(measured, of=of, number=number).model_copy(update=changes)


def reinforced(folder: Path, *attempts: Attempt) -> list[Candidate]:
    return [one for one in built(folder, attempts=attempts) if one.training == "grpo"]


def test_a_tuning_whose_answers_differ_may_be_reinforced(tmp_path: Path) -> None:
    found = reinforced(tmp_path, sampled_attempt(400, mixed=9))
    assert min(one.train_tokens for one in found) == PILOT_TOKENS
    assert all(one.accuracy is None for one in found)
    full = next(one for one in built(tmp_path, attempts=(sampled_attempt(400, mixed=9),)) if one.training == "full")
    assert found[0].hours.value > full.hours.value
    assert "GRPO is assumed to take 4 times as long" in found[0].hours.source


@pytest.mark.parametrize(
    "tried",
    [
        sampled_attempt(0, mixed=0),
        sampled_attempt(400, mixed=9, stopped_by="diverged"),
        sampled_attempt(400, mixed=9, training="none"),
    ],
)
def test_without_right_beside_wrong_answers_of_a_tuned_model_nothing_is_reinforced(
    tried: Attempt, tmp_path: Path
) -> None:
    assert not reinforced(tmp_path, tried)


def test_a_reward_goes_on_from_the_best_and_its_newest_of_equals(tmp_path: Path) -> None:
    tries = (
        sampled_attempt(400, 9),
        sampled_attempt(500, 9, 2, "full"),
        sampled_attempt(500, 9, 3),
        sampled_attempt(300, 9, 4),
    )
    for count, number in ((1, 1), (2, 2), (3, 3), (4, 3)):
        base = begun_from(prepared(attempts=tries[:count]))
        assert base is not None
        assert base.number == number


def test_a_reward_that_gained_nothing_is_followed_by_a_longer_one_alone(tmp_path: Path) -> None:
    base = sampled_attempt(400, mixed=9)
    again = sampled_attempt(390, mixed=9, number=2, training="grpo", begun_from=1)
    found = reinforced(tmp_path, base, again)
    assert min(one.train_tokens for one in found) > 600_000
    assert all(one.accuracy is not None for one in found)


def test_a_reward_that_gained_all_it_could_is_not_repeated(tmp_path: Path) -> None:
    best = sampled_attempt(800, mixed=0, number=2, training="grpo", begun_from=1)
    assert not reinforced(tmp_path, sampled_attempt(400, mixed=9), best)
