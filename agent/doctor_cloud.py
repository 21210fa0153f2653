"""Looks at what servers of other machines need, step by step: SkyPilot, its clouds, their prices, and what was left running."""

import shutil
from collections.abc import Callable, Sequence
from functools import partial

from ..state.errors import NotAvailable, ToolFailed
from ..state.workspace import Workspace
from ..tools.cloud.sky import Sky
from ..tools.cloud.whereabouts import CLUSTERS
from .doctor import Check

TRIED = "0.14."
"""Versions of SkyPilot that Stratos was tried with."""


def cloud_checks(workspace: Workspace) -> list[Check]:
    """The steps in their order. Asking the clouds may take a minute, and starts SkyPilot's server where it is not running."""
    programs = [_program(name) for name in ("ssh", "rsync")]
    try:
        sky = Sky()
    except NotAvailable as error:
        return [_check("SkyPilot", ok=False, state="not found", to_add=str(error)), *programs]
    return [
        _tried("SkyPilot", partial(_version, sky)),
        *programs,
        _tried("clouds", partial(_clouds, sky, workspace)),
        _tried("clusters", partial(_clusters, sky)),
    ]


def _tried(name: str, step: Callable[[], Check]) -> Check:
    """What a step found, or what SkyPilot said in its place."""
    try:
        return step()
    except ToolFailed as error:
        return _check(
            name, ok=False, state=str(error), to_add="what SkyPilot says; `sky api status` and `sky check` say more"
        )


def _version(sky: Sky) -> Check:
    version = sky.version()
    return _check(
        "SkyPilot", ok=version.startswith(TRIED), state=version, to_add=f"pip install 'skypilot=={TRIED}*' there"
    )


def _program(name: str) -> Check:
    found = shutil.which(name)
    return _check(
        name, ok=found is not None, state=found or "not found", to_add=f"{name}, by which results are fetched"
    )


def _clouds(sky: Sky, workspace: Workspace) -> Check:
    """Those that are enabled. One without a price is never chosen."""
    enabled = sky.enabled()
    unpriced = sorted(set(enabled) - set(_priced(workspace)))
    state = ", ".join(enabled) or "none is enabled"
    if unpriced:
        state += f"; no prices for {', '.join(unpriced)}"
    needs = (
        "`sky check` says what each cloud still needs"
        if not enabled
        else "prices.csv in the workspace, or STRATOS_PRICES"
    )
    return _check("clouds", ok=bool(enabled) and len(unpriced) < len(enabled), state=state, to_add=needs)


def _priced(workspace: Workspace) -> Sequence[str]:
    from ..tools.pricing.configured import configured_sources
    from ..tools.pricing.look_up import known_clouds, names_of

    sources = configured_sources(workspace.path)
    own, _ = names_of(sources) if sources else ((), ())
    return (*known_clouds(), *own)


def _clusters(sky: Sky) -> Check:
    """Whether some of Stratos' are still there: one that works is no fault, one that was forgotten costs money."""
    left = [f"{one['name']} ({one['status']})" for one in sky.clusters() if one["name"].startswith(CLUSTERS)]
    state = ", ".join(left) or "none of Stratos is there"
    advice = "`sky down NAME` ends one that no run needs" if left else ""
    return Check(name="clusters", ok=True, required=True, state=state, to_add=advice)


def _check(name: str, *, ok: bool, state: str, to_add: str) -> Check:
    return Check(name=name, ok=ok, required=True, state=state, to_add="" if ok else to_add)
