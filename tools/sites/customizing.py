"""The tool `customize`: once down to all sites and once up, so that each has a model of its own from data that stayed there."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...state.brief import Brief, Record, Sites, SiteSource
from ...state.errors import ToolFailed
from ...state.evidence import Interval, wilson
from ...state.run import RunState
from ...state.sites import SiteResult, SitesAttempt
from ..base import FREE, Context, Cost, Tool, require
from ..waiting import JobRequest, run
from ..weights import weights_sha256
from .choosing import limits_of
from .cloud.pictures import public_files
from .customize_job import SITES, CustomizeJob, SiteAtWork
from .engines.flower import Door
from .family_job import GIVEN_RATE_SHARE
from .loop.orders import Orders
from .loop.site_folder import MODEL
from .money import GIB, customizing_parts, hours_left

MODULE = "stratos.tools.sites.customize_job"
RATE = 2e-3
GIVEN_ADAPTER_RATE = 1e-3
"""Of adapters beside a checkpoint of a few million weights, as `tuning.specs` has it; larger ones take less."""


class Customize(Record):
    """Sends each site the size that was chosen for it, learns from the sites which units matter there, lets each keep those that serve
    it, tune and measure its model. Examples never leave a site. Needs choose_cuts."""


class Customized(Record):
    """What became of all sites."""

    attempt: SitesAttempt
    usd: float


def _run(context: Context, args: Customize) -> Customized:
    state, sites = context.state, context.brief.sites
    assert sites is not None
    family = require(state.family, "call build_family first")
    plan = require(state.sites_plan, "call choose_cuts first")
    if not plan.choices:
        raise ToolFailed("no site can hold any size: " + "; ".join(f"{site}: {why}" for site, why in plan.without))
    source = {site.name: site for site in sites.each}
    given = context.skill_data
    assert given is not None
    job = CustomizeJob(
        backbone=context.run_folder / family.folder,
        sites=tuple(
            SiteAtWork(
                name=choice.site,
                data=_path(source[choice.site].data),
                max_bytes=limits_of(source[choice.site], context.brief.targets).max_bytes,
                max_latency_ms=limits_of(source[choice.site], context.brief.targets).max_latency_ms,
                sent_width=choice.sent_width,
                width=choice.width,
                depth=choice.depth,
                tune_epochs=choice.tune_epochs,
            )
            for choice in plan.choices
        ),
        orders=Orders(
            config={},
            answers=sites.answers,
            bits=sites.bits,
            fit_epochs=sites.family.fit_epochs,
            rate=_rate(context.brief),
            control=sites.control,
            epsilon=sites.epsilon,
            seed=context.settings.seed,
        ),
        engine=sites.engine,
        secure=sites.secure,
        door=_door(sites),
        appear_s=60 * sites.wait_minutes,
        robust="median" if sites.robust else "none",
        public=public_files(given) if sites.search_header else None,
        answer_s=3600 * hours_left(context.state),
        threads=context.settings.threads,
        wall_clock_s=3600 * hours_left(context.state),
    )
    folder = context.step_folder / "loop"
    made = run(context.executor, JobRequest(module=MODULE, job=job, folder=folder, threads=job.threads), context.emit)
    return _customized(context, folder, made)


def _rate(brief: Brief) -> float:
    """At the sites."""
    if brief.student is None:
        return RATE
    assert brief.sites is not None
    return GIVEN_ADAPTER_RATE if brief.sites.answers == "texts" else RATE * GIVEN_RATE_SHARE


def _path(named: str | None) -> Path | None:
    return None if named is None else Path(named).absolute()


def _door(sites: Sites) -> Door | None:
    """For the sites that join; null where all are on this machine."""
    if not sites.joining:
        return None
    assert sites.address is not None
    assert sites.certificates is not None
    keys = {site.name: Path(site.key).absolute() for site in sites.joining if site.key is not None}
    return Door(address=sites.address, certificates=Path(sites.certificates).absolute(), keys=keys)


def _customized(context: Context, folder: Path, made: Mapping[str, Any]) -> Customized:
    state, sites = context.state, context.brief.sites
    assert sites is not None
    assert state.family is not None
    assert state.sites_plan is not None
    source = {site.name: site for site in sites.each}
    outcome, plan = made["outcome"], state.sites_plan
    results = [
        *(_result(context, folder, source[told["name"]], told, outcome["bytes"]) for told in outcome["sites"]),
        *(SiteResult(site=site, failed=why) for site, why in plan.without),
    ]
    apart: Mapping[str, Mapping[str, float]] = outcome["distances"]
    wire: Mapping[str, int] = json.loads(made["wire"]) if made["wire"] else {}
    attempt = SitesAttempt(
        number=plan.number,
        plan=plan,
        results=tuple(results),
        left_out=tuple(outcome["left_out"].items()),
        distances=tuple((site, tuple(round(row[other], 6) for other in apart)) for site, row in apart.items()),
        central_bytes=_central_bytes(state, outcome["sites"]),
        wire_bytes=sum(wire.values()) or None,
        seconds=made["seconds"],
    )
    return Customized(attempt=attempt, usd=sum(result.usd for result in results) + _here_usd(context, made["seconds"]))


def _here_usd(context: Context, seconds: float) -> float:
    return seconds / 3600 * context.settings.local_usd_per_hour


def _result(
    context: Context, folder: Path, site: SiteSource, told: Mapping[str, Any], counted: Mapping[str, int]
) -> SiteResult:
    """One site's, from what it told; figures that cannot be are no figures."""
    facts, home = told["facts"], folder / SITES / site.name / MODEL
    down, up = counted.get(f"{site.name}/down", 0), counted.get(f"{site.name}/up", 0)
    seconds = _number(facts, "cpu_seconds") or 0.0
    usd = seconds / 3600 * site.usd_per_hour + (down + up) / GIB * site.usd_per_gib
    told_at_all = SiteResult(
        site=site.name,
        failed=told["failed"],
        down_bytes=down,
        up_bytes=up,
        cpu_seconds=seconds,
        examples=int(_number(facts, "examples") or 0),
        usd=round(usd, 8),
    )
    if told["failed"]:
        return told_at_all
    shares = {
        f"{of}{part}": _share(facts, f"{of}{part}") for of in ("", "alone_", "sent_") for part in ("validation", "test")
    }
    if shares["validation"] is None or shares["test"] is None:
        return told_at_all.model_copy(update={"failed": "it told figures that cannot be"})
    measured = {
        **shares,
        "sharpness": str(facts.get("sharpness", "")),
        "bytes": int(_number(facts, "bytes") or 0),
        "latency_ms": _number(facts, "latency_ms"),
        "joules": _joules(context, facts),
        **_stored(context, home, site, facts),
    }
    return told_at_all.model_copy(update=measured)


def _stored(context: Context, home: Path, site: SiteSource, facts: Mapping[str, Any]) -> dict[str, str]:
    """Where the site's model is, if on this machine, and its hash; of one that joined as it told it."""
    if site.key is None:
        return {"folder": str(home.relative_to(context.run_folder)), "weights_sha256": weights_sha256(home)}
    told = str(facts.get("weights_sha256", ""))
    return {"weights_sha256": told if re.fullmatch("[0-9a-f]{64}", told) else ""}


def _joules(context: Context, facts: Mapping[str, Any]) -> float | None:
    latency = _number(facts, "latency_ms")
    assert context.state.family is not None
    return None if latency is None else round(latency / 1000 * context.state.family.watts, 6)


def _number(facts: Mapping[str, Any], name: str) -> float | None:
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def _share(facts: Mapping[str, Any], name: str) -> Interval | None:
    right, items = facts.get(f"{name}_right"), facts.get(f"{name}_items")
    if not isinstance(right, int) or not isinstance(items, int) or not 0 <= right <= items or items == 0:
        return None
    return wilson(right, items)


def _central_bytes(state: RunState, told: list[Mapping[str, Any]]) -> int | None:
    """What central training would have sent: the training examples of every site up, the whole model in 32 bits down to each."""
    sizes = [_number(site["facts"], "train_bytes") for site in told]
    known = [size for size in sizes if size is not None]
    assert state.family is not None
    whole = max(cut.bytes for cut in state.family.cuts)
    return int(sum(known)) + whole * len(told) if len(known) == len(told) else None


def _estimate(context: Context, args: Customize) -> Cost:
    parts = customizing_parts(context.state, context.settings)
    if not parts:
        return FREE
    return Cost(usd=sum(parts.values()), basis="; ".join(f"{what} ${usd:,.4f}" for what, usd in parts.items()))


def _needs(state: RunState, args: Customize) -> str | None:
    if state.sites_plan is None or state.sites_plan.number <= len(state.site_attempts):
        return "call choose_cuts first"
    return None


CUSTOMIZE = Tool(
    name="customize",
    args=Customize,
    result=Customized,
    kind="effect",
    needs=_needs,
    run=_run,
    apply=lambda state, result: state.model_copy(update={"site_attempts": (*state.site_attempts, result.attempt)}),
    estimate=_estimate,
    settle=lambda context, result: result.usd,
    for_sites=True,
)
