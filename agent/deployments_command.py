"""`stratos deployments`: what is served here, and everything that is done with it."""

# pyright: reportUnknownMemberType=false

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer

from .options import AsJson, At
from .plain_help import PlainTyper
from .terminal import errors, print_json, print_table, say, workspace_at

if TYPE_CHECKING:
    from ..tools.serving.deployments import Deployment
    from ..tools.serving.front_job import FrontState

deployments = PlainTyper(
    invoke_without_command=True,
    help="List the models served here; stop, start, replace or measure one.",
)

DeploymentName = Annotated[str, typer.Argument(help="A deployment, as `stratos deployments` lists them.")]
NewOrOld = Annotated[
    str, typer.Argument(help="A deployment, as `stratos deployments` lists them, or with --run a new name.")
]
ReadyWithin = Annotated[
    float | None,
    typer.Option(
        "--ready-within",
        metavar="SECONDS",
        min=1.0,
        help="Give the new version up that is not healthy by then [600, for vLLM 900].",
    ),
]
LOGS = ("server", "front", "failed")


@deployments.callback()
def list_deployments(context: typer.Context, workspace: At = None, as_json: AsJson = False) -> None:
    """List the models served here: how they do, what they cost, and what their clients waited."""
    if context.invoked_subcommand is not None:
        return
    from ..tools.serving.records import listing, traffic

    with errors(as_json):
        found = [(one, traffic(one)) for one in listing(workspace_at(workspace).path)]
        if as_json:
            print_json([_document(*one) for one in found])
            return
        columns = (
            "name",
            "status",
            "on",
            "endpoint",
            "version",
            "p50 / p95 ms",
            "requests",
            "$",
            "until (UTC)",
            "run",
            "API key in",
        )
        print_table(columns, [_row(*one) for one in found], empty="nothing is served")


def _document(one: "Deployment", carried: "FrontState | None") -> dict[str, Any]:
    seen = carried.versions.get(one.version) if carried else None
    return {**one.model_dump(mode="json"), "usd": one.usd, "traffic": seen.model_dump() if seen else None}


def _row(one: "Deployment", carried: "FrontState | None") -> tuple[str, ...]:
    seen = carried.versions.get(one.version) if carried else None
    took = (
        f"{seen.p50_ms:.1f} / {seen.p95_ms:.1f}" if seen and seen.p50_ms is not None and seen.p95_ms is not None else ""
    )
    failed = f", {seen.failed:,} failed" if seen and seen.failed else ""
    return (
        one.name,
        one.status,
        one.offer.id if one.offer else "this machine",
        one.base_url,
        str(one.version),
        took,
        f"{seen.requests:,}{failed}" if seen else "",
        f"{one.usd:.4f}" if one.usd_per_hour else "",
        _until(one.until),
        one.run_id,
        str(one.api_key_file),
    )


def _paid(stopped: "Deployment") -> str:
    """What is to be said of its money."""
    if stopped.offer is not None:
        return f"; its server on {stopped.offer.id} was ended and cost ${stopped.usd:,.4f}, less than was reserved for its hours"
    paid = stopped.until is not None and stopped.usd_per_hour > 0
    return "; what was paid for its hours is not given back" if paid else ""


def _until(moment: float | None) -> str:
    """When a server stops by itself; empty where it does not."""
    return datetime.fromtimestamp(moment, tz=UTC).isoformat(timespec="minutes")[:16] if moment is not None else ""


@deployments.command()
def start(
    name: NewOrOld,
    run_id: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Serve this run's model, here, under a name of its own.")
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on, such as 0.0.0.0 [this machine alone].")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option("--tls-certificate", metavar="FILE", help="PEM file; then the endpoint is https.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="The certificate's private key, a PEM file.")
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(
            "--hours", min=0.01, help="Serve it so long from now, at the price it had, which no run's limit holds."
        ),
    ] = None,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """Serve a model again that was stopped or whose server died, or at another address, with TLS; or a run's that was never served."""
    from ..tools.serving.deployments import start_again
    from ..tools.serving.starting import Move
    from .taking_over import serve_first

    with errors(as_json):
        move = Move(host=host, port=port, tls_certificate=tls_certificate, tls_key=tls_key)
        wished = move if move != Move() else None
        at = workspace_at(workspace)
        if run_id is None:
            started = start_again(at.path, name, wished, hours=hours)
        else:
            started = serve_first(at, name, run_id, wished, hours=hours, say=_to_people(as_json))
        if as_json:
            print_json(started.model_dump(mode="json"))
        else:
            most = f", at most ${hours * started.usd_per_hour:,.4f}" if hours and started.usd_per_hour else ""
            say(f"{name}: {started.status} at {started.base_url}{most}")


@deployments.command()
def stop(name: DeploymentName, workspace: At = None, as_json: AsJson = False) -> None:
    """Stop serving a model."""
    from ..tools.serving.deployments import stop as stop_deployment

    with errors(as_json):
        stopped = stop_deployment(workspace_at(workspace).path, name)
        if as_json:
            print_json(stopped.model_dump(mode="json"))
        else:
            say(f"{name}: {stopped.status}{_paid(stopped)}")


@deployments.command()
def replace(
    name: DeploymentName,
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run whose model is to answer from now on.")],
    ready_within: ReadyWithin = None,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """Put another run's model behind an endpoint while it is asked, once it passed a smoke evaluation; else the old one stays."""
    from ..tools.serving.deployments import get
    from ..tools.serving.replacing import replace as replace_version
    from .taking_over import facts_of, model_of, refuse_another_task, say_misses, say_other_data, smoke_test

    with errors(as_json):
        at = workspace_at(workspace)
        old, facts = get(at.path, name), facts_of(at, run_id)
        refuse_another_task(at, old, facts)
        model, test, to_people = model_of(at, facts), smoke_test(at, facts), _to_people(as_json)
        say_misses(facts, to_people)
        say_other_data(old, facts, to_people)
        new = replace_version(at.path, name, model, run_id, test, ready_within_s=ready_within, say=to_people)
        _taken_over(new, as_json)


@deployments.command()
def rollback(
    name: DeploymentName, ready_within: ReadyWithin = None, workspace: At = None, as_json: AsJson = False
) -> None:
    """Bring back what the running version replaced, in the same way."""
    from ..tools.serving.deployments import get
    from ..tools.serving.records import is_same
    from ..tools.serving.replacing import nothing_before
    from ..tools.serving.replacing import rollback as roll_back
    from .taking_over import facts_of, smoke_test

    with errors(as_json):
        at = workspace_at(workspace)
        found = get(at.path, name)
        if found.previous is None:
            raise nothing_before(name)
        test = smoke_test(at, facts_of(at, found.previous.run_id))
        still = partial(is_same, found)
        new = roll_back(at.path, name, test, ready_within_s=ready_within, say=_to_people(as_json), if_still=still)
        _taken_over(new, as_json)


def _to_people(as_json: bool) -> Callable[[str], None]:
    return lambda text: say(text, err=as_json)


def _taken_over(new: "Deployment", as_json: bool) -> None:
    if as_json:
        print_json(new.model_dump(mode="json"))
    else:
        say(f"{new.name}: version {new.version}, of run {new.run_id}, at {new.base_url}")


@deployments.command()
def logs(
    name: DeploymentName,
    of: Annotated[
        str,
        typer.Option(
            "--of",
            click_type=click.Choice(LOGS),
            help="The server's, the front's, or that of the newest version that did not pass.",
        ),
    ] = "server",
    lines: Annotated[int, typer.Option("--lines", min=1, help="How many of the last lines.")] = 50,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """Show the end of a deployment's log."""
    from ..tools.serving.records import get, log_of

    with errors(as_json):
        path = log_of(get(workspace_at(workspace).path, name), of)
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        last = text.splitlines()[-lines:]
        if as_json:
            print_json({"log": str(path), "lines": last})
            return
        for line in last or [f"(empty: {path})"]:
            say(line)


@deployments.command()
def bench(
    name: DeploymentName,
    clients: Annotated[
        list[int] | None,
        typer.Option("--clients", min=1, help="Clients that ask at once; may be repeated [1 and 16]."),
    ] = None,
    requests: Annotated[int, typer.Option("--requests", min=20, help="Requests for each number of clients.")] = 400,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """Measure latency and throughput by GuideLLM, on the run's own questions, beside what the plan predicted."""
    from ..tools.serving.guidellm import measure_load
    from ..tools.serving.job import read_key
    from ..tools.serving.records import get, needs_to_run, write_load
    from .taking_over import answer_tokens, facts_of, questions_of

    with errors(as_json):
        at = workspace_at(workspace)
        one = get(at.path, name)
        needs_to_run(one)
        facts = facts_of(at, one.run_id)
        found = measure_load(
            one.base_url,
            read_key(one.api_key_file),
            name,
            one.model_dir,
            questions_of(at, facts),
            clients=clients or (1, 16),
            requests=requests,
            max_tokens=answer_tokens(at, facts),
        )
        predicted, rate = facts.attempt.candidate.latency_p95_ms, facts.attempt.candidate.throughput_rps
        document = {
            "deployment": name,
            "version": one.version,
            "measured": [report.model_dump() for report in found],
            "predicted": {
                "latency_p95_ms": predicted.model_dump(mode="json"),
                "throughput_rps": rate.model_dump(mode="json") if rate else None,
            },
            "targets": facts.brief.targets.model_dump(mode="json"),
        }
        write_load(at.path, name, document)
        if as_json:
            print_json(document)
            return
        rows = [
            (str(r.clients), f"{r.p50_ms:.1f}", f"{r.p95_ms:.1f}", f"{r.rps:.1f}", str(r.n), str(r.failed))
            for r in found
        ]
        print_table(("clients", "p50 ms", "p95 ms", "requests/s", "answered", "failed"), rows, empty="")
        say(f"predicted: p95 {predicted.value:.3g} ms ({predicted.low:.3g} to {predicted.high:.3g}) for one client")
        if rate:
            say(f"predicted: {rate.value:.3g} requests/s ({rate.low:.3g} to {rate.high:.3g}) for 16")
        say(f"by {found[0].tool}")
