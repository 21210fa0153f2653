"""Options that commands in several modules share."""

# pyright: reportUnknownMemberType=false

import math
from pathlib import Path
from typing import Annotated, Literal

import typer


def figures(given: float | tuple[float, ...] | None) -> float | tuple[float, ...] | None:
    """The value of an option; not a number, infinite and negative are refused."""
    values = given if isinstance(given, tuple) else () if given is None else (given,)
    if wrong := [figure for figure in values if not (math.isfinite(figure) and figure >= 0)]:
        raise typer.BadParameter(f"{wrong[0]} is no finite number of at least 0")
    return given


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on standard output.")]
At = Annotated[Path | None, typer.Option("--workspace", help="Folder of runs, journal and deployments [.stratos].")]
MaxUsd = Annotated[float | None, typer.Option(min=0, callback=figures, help="All the money of the run, US dollars.")]
MaxMinutes = Annotated[float | None, typer.Option(min=0.1, callback=figures, help="All the time of the run, minutes.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of data, weights and order.")]
LocalPrice = Annotated[
    float, typer.Option(min=0, callback=figures, help="What an hour of this machine costs you, US dollars.")
]
ExecutorName = Annotated[
    Literal["local", "sky"],
    typer.Option(
        "--executor",
        help="What runs the jobs: this machine, or SkyPilot (sky) on the servers that plans name; `stratos doctor --cloud` checks it.",
    ),
]
OnSpot = Annotated[
    bool,
    typer.Option(
        "--spot", help="Servers at spot prices: cheaper, and may be taken away; they are asked for again then."
    ),
]
PlannerName = Annotated[
    str,
    typer.Option(
        envvar="STRATOS_PLANNER",
        help="Who plans: rules, or openai:MODEL at OPENAI_BASE_URL (OpenAI's own unless set) with OPENAI_API_KEY.",
    ),
]
