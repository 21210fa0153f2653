"""What many sites may cost at most: their processors' time, their traffic, and this machine's time."""

from ...state.run import RunState
from ..base import Settings

MOST_HOURS = 1.0
"""assumption: a family takes 3 to 10 minutes on a busy core, a site's work less; each is stopped after this, or at the brief's hours."""
LETTER_BYTES = 16_384
"""Room for importances, sketches and configurations, of 3 to 10 kB, in what is reserved."""
OVERHEAD = 1.25
"""Of scales, norms and names over the bits of the weights."""
GIB = 2**30


def hours_left(state: RunState) -> float:
    """The most that a job of many sites may take."""
    limit = state.known_brief.limits.hours
    return MOST_HOURS if limit is None else min(MOST_HOURS, max(1 / 3600, limit - state.hours_used))


def sites_parts(state: RunState, settings: Settings) -> dict[str, float]:
    """The most that the next paid step of a run over many sites may cost, US dollars, by what it is for."""
    if state.family is None:
        return building_parts(state, settings)
    due = state.sites_plan is not None and state.sites_plan.number > len(state.site_attempts)
    return customizing_parts(state, settings) if due else {}


def building_parts(state: RunState, settings: Settings) -> dict[str, float]:
    """Of making the family."""
    hours, price = hours_left(state), settings.local_usd_per_hour
    return {f"the family (at most {60 * hours:.0f} min of this machine)": price * hours} if price > 0 else {}


def customizing_parts(state: RunState, settings: Settings) -> dict[str, float]:
    """Of one loop over the sites."""
    sites, family, plan = state.known_brief.sites, state.family, state.sites_plan
    assert sites is not None
    assert family is not None
    assert plan is not None
    hours, chosen = hours_left(state), {choice.site for choice in plan.choices}
    letters = (max(cut.bytes for cut in family.cuts) * sites.bits / 32 * OVERHEAD + 2 * LETTER_BYTES) / GIB
    at = [site for site in sites.each if site.name in chosen]
    parts = {
        f"the sites' processors (at most {60 * hours:.0f} min each)": sum(one.usd_per_hour for one in at) * hours,
        "the sites' traffic": sum(one.usd_per_gib for one in at) * letters,
        "this machine": settings.local_usd_per_hour * hours,
    }
    return {what: usd for what, usd in parts.items() if usd > 0}
