"""The tool `choose_cuts`: which size of the family each site gets, within its own limits."""

from ...state.brief import Record, SiteSource, Targets
from ...state.errors import Correctable
from ...state.run import RunState
from ...state.sites import ChoiceOf, CutFigures, SiteChoice, SitesPlan
from ..base import Context, Tool, require
from ..elastic.cutting import SHARES, Cut
from ..elastic.fronts import Measured, SiteLimits, choose

MIB = 2**20
TIMES_LONGER = 2
"""A site that missed is tuned so many times as long in the next attempt."""


class ChooseCuts(Record):
    """Chooses for each site the size of the family with the best trade-off of accuracy, size and energy among those that its box
    can hold; after a miss the most accurate that it can hold, tuned longer, for the sites that were below the target. Needs
    build_family."""


class Chosen(Record):
    """Which size each site gets."""

    plan: SitesPlan


def _run(context: Context, args: ChooseCuts) -> Chosen:
    state = context.state
    family = require(state.family, "call build_family first")
    sites = context.brief.sites
    assert sites is not None
    table = [as_measured(cut) for cut in family.cuts]
    before = {choice.site: choice for attempt in state.site_attempts[-1:] for choice in attempt.plan.choices}
    below = below_target(state)
    choices: list[SiteChoice] = []
    without: list[tuple[str, str]] = []
    for site in sites.each:
        try:
            limits = limits_of(site, context.brief.targets)
            choices.append(
                _choice(table, site.name, limits, before.get(site.name), site.name in below, sites.family.tune_epochs)
            )
        except Correctable as error:
            without.append((site.name, str(error)))
    if state.site_attempts and {one.site: one for one in choices} == before:
        raise Correctable(
            "every site below the target has the most accurate size that it can hold, tuned twice as long"
        )
    return Chosen(
        plan=SitesPlan(
            number=len(state.site_attempts) + 1,
            choices=tuple(choices),
            without=tuple(without),
            reason=_reason(choices, len(sites.each), sorted(below)),
        )
    )


def as_measured(cut: CutFigures) -> Measured:
    """As `fronts` has it."""
    return Measured(
        cut=Cut(width=cut.width, depth=cut.depth),
        accuracy=cut.accuracy.value,
        latency_ms=cut.latency_ms,
        bytes=cut.bytes,
        joules=cut.joules,
        flops=cut.flops,
    )


def limits_of(site: SiteSource, targets: Targets) -> SiteLimits:
    """As `fronts` has them; the brief's latency is that of a site that names none."""
    return SiteLimits(
        max_bytes=None if site.max_mib is None else int(site.max_mib * MIB),
        max_latency_ms=site.max_latency_ms or targets.latency_p95_ms,
    )


def below_target(state: RunState) -> set[str]:
    """The sites of the newest attempt whose own share of right validation answers is below the target."""
    target = state.known_brief.targets.accuracy
    if target is None or not state.site_attempts:
        return set()
    return {
        result.site
        for result in state.site_attempts[-1].results
        if result.validation is not None and result.validation.value < target
    }


def _choice(
    table: list[Measured], site: str, limits: SiteLimits, before: SiteChoice | None, missed: bool, tune_epochs: int
) -> SiteChoice:
    """The size for one site. Raises Correctable where none fits."""
    if before is not None and (not missed or before.by == "accuracy"):
        return before
    by: ChoiceOf = "accuracy" if missed else "trade_off"
    found = choose(table, limits, by)
    wider = [share for share in SHARES if share > found.cut.width]
    fit = sum(limits.allow(one) for one in table)
    return SiteChoice(
        site=site,
        cut=found.cut.name,
        width=found.cut.width,
        depth=found.cut.depth,
        sent_width=min(wider, default=found.cut.width),
        by=by,
        tune_epochs=tune_epochs * (TIMES_LONGER if missed else 1),
        reason=f"{'the most accurate' if missed else 'the best trade-off'} of {fit} of {len(table)} sizes that fit {limits}",
    )


def _reason(choices: list[SiteChoice], sites: int, below: list[str]) -> str:
    counts = {cut: sum(one.cut == cut for one in choices) for cut in sorted({one.cut for one in choices})}
    sizes = ", ".join(f"{count} x {cut}" for cut, count in counts.items()) or "none"
    again = f"; tuned longer, the most accurate that fits: {', '.join(below)}" if below else ""
    return f"sizes for {len(choices)} of {sites} sites: {sizes}{again}"


def _needs(state: RunState, args: ChooseCuts) -> str | None:
    if state.family is None:
        return "call build_family first"
    if state.sites_plan is not None and state.sites_plan.number > len(state.site_attempts):
        return "the sizes are chosen: call customize"
    return None


CHOOSE_CUTS = Tool(
    name="choose_cuts",
    args=ChooseCuts,
    result=Chosen,
    kind="decision",
    needs=_needs,
    run=_run,
    apply=lambda state, result: state.model_copy(update={"sites_plan": result.plan}),
    for_sites=True,
)
