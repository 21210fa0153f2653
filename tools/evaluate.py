"""Measures the newest attempt on a held-out split, controls beside it: the tool over the evaluation job."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..skills.protocol import Skill
from ..state.brief import Record
from ..state.evidence import Attempt, Evaluation, Regression
from ..state.numbers import AS_SAID, shown
from ..state.plan import Strategy
from ..state.run import CheckpointFacts, Data, RunState, Split
from .base import Context, Cost, Tool, on_server
from .costs import clock_s, evaluation_minutes, evaluation_usd
from .distill import ANSWERS_ONLY, NATURAL_MIX, answers_only, trained_model, untrained_model
from .evaluation import EvaluateJob, NamedModel
from .generate_data import DEVELOPMENT, sealed_split
from .given_model.candidates import requests_timed
from .given_model.taking import Lengths, base_model
from .regression import RegressionJob, regression_request
from .training.batches import read_examples
from .verdicts import against_before
from .waiting import JobRequest, run

UNTRAINED = "untrained student"
UNTUNED = "untuned model, prompt only"
UNTRAINED_ITEMS = 60
"""An untrained student writes to the token limit on every item; these few show what it can do."""

LATENCY_REQUESTS = 200
FIT_SHARDS = 2


class Evaluate(Record):
    """Measures the newest attempt and its controls. "dev" is the development split, for choosing; "sealed" opens the next
    sealed test split, allowed only after every target was met on "dev"."""

    split: Literal["dev", "sealed"] = Field(description="dev, or sealed once dev is met")


class Evaluated(Record):
    """The evaluation and what it cost."""

    evaluation: Evaluation
    usd: float


def _run(context: Context, args: Evaluate) -> Evaluated:
    attempt, plan = context.state.attempts[-1], context.state.known_plan
    split = _split(context.state, args)
    assert context.state.data is not None
    most_minutes = evaluation_minutes(plan.candidate)
    job = EvaluateJob(
        skill=context.brief.skill,
        task=context.brief.task,
        skill_data=context.skill_data,
        split=context.run_folder / split.path,
        split_sha256=split.sha256,
        models=_models(context, attempt, split),
        fit_shards=tuple(context.run_folder / shard for shard in context.state.data.labelled_shards[:FIT_SHARDS]),
        latency_requests=latency_requests(context, split.n),
        answer_tokens=_answer_tokens(context, attempt),
        sampled_below=context.brief.targets.accuracy if _may_be_reinforced(context, attempt, split) else None,
        threads=context.settings.threads,
        seed=context.settings.seed,
        wall_clock_s=clock_s(most_minutes, plan.offer),
    )
    request = JobRequest(
        module="stratos.tools.evaluation", job=job, folder=context.step_folder, threads=job.threads, offer=plan.offer
    )
    result: dict[str, Any] = run(context.executor, request, context.emit)
    evaluation = _with_regression(context, _paired_with_before(context, Evaluation.model_validate(result)))
    usd = evaluation.seconds / 3600 * plan.offer.usd_per_hour
    return Evaluated(evaluation=evaluation, usd=usd)


def latency_requests(context: Context, most: int) -> int:
    """How many single requests tell the speed of the newest attempt's model."""
    candidate = context.state.attempts[-1].candidate
    return requests_timed(candidate, most) if context.state.checkpoint else min(LATENCY_REQUESTS, most)


def most_answer_tokens(context: Context) -> int:
    """The most tokens of an answer of the newest attempt's model."""
    found = _answer_tokens(context, context.state.attempts[-1])
    return found or context.load_skill().tasks[context.brief.task].max_completion_tokens + 1


def _may_be_reinforced(context: Context, attempt: Attempt, split: Split) -> bool:
    """Whether a later attempt could go on from this one's model."""
    return context.state.checkpoint is not None and attempt.candidate.trains and split.name == DEVELOPMENT


def _with_regression(context: Context, evaluation: Evaluation) -> Evaluation:
    """The evaluation with what tuning did to unrelated texts; a student from scratch has no before, an untuned one no after."""
    checkpoint, attempt, plan = context.state.checkpoint, context.state.attempts[-1], context.state.known_plan
    if checkpoint is None or evaluation.split != DEVELOPMENT or not attempt.candidate.trains:
        return evaluation
    job = RegressionJob(
        before=base_model(context.run_folder, checkpoint, attempt.candidate.strategy),
        after=trained_model(context.run_folder, attempt.job_folder),
        threads=context.settings.threads,
        wall_clock_s=clock_s(evaluation_minutes(plan.candidate), plan.offer),
    )
    result = run(
        context.executor, regression_request(job, context.step_folder / "regression", plan.offer), context.emit
    )
    seconds = float(result.pop("seconds"))
    found = Regression.model_validate(result)
    return evaluation.model_copy(update={"regression": found, "seconds": evaluation.seconds + seconds})


def _models(context: Context, attempt: Attempt, split: Split) -> tuple[NamedModel, ...]:
    """The student first; then the controls, what costs least to have first."""
    student = trained_model(context.run_folder, attempt.job_folder)
    control = trained_model(context.run_folder, attempt.control_folder) if attempt.control_folder else None
    checkpoint = context.state.checkpoint
    if checkpoint is None:
        untrained = untrained_model(context.run_folder, attempt.job_folder)
        natural = trained_model(context.run_folder, attempt.natural_folder) if attempt.natural_folder else None
        few = min(UNTRAINED_ITEMS, split.n)
        return (
            NamedModel(name="student", folder=student),
            *((NamedModel(name=NATURAL_MIX, folder=natural),) if natural else ()),
            *((NamedModel(name=ANSWERS_ONLY, folder=control),) if control else ()),
            NamedModel(name=UNTRAINED, folder=untrained, items=few),
        )
    machine = context.state.machine
    engine = "transformers" if machine is not None and machine.gpus else "ctranslate2"
    if not attempt.candidate.trains:
        return (NamedModel(name="student", folder=student, engine=engine),)
    untuned = base_model(context.run_folder, checkpoint, attempt.candidate.strategy)
    return (
        NamedModel(name="student", folder=student, engine=engine),
        NamedModel(name=UNTUNED, folder=untuned, engine=engine, seconds=_control_seconds(context)),
        *((NamedModel(name=answers_only(attempt), folder=control, engine=engine),) if control else ()),
    )


def _answer_tokens(context: Context, attempt: Attempt) -> int | None:
    assert context.state.data is not None
    given = (context.state.checkpoint, context.state.data, attempt.candidate.strategy)
    return longest_answer(context.run_folder, context.load_skill(), *given)


def longest_answer(
    run_folder: Path, skill: Skill, checkpoint: CheckpointFacts | None, data: Data, strategy: Strategy
) -> int | None:
    """The most tokens an answer may have, by what was taught; null for students built from scratch, whose tokens are the skill's."""
    if checkpoint is None:
        return None
    examples = [one for shard in data.shards[:FIT_SHARDS] for one in read_examples(run_folder / shard)]
    return Lengths.of(base_model(run_folder, checkpoint, strategy), skill, examples, strategy).answer_limit


def _control_seconds(context: Context) -> float:
    """How long a model may write that never learned to end: a third of what the evaluation may take, and no more than a quarter of
    the hours that are left."""
    hours = context.brief.limits.hours
    seconds = 60 * evaluation_minutes(context.state.known_plan.candidate) / 3
    left = [] if hours is None else [max(1.0, 3600 * (hours - context.state.hours_used) / 4)]
    return min([seconds, *left])


def _paired_with_before(context: Context, measured: Evaluation) -> Evaluation:
    """The evaluation with where its verdicts are and what the attempt before says; a lost file of verdicts costs only that."""
    if measured.verdicts is None:
        return measured
    folder = context.step_folder.relative_to(context.run_folder)
    kept = measured.verdicts.model_copy(update={"path": str(folder / measured.verdicts.path)})
    evaluation = measured.model_copy(update={"verdicts": kept})
    try:
        before = against_before(context.state, evaluation, context.run_folder)
    except ValueError as error:
        context.emit({"event": "note", "text": f"not paired with the attempt before: {error}"})
        return evaluation
    return evaluation.model_copy(update={"before": before})


def _split(state: RunState, args: Evaluate) -> Split:
    assert state.data is not None
    name = DEVELOPMENT if args.split == DEVELOPMENT else sealed_split(_openings(state) + 1)
    return next(split for split in state.data.splits if split.name == name)


def sealed_left(state: RunState) -> int:
    """How many sealed splits were not opened yet."""
    splits = state.data.splits if state.data else ()
    return sum(split.name != DEVELOPMENT for split in splits) - _openings(state)


def _openings(state: RunState) -> int:
    """How many sealed splits were opened so far."""
    opened = (item.split for attempt in state.attempts for item in attempt.evaluations)
    return sum(split != DEVELOPMENT for split in opened)


def _needs(state: RunState, args: Evaluate) -> str | None:
    if not state.attempts:
        return "nothing was trained yet: call distill first"
    if not state.has_plan:
        return "there is no plan now: call solve_pareto first"
    verdict = state.verdicts[-1] if state.verdicts else None
    judged = verdict is not None and verdict.attempt == state.attempts[-1].number
    if args.split == DEVELOPMENT:
        return "the newest attempt was evaluated on dev already" if judged else None
    if verdict is None or not judged or verdict.next != "open_sealed":
        return "a sealed split is opened only after every target was met on dev"
    if not sealed_left(state):
        return "every sealed split was opened"
    return None


def _estimate(context: Context, args: Evaluate) -> Cost:
    plan = context.state.known_plan
    price, minutes = plan.offer.usd_per_hour, evaluation_minutes(plan.candidate)
    basis = f"at most {shown(minutes)} minutes at ${shown(price, AS_SAID)} an hour"
    return on_server(plan.offer, evaluation_usd(context.state), basis)


def _apply(state: RunState, result: Evaluated) -> RunState:
    newest = state.attempts[-1]
    judged = newest.model_copy(update={"evaluations": (*newest.evaluations, result.evaluation)})
    return state.model_copy(update={"attempts": (*state.attempts[:-1], judged)})


EVALUATE = Tool(
    name="evaluate",
    args=Evaluate,
    result=Evaluated,
    kind="effect",
    needs=_needs,
    run=_run,
    apply=_apply,
    estimate=_estimate,
    settle=lambda context, result: result.usd if context.state.known_plan.offer.usd_per_hour > 0 else 0.0,
)
