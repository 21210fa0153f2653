"""Serves the winner, on the plan's server where that is rented, and checks it with a real question that is in none of the splits.

An endpoint that is slower than the brief wants, measured where clients ask, is not left there: what was served before comes back, and the
judge hears of it.
"""

import itertools
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from pydantic import Field

from ..skills.protocol import Skill
from ..state.brief import Brief, Record
from ..state.errors import Correctable, OutOfTime
from ..state.evidence import Attempt, Latency, Verdict
from ..state.numbers import shown
from ..state.run import CheckpointFacts, DeploymentFacts, RunState
from .base import FREE, Context, Cost, Tool
from .classify_complexity import PROBE_BLOCK
from .costs import serving_hours, serving_offer, serving_price, serving_usd
from .distill import NATURAL_MIX, answers_only, trained_model
from .evaluate import UNTUNED, latency_requests, most_answer_tokens
from .generate_data import DEVELOPMENT
from .given_model.taking import base_model
from .serving.deployments import Deployment, health_check, listing, start
from .serving.job import read_key
from .serving.measuring import measure_speed
from .serving.records import NAME, Changed, is_same
from .serving.replacing import replace, withdraw
from .serving.smoke import SmokeTest, fewest_right
from .serving.starting import Terms
from .speed import matters, speed_misses
from .training.batches import read_examples

SMOKE_BLOCK = PROBE_BLOCK + 100
"""Block of the question asked after deployment, far from every block that was trained on or tested."""

SMOKE_ITEMS = 20
"""assumption: enough that a wrong model shows (of one with 97 % right, 18 must be), few enough for seconds on a CPU."""

TRIES = 5
"""Of finding a name that no other command takes meanwhile."""

SHORTEST_HOURS = 1 / 60
"""Serving for less than a minute is not worth a start."""


class Deploy(Record):
    """Serves the newest attempt's model behind an OpenAI-compatible endpoint, checks it with a real request and
    measures its speed there, where the brief asks for one. Allowed only after the sealed split was met."""

    name: str = Field(pattern=f"^{NAME.pattern}$", description="name of the endpoint and of the served model")


def _run(context: Context, args: Deploy) -> DeploymentFacts:
    deployment = _served(context, args.name)
    try:
        facts = _checked(context, deployment)
        misses = speed_misses(context.brief.targets, facts.speed)
        usd = deployment.own_usd
    except BaseException:  # Ctrl-C too: nothing is served that was not recorded
        _taken_back(context, deployment)
        raise
    if not misses:
        _service_too(context, deployment.name, facts)
        return facts.model_copy(update={"usd": serving_usd(context.state, context.settings)})
    _taken_back(context, deployment)
    why = "; ".join(f"{miss.constraint}: {miss.arithmetic}" for miss in misses)
    return facts.model_copy(update={"withdrawn": why, "usd": usd})


def _served(context: Context, wanted: str) -> Deployment:
    """The winner behind a name, which is looked for again where another command takes it meanwhile, a few times."""
    for _ in range(TRIES - 1):
        with suppress(Changed):
            return _served_as_found(context, wanted)
    return _served_as_found(context, wanted)


def _served_as_found(context: Context, wanted: str) -> Deployment:
    """It takes the place of what another run serves under the name only after it passed a smoke evaluation. Raises Changed."""
    taken = {one.name: one for one in listing(context.workspace)}
    name = _free_name(context, wanted, taken)
    model, run_id, terms = winner(context), context.state.run_id, _terms(context, name)
    before = taken.get(name)
    still = partial(is_same, before)
    if before is None or before.run_id == run_id or before.status != "ready" or before.front_pid is None:
        return start(context.workspace, name, model, run_id, terms=terms, if_still=still)
    test, say = _smoke_test(context), partial(_note, context)
    return replace(context.workspace, name, model, run_id, test, terms=terms, say=say, if_still=still)


def _free_name(context: Context, wanted: str, taken: Mapping[str, Deployment]) -> str:
    """The name, or that with a number where it is that of an endpoint whose clients ask something else."""
    names = itertools.chain([wanted], (f"{wanted}-{number}" for number in itertools.count(2)))
    mine = ("", asked_of(context.brief))
    return next(
        name
        for name in names
        if name not in taken or taken[name].run_id == context.state.run_id or taken[name].about in mine
    )


def asked_of(brief: Brief) -> str:
    """What clients of an endpoint ask: of made questions the skill's task, of a user's those of the file."""
    file = str(Path(brief.data.path).expanduser().absolute()) if brief.data else ""
    return " ".join(part for part in (brief.skill, brief.task, file) if part)


def _service_too(context: Context, name: str, facts: DeploymentFacts) -> None:
    """Where the brief asks for a rate and the model is on a rented server: the file of a service of as many as carry it."""
    offer, needed = serving_offer(context.state, context.settings), context.brief.targets.needed_rps
    if offer is None or needed is None or facts.speed is None:
        return
    from .cloud.services import written_service
    from .cloud.tasks import SetUp

    path = written_service(
        context.step_folder, name, winner(context), offer, SetUp.here(), needed, facts.speed.throughput_rps
    )
    if path is not None:
        _note(context, f"as a SkyServe service of more than one server, to start by hand: {path}")


def _note(context: Context, text: str) -> None:
    context.emit({"event": "note", "text": text})


def _terms(context: Context, name: str) -> Terms:
    """On the plan's server where that is rented, else on this machine."""
    hours, offer = _hours_to_serve(context, name), serving_offer(context.state, context.settings)
    price, _ = serving_price(context.state, context.settings)
    host = None
    if offer is not None:
        from .cloud.hosting import RentedHost, hosts

        host = RentedHost(hosts(context.executor), offer, hours, say=partial(_note, context))
    return Terms(
        hours=hours, usd_per_hour=price, threads=context.settings.threads, about=asked_of(context.brief), host=host
    )


def _taken_back(context: Context, deployment: Deployment) -> None:
    """What was served under the name before this run's model is again; nothing where nothing was."""
    it_answers = SmokeTest(
        prompts=[_question(context)],
        is_right=lambda prompt, answer: True,
        least_right=0,
        max_tokens=1,
    )
    withdraw(context.workspace, deployment.name, deployment.run_id, it_answers, say=partial(_note, context))


def _smoke_test(context: Context) -> SmokeTest:
    attempt = context.state.attempts[-1]
    return smoke_test_of(
        context.load_skill(),
        context.brief,
        _prompts(context),
        attempt.evaluations[-1].student.exact.value,
        most_answer_tokens(context),
    )


def smoke_test_of(skill: Skill, brief: Brief, prompts: Sequence[str], share: float, max_tokens: int) -> SmokeTest:
    """The first questions of the development split, judged by the skill's verifier: no fewer right than chance allows a model that was
    measured with that share, and half of them within the brief's latency."""
    asked = prompts[:SMOKE_ITEMS]
    return SmokeTest(
        prompts=asked,
        is_right=lambda prompt, answer: skill.verify(brief.task, prompt, answer).exact,
        least_right=fewest_right(share, len(asked)),
        most_p50_ms=brief.targets.latency_p95_ms,
        max_tokens=max_tokens,
    )


def _prompts(context: Context) -> list[str]:
    """Of the development split."""
    assert context.state.data is not None
    split = next(one for one in context.state.data.splits if one.name == DEVELOPMENT)
    return [one.prompt for one in read_examples(context.run_folder / split.path)]


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


def _hours_to_serve(context: Context, name: str) -> float | None:
    """Hours the server is to run; a call that was broken off and is repeated goes on with the hours that it began. Raises
    OutOfTime when those are over."""
    hours = serving_hours(context.state, context.settings)
    begun = next((one for one in listing(context.workspace) if one.name == name), None)
    if hours is None or begun is None or begun.run_id != context.state.run_id or begun.until is None:
        return hours
    left = min(hours, (begun.until - time.time()) / 3600)
    if left < SHORTEST_HOURS:
        usd = serving_usd(context.state, context.settings)
        raise OutOfTime(f"the hours paid for were over before {name} could be checked", 0.0, usd)
    return left


def _checked(context: Context, deployment: Deployment) -> DeploymentFacts:
    """What is recorded of a server, its answer to a real question included."""
    skill, task = context.load_skill(), context.brief.task
    question = _question(context)
    checkpoint = context.state.checkpoint
    limit = checkpoint.answer_tokens if checkpoint else None  # a general model may write on until its context is full
    answer = health_check(deployment, question, max_tokens=limit)
    speed = _speed(context, deployment) if matters(context.brief.targets) else None
    return DeploymentFacts(
        name=deployment.name,
        base_url=deployment.base_url,
        engine=deployment.engine,
        question=question,
        answer=answer,
        verified=skill.verify(task, question, answer).answer_right,
        speed=speed,
    )


def _question(context: Context) -> str:
    """None that the winner learned from or was measured by."""
    made = context.load_skill().make(context.brief.task, seed=context.settings.seed, block=SMOKE_BLOCK, count=1)
    return made[0].prompt


def _speed(context: Context, deployment: Deployment) -> Latency:
    """As clients of the endpoint see it, by the same requests as an evaluation's; one that misses the brief's target is measured once
    more and the better taken, since another program may have been at work for a while."""
    prompts = _prompts(context)
    asked = prompts[: latency_requests(context, len(prompts))]

    def measured() -> Latency:
        return measure_speed(
            deployment.base_url,
            read_key(deployment.api_key_file),
            deployment.name,
            asked,
            max_tokens=most_answer_tokens(context),
            certificate=deployment.trusted_certificate,
        )

    first = measured()
    if not speed_misses(context.brief.targets, first):
        return first
    return min(first, measured(), key=lambda one: (len(speed_misses(context.brief.targets, one)), one.p95_ms))


def _estimate(context: Context, args: Deploy) -> Cost:
    hours = serving_hours(context.state, context.settings)
    if hours is None:
        return FREE
    if hours < SHORTEST_HOURS:
        raise Correctable("no money is left to serve it")
    price, held_usd = serving_price(context.state, context.settings)
    offer = serving_offer(context.state, context.settings)
    where = f" on {offer.id}" if offer else ""
    held = f", and ${held_usd:,.4f} to start and end the server" if held_usd else ""
    return Cost(
        usd=hours * price + held_usd,
        basis=f"served{where} for {shown(hours)} h at ${shown(price)} an hour{held}, then it stops by itself",
    )


def _needs(state: RunState, args: Deploy) -> str | None:
    if not state.verdicts or state.verdicts[-1].next != "deploy":
        return "a model is served only after every target was met on a sealed split"
    return None


def _apply(state: RunState, result: DeploymentFacts) -> RunState:
    newest = state.attempts[-1].model_copy(update={"endpoint": result.speed})
    return state.model_copy(update={"deployment": result, "attempts": (*state.attempts[:-1], newest)})


DEPLOY = Tool(
    name="deploy",
    args=Deploy,
    result=DeploymentFacts,
    kind="effect",
    needs=_needs,
    run=_run,
    apply=_apply,
    estimate=_estimate,
    settle=lambda context, result: result.usd,
)
