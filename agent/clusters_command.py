"""`stratos clusters`: the servers that runs and deployments rent now, those left behind among them, and how they are stopped."""

# pyright: reportUnknownMemberType=false

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, At
from .plain_help import PlainTyper
from .terminal import USAGE, errors, fail, print_json, print_table, say, workspace_at

if TYPE_CHECKING:
    from ..state.workspace import Workspace

clusters = PlainTyper(invoke_without_command=True, help="List the servers that runs and deployments rent; stop them.")


@clusters.callback()
def list_clusters(context: typer.Context, workspace: At = None, as_json: AsJson = False) -> None:
    """List the servers that runs and deployments rent."""
    if context.invoked_subcommand is not None:
        return
    from ..tools.cloud.rented import looked_for, rented
    from ..tools.cloud.sky import Sky

    with errors(as_json):
        at = workspace_at(workspace)
        found = looked_for(at, Sky()) if rented(at) else []
        if as_json:
            print_json([one.model_dump(mode="json") for one in found])
            return
        rows = [
            (
                one.cluster,
                "given up" if one.may_come_up else "left behind" if one.left_behind else "at work",
                f"deployment {one.deployment}" if one.deployment else one.run_id,
                one.offer_id,
                datetime.fromtimestamp(one.since, tz=UTC).isoformat(timespec="minutes")[:16],
                f"{one.usd:,.4f}",
                f"{one.run_usd:,.4f} of {one.reserved_usd:,.4f}",
                "yes" if one.watched else "NO",
            )
            for one in found
        ]
        heads = (
            "cluster",
            "it is",
            "of",
            "server",
            "since (UTC)",
            "$ at most",
            "all of it, of reserved",
            "watched",
        )
        print_table(heads, rows, empty="no server is rented")
        if left := [one for one in found if one.left_behind]:
            resumed = "; or go on with its run: stratos resume RUN" if any(not one.deployment for one in left) else ""
            say(f"stop what was left behind: stratos clusters stop --left-behind{resumed}")


def tell_left_behind(workspace: "Workspace", but: str = "") -> None:
    """Says on standard error which servers are paid for though no process carries on their runs, `but` those of this run."""
    places = ("runs/*/servers/account.json", "deployments/*/servers/*/servers/account.json")
    if not any(any(workspace.path.glob(place)) for place in places):
        return
    from ..tools.cloud.rented import rented

    if left := [one for one in rented(workspace) if one.left_behind and (one.deployment or one.run_id != but)]:
        usd = sum(one.usd for one in left)
        names = ", ".join(
            f"{one.cluster} of {f'deployment {one.deployment}' if one.deployment else f'run {one.run_id}'}"
            for one in left
        )
        say(f"{len(left)} left behind, at most ${usd:,.4f} so far: {names}; see `stratos clusters`", err=True)


@clusters.command()
def stop(
    names: Annotated[list[str] | None, typer.Argument(help="Clusters, as `stratos clusters` lists them.")] = None,
    left_behind: Annotated[
        bool, typer.Option("--left-behind", help="All whose run is carried on by no process.")
    ] = False,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """Stop servers; what they cost is borne by their run when it is resumed."""
    from ..tools.cloud.rented import rented, stopped
    from ..tools.cloud.sky import Sky

    with errors(as_json):
        if bool(names) == left_behind:
            fail("name the clusters to stop, or give --left-behind", USAGE, as_json)
        at = workspace_at(workspace)
        wanted = names or [one.cluster for one in rented(at) if one.left_behind]
        done = stopped(at, Sky(), wanted) if wanted else []
        if as_json:
            print_json([one.model_dump(mode="json") for one in done])
            return
        for one in done:
            what = "may still come up, and is then ended" if one.may_come_up else "stopped"
            say(f"{one.cluster}: {what}; it cost at most ${one.usd:,.4f}")
        if not done:
            say("nothing was left behind")
