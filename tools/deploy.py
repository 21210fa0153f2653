"""Serves the winner on this machine and checks it with a real question that is in none of the splits."""

import time
from pathlib import Path

from pydantic import Field

from ..state.brief import Record
from ..state.errors import Correctable, OutOfTime
from ..state.evidence import Attempt, Verdict
from ..state.numbers import AS_SAID, shown
from ..state.run import CheckpointFacts, DeploymentFacts, RunState
from .base import FREE, Context, Cost, Tool
from .classify_complexity import PROBE_BLOCK
from .costs import serving_hours, serving_usd
from .distill import NATURAL_MIX, answers_only, trained_model
from .evaluate import UNTUNED
from .given_model.taking import base_model
from .serving.deployments import Deployment, health_check, listing, start, stop
from .serving.records import NAME

SMOKE_BLOCK = PROBE_BLOCK + 100
"""Block of the question asked after deployment, far from every block that was trained on or tested."""

SHORTEST_HOURS = 1 / 60
"""Serving for less than a minute is not worth a start."""


class Deploy(Record):
    """Serves the newest attempt's model behind an OpenAI-compatible endpoint on this machine and checks it with a real
    request. Allowed only after the sealed split was met."""

    name: str = Field(pattern=f"^{NAME.pattern}$", description="name of the endpoint and of the served model")


def _run(context: Context, args: Deploy) -> DeploymentFacts:
    deployment = start(
        context.workspace,
        args.name,
        winner(context),
        context.state.run_id,
        threads=context.settings.threads,
        hours=_hours_to_serve(context, args),
        usd_per_hour=context.settings.local_usd_per_hour,
    )
    try:
        return _checked(context, deployment)
    except BaseException:  # Ctrl-C too: nothing is served that was not recorded
        stop(context.workspace, args.name)
        raise


def winner(context: Context) -> Path:
    """The model's folder: the newest attempt's, or that of a control that reaches the target too."""
    attempt, verdict, checkpoint = context.state.attempts[-1], context.state.verdicts[-1], context.state.checkpoint
    return served_model(context.run_folder, attempt, checkpoint, stand_in(attempt, verdict, checkpoint))


def stand_in(attempt: Attempt, verdict: Verdict | None, checkpoint: CheckpointFacts | None) -> str:
    """Name of the control that is served in the student's place; empty where the student itself is."""
    folders = {
        answers_only(attempt): attempt.control_folder,
        NATURAL_MIX: attempt.natural_folder,
        UNTUNED: checkpoint.folder if checkpoint else None,
    }
    control = (verdict.cheaper_control or "") if verdict else ""
    return control if folders.get(control) else ""


def served_model(run_folder: Path, attempt: Attempt, checkpoint: CheckpointFacts | None, control: str) -> Path:
    """The folder of the attempt's student, or of a control of it that was named by `stand_in`."""
    if control == UNTUNED:
        assert checkpoint is not None
        return base_model(run_folder, checkpoint, attempt.candidate.strategy)
    trained = {answers_only(attempt): attempt.control_folder, NATURAL_MIX: attempt.natural_folder}.get(control)
    return trained_model(run_folder, trained or attempt.job_folder)


def _hours_to_serve(context: Context, args: Deploy) -> float | None:
    """Hours the server is to run; a call that was broken off and is repeated goes on with the hours that it began. Raises
    OutOfTime when those are over."""
    hours = serving_hours(context.state, context.settings)
    begun = next((one for one in listing(context.workspace) if one.name == args.name), None)
    if hours is None or begun is None or begun.run_id != context.state.run_id or begun.until is None:
        return hours
    left = min(hours, (begun.until - time.time()) / 3600)
    if left < SHORTEST_HOURS:
        usd = serving_usd(context.state, context.settings)
        raise OutOfTime(f"the hours paid for were over before {args.name} could be checked", 0.0, usd)
    return left


def _checked(context: Context, deployment: Deployment) -> DeploymentFacts:
    """What is recorded of a server, its answer to a real question included."""
    skill, task = context.load_skill(), context.brief.task
    question = skill.make(task, seed=context.settings.seed, block=SMOKE_BLOCK, count=1)[0]
    checkpoint = context.state.checkpoint
    limit = checkpoint.answer_tokens if checkpoint else None  # a general model may write on until its context is full
    answer = health_check(deployment, question.prompt, max_tokens=limit)
    return DeploymentFacts(
        name=deployment.name,
        base_url=deployment.base_url,
        engine=deployment.engine,
        question=question.prompt,
        answer=answer,
        verified=skill.verify(task, question.prompt, answer).answer_right,
    )


def _estimate(context: Context, args: Deploy) -> Cost:
    hours = serving_hours(context.state, context.settings)
    if hours is None:
        return FREE
    if hours < SHORTEST_HOURS:
        raise Correctable("no money is left to serve it")
    price = context.settings.local_usd_per_hour
    return Cost(
        usd=hours * price,
        basis=f"served for {shown(hours)} h at ${shown(price, AS_SAID)} an hour, then it stops by itself",
    )


def _needs(state: RunState, args: Deploy) -> str | None:
    if not state.verdicts or state.verdicts[-1].next != "deploy":
        return "a model is served only after every target was met on a sealed split"
    return None


def _apply(state: RunState, result: DeploymentFacts) -> RunState:
    return state.model_copy(update={"deployment": result})


DEPLOY = Tool(
    name="deploy",
    args=Deploy,
    result=DeploymentFacts,
    kind="effect",
    needs=_needs,
    run=_run,
    apply=_apply,
    estimate=_estimate,
    settle=lambda context, result: serving_usd(context.state, context.settings),
)
