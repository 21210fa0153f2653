"""The command line: it parses and prints, nothing else."""

# pyright: reportUnknownMemberType=false

import gc
import io
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import click
import typer

from ..tools.tracking import Tracker
from .calibrate_command import calibrate
from .clusters_command import clusters, tell_left_behind
from .customize_command import customize
from .data_option import Beside
from .deployments_command import deployments
from .models_command import models
from .options import AsJson, At, ExecutorName, LocalPrice, MaxMinutes, MaxUsd, OnSpot, PlannerName, Seed, figures
from .pair_command import pair
from .plain_help import PlainTyper
from .prices_command import prices
from .questions_command import questions
from .site_command import site
from .skills_command import skills
from .terminal import (
    FAILED,
    USAGE,
    asking,
    display,
    errors,
    fail,
    leave,
    pairs,
    print_json,
    print_table,
    say,
    say_on,
    workspace_at,
)

if TYPE_CHECKING:
    from ..state.journal import Journal

app = PlainTyper(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(deployments, name="deployments")
app.add_typer(clusters, name="clusters")
app.add_typer(skills, name="skills")
app.add_typer(site, name="site")
app.command()(calibrate)
app.command()(customize)


Request = Annotated[str, typer.Argument(help="What you want, in a sentence, or a YAML brief's path.")]
PlannerPrice = Annotated[
    tuple[float, float],
    typer.Option(
        metavar="IN OUT",
        callback=figures,
        help="What a million tokens of the planner cost, US dollars; counts as spent.",
    ),
]
DataFile = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="FILE",
        help="Your own examples to learn from: JSONL, JSON, CSV, TSV or Parquet with a question and an answer in each row.",
    ),
]
TestFile = Annotated[
    str | None,
    typer.Option(
        "--test", metavar="FILE", help="Your own examples to be judged by; else some of --data are kept apart."
    ),
]
Unlabelled = Annotated[
    str | None,
    typer.Option("--unlabelled", metavar="FILE", help="Further questions, without answers, that --teacher may answer."),
]
TeacherName = Annotated[
    str | None,
    typer.Option(
        "--teacher",
        metavar="NAME",
        help="Who may write worked ways and answers to your examples: openai:MODEL at OPENAI_BASE_URL, or a model's folder.",
    ),
]
TeacherPrice = Annotated[
    tuple[float, float] | None,
    typer.Option(
        metavar="IN OUT",
        callback=figures,
        help="What a million tokens of the teacher cost, US dollars; the catalogue's unless named, 0 0 for a server of your own.",
    ),
]
SkipBadRows = Annotated[bool, typer.Option("--skip-bad-rows", help="Leave out rows of --data that cannot be used.")]
StudentFolder = Annotated[
    str | None,
    typer.Option(
        "--student",
        metavar="FOLDER",
        help="The open model to be taught: a Hugging Face checkpoint in a folder; else students are built from scratch.",
    ),
]
GOING_ON = {
    "interrupted": ": stratos resume {run}",
    "waiting": " for a word on its money: stratos resume {run} --yes, or for an answer: stratos chat --resume {run}",
}
"""How a run goes on that is shown without an end, by its status."""
RUN_STATUSES = (
    "planned", "met", "missed", "infeasible", "refused", "cancelled", "failed", "running", "waiting", "interrupted", "damaged",
)  # fmt: skip
ServeHours = Annotated[
    float, typer.Option(min=0.01, help="Hours the winner is served for, where an hour of its server costs something.")
]
ServeHere = Annotated[
    bool, typer.Option("--serve-here", help="Serve on this machine, not on the rented server that taught the model.")
]
TrackerName = Annotated[
    Tracker | None,
    typer.Option(
        help="Draws the trainings' curves, in each job's folder or in trackio's; its package must be installed."
    ),
]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, as `stratos runs` lists them.")]


def main() -> None:
    """Entry point of the `stratos` program."""
    # Imports make 100,000 objects that stay: looking through them for garbage took 0.25 s of a plan's 2.7.
    gc.set_threshold(100_000, 50, 50)
    for stream in (sys.stdout, sys.stderr):  # where a letter cannot be shown, a question mark is better than an end
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()


def _say_version(wanted: bool) -> None:
    if wanted:
        from .. import VERSION

        say(f"stratos {VERSION}")
        raise typer.Exit


@app.callback()
def stratos(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """One sentence in, a measured and served small language model out."""


@app.command()
def run(
    request: Request,
    data: DataFile = None,
    test: TestFile = None,
    unlabelled: Unlabelled = None,
    skip_bad_rows: SkipBadRows = False,
    teacher: TeacherName = None,
    teacher_price: TeacherPrice = None,
    student: StudentFolder = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Approve the plan's money in advance, up to --max-usd or the brief's limit.")
    ] = False,
    max_usd: MaxUsd = None,
    max_minutes: MaxMinutes = None,
    planner: PlannerName = "rules",
    planner_price: PlannerPrice = (0.0, 0.0),
    workspace: At = None,
    seed: Seed = 0,
    no_deploy: Annotated[bool, typer.Option("--no-deploy", help="Stop after the verdict; serve nothing.")] = False,
    local_usd_per_hour: LocalPrice = 0.0,
    executor: ExecutorName = "local",
    spot: OnSpot = False,
    serve_hours: ServeHours = 1.0,
    serve_here: ServeHere = False,
    tracker: TrackerName = None,
    as_json: AsJson = False,
) -> None:
    """Carry out a request: plan, make data, train, measure, plan again where needed, serve."""
    _check_spot(spot, executor, as_json)
    _start(
        request,
        as_json,
        workspace,
        max_usd=max_usd,
        max_minutes=max_minutes,
        approved=yes,
        settings={
            "planner": planner,
            "planner_usd_per_million": planner_price,
            "seed": seed,
            "deploy": not no_deploy,
            "local_usd_per_hour": local_usd_per_hour,
            "executor": executor,
            "spot": spot,
            "serve_hours": serve_hours,
            "serve_here": serve_here,
            "tracker": tracker,
        },
        beside=Beside(
            data=data,
            test=test,
            unlabelled=unlabelled,
            skip_bad_rows=skip_bad_rows,
            teacher=teacher,
            teacher_price=teacher_price,
            student=student,
        ),
    )


@app.command()
def chat(
    request: Annotated[str, typer.Argument(help="What you want, in a sentence; may be said in the chat.")] = "",
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="RUN", help="Take up a run where it was left.")
    ] = None,
    data: DataFile = None,
    test: TestFile = None,
    unlabelled: Unlabelled = None,
    skip_bad_rows: SkipBadRows = False,
    teacher: TeacherName = None,
    teacher_price: TeacherPrice = None,
    student: StudentFolder = None,
    planner: PlannerName = "rules",
    planner_price: PlannerPrice = (0.0, 0.0),
    workspace: At = None,
    seed: Seed = 0,
    no_deploy: Annotated[bool, typer.Option("--no-deploy", help="Stop after the verdict; serve nothing.")] = False,
    local_usd_per_hour: LocalPrice = 0.0,
    executor: ExecutorName = "local",
    spot: OnSpot = False,
    serve_hours: ServeHours = 1.0,
    serve_here: ServeHere = False,
) -> None:
    """Talk it over: ask for a model, see the plan and its money, approve or change it, follow the work."""
    _check_spot(spot, executor, False)
    from ..tools.base import Settings
    from ..tools.teaching.access import check_teacher
    from .chat import GREETING, Chat
    from .chat_terminal import talk
    from .consoles import console
    from .display import RichDisplay
    from .planners import check_planner

    beside = Beside(
        data=data,
        test=test,
        unlabelled=unlabelled,
        skip_bad_rows=skip_bad_rows,
        teacher=teacher,
        teacher_price=teacher_price,
        student=student,
    )
    with errors(False):
        check_planner(planner)
        source, taught_by, student = beside.sources(has_brief=False)
        check_teacher(taught_by)
        settings = Settings(
            planner=planner,
            planner_usd_per_million=planner_price,
            seed=seed,
            deploy=not no_deploy,
            local_usd_per_hour=local_usd_per_hour,
            executor=executor,
            spot=spot,
            serve_hours=serve_hours,
            serve_here=serve_here,
            data=source,
            teacher=taught_by,
            student=student,
            asks=True,
        )
        at = workspace_at(workspace)
        chatting = Chat(at, settings, RichDisplay(console(), bars=False), say, stream=say_on)
        if resume is not None:
            chatting.resume(resume)
        elif request:
            chatting.begin(request)
        else:
            say(GREETING)
        talk(chatting, at)


@app.command()
def plan(
    request: Request,
    data: DataFile = None,
    test: TestFile = None,
    unlabelled: Unlabelled = None,
    skip_bad_rows: SkipBadRows = False,
    teacher: TeacherName = None,
    teacher_price: TeacherPrice = None,
    student: StudentFolder = None,
    max_usd: MaxUsd = None,
    max_minutes: MaxMinutes = None,
    planner: PlannerName = "rules",
    planner_price: PlannerPrice = (0.0, 0.0),
    workspace: At = None,
    seed: Seed = 0,
    local_usd_per_hour: LocalPrice = 0.0,
    executor: ExecutorName = "local",
    spot: OnSpot = False,
    as_json: AsJson = False,
) -> None:
    """Show the brief, the priced servers, the front and the plan; spend nothing."""
    _start(
        request,
        as_json,
        workspace,
        max_usd=max_usd,
        max_minutes=max_minutes,
        approved=False,
        settings={
            "planner": planner,
            "planner_usd_per_million": planner_price,
            "seed": seed,
            "plan_only": True,
            "local_usd_per_hour": local_usd_per_hour,
            "executor": executor,
            "spot": spot,
        },
        beside=Beside(
            data=data,
            test=test,
            unlabelled=unlabelled,
            skip_bad_rows=skip_bad_rows,
            teacher=teacher,
            teacher_price=teacher_price,
            student=student,
        ),
    )


@app.command()
def resume(
    run_id: RunName,
    yes: Annotated[bool, typer.Option("--yes", help="Approve the plan's money that the run is waiting for.")] = False,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """Continue a run that was stopped, killed or is waiting for approval."""
    from . import session

    started = [run_id]
    with errors(as_json, started):
        tell_left_behind(workspace_at(workspace), but=run_id)
        with display(as_json) as shown:
            outcome = session.resume(
                run_id,
                workspace=workspace_at(workspace),
                shown=shown,
                ask=asking(yes, as_json),
                on_start=started.append,
            )
        leave(outcome, as_json)


@app.command()
def replay(
    run_id: RunName,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="What if the brief had said this? Such as budget_usd=50."),
    ] = None,
    planner: Annotated[
        str | None, typer.Option(help="What if this planner had decided? rules, or openai:MODEL.")
    ] = None,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """Take every decision of a run again from its record and compare; with --set or --planner, say what would differ."""
    from dataclasses import asdict

    from . import session
    from .what_if import what_if

    with errors(as_json):
        if changes or planner:
            found_other = what_if(
                run_id, workspace=workspace_at(workspace), changes=pairs(changes or []), planner=planner
            )
            if as_json:
                print_json(found_other.model_dump(mode="json"))
            else:
                from .consoles import console
                from .what_if_table import print_what_if

                print_what_if(found_other, console())
            return
        found = session.replay(run_id, workspace=workspace_at(workspace))
        if as_json:
            print_json(asdict(found))
        elif found.divergence:
            say(
                f"{run_id}: differs at step {found.divergence['seq']} ({found.divergence['step']}), {found.divergence['what']}"
            )
            say(f"  recorded: {found.divergence['recorded']!r}\n  now:      {found.divergence['now']!r}")
        else:
            unfinished = "" if found.finished else " up to where the record ends (the run was not finished)"
            say(
                f"{run_id}: identical{unfinished}, {found.steps} rows, {found.seconds:.2f} s, head {found.head_hash[:16]}"
            )
        raise typer.Exit(0 if found.identical else FAILED)


@app.command()
def runs(
    status: Annotated[
        list[str] | None,
        typer.Option(
            click_type=click.Choice(RUN_STATUSES), metavar="STATUS", help="Only runs of this status; may be repeated."
        ),
    ] = None,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """List all runs, oldest first."""
    from dataclasses import asdict

    from ..state.journal import Journal

    with errors(as_json):
        found = Journal(workspace_at(workspace)).runs()
        listed = [one for one in found if not status or one.status in status]
        if as_json:
            print_json([asdict(one) for one in listed])
            return
        rows = [(one.run_id, one.status, str(one.rows), one.started_at[:19], one.request) for one in listed]
        nothing = f"none of {len(found)} runs is {' or '.join(status or [])}"
        print_table(
            ("run", "status", "rows", "started (UTC)", "request"),
            rows,
            empty=nothing if found else 'no runs yet: `stratos run "..."` starts one',
        )


@app.command()
def show(run_id: RunName, workspace: At = None, as_json: AsJson = False) -> None:
    """Show what a run did, step by step."""
    from ..state.journal import Journal

    with errors(as_json):
        journal = Journal(workspace_at(workspace))
        rows = journal.verified_rows(run_id)
        if as_json:
            print_json(
                [
                    {
                        "seq": row.seq,
                        "kind": row.kind,
                        "name": row.name,
                        "at": row.recorded_at,
                        "seconds": row.seconds,
                        "input": row.input,
                        "output": row.output,
                        "hash": row.hash,
                    }
                    for row in rows
                ]
            )
            return
        from . import session
        from .consoles import console
        from .display import RichDisplay

        shown = RichDisplay(console(), whole_record=True)
        found = session.replay(run_id, workspace=workspace_at(workspace), shown=shown)
        if found.divergence:
            fail(
                f"the rest cannot be shown by this version: it {found.difference}\n`stratos replay {run_id}` tells both sides too, "
                f"`stratos show {run_id} --json` every row; stratos {rows[0].input['version']}, which recorded it, shows the rest",
                FAILED,
                as_json,
            )
        if why := session.why_stopped(rows):
            say(f"stopped: {why}\nOnce that is mended: stratos resume {run_id}")
        elif not found.finished:
            status = next(one.status for one in journal.runs() if one.run_id == run_id)
            say(f"{status} after what is shown" + GOING_ON.get(status, "").format(run=run_id))


@app.command()
def audit(
    run_id: RunName,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the whole record as one page to this file.")
    ] = None,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """Check that no row of a run was changed since it was written; with --html, put the record on a page."""
    from dataclasses import asdict

    from .. import VERSION
    from ..state.journal import Journal, verification

    with errors(as_json):
        rows = Journal(workspace_at(workspace)).known_rows(run_id)
        found = verification(rows)
        if html is not None:
            from .audit_page.render import page, write

            write(html, page(rows, VERSION))
        if as_json:
            print_json(asdict(found))
        elif found.ok:
            open_end = "" if found.finished else "; it has no outcome: unfinished, or its last rows were taken away"
            say(f"{run_id}: intact, {found.rows} rows, head {found.head_hash}{open_end}")
        else:
            say(f"{run_id}: row {found.bad_seq} is not what was written: {found.problem}", err=True)
        if html is not None and not as_json:
            say(f"page: {html}")
        raise typer.Exit(0 if found.ok else FAILED)


@app.command()
def export(
    words: Annotated[
        list[str],
        typer.Argument(metavar="[RUN] DIR", help="A run's id, left out with --all, and a folder that is new or empty."),
    ],
    all_runs: Annotated[bool, typer.Option("--all", help="Every run of the workspace.")] = False,
    model: Annotated[
        bool, typer.Option("--model", help="The run's student, for any tool to load, with a model card, instead.")
    ] = False,
    quantise: Annotated[
        str | None,
        typer.Option(
            click_type=click.Choice(["int8", "int8-vllm"]),
            help="With --model: beside it the student in 8 bits for CTranslate2, or for vLLM, measured against the float one.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --model: write into a folder that is not empty.")
    ] = False,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """Write a run as Parquet files, with a page that says what they hold and how to check them; or its model with a card."""
    from dataclasses import asdict

    from .. import VERSION
    from ..state.export import export as write_export
    from ..state.journal import Journal

    with errors(as_json):
        if len(words) != (1 if all_runs else 2):
            fail("name a run and a folder, `stratos export RUN DIR`, or a folder alone with --all", USAGE, as_json)
        if (all_runs and model) or ((force or quantise) and not model):
            fail("--model is of one run, not --all; --force and --quantise go with --model", USAGE, as_json)
        journal, folder = Journal(workspace_at(workspace)), Path(words[-1])
        if model:
            _export_model(journal, words[0], folder, force, quantise, as_json)
            return
        names = [one.run_id for one in journal.runs()] if all_runs else words[:1]
        if not names:
            fail('there is nothing to export: no runs yet; `stratos run "..."` starts one', USAGE, as_json)
        found = write_export([journal.known_rows(name) for name in names], folder, VERSION)
        if as_json:
            print_json({"folder": str(folder.absolute()), "runs": [asdict(one) for one in found]})
        else:
            rows = sum(one.rows for one in found)
            say(
                f"{folder}: {rows} rows of {', '.join(names[:3])}{', ...' if names[3:] else ''}; README.txt says what is what"
            )
        for one in found:
            if not one.ok:
                say(f"{one.run_id}: row {one.bad_seq} is not what was written: {one.problem}", err=True)


def _export_model(
    journal: "Journal", run_id: str, folder: Path, force: bool, quantise: str | None, as_json: bool
) -> None:
    from .. import VERSION
    from ..tools.executor import LocalExecutor
    from .export_model import export_model
    from .export_quantised import CHOICES, quantised_words, quantiser
    from .export_sites import export_sites
    from .recorded_sites import last_attempt

    space = journal.workspace
    rows = journal.verified_rows(run_id)
    if (attempt := last_attempt(rows)) is not None:
        if quantise is not None:
            fail("--quantise is of one student; the models of sites are exported as they are", USAGE, as_json)
        sites = export_sites(space, rows, attempt, folder, VERSION, force=force)
        if as_json:
            print_json(sites.model_dump(mode="json"))
            return
        without = f"; not here: {', '.join(sites.without)}" if sites.without else ""
        say(
            f"{folder}: the models of {', '.join(sites.sites)}, a folder each{without}; README.md says what each reached"
        )
        return
    with display(as_json) as shown:
        smaller = None
        if quantise is not None:
            shown.begin()
            executor = LocalExecutor(workspace=space.path)
            smaller = quantiser(space, CHOICES[quantise], executor, partial(shown.event, "export"))
        found = export_model(space, rows, folder, VERSION, force=force, smaller=smaller)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    what = f"the control {found.control!r}, which stands in for the student" if found.control else "the student"
    say(f"{folder}: {what} of {run_id}, attempt {found.attempt}; README.md is its model card")
    if found.quantised is not None:
        for line in quantised_words(found.quantised):
            say(f"  {found.quantised.precision}: {line}")


app.command()(prices)


app.command()(models)
app.command()(pair)
app.command()(questions)


@app.command()
def ask(
    name: Annotated[str, typer.Argument(help="A deployment, as `stratos deployments` lists them, or a run's site.")],
    question: Annotated[str, typer.Argument(help="The question; a skill's own notation or a plain sentence.")],
    run_id: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="The run whose site it is; else the newest that has it.")
    ] = None,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """Ask a served model, and have the skill's verifier check the answer; or the model of a site."""
    from ..tools.serving.deployments import listing
    from .asking import ask as ask_deployment
    from .asking_site import ask_site, newest_with, shares

    with errors(as_json):
        at = workspace_at(workspace)
        served = [one.name for one in listing(at.path)]
        if run_id is not None or (name not in served and newest_with(at, name) is not None):
            found = ask_site(at, name, question, run_id)
            if as_json:
                print_json(found)
            else:
                say(found["answer"])
                say(shares(found["likeliest"]))
            return
        answer = ask_deployment(at, name, question)
        if as_json:
            print_json(answer)
        else:
            say(str(answer["completion"]))
            alone = "answer right, decomposition wrong" if answer["answer_right"] else "the verifier does NOT agree"
            unknown = "this question is none of the examples: whether that is right is not known"
            say(unknown if answer["verified"] is None else "the verifier agrees" if answer["verified"] else alone)
        raise typer.Exit(FAILED if answer["verified"] is False else 0)


@app.command()
def doctor(
    workspace: At = None,
    as_json: AsJson = False,
    cloud: Annotated[
        bool, typer.Option("--cloud", help="Go through what servers of other machines need, step by step.")
    ] = False,
) -> None:
    """Say what is there, what is missing and how to add it."""
    from .doctor import checks
    from .doctor_cloud import cloud_checks

    with errors(as_json):
        found = (cloud_checks if cloud else checks)(workspace_at(workspace))
        if as_json:
            print_json([check.model_dump() for check in found])
        else:
            print_table(
                ("", "what", "state", "to add it"),
                [("ok" if one.ok else "--", one.name, one.state, one.to_add) for one in found],
                empty="",
            )
        raise typer.Exit(0 if all(one.ok for one in found if one.required) else FAILED)


def _check_spot(spot: bool, executor: str, as_json: bool) -> None:
    """`plan` shows spot prices whoever would run the jobs; what is carried out must be able to ask for such servers."""
    if spot and executor == "local":
        fail(
            "--spot asks for rented servers, which --executor sky starts; this machine has no spot price",
            USAGE,
            as_json,
        )


def _start(
    request: str,
    as_json: bool,
    workspace: Path | None,
    *,
    max_usd: float | None,
    max_minutes: float | None,
    approved: bool,
    settings: dict[str, Any],
    beside: Beside,
) -> NoReturn:
    from ..tools.base import Settings
    from . import session
    from .intake import read_brief_file
    from .names import own_names

    started: list[str] = []
    with errors(as_json, started):
        limits = {"max_usd": max_usd, "max_hours": max_minutes / 60 if max_minutes else None}
        at = workspace_at(workspace)
        tell_left_behind(at)
        own = partial(own_names, at.path)
        brief = read_brief_file(Path(request), **limits, own=own) if request.endswith((".yaml", ".yml")) else None
        source, teacher, student = beside.sources(has_brief=brief is not None)
        with display(as_json) as shown:
            outcome = session.start(
                brief.request if brief else request,
                workspace=at,
                settings=Settings(
                    **limits, **settings, data=source, teacher=teacher, student=student, approved=approved
                ),
                brief=brief,
                shown=shown,
                ask=asking(approved, as_json),
                on_start=started.append,
            )
        leave(outcome, as_json)
