"""`stratos prices`: what servers cost, from which source and of when; and fetching newer prices."""

# pyright: reportUnknownMemberType=false

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import click
import typer

from ..state.numbers import shown
from .options import AsJson, At, figures
from .terminal import FAILED, errors, print_json, print_table, say, workspace_at

if TYPE_CHECKING:
    from ..tools.pricing.look_up import ListedOffer, Prices
    from ..tools.pricing.refresh import Fetched

SORTS = ("price", "memory", "bandwidth", "usd-per-tflop", "age")


def prices(
    cloud: Annotated[list[str] | None, typer.Option(help="Only these clouds; may be repeated.")] = None,
    accelerator: Annotated[
        list[str] | None,
        typer.Option("--accelerator", "--gpu", help="Only these accelerators, such as H100; may be repeated."),
    ] = None,
    region: Annotated[list[str] | None, typer.Option(help="Only regions that start so; may be repeated.")] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="Only sources whose name holds this; may be repeated.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=0, help="Exactly so many accelerators; 0: none.")] = None,
    min_memory_gib: Annotated[
        float | None,
        typer.Option(min=0.001, callback=figures, help="Memory of one accelerator, or of a server without any, GiB."),
    ] = None,
    max_usd_per_hour: Annotated[
        float | None, typer.Option(min=0.0001, callback=figures, help="Price of the whole server.")
    ] = None,
    spot: Annotated[bool, typer.Option("--spot", help="Spot prices.")] = False,
    choosable: Annotated[
        bool, typer.Option("--choosable/--all", help="Leave out, or list, prices that are never chosen.")
    ] = False,
    sort: Annotated[
        str,
        typer.Option(
            click_type=click.Choice(SORTS), help="What comes first: cheap, large, fast, cheap for its speed, new."
        ),
    ] = "price",
    limit: Annotated[int, typer.Option(min=1, help="Rows to print.")] = 25,
    refresh: Annotated[
        bool,
        typer.Option("--refresh", help="Fetch newer prices with gpuhunt and SkyPilot, and measure this machine anew."),
    ] = False,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """List what servers cost, with source and date; cheapest first, and what must not be chosen last, with the reason."""
    from ..tools.pricing.configured import configured_sources
    from ..tools.pricing.look_up import PriceQuestion, Sort, look_up_prices

    with errors(as_json):
        at = workspace_at(workspace).path
        asked = PriceQuestion(
            clouds=tuple(cloud or ()),
            accelerators=tuple(accelerator or ()),
            regions=tuple(region or ()),
            sources=tuple(source or ()),
            count=count,
            min_memory_gib=min_memory_gib,
            max_usd_per_hour=max_usd_per_hour,
            spot=spot,
            choosable_only=choosable,
            sort=cast("Sort", sort),
            limit=limit,
        )
        fetched = _refreshed(at) if refresh else ()
        machine = _machine(at, refresh)
        found = look_up_prices(asked, sources=configured_sources(at))
        if as_json:
            document = {**found.model_dump(mode="json"), "this_machine": machine}
            if refresh:
                document["refreshed"] = [one.model_dump(mode="json") for one in fetched]
            print_json(document)
        else:
            _print(found, machine)
        for one in fetched:
            if not as_json or not one.ok:
                say(f"{one.program}: {one.said}" if one.program != "none" else one.said, err=not one.ok)
        if not all(one.ok for one in fetched):
            raise typer.Exit(FAILED)


def _refreshed(at: Path) -> "tuple[Fetched, ...]":
    from ..tools.pricing.refresh import fetch_all

    return fetch_all(at)


def _machine(at: Path, refresh: bool) -> dict[str, Any] | None:
    """This machine as the workspace remembers it; None where there is no workspace and nothing was asked to be measured."""
    from ..tools.remembered_machine import remembered_machine

    if not (refresh or at.is_dir()):
        return None
    return remembered_machine(at, refresh=refresh).model_dump(mode="json")


def _print(found: "Prices", machine: dict[str, Any] | None) -> None:
    """The table, and how old, from where and how doubtful its prices are."""
    print_table(
        ("offer", "$/hour", "GiB", "as of", "source", "never chosen because, or to be minded"),
        [_row(offer) for offer in found.offers],
        empty="no offer fits",
    )
    dates = f"dated {found.oldest} to {found.newest}" if found.oldest else "none dated"
    say(
        f"{len(found.offers):,} of {found.considered:,} offers shown; {dates}, {found.undated:,} undated; "
        f"{found.doubtful:,} are doubtful and never chosen"
    )
    for doubt in found.doubts:
        say(f"  {doubt.offers:,} never chosen: {doubt.reason}")
    for remark in found.remarks:
        say(f"  {remark}")
    say(_machine_line(machine))


def _row(offer: "ListedOffer") -> tuple[str, ...]:
    memory = offer.accelerator_memory_gib if offer.accelerator else offer.memory_gib
    extras = [
        f"{shown(usd)} {what}"
        for usd, what in (
            (offer.disk_usd_per_gib_month, "$/GiB-month of disk"),
            (offer.egress_usd_per_gib, "$/GiB of egress"),
        )
        if usd is not None
    ]
    source = "; ".join((offer.source, *extras))
    size = (
        f"{offer.accelerator_count} x {shown(memory)}"
        if offer.accelerator and memory
        else f"{shown(memory)}"
        if memory
        else "?"
    )
    price = f"{offer.usd_per_hour:,.4f}" + ("" if offer.vm_included else " without VM")
    return (offer.id, price, size, offer.as_of or "undated", source, "; ".join((*offer.doubts, *offer.warnings)))


def _machine_line(machine: dict[str, Any] | None) -> str:
    if machine is None:
        return "this machine: not measured yet; a run or --refresh measures it"
    what = machine["machine"]
    gpus = ", ".join(gpu["name"] for gpu in what["gpus"]) or "no GPU"
    return (
        f"this machine: {what['cores']} cores ({what['cpu_model']}), {shown(what['memory_gib'])} GiB, {gpus}; one thread "
        f"{shown(what['single_thread_gflops'])} GFLOP/s, {shown(what['memory_bandwidth_gb_s'])} GB/s, measured {machine['measured_at']}"
    )
