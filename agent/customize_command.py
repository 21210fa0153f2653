"""`stratos customize`: a model of its own for each of many sites, from data that stay there."""

# pyright: reportUnknownMemberType=false

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import AsJson, At, LocalPrice, MaxMinutes, MaxUsd, PlannerName, Seed
from .terminal import asking, display, errors, leave, workspace_at


def customize(
    request: Annotated[str, typer.Argument(help="A YAML brief's path, or what you want in a sentence, with --sites.")],
    sites: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="The sites of a sentence: a YAML file as the brief's `sites`, or a folder with a file of examples for each site.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="FILE", help="Public examples of the same task, that the backbone learns from."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Approve the money in advance, up to --max-usd or the brief's limit.")
    ] = False,
    max_usd: MaxUsd = None,
    max_minutes: MaxMinutes = None,
    workspace: At = None,
    seed: Seed = 0,
    local_usd_per_hour: LocalPrice = 0.0,
    planner: PlannerName = "rules",
    as_json: AsJson = False,
) -> None:
    """Make a family of models and give each of many sites the one that suits its box and its data, which stay there."""
    from functools import partial

    from ..state.brief import DataSource
    from ..state.errors import RequestError
    from ..tools.base import Settings
    from . import session
    from .intake import read_brief_file
    from .names import own_names
    from .sites_option import sites_named

    started: list[str] = []
    with errors(as_json, started):
        limits: dict[str, Any] = {"max_usd": max_usd, "max_hours": max_minutes / 60 if max_minutes else None}
        at = workspace_at(workspace)
        brief = None
        if request.endswith((".yaml", ".yml")):
            brief = read_brief_file(Path(request), **limits, own=partial(own_names, at.path))
            beside = {"--sites": sites, "--data": data}
            problems = [f"{name} goes with a request in words" for name, given in beside.items() if given is not None]
            if brief.sites is None:
                problems.append(f"{request} names no sites: write `sites:` with a name and a file of examples for each")
            if problems:
                raise RequestError(problems)
        elif sites is None:
            raise RequestError(
                ["name the sites: --sites FILE or FOLDER beside a sentence, or `sites:` in a YAML brief"]
            )
        with display(as_json) as shown:
            outcome = session.start(
                brief.request if brief else request,
                workspace=at,
                settings=Settings(
                    **limits,
                    seed=seed,
                    planner=planner,
                    local_usd_per_hour=local_usd_per_hour,
                    approved=yes,
                    data=DataSource(path=data) if data else None,
                    sites=sites_named(sites) if sites else None,
                ),
                brief=brief,
                shown=shown,
                ask=asking(yes, as_json),
                on_start=started.append,
            )
        leave(outcome, as_json)
