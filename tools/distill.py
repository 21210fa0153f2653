"""Teaches the plan's student and, beside it, the control that every claim is held against: the tool over training jobs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import Field

from ..skills.protocol import Example
from ..state.brief import Record
from ..state.errors import Correctable
from ..state.evidence import Attempt
from ..state.numbers import AS_SAID, dollars, shown
from ..state.plan import Candidate, Plan
from ..state.run import RunState
from .base import FREE, Context, Cost, Tool, on_server
from .costs import examples_needed, fits, measuring_usd, server_minutes, training_usd
from .emphasis import shards_with_mix
from .given_model.reinforcing import begun_from
from .given_model.tuning import kept_apart, tuned
from .jobs import write_atomic
from .teaching.budget import lessons_due
from .training.batches import read_examples
from .training.students import TrainJob, shape_named
from .waiting import JobRequest, run_all

TRAINING_SHARE = 0.85
"""Share of the brief's hours that training may use; the rest is for data and evaluation."""

FEWEST_TO_CUT = 400
"""Given examples from which on a twentieth is kept from a training from scratch: fewer are worth more as lessons."""

ANSWERS_ONLY = "answers-only student, equal compute"
NATURAL_MIX = "student on examples as they come, equal compute"
ANSWERS_ONLY_BEFORE = "answers-only student, before the reward"
"""The control of a student that was reinforced: that of the attempt it went on from, which read no more since."""


class Distill(Record):
    """Trains the student of one candidate on the front, for the tokens it names, and beside one that is taught rationales the
    same student on the answers alone with the same number of tokens. A longer training of a student built from scratch is continued,
    with more of the families of examples that it was weak at, and once more with examples as they come.
    Of a candidate that trains nothing it takes the model as it is; `grpo` goes on from the best student tuned so far and strengthens
    its right answers by the verifier's reward."""

    candidate_id: str = Field(description="id of the plan's candidate")


class Distilled(Record):
    """Both trainings' figures."""

    attempt: Attempt
    usd: float


def _run(context: Context, args: Distill) -> Distilled:
    plan = context.state.known_plan
    if args.candidate_id != plan.candidate.id:
        raise Correctable(f"{args.candidate_id!r} is not the plan; the approved plan is {plan.candidate.id!r}")
    if plan.candidate.training == "scratch":
        results = _trained_from_scratch(context)
        seconds = max(result["seconds"] for result in results.values())  # side by side on one machine, paid for once
    else:
        results = tuned(context, _wall_clock_s(context))
        seconds = sum(result["seconds"] for result in results.values())
    return _distilled(context, plan, results, seconds)


def _trained_from_scratch(context: Context) -> Mapping[str, Mapping[str, Any]]:
    """The results of the student and its control."""
    plan = context.state.known_plan
    assert context.state.data is not None
    previous = _continued(context.state, plan.candidate)
    student = TrainJob(
        skill=context.brief.skill,
        task=context.brief.task,
        skill_data=context.skill_data,
        student=shape_named(plan.candidate.student),
        target=plan.candidate.strategy,
        shards=tuple(context.run_folder / shard for shard in context.state.data.shards),
        tokens=plan.candidate.train_tokens,
        seed=context.settings.seed + sum(attempt.diverged for attempt in context.state.attempts),
        threads=context.settings.threads,
        tracker=context.settings.tracker,
        continue_from=context.run_folder / better_folder(previous) if previous else None,
        wall_clock_s=_wall_clock_s(context),
    )
    jobs = {"student": _with_validation(context, "student", student)}
    if plan.emphasis:
        mixed = tuple(context.run_folder / shard for shard in context.state.data.mixed)
        jobs["natural"] = student
        jobs["student"] = student.model_copy(
            update={"shards": shards_with_mix(student.continue_from, mixed, student.shards)}
        )
    if plan.candidate.strategy == "rationale":
        trunk = context.run_folder / previous.control_folder if previous and previous.control_folder else None
        labelled = tuple(context.run_folder / shard for shard in context.state.data.labelled_shards)
        control = student.model_copy(update={"target": "answer_only", "shards": labelled, "continue_from": trunk})
        jobs["control"] = _with_validation(context, "control", control)
    requests = {
        name: JobRequest(
            module="stratos.tools.training",
            job=_within_share(job, plan, len(jobs)),
            folder=context.step_folder / name,
            threads=job.threads,
            offer=plan.offer,
        )
        for name, job in jobs.items()
    }
    return run_all(context.executor, requests, context.emit)


def _within_share(job: TrainJob, plan: Plan, jobs: int) -> TrainJob:
    """The training within its share of the clock where its server is rented: that may have room for one at a time, and what was reserved
    is for all. Patience with a busy machine is so long that a share is the time predicted."""
    if job.wall_clock_s is None or plan.offer.held_minutes == 0:
        return job
    return job.model_copy(update={"wall_clock_s": job.wall_clock_s / jobs})


def _with_validation(context: Context, name: str, job: TrainJob) -> TrainJob:
    """The training with some of the user's examples kept from it, which tell when to end; of few, and of those that are made anew and
    hardly read twice, none are."""
    if context.state.given is None or context.state.given.train < FEWEST_TO_CUT:
        return job
    examples = [example for shard in job.shards for example in read_examples(shard)]
    learned, validation = kept_apart(examples, context.settings.seed)
    context.step_folder.mkdir(parents=True, exist_ok=True)

    def written(what: str, chosen: Sequence[Example]) -> Path:
        path = context.step_folder / f"{name}-{what}.jsonl"
        write_atomic(path, "".join(json.dumps(asdict(one)) + "\n" for one in chosen))
        return path

    changes = {"shards": (written("lessons", learned),), "validation": written("validation", validation)}
    return job.model_copy(update=changes)


def _distilled(context: Context, plan: Plan, results: Mapping[str, Mapping[str, Any]], seconds: float) -> Distilled:
    student, control = results["student"], results.get("control")
    relative = context.step_folder.relative_to(context.run_folder)
    base = begun_from(context.state) if plan.candidate.training == "grpo" else None
    attempt = Attempt(
        number=len(context.state.attempts) + 1,
        candidate=plan.candidate,
        job_folder=str(relative / "student"),
        control_folder=str(relative / "control") if control else base.control_folder if base else None,
        natural_folder=str(relative / "natural") if "natural" in results else None,
        tokens=student["tokens"],
        control_tokens=control["tokens"] if control else 0,
        loss=student["loss"],
        stopped_by=student["stopped_by"],
        seconds=round(seconds, 1),
        cpu_seconds=student["cpu_seconds"],
        curve=tuple((tokens, loss) for tokens, loss in student["curve"]),
        rewards=tuple((tokens, reward) for tokens, reward in student.get("rewards", ())),
        begun_from=base.number if base else None,
    )
    return Distilled(attempt=attempt, usd=seconds / 3600 * plan.offer.usd_per_hour)


def _continued(state: RunState, candidate: Candidate) -> Attempt | None:
    """The longest earlier training of the same student that this candidate lengthens."""
    same = [
        attempt
        for attempt in state.attempts
        if attempt.candidate.student == candidate.student
        and attempt.tokens < candidate.train_tokens
        and not attempt.diverged
    ]
    return max(same, key=lambda attempt: attempt.tokens, default=None)


def better_folder(attempt: Attempt) -> str:
    """The job to go on from: the student's, or that of its control on examples as they come where that one did better on the
    development split."""
    if attempt.natural_folder is None or not attempt.evaluations:
        return attempt.job_folder
    measured = attempt.evaluations[0]
    natural = next((one for one in measured.controls if one.name == NATURAL_MIX), None)
    is_better = natural is not None and natural.exact.value > measured.student.exact.value
    return attempt.natural_folder if is_better else attempt.job_folder


def _wall_clock_s(context: Context) -> float | None:
    """Seconds training may take: what was reserved for it and what is left of the hours, whichever is less."""
    plan, limits = context.state.known_plan, context.brief.limits
    bounds: list[float] = []
    if plan.offer.usd_per_hour > 0:
        bounds.append(60 * server_minutes(plan.offer, training_usd(context.state)))
    if limits.hours is not None:
        bounds.append(max(1.0, 3600 * (TRAINING_SHARE * limits.hours - context.state.hours_used)))
    return min(bounds, default=None)


def _estimate(context: Context, args: Distill) -> Cost:
    state = context.state
    plan, price = state.known_plan, state.known_plan.offer.usd_per_hour
    if price <= 0:
        return FREE
    wanted, limit = plan.candidate.usd.value + plan.offer.held_usd, state.known_brief.limits.usd or 0.0
    measuring = measuring_usd(plan.offer, plan.candidate.evaluation_minutes)
    if not fits(
        state.unkept_usd + wanted + measuring - plan.offer.held_usd, limit
    ):  # paid for, it could not be measured
        raise Correctable(
            f"distill is predicted to cost ${wanted:,.4f} and measuring it may take ${measuring:,.4f} more; "
            f"${state.unkept_usd:,.4f} of the limit of {dollars(limit)} is spent or reserved, so it does not fit"
        )
    usd = training_usd(state)
    basis = f"at most {server_minutes(plan.offer, usd):.1f} minutes at ${shown(price, AS_SAID)} an hour"
    return on_server(plan.offer, usd, basis)


def _apply(state: RunState, result: Distilled) -> RunState:
    return state.model_copy(update={"attempts": (*state.attempts, result.attempt), "trained": state.known_plan})


def _needs(state: RunState, args: Distill) -> str | None:
    if not state.has_plan:
        return "there is no plan yet: call solve_pareto first"
    plan = state.known_plan.candidate
    if state.attempt_is_made:
        return "this plan was trained already: evaluate it, or call solve_pareto for another"
    needed, made = examples_needed(state, plan.train_tokens), state.data.examples if state.data else 0
    if lessons_due(state):
        return "the teacher has not written yet what is to be taught: call generate_data"
    return f"{needed} examples are needed and {made} exist: call generate_data" if made < needed else None


DISTILL = Tool(
    name="distill",
    args=Distill,
    result=Distilled,
    kind="effect",
    needs=_needs,
    run=_run,
    apply=_apply,
    estimate=_estimate,
    settle=lambda context, result: result.usd if context.state.known_plan.offer.usd_per_hour > 0 else 0.0,
)


def answers_only(attempt: Attempt) -> str:
    """What the control of an attempt that learned the answers alone is called."""
    return ANSWERS_ONLY if attempt.begun_from is None else ANSWERS_ONLY_BEFORE


def trained_model(run_folder: Path, job_folder: str) -> Path:
    """Where a training job left its model."""
    return run_folder / job_folder / "model"


def untrained_model(run_folder: Path, job_folder: str) -> Path:
    """Where a training job left the same student as it was before its first step."""
    return run_folder / job_folder / "untrained"
