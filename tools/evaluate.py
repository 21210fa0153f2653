"""Measures the newest attempt on a held-out split, controls beside it: the tool over the evaluation job."""

from typing import Any, Literal

from pydantic import Field

from ..state.brief import Record
from ..state.evidence import Evaluation
from ..state.numbers import AS_SAID, shown
from ..state.run import RunState, Split
from .base import Context, Cost, Tool
from .costs import EVALUATION_MINUTES, clock_s, evaluation_usd
from .distill import ANSWERS_ONLY, trained_model, untrained_model
from .evaluation import EvaluateJob, NamedModel
from .generate_data import DEVELOPMENT, sealed_split
from .verdicts import against_before
from .waiting import JobRequest, run

UNTRAINED = "untrained student"
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
    control = trained_model(context.run_folder, attempt.control_folder) if attempt.control_folder else None
    job = EvaluateJob(
        skill=context.brief.skill,
        task=context.brief.task,
        skill_data=context.skill_data,
        split=context.run_folder / split.path,
        split_sha256=split.sha256,
        models=(
            NamedModel(name="student", folder=trained_model(context.run_folder, attempt.job_folder)),
            *((NamedModel(name=ANSWERS_ONLY, folder=control),) if control else ()),
            NamedModel(
                name=UNTRAINED,
                folder=untrained_model(context.run_folder, attempt.job_folder),
                items=min(UNTRAINED_ITEMS, split.n),
            ),
        ),
        fit_shards=tuple(context.run_folder / shard for shard in context.state.data.shards[:FIT_SHARDS]),
        latency_requests=min(LATENCY_REQUESTS, split.n),
        threads=context.settings.threads,
        seed=context.settings.seed,
        wall_clock_s=clock_s(EVALUATION_MINUTES, plan.offer),
    )
    request = JobRequest(
        module="stratos.tools.evaluation", job=job, folder=context.step_folder, threads=job.threads, offer=plan.offer
    )
    result: dict[str, Any] = run(context.executor, request, context.emit)
    evaluation = _paired_with_before(context, Evaluation.model_validate(result))
    usd = evaluation.seconds / 3600 * plan.offer.usd_per_hour
    return Evaluated(evaluation=evaluation, usd=usd)


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
    price = context.state.known_plan.offer.usd_per_hour
    basis = f"at most {EVALUATION_MINUTES:g} minutes at ${shown(price, AS_SAID)} an hour"
    return Cost(usd=evaluation_usd(context.state), basis=basis)


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
    settle=lambda context, result: result.usd,
)
