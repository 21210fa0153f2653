"""Runs one scenario with one planner, through the real session, and reads what happened from the run's journal."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from ...agent import session
from ...agent.intake import read_brief_file
from ...agent.planners import Planner
from ...state.brief import Brief, Record
from ...state.errors import JobLost, RequestError
from ...state.evidence import Evaluation, Outcome
from ...state.journal import Journal
from ...state.workspace import Workspace
from ...tools.base import Settings
from ..simulated_world import SimulatedExecutor, World
from .oracle import Measured
from .scenarios import Scenario
from .world import executor_for

MAX_RESUMES = 3
MAX_ATTEMPTS: int = Settings().max_attempts
CHOICES = ("skill", "task", "usd_per_month", "regions", "accelerators", "clouds", "max_parameters")
"""Fields that must have been read right for a run to have met anything; the others are told by its figures."""

IN_MEMORY = Path("/dev/shm")
"""Where workspaces lie if there is such a place: a journal syncs every row to its disk."""


class Result(Record):
    """What one planner made of one scenario."""

    scenario: str
    status: str
    reason: str
    right_fields: dict[str, bool] = Field(default={}, description="of the brief that was read; empty where none was")
    met: bool = Field(default=False, description="it ended as met, and its figures meet what the request means")
    spent_usd: float = 0.0
    hours: float = 0.0
    exact: float | None = None
    p95_ms: float | None = None
    attempts: int = 0
    invalid_calls: int = 0
    decisions: int = 0
    tokens: int = 0
    largest_prompt: int = 0
    gave_up: bool = False
    resumed: int = 0
    trained: tuple[str, ...] = Field(
        default=(), description="candidates carried out, in order, without attempt numbers"
    )


def run_scenario(
    scenario: Scenario, planner: Planner, seed: int, *, given_brief: bool = False, once: bool = False
) -> Result:
    """One run to its end; a lost machine is resumed as a user would.

    With `given_brief` the run gets the brief that the request means, so that reading it plays no part. With `once` its
    first attempt is its last.
    """
    settings = Settings(
        deploy=False,
        approved=True,
        max_attempts=1 if once else MAX_ATTEMPTS,
        local_usd_per_hour=scenario.settings.local_usd_per_hour,
        max_usd=scenario.settings.max_usd,
    )
    with tempfile.TemporaryDirectory(
        prefix="stratos-planner-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None
    ) as scratch:
        folder = Path(scratch)
        try:
            brief = scenario.wanted if given_brief and scenario.expect else _brief(scenario, folder)
        except RequestError as error:
            return Result(scenario=scenario.name, status="refused", reason="\n".join(error.problems))
        workspace = Workspace(folder / "workspace")
        outcome, resumed = _ended(scenario, planner, seed, workspace, settings, brief)
        rows = Journal(workspace).rows(outcome.run_id)
        return _result(scenario, outcome, [(row.name, row.output) for row in rows], resumed)


def _brief(scenario: Scenario, folder: Path) -> Brief | None:
    """The brief of a YAML file; None where there is a request to be read."""
    if scenario.brief is None:
        return None
    path = folder / "brief.yaml"
    path.write_text(yaml.safe_dump(scenario.brief), encoding="utf-8")
    return read_brief_file(path, max_usd=scenario.settings.max_usd)


def _ended(
    scenario: Scenario, planner: Planner, seed: int, workspace: Workspace, settings: Settings, brief: Brief | None
) -> tuple[Outcome, int]:
    # What should be refused and is not goes no further than its plan: there is no truth to run it in.
    executor = executor_for(scenario, seed) if scenario.expect else SimulatedExecutor(world=World())
    settings = settings.model_copy(update={"plan_only": scenario.expect is None})
    started: list[str] = []
    request = brief.request if brief else scenario.request
    try:
        outcome = session.start(
            request,
            workspace=workspace,
            settings=settings,
            brief=brief,
            executor=executor,
            planner=planner,
            on_start=started.append,
        )
    except JobLost:
        return _resumed(workspace, started[0], executor, planner)
    return outcome, 0


def _resumed(workspace: Workspace, run_id: str, executor: Any, planner: Planner) -> tuple[Outcome, int]:
    for resumed in range(1, MAX_RESUMES + 1):
        try:
            return session.resume(run_id, workspace=workspace, executor=executor, planner=planner), resumed
        except JobLost:
            continue
    raise JobLost(f"run {run_id} was lost {MAX_RESUMES + 1} times")


def _result(scenario: Scenario, outcome: Outcome, rows: Sequence[tuple[str, Any]], resumed: int) -> Result:
    evaluations = [Evaluation.model_validate(out["evaluation"]) for out in _outputs(rows, "tool evaluate")]
    trained = [out["attempt"] for out in _outputs(rows, "tool distill")]
    decisions = [output for name, output in rows if name == "plan"]
    decisions += [output["reading"] for name, output in rows if name == "intake" and "reading" in output]
    hours = _hours(rows, evaluations, trained)
    last = evaluations[-1] if evaluations else None
    latency = last.latency if last else None
    figures = (
        last
        and latency
        and Measured(
            exact=last.student.exact.value,
            exact_low=last.student.exact.low,
            p95_ms=latency.p95_ms,
            throughput_rps=latency.throughput_rps,
            usd=outcome.spent_usd,
            hours=hours,
        )
    )
    right_fields = scenario.expect.right_fields(outcome.brief) if scenario.expect else {}
    return Result(
        scenario=scenario.name,
        status=outcome.status,
        reason=outcome.reason,
        right_fields=right_fields,
        met=outcome.status == "met" and figures is not None and _as_asked(scenario, right_fields, figures),
        spent_usd=outcome.spent_usd,
        hours=hours,
        exact=figures.exact if figures else None,
        p95_ms=figures.p95_ms if figures else None,
        attempts=len(trained),
        invalid_calls=_invalid_calls(rows, decisions),
        decisions=len(decisions),
        tokens=sum(one["input_tokens"] + one["output_tokens"] for one in decisions),
        largest_prompt=max((one["largest_input_tokens"] for one in decisions), default=0),
        gave_up=any(one["gave_up"] for one in decisions),
        resumed=resumed,
        trained=tuple(one["candidate"]["id"].rpartition("|")[0] for one in trained),
    )


def _as_asked(scenario: Scenario, right_fields: Mapping[str, bool], figures: Measured) -> bool:
    """Whether it is the right task, within the right choices, and the figures meet what the request means."""
    return all(right_fields.get(name) for name in CHOICES) and figures.meets(scenario.wanted)


def _outputs(rows: Sequence[tuple[str, Any]], name: str) -> list[Any]:
    """What a tool gave each time it was carried out."""
    return [output for step, output in rows if step == name and not output.get("problem")]


def _hours(rows: Sequence[tuple[str, Any]], evaluations: Sequence[Evaluation], trained: Sequence[Any]) -> float:
    seconds = sum(out["seconds"] for out in _outputs(rows, "tool generate_data"))
    seconds += sum(attempt["seconds"] for attempt in trained) + sum(found.seconds for found in evaluations)
    return seconds / 3600


def _invalid_calls(rows: Sequence[tuple[str, Any]], decisions: Sequence[Any]) -> int:
    """Answers that could not be used, and calls that the guard or a tool refused."""
    refused = sum(bool(out["problem"]) for name, out in rows if name.startswith("guard "))
    refused += sum(bool(out.get("problem")) and "offer_id" not in out for name, out in rows if name.startswith("tool "))
    return refused + sum(len(one["corrections"]) for one in decisions)
