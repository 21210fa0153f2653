"""Many sites in tables for the terminal: the family's sizes, who gets which, and what became of each site."""

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from ..state.evidence import Interval
from ..state.numbers import dollars, shown
from ..state.sites import Family, SiteResult, SitesAttempt, SitesPlan
from .judge_sites import mean_share, together

NAMED = 6
"""Sites named beside a size."""


def family_table(family: Family, plan: SitesPlan | None = None) -> Table:
    """The sizes on the front, largest first, and those chosen for some site, with their sites."""
    sites = {
        cut.name: [choice.site for choice in plan.choices if choice.cut == cut.name] if plan else []
        for cut in family.cuts
    }
    table = Table(box=None, pad_edge=False)
    for column in ("size", "right", "ms", "KiB", "MFLOP", "mJ (est.)", "trade-off"):
        table.add_column(column, justify="left" if column == "size" else "right")
    table.add_column("sites")
    for cut in family.cuts:
        if not cut.on_front and not sites[cut.name]:
            continue
        names = sites[cut.name]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        table.add_row(
            cut.name,
            f"{cut.accuracy.value:.1%}",
            f"{cut.latency_ms:.2f}",
            f"{cut.bytes / 1024:,.0f}",
            f"{cut.flops / 1e6:,.1f}",
            f"{1000 * cut.joules:.2f}",
            f"{cut.score:z.2f}",
            Text(", ".join(names[:NAMED]) + more),
        )
    return table


def sites_table(attempt: SitesAttempt, *, tested: bool) -> Table:
    """What became of each site, those below first; the test's figures only once they were looked at."""
    cuts = {choice.site: choice.cut for choice in attempt.plan.choices}
    part = "test" if tested else "validation"
    table = Table(box=None, pad_edge=False)
    for column in (
        "site",
        "size",
        f"right ({part})",
        "as sent",
        "alone",
        "like",
        "KiB",
        "ms",
        "KiB down",
        "KiB up",
        "CPU-s",
        "$",
    ):
        table.add_column(column, justify="left" if column in ("site", "size") else "right")
    for result in sorted(attempt.results, key=lambda result: _order(result, part)):
        if result.failed:
            table.add_row(
                Text(result.site), cuts.get(result.site, "-"), Text(f"no model: {result.failed}", style="red")
            )
            continue
        table.add_row(
            Text(result.site),
            cuts[result.site],
            _share(result, part),
            _share(result, f"sent_{part}"),
            _share(result, f"alone_{part}"),
            LIKE.get(result.sharpness, result.sharpness),
            f"{result.bytes / 1024:,.0f}",
            "" if result.latency_ms is None else f"{result.latency_ms:.2f}",
            f"{result.down_bytes / 1024:,.0f}",
            f"{result.up_bytes / 1024:,.1f}",
            f"{result.cpu_seconds:,.0f}",
            shown(result.usd),
        )
    return table


LIKE: Mapping[str, str] = {"0": "all", "alone": "itself"}
"""Whose importances a site took, by its sharpness; between the two the nearest count more."""


def _order(result: SiteResult, part: str) -> tuple[int, float]:
    share: Interval | None = getattr(result, part)
    return (0, 0.0) if share is None else (1, share.value)


def _share(result: SiteResult, part: str) -> str:
    share: Interval | None = getattr(result, part)
    return "" if share is None else f"{share.value:.1%} of {share.n}"


def attempt_lines(attempt: SitesAttempt, *, tested: bool) -> Sequence[str]:
    """All sites together, their bytes beside central training's, and who was left out."""
    part = "test" if tested else "validation"
    lines: list[str] = []
    for name, of in (
        ("own models", part),
        ("as sent, tuned nowhere", f"sent_{part}"),
        ("alone, from nothing", f"alone_{part}"),
    ):
        if (share := together(attempt.results, of)) is not None:
            mean = mean_share(attempt.results, of)
            lines.append(
                f"{name}: {share.value:.1%} of {share.n} {part} examples of all sites (95 % interval {share.low:.1%} to "
                f"{share.high:.1%}); mean over sites {mean:.1%}"
            )
    beside = ""
    if attempt.central_bytes:
        beside = (
            f": {attempt.bytes / attempt.central_bytes:.1%} of what sending all training data up and the whole model down, in 32 "
            f"bits, would have been"
        )
    wire = f"; {attempt.wire_bytes / 1024:,.0f} KiB as Flower wrote them" if attempt.wire_bytes else ""
    lines.append(f"letters: {attempt.bytes / 1024:,.0f} KiB both ways{beside}{wire}")
    lines += [f"{site}: its importances were used for no other: {why}" for site, why in attempt.left_out]
    usd = sum(result.usd for result in attempt.results)
    if usd > 0:
        lines.append(f"the sites' bill: {dollars(usd)}")
    return lines
