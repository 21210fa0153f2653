"""The oracle: knows the world's truth, and the cheapest candidate that meets a brief in one attempt, or that there is none.

It looks at true figures alone: no reservation, no approval and no band holds it back. It does not try twice, so a run may
meet by a second attempt what the oracle does not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

from ...skills import load as load_skill
from ...skills.protocol import SPECIAL_TOKENS
from ...state.brief import HOURS_PER_MONTH, Brief
from ...state.evidence import wilson
from ...state.plan import LOCAL, Offer, StudentShape
from ...tools.candidates import TOKEN_GRID
from ...tools.generate_data import DEVELOPMENT, sealed_split
from ...tools.pricing.accelerators import resolve
from ...tools.pricing.look_up import LookUpPrices, look_up_prices
from ...tools.pricing.planning import planning_set, this_machine
from ...tools.training.students import SHAPES
from ..simulated_world import ITEMS
from .scenarios import Scenario
from .world import MACHINE, ScenarioWorld, usd_per_hour_today, world_of


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one attempt, or a whole run, comes to."""

    exact: float
    exact_low: float
    p95_ms: float
    throughput_rps: float
    usd: float
    hours: float

    def meets(self, brief: Brief) -> bool:
        """Whether every target is met within the limits on money and time."""
        targets, limits = brief.targets, brief.limits
        share = self.exact_low if targets.accuracy_rule == "lower_bound" else self.exact
        return (
            (targets.accuracy is None or share >= targets.accuracy)
            and (targets.latency_p95_ms is None or self.p95_ms <= targets.latency_p95_ms)
            and (targets.throughput_rps is None or self.throughput_rps >= targets.throughput_rps)
            and (limits.usd is None or self.usd <= limits.usd + 1e-9)
            and (limits.hours is None or self.hours <= limits.hours)
        )


@dataclass(frozen=True, kw_only=True)
class Best:
    """The oracle's choice and what it comes to."""

    offer_id: str
    student: str
    tokens: int
    measured: Measured


def oracle(scenario: Scenario, seed: int) -> Best | None:
    """The cheapest, then fastest, that meets the scenario's brief; None where nothing does."""
    brief, world = scenario.wanted, world_of(scenario, seed)
    tried = sorted(_within_limits(scenario, brief, world), key=lambda one: (one.usd, one.hours))
    return next((best for one in tried if (best := _tried(world, brief, one))), None)


def allowed(offer: Offer, brief: Brief) -> bool:
    """Whether the brief's hard choices leave the server; this machine is in no region."""
    limits = brief.limits
    return (
        (not limits.clouds or offer.cloud in limits.clouds)
        and (not limits.accelerators or offer.accelerator in resolve(limits.accelerators))
        and (not limits.regions or offer.cloud == LOCAL or offer.region.lower().startswith(limits.regions))
        and (limits.usd_per_month is None or offer.usd_per_hour * HOURS_PER_MONTH <= limits.usd_per_month)
    )


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """A server, a student and a training length, with what they truly take."""

    offer: Offer
    student: StudentShape
    parameters: int
    tokens: int
    usd: float
    hours: float


def _within_limits(scenario: Scenario, brief: Brief, world: ScenarioWorld) -> Iterator[_Candidate]:
    """Every candidate whose size, money and time fit."""
    skill, limits = load_skill(brief.skill), brief.limits
    vocabulary = len(skill.vocabulary) + len(SPECIAL_TOKENS)
    for offer, student, tokens in product(_servers(scenario, brief), SHAPES, TOKEN_GRID):
        parameters = student.parameters(vocabulary)
        seconds = world.data_seconds + world.training_seconds(student, tokens, offer) + 2 * world.evaluation_seconds
        hours = seconds / 3600
        usd = hours * offer.usd_per_hour
        if (
            (limits.max_parameters is None or parameters <= limits.max_parameters)
            and (limits.usd is None or usd <= limits.usd)
            and (limits.hours is None or hours <= limits.hours)
        ):
            yield _Candidate(offer=offer, student=student, parameters=parameters, tokens=tokens, usd=usd, hours=hours)


def _servers(scenario: Scenario, brief: Brief) -> list[Offer]:
    """What jobs can be run on here, at today's prices."""
    here = this_machine(MACHINE, scenario.settings.local_usd_per_hour)
    offers = [here, *_cloud_offers(scenario.settings.clouds, brief.limits.regions)]
    priced = [
        offer.model_copy(update={"usd_per_hour": usd_per_hour_today(scenario, offer, offer.usd_per_hour)})
        for offer in offers
    ]
    return [offer for offer in priced if allowed(offer, brief)]


@cache
def _cloud_offers(clouds: tuple[str, ...], regions: tuple[str, ...]) -> tuple[Offer, ...]:
    return planning_set(look_up_prices(LookUpPrices(clouds=clouds, regions=regions))) if clouds else ()


def _tried(world: ScenarioWorld, brief: Brief, one: _Candidate) -> Best | None:
    """One candidate carried out; None where it misses on the development split or on the sealed one."""
    for split in (DEVELOPMENT, sealed_split(1)):
        share = wilson(world.right_answers(one.parameters, one.tokens, split), ITEMS)
        measured = Measured(
            exact=share.value,
            exact_low=share.low,
            p95_ms=world.latency_p95_ms(one.student, one.offer),
            throughput_rps=world.throughput_rps(one.student, one.offer),
            usd=one.usd,
            hours=one.hours,
        )
        if not measured.meets(brief):
            return None
    return Best(offer_id=one.offer.id, student=one.student.name, tokens=one.tokens, measured=measured)
