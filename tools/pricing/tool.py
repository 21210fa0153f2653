"""The planner's tool over all configured prices: the offers worth predicting for, this machine among them."""

from collections.abc import Set

from pydantic import Field

from ...state.brief import Record
from ...state.errors import Correctable, UnusablePrices
from ...state.model_facts import ModelFacts
from ...state.plan import Correction, Machine, Offer
from ...state.run import RunState
from ..base import Context, Tool
from ..estimating.measurements import load_calibration
from ..executor import Rents
from ..models.catalogue import own_models
from .configured import configured_sources
from .look_up import ListedOffer, LookUpPrices, look_up_prices
from .planning import planning_set, this_machine

ODD_SHOWN = 3
"""Prices far from what is listed that the note names; `stratos prices` shows all."""


class PricedServers(Record):
    """This machine and the cheapest choosable offer of every kind, from dated sources; and the models the user has added."""

    machine: Machine
    offers: tuple[Offer, ...] = Field(description="this machine first, then by price")
    note: str
    own_models: tuple[ModelFacts, ...] = Field(
        default=(),
        description="of the user's own catalogue files: read with the prices, so that a replay sees the same",
    )
    calibration: tuple[Correction, ...] = Field(
        default=(), description="corrections by what this workspace measured: read with the prices for the same reason"
    )


def _own(context: Context) -> tuple[tuple[ModelFacts, ...], tuple[Correction, ...]]:
    """The user's models and corrections. A broken file is the user's to mend, whatever is asked: raises UnusablePrices."""
    try:
        return own_models(context.workspace), load_calibration(context.workspace).corrections
    except Correctable as error:
        raise UnusablePrices([str(error)]) from error


def _run(context: Context, args: LookUpPrices) -> PricedServers:
    models, corrections = _own(context)
    sources = configured_sources(context.workspace)
    unavailable = context.state.unavailable
    machine, runs_on = context.executor.machine(), context.executor.clouds
    rents = context.executor if isinstance(context.executor, Rents) else None
    prices = look_up_prices(
        args.model_copy(update={"spot": args.spot or context.settings.spot}),
        sources=sources,
        cheapest_of_each=True,
        unavailable=unavailable,
        started_by=rents.catalogue() if rents else None,
    )
    chosen = tuple(_as_planned(context, offer, runs_on) for offer in planning_set(prices))
    dates = f"dated {prices.oldest} to {prices.newest}" if prices.oldest else "undated"
    warned = [f"; mind {offer.id}: {why}" for offer in chosen for why in offer.warnings]
    more = f"; {len(warned) - ODD_SHOWN} more prices are as odd" if len(warned) > ODD_SHOWN else ""
    odd = "".join((*warned[:ODD_SHOWN], more))
    odd += f"; could not be had: {', '.join(unavailable)}" if unavailable else ""
    beside = "".join(f"; beside the built-in snapshot {source.name}" for source in sources)
    return PricedServers(
        machine=machine,
        offers=(this_machine(machine, context.settings.local_usd_per_hour), *chosen),
        note=(
            f"{prices.considered:,} offers {dates}, {prices.undated:,} undated; {prices.doubtful:,} doubtful ones are never "
            f"chosen; {len(chosen)} kinds of server kept at their cheapest, and this machine{beside}{odd}"
        ),
        own_models=models,
        calibration=corrections,
    )


def _as_planned(context: Context, offer: ListedOffer, runs_on: Set[str]) -> Offer:
    """The offer as a plan records it: with what it costs beside its work where it would be rented."""
    rents = context.executor if isinstance(context.executor, Rents) else None
    executable = offer.cloud in runs_on and (rents is None or rents.can_start(offer))
    return offer.plain(executable=executable, **(rents.terms(offer) if rents and executable else {}))


def _apply(state: RunState, result: PricedServers) -> RunState:
    return state.model_copy(
        update={
            "machine": result.machine,
            "offers": result.offers,
            "offers_note": result.note,
            "own_models": result.own_models,
            "calibration": result.calibration,
        }
    )


LOOK_UP_PRICES = Tool(
    name="look_up_prices",
    args=LookUpPrices,
    result=PricedServers,
    kind="effect",
    needs=lambda state, args: None,
    run=_run,
    apply=_apply,
)
