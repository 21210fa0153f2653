"""The plan: which candidates there are, what accuracy is aimed at, and what a miss changes."""

from pathlib import Path
from typing import Any

import pytest
from stratos.state.brief import Limits
from stratos.state.errors import Correctable
from stratos.state.evidence import wilson
from stratos.state.plan import Candidate, Machine
from stratos.state.run import Choice, GivenFacts, Match, RunState, Split
from stratos.tools.accuracy import measured_points
from stratos.tools.candidates import PILOT_TOKENS, build_candidates
from stratos.tools.choose import SOLVE_PARETO, SolvePareto, accuracy_to_aim_at, items_to_show, what_is_left
from stratos.tools.training.students import SHAPES

from ..building import attempt, brief, candidate, complexity, context, evaluation, offer, state

MACHINE = Machine(
    cpu_model="test",
    cores=2,
    memory_gib=8,
    has_bf16=False,
    gpus=(),
    single_thread_gflops=60,
    memory_bandwidth_gb_s=10,
)
GPU = offer(2.0).model_copy(
    update={
        "id": "cloud/gpu",
        "cloud": "cloud",
        "accelerator": "L4",
        "accelerator_count": 1,
        "accelerator_memory_gib": 24.0,
        "executable": False,
    }
)


def prepared(**changes: Any) -> RunState:
    """A run that is ready to be planned, on this machine and with a GPU that nothing here can use."""
    values: dict[str, Any] = {
        "machine": MACHINE,
        "match": Match(teacher="solver:mahjong", students=SHAPES[:2], parameters=(337_056, 810_112), rejected=()),
        "offers": (offer(), GPU),
        "complexity": complexity().model_copy(update={"curve": measured_points("mahjong", "win")}),
    }
    return state(**{**values, **changes})


def planned(folder: Path, **changes: Any) -> Choice:
    return SOLVE_PARETO.run(context(prepared(**changes), folder), SolvePareto())


@pytest.mark.parametrize(("target", "items"), [(0.9, 1000), (0.9, 2000), (0.5, 60), (0.99, 2000)])
def test_the_accuracy_aimed_at_is_the_smallest_whose_interval_reaches_the_target(target: float, items: int) -> None:
    right = round(accuracy_to_aim_at(target, items) * items)
    assert wilson(right, items).low >= target > wilson(right - 1, items).low


def test_the_cheapest_candidate_that_should_reach_the_target_is_planned(tmp_path: Path) -> None:
    chosen = planned(tmp_path)
    assert chosen.plan is not None
    plan = chosen.plan.candidate
    assert plan.offer_id == "local/here"
    assert plan.accuracy is not None
    assert plan.accuracy.value >= accuracy_to_aim_at(0.9, 2000)
    shorter = plan.model_copy(update={"train_tokens": plan.train_tokens - 1})
    assert all(one.student != shorter.student or one.train_tokens >= plan.train_tokens or not one.executable
               for one in chosen.front if one.accuracy and one.accuracy.value >= 0.92)  # fmt: skip


def test_without_evidence_the_cheapest_pilot_is_planned_and_called_one(tmp_path: Path) -> None:
    chosen = planned(tmp_path, complexity=complexity())
    assert chosen.pilot
    assert chosen.plan is not None
    assert chosen.plan.candidate.accuracy is None
    assert chosen.plan.candidate.train_tokens == PILOT_TOKENS


def test_without_target_or_evidence_the_shortest_that_tells_something_is_planned(tmp_path: Path) -> None:
    chosen = planned(tmp_path, complexity=complexity(), brief=brief(None))
    assert not chosen.pilot
    assert chosen.plan is not None
    assert chosen.plan.candidate.train_tokens == PILOT_TOKENS


def test_a_target_nothing_reaches_has_no_plan_but_a_nearest(tmp_path: Path) -> None:
    tried = attempt(evaluation(500), of=candidate(tokens=9_600_000, student=SHAPES[0].name))
    other = attempt(evaluation(500), of=candidate(tokens=7_200_000, student=SHAPES[1].name))
    chosen = planned(tmp_path, brief=brief(0.99), attempts=(tried, other))
    assert chosen.plan is None
    assert chosen.nearest is not None
    assert "points below" in chosen.reason


def test_a_target_that_no_test_of_this_size_can_show_is_not_tried(tmp_path: Path) -> None:
    chosen = planned(tmp_path, brief=brief(0.9999), complexity=complexity())
    assert chosen.plan is None
    assert "2,000 held-out items, all of them right" in chosen.reason


def given(*items: int) -> GivenFacts:
    splits = tuple(Split(name=f"split-{at}", path="", n=n, sha256="0") for at, n in enumerate(items))
    return GivenFacts(
        folder="data", rows=500, train=400, train_sha256="0", splits=splits, metric="exact", choices=0, with_rationales=True,
        vocabulary=9, notes=(),
    )  # fmt: skip


def test_what_few_own_examples_cannot_show_is_not_tried_and_told_how_many_would(tmp_path: Path) -> None:
    chosen = planned(tmp_path, brief=brief(0.95), given=given(50, 50, 50))
    assert chosen.plan is None
    assert "50 held-out items, all of them right, have a 95 % interval from 92.87%" in chosen.reason
    assert (
        "ask for at most 92.8 %, bring 730 examples or more, of which a tenth is 73, or as many in a --test"
        in chosen.reason
    )
    assert "point_estimate" in chosen.reason


def test_the_smallest_split_decides_what_must_be_measured() -> None:
    for splits, aim in (((50, 1000), 1.0), ((1000, 1000), 0.92)):
        left = what_is_left(prepared(brief=brief(0.9), given=given(*splits)), held_out_items=2000)
        assert left.targets.accuracy == pytest.approx(aim, abs=2e-3)


def test_the_items_that_could_show_a_target_are_the_fewest_that_do() -> None:
    for target in (0.5, 0.8, 0.9, 0.95, 0.99):
        needed = items_to_show(target)
        assert needed is not None
        assert wilson(needed, needed).low >= target > wilson(needed - 1, needed - 1).low
    assert items_to_show(1.0) is None


def test_after_a_miss_only_longer_trainings_of_that_student_are_left(tmp_path: Path) -> None:
    tried = attempt(evaluation(850), of=candidate(tokens=1_200_000))
    lengths = {one.train_tokens for one in planned(tmp_path, attempts=(tried,)).front if one.student == SHAPES[0].name}
    assert lengths
    assert min(lengths) > 1_200_000


def test_a_lengthened_training_costs_only_what_is_new(tmp_path: Path) -> None:
    tried = attempt(evaluation(850), of=candidate(tokens=2_400_000))
    fresh, longer = (planned(tmp_path, **changes).front for changes in ({}, {"attempts": (tried,)}))
    hours = [
        next(one.hours.value for one in front if one.executable and one.student == SHAPES[0].name and one.train_tokens == 3_600_000)
        for front in (fresh, longer)
    ]  # fmt: skip
    assert hours[1] < 0.65 * hours[0]


def test_what_was_measured_corrects_what_is_predicted_for_the_same_server_alone(tmp_path: Path) -> None:
    def found(offer_id: str, **changes: Any) -> Candidate:
        run = prepared(**changes)
        wanted = (offer_id, SHAPES[1].name, 2_400_000)
        built = build_candidates(context(run, tmp_path))
        return next(one for one in built if (one.offer_id, one.student, one.train_tokens) == wanted)

    first = planned(tmp_path).plan
    assert first is not None
    measured_ms, hours = 3 * first.candidate.latency_p95_ms.value, 2 * first.candidate.hours.value
    tried = attempt(evaluation(850, p95_ms=measured_ms), of=candidate(tokens=first.candidate.train_tokens))
    slow = tried.model_copy(update={"seconds": 3600 * hours})
    before, after = found("local/here"), found("local/here", attempts=(slow,))
    assert after.latency_p95_ms.value == pytest.approx(3 * before.latency_p95_ms.value)
    assert after.hours.value == pytest.approx(2 * before.hours.value)
    assert "by 1 measured pairs" in after.hours.source
    assert found("cloud/gpu").hours == found("cloud/gpu", attempts=(slow,)).hours


def test_a_limit_on_serving_a_month_rules_out_dear_servers(tmp_path: Path) -> None:
    limited = brief().model_copy(update={"limits": Limits(usd=1, usd_per_month=100)})
    assert all(one.offer_id != "cloud/gpu" for one in planned(tmp_path, brief=limited).front)


def test_an_accelerator_asked_for_rules_out_this_machine(tmp_path: Path) -> None:
    limited = brief().model_copy(update={"limits": Limits(usd=100, accelerators=("L4",))})
    chosen = planned(tmp_path, brief=limited)
    assert chosen.plan is None
    assert {one.offer_id for one in chosen.front} == {"cloud/gpu"}


def test_a_planner_may_name_another_candidate_but_none_that_passes_a_limit(tmp_path: Path) -> None:
    run = prepared()
    free = SOLVE_PARETO.run(context(run, tmp_path), SolvePareto())
    dearer = next(one for one in free.front if one.executable and free.plan and one.id != free.plan.candidate.id)
    named = SOLVE_PARETO.run(context(run, tmp_path), SolvePareto(candidate_id=dearer.id))
    assert named.plan is not None
    assert named.plan.candidate.id == dearer.id
    assert "named by the planner" in named.reason
    elsewhere = next(one for one in free.front if not one.executable)
    for name in ("no such candidate", elsewhere.id):
        with pytest.raises(Correctable):
            SOLVE_PARETO.run(context(run, tmp_path), SolvePareto(candidate_id=name))


@pytest.mark.parametrize("limits", [{"regions": ("US",)}, {"clouds": ("Cloud",)}])
def test_regions_and_clouds_are_found_in_any_case(tmp_path: Path, limits: dict[str, Any]) -> None:
    here = GPU.model_copy(update={"region": "us-east-1"})
    limited = brief().model_copy(update={"limits": Limits(usd=100, **limits)})
    found = build_candidates(context(prepared(offers=(here,), brief=limited), tmp_path))
    assert {one.offer_id for one in found} == {"cloud/gpu"}
