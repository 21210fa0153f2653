"""Open models of the catalogue as candidates: priced, of unknown accuracy, and never chosen in the place of evidence."""

from pathlib import Path

import numpy as np
import pytest
from stratos.agent.explaining import why_not_this
from stratos.state.brief import Limits
from stratos.state.plan import Correction
from stratos.tools.base import Settings
from stratos.tools.candidates import build_candidates, candidate_table
from stratos.tools.choose import SOLVE_PARETO, SolvePareto
from stratos.tools.match_models import MATCH_MODELS, MatchModels

from ..building import brief, context, state
from .test_choose import GPU, prepared

NAMES = ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-8B", "HuggingFaceTB/SmolLM2-135M-Instruct")
EIGHT = GPU.model_copy(
    update={"id": "cloud/eight", "accelerator": "H100-80GB-SXM", "accelerator_count": 8, "usd_per_hour": 20.0}
)


def with_models(*names: str, **changes: object):
    run = prepared(**changes)
    assert run.match is not None
    return run.model_copy(update={"match": run.match.model_copy(update={"hub_students": names})})


def test_every_record_holds_the_figures_of_its_row(tmp_path: Path) -> None:
    table = candidate_table(context(with_models(*NAMES, offers=(GPU, EIGHT)), tmp_path))
    rows = np.flatnonzero(np.isnan(table.accuracy))
    assert len(rows) > 30
    for row in rows[:: len(rows) // 15]:
        one = table.materialise(int(row))
        assert one.id == table.name(int(row))
        assert one.accuracy is None
        assert one.throughput_rps is not None
        assert (one.total_usd, one.hours.value, one.needed_usd) == pytest.approx(
            (table.usd[row], table.hours[row], table.needed_usd[row])
        )
        assert one.latency_p95_ms.value == pytest.approx(table.latency_p95_ms[row])
        assert table.throughput_rps is not None
        assert one.throughput_rps.value == pytest.approx(table.throughput_rps[row])


def test_a_model_is_split_over_no_more_accelerators_than_there_are_and_must_fit(tmp_path: Path) -> None:
    table = candidate_table(context(with_models("Qwen/Qwen3-8B", offers=(GPU, EIGHT)), tmp_path))
    hub = [table.materialise(int(row)) for row in np.flatnonzero(np.isnan(table.accuracy))]
    assert {one.tensor_parallel for one in hub if one.offer_id == "cloud/gpu"} <= {1}
    assert {one.tensor_parallel for one in hub if one.offer_id == "cloud/eight"} == {1, 2, 4, 8}
    assert len({one.id for one in hub}) == len(hub)


def test_a_model_without_evidence_is_not_chosen_and_does_not_reach_the_front_over_what_is_known(tmp_path: Path) -> None:
    found = SOLVE_PARETO.run(context(with_models(*NAMES), tmp_path), SolvePareto())
    assert found.plan is not None
    assert found.plan.candidate.training == "scratch"
    assert not any(one.student in NAMES for one in found.front)


def test_where_nothing_can_be_done_here_the_cheapest_pilot_elsewhere_is_named(tmp_path: Path) -> None:
    asked = brief(0.99).model_copy(update={"limits": Limits(usd=50, accelerators=("L4",))})
    found = SOLVE_PARETO.run(context(with_models(*NAMES, brief=asked), tmp_path), SolvePareto())
    assert found.plan is None
    assert "the cheapest pilot among them that would: HuggingFaceTB/SmolLM2-135M-Instruct on cloud/gpu" in found.reason


def test_months_of_serving_are_part_of_the_dollars_and_throughput_is_a_limit(tmp_path: Path) -> None:
    asked = brief(0.7, serving_months=2.0, requests_per_day=1e12)
    run = with_models(brief=asked, offers=(GPU,))
    one = build_candidates(context(run, tmp_path))[0]
    assert one.serving_usd == pytest.approx(2 * 730 * GPU.usd_per_hour)
    assert one.needed_usd > one.serving_usd
    found = SOLVE_PARETO.run(context(run, tmp_path), SolvePareto())
    assert "that the server must carry" in found.reason


def test_what_the_workspace_measured_corrects_a_prediction(tmp_path: Path) -> None:
    half = Correction(
        kind="hours", hardware="this machine, rationale", bias=0.5, low_factor=0.9, high_factor=1.2, pairs=3
    )
    plain, corrected = (build_candidates(context(prepared(calibration=found), tmp_path))[0] for found in ((), (half,)))
    assert corrected.hours.value == pytest.approx(0.5 * plain.hours.value)
    assert corrected.hours.high == pytest.approx(1.2 * corrected.hours.value)
    assert "by 3 measured pairs" in corrected.hours.source


def test_matching_says_in_a_line_each_why_models_are_out(tmp_path: Path) -> None:
    asked = brief().model_copy(update={"limits": Limits(licences=("Apache-2.0",), max_parameters=1_000_000_000)})
    found = MATCH_MODELS.run(context(state(brief=asked), tmp_path), MatchModels())
    assert "Qwen/Qwen3-0.6B" in found.hub_students
    assert "meta-llama/Llama-3.2-1B" not in found.hub_students
    assert any("over the limit of 1,000,000,000 parameters" in line for line in found.rejected)
    assert any("'Gemma Terms of Use' is none of Apache-2.0" in line for line in found.rejected)


def test_a_chat_says_why_an_open_model_is_not_planned(tmp_path: Path) -> None:
    run = with_models(*NAMES)
    assert run.match is not None
    run = run.model_copy(
        update={"match": run.match.model_copy(update={"rejected": ("google/gemma-3-1b-it: its licence is none",)})}
    )
    said = why_not_this(run, Settings(), "Qwen3-8B")
    assert "Qwen/Qwen3-8B" in said
    assert "accuracy unknown" in said
    assert "no executor" in said
    assert why_not_this(run, Settings(), "gemma-3-1b-it") == "it is no student for this brief: its licence is none"
    assert "none of the" in why_not_this(run, Settings(), "a llama")
