"""The tool `build_family`: one backbone from the public examples, taught so that all its smaller sizes can be cut out of it."""

from pathlib import Path

from ...state.brief import Record
from ...state.evidence import wilson
from ...state.run import RunState
from ...state.sites import CutFigures, Family
from ..base import FREE, Context, Cost, Tool
from ..waiting import JobRequest, run
from .cloud.pictures import public_files
from .cloud.shape import Shape
from .family_job import BACKBONE, FamilyJob
from .money import building_parts, hours_left

MODULE = "stratos.tools.sites.family_job"


class BuildFamily(Record):
    """For a brief with sites: makes one backbone from the public examples, teaches every smaller size of it by distillation, and
    measures accuracy, latency, size and energy of each. The first step; no example of any site is used."""


class Built(Record):
    """The family and what making it cost."""

    family: Family
    usd: float


def _run(context: Context, args: BuildFamily) -> Built:
    given, folder = context.skill_data, context.step_folder / "family"
    assert given is not None
    assert context.brief.sites is not None
    sites, student = context.brief.sites, context.brief.student
    asked = sites.family
    train, validation = public_files(given)
    job = FamilyJob(
        train=train,
        validation=validation,
        answers=sites.answers,
        student=None if student is None else Path(student).expanduser().absolute(),
        shape=Shape(
            hidden=asked.hidden, layers=asked.layers, feed_forward=2 * asked.hidden, vocabulary=asked.vocabulary
        ),
        epochs=asked.epochs,
        cut_steps=asked.cut_steps,
        seed=context.settings.seed,
        threads=context.settings.threads,
        wall_clock_s=3600 * hours_left(context.state),
    )
    made = run(context.executor, JobRequest(module=MODULE, job=job, folder=folder, threads=job.threads), context.emit)
    n = made["validation"]
    cuts = tuple(
        CutFigures(accuracy=wilson(cut["right"], n), **{name: cut[name] for name in cut if name != "right"})
        for cut in made["cuts"]
    )
    family = Family(
        folder=str((folder / BACKBONE).relative_to(context.run_folder)),
        weights_sha256=made["weights_sha256"],
        examples=made["examples"],
        labels=made["labels"],
        cuts=cuts,
        watts=job.watts,
        seconds=made["seconds"],
        cpu_seconds=made["cpu_seconds"],
    )
    return Built(family=family, usd=made["seconds"] / 3600 * context.settings.local_usd_per_hour)


def _estimate(context: Context, args: BuildFamily) -> Cost:
    parts = building_parts(context.state, context.settings)
    return Cost(usd=sum(parts.values()), basis="; ".join(parts)) if parts else FREE


def _needs(state: RunState, args: BuildFamily) -> str | None:
    return "there is a family already" if state.family is not None else None


BUILD_FAMILY = Tool(
    name="build_family",
    args=BuildFamily,
    result=Built,
    kind="effect",
    needs=_needs,
    run=_run,
    apply=lambda state, result: state.model_copy(update={"family": result.family}),
    estimate=_estimate,
    settle=lambda context, result: result.usd,
    for_sites=True,
)
