"""Models for many sites: what each site's own model reaches beside one model for all, training alone, FedAvg and central training, and
how many bytes that takes.

Digits (5 sites) and, where the folder of BANKING77 is named, questions to a bank (10 sites), each split four ways, from sites that are
alike to sites with nothing in common. The loop runs in one process here, through the same letters as over Flower.
"""

import math
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..tools.elastic.cutting import SHARES, Cut
from ..tools.elastic.fronts import Measured, Rule, SiteLimits, choose, scores
from ..tools.elastic.teaching import Recipe
from ..tools.sites.aggregation import ALONE, SHARPNESSES
from ..tools.sites.header import HeaderSpec
from ..tools.sites.letters import Bits
from ..tools.sites.orders import Orders, SitePlan
from .acme_worlds import SPLITS, Split, World, banking77, digits, limits
from .reporting import Claim, Report, arguments

if TYPE_CHECKING:
    from ..tools.sites.cloud import Elastic
    from ..tools.sites.header_search import By
    from .acme_baselines import Parts, Reached

FIT_EPOCHS, TUNE_EPOCHS, RATE = 4, 6, 1e-3
PUBLIC_EPOCHS, CUT_STEPS = 20, 500
FEDAVG_ROUNDS = 15
BITS: Bits = 4
"""Of each weight of a backbone on its way down."""
BASELINES: tuple[Rule, ...] = ("accuracy", "size", "random", "grid")
CONTROLS = ("uniform", "each its own importances")
HEADERS = ("own models, header by controller", "own models, header by random")
T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}
"""Student's t for the mean of so many seeds, both sides."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """All that was measured of one world, split and seed."""

    world: str
    split: Split
    seed: int
    reached: Mapping[str, "Reached"]
    """By the name of the way."""
    trade_off: Mapping[str, float]
    """Mean score over sites by rule."""


def run(world: World, split: Split, seed: int, folder: Path, quick: bool) -> Ran:
    """The loop, its controls and the baselines on one world."""
    from ..tools.sites.cloud import build
    from ..tools.sites.examples import split as split_examples
    from ..tools.sites.local import Fitting
    from . import acme_baselines as baselines

    public = Fitting(epochs=PUBLIC_EPOCHS, rate=2e-3, seed=seed)
    elastic = build(
        world.public,
        world.validation,
        len(world.labels),
        world.shape,
        public,
        Recipe(steps=CUT_STEPS // (2 if quick else 1), rate=1e-3, seed=seed),
    )
    paths = world.write(folder / "sites")
    parts: Parts = {site: split_examples(examples, seed) for site, examples in world.sites.items()}
    sizes = [measured.bytes for measured in elastic.table]
    boxes = limits(min(sizes), max(sizes), list(parts))
    chosen = {site: choose(elastic.table, SiteLimits(max_bytes=most)) for site, most in boxes.items()}
    cuts = {site: measured.cut for site, measured in chosen.items()}
    plans = [_plan(site, boxes[site], cut) for site, cut in cuts.items()]
    ways = {"own models": SHARPNESSES, "uniform": (0.0,), "each its own importances": (ALONE,)}
    reached = {
        way: _loop(elastic, plans, paths, parts, folder / way, sharpnesses, seed) for way, sharpnesses in ways.items()
    }
    for by in ("controller", "random"):
        headers = _headers(world, elastic, plans, by, seed)
        way = f"own models, header by {by}"
        reached[way] = _loop(elastic, plans, paths, parts, folder / way, SHARPNESSES, seed, headers)
    ours = reached["own models"]
    tightest = min(cuts.values(), key=lambda cut: next(one.bytes for one in elastic.table if one.cut == cut))
    lesson = Fitting(epochs=FIT_EPOCHS + TUNE_EPOCHS, rate=RATE, seed=seed)
    reached["central"] = baselines.central(world, elastic, parts, cuts, lesson)
    reached["one for all"] = baselines.single(world, elastic, parts, tightest, lesson)
    twice = Fitting(epochs=2 * lesson.epochs, rate=2e-3, seed=seed)
    reached["alone from nothing"] = baselines.alone(elastic, parts, cuts, twice)
    reached |= _averaged(elastic, parts, tightest, ours, seed)
    return Ran(
        world=world.name, split=split, seed=seed, reached=reached, trade_off=_trade_offs(elastic.table, boxes, seed)
    )


def _headers(world: World, elastic: "Elastic", plans: Sequence[SitePlan], by: "By", seed: int) -> dict[Cut, HeaderSpec]:
    """For each size that is sent, the header that a search finds on the public examples."""
    from ..tools.sites.cloud import search_header
    from ..tools.sites.header_search import Searching

    searching = Searching(seed=seed)
    return {
        cut: search_header(
            elastic.backbone, cut, world.public, world.validation, len(world.labels), searching, by=by
        ).spec
        for cut in {plan.sent for plan in plans}
    }


def _averaged(elastic: "Elastic", parts: "Parts", tightest: Cut, ours: "Reached", seed: int) -> dict[str, "Reached"]:
    """FedAvg of a model that every site can hold, at our bytes; and of the whole one, to our accuracy."""
    from ..tools.sites.cloud import cut_of
    from ..tools.sites.local import Fitting
    from .acme_baselines import FLOAT_BYTES, averaged

    small = cut_of(elastic.model, elastic.backbone.importance, tightest)
    a_round = 2 * len(parts) * FLOAT_BYTES * sum(weight.numel() for weight in small.parameters())
    rounds = max(1, ours.bytes // a_round)
    epochs = max(1, round((FIT_EPOCHS + TUNE_EPOCHS) / rounds))
    return {
        "FedAvg, our bytes": averaged(small, parts, Fitting(epochs=epochs, rate=RATE, seed=seed), rounds),
        "FedAvg, our accuracy": averaged(
            elastic.model, parts, Fitting(epochs=1, rate=RATE, seed=seed), FEDAVG_ROUNDS, until=ours.accuracy
        ),
    }


def _plan(site: str, most: int, cut: Cut) -> SitePlan:
    """One width more is sent than may stay, so that the site has something to choose from."""
    wider = [share for share in SHARES if share > cut.width]
    sent = Cut(width=min(wider, default=cut.width), depth=cut.depth)
    return SitePlan(name=site, limits=SiteLimits(max_bytes=most), sent=sent, target=cut)


def _loop(
    elastic: "Elastic",
    plans: Sequence[SitePlan],
    paths: Mapping[str, Path],
    parts: "Parts",
    folder: Path,
    sharpnesses: Sequence[float],
    seed: int,
    headers: Mapping[Cut, HeaderSpec] | None = None,
) -> "Reached":
    from ..tools.sites.posts import SameProcess
    from ..tools.sites.server import customize
    from ..tools.sites.site import Site
    from .acme_baselines import Reached

    sites = {site: Site(name=site, data=path, folder=folder / site, noise_seed=seed) for site, path in paths.items()}
    orders = Orders(config={}, bits=BITS, fit_epochs=FIT_EPOCHS, tune_epochs=TUNE_EPOCHS, rate=RATE, seed=seed)
    outcome = customize(
        elastic.backbone,
        plans,
        lambda plan: orders.model_copy(update={"header": headers[plan.sent]}) if headers else orders,
        SameProcess(sites=sites),
        folder / "server",
        sharpnesses=sharpnesses,
    )
    failed = {site.plan.name: site.failed for site in outcome.sites if site.failed}
    if failed:
        raise RuntimeError(f"sites failed: {failed}")
    facts = {site.plan.name: site.facts for site in outcome.sites}
    return Reached(
        right={site: facts[site]["test_right"] for site in parts},
        items={site: facts[site]["test_items"] for site in parts},
        up_bytes=outcome.meter.total("up"),
        down_bytes=outcome.meter.total("down"),
        cpu_seconds=sum(facts[site]["cpu_seconds"] for site in parts),
        details={
            "sharpness": {site: facts[site]["sharpness"] for site in parts},
            "headers": {cut.name: spec.model_dump(mode="json") for cut, spec in (headers or {}).items()},
        },
    )


def _trade_offs(table: Sequence[Measured], boxes: Mapping[str, int], seed: int) -> dict[str, float]:
    """The mean score of what each rule chooses for the sites."""
    score = dict(zip((measured.cut for measured in table), scores(table), strict=True))
    rules: tuple[Rule, ...] = ("trade_off", *BASELINES)
    return {
        rule: statistics.mean(
            score[choose(table, SiteLimits(max_bytes=most), rule, seed=seed * 100 + number).cut]
            for number, most in enumerate(boxes.values())
        )
        for rule in rules
    }


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the mean over seeds, by Student's t; null for one seed or more than are tabulated."""
    if len(values) not in T_95:
        return None
    half = T_95[len(values)] * statistics.stdev(values) / math.sqrt(len(values))
    return statistics.mean(values) - half, statistics.mean(values) + half


def claims(ran: Sequence[Ran]) -> list[Claim]:
    """The figures of one world and split over its seeds."""
    where = f"{ran[0].world}, {ran[0].split}"
    items = sum(sum(one.reached["own models"].items.values()) for one in ran)

    def claim(name: str, values: Sequence[float], unit: str, goal: str, met: bool | None) -> Claim:
        return Claim(
            name=f"{where}: {name}",
            value=statistics.mean(values),
            unit=unit,
            n=items,
            goal=goal,
            met=met,
            interval=mean_interval(values),
        )

    found = [claim(way, [one.reached[way].accuracy for one in ran], "share", "none", None) for way in ran[0].reached]
    for way, goal in (
        ("one for all", 10.0),
        ("alone from nothing", 0.0),
        ("FedAvg, our bytes", 0.0),
        ("central", -2.0),
    ):
        gains = [100 * (one.reached["own models"].accuracy - one.reached[way].accuracy) for one in ran]
        met = bool(statistics.mean(gains) >= goal)
        found.append(claim(f"own models less {way}", gains, "points", f">= {goal:g}", met))
    for way in CONTROLS:
        gains = [100 * (one.reached["own models"].accuracy - one.reached[way].accuracy) for one in ran]
        interval = mean_interval(gains)
        outside = interval is not None and bool(interval[0] > 0)
        found.append(claim(f"own models less {way}", gains, "points", "outside the noise", outside))
    if set(HEADERS) <= set(ran[0].reached):
        for better, worse, name in (
            (HEADERS[0], "own models", "header by the controller less the plain one"),
            (HEADERS[0], HEADERS[1], "header by the controller less by random search"),
        ):
            gains = [100 * (one.reached[better].accuracy - one.reached[worse].accuracy) for one in ran]
            found.append(claim(name, gains, "points", "none", None))
    shares = [100 * one.reached["own models"].bytes / one.reached["central"].bytes for one in ran]
    found.append(claim("bytes over central's", shares, "%", "<= 6", bool(statistics.mean(shares) <= 6)))
    ups = [100 * one.reached["own models"].up_bytes / one.reached["central"].up_bytes for one in ran]
    found.append(claim("bytes up over central's", ups, "%", "none", None))
    for rule in BASELINES:
        ours, theirs = (statistics.mean(one.trade_off[each] for one in ran) for each in ("trade_off", rule))
        over = [one.trade_off["trade_off"] - one.trade_off[rule] for one in ran]
        if rule == "grid":
            found.append(claim("trade-off score less the grid's", over, "score", ">= 0", bool(min(over) >= 0)))
            continue
        # A score may be zero or less, where no share above it can be said.
        met = bool(ours >= 1.3 * theirs if theirs > 0 else ours > theirs)
        found.append(
            claim(f"trade-off score ({ours:.2f}) less {rule}'s ({theirs:.2f})", over, "score", "30 % above", met)
        )
    return found


def main() -> None:
    """Runs the eval."""
    options = arguments(
        __doc__ or "",
        (
            ("--banking77", {"type": Path, "default": None, "help": "its folder, with train.csv and test.csv"}),
            ("--seeds", {"type": int, "default": None, "help": "seeds from --seed on; 3, with --quick 1"}),
            ("--splits", {"nargs": "+", "default": None, "choices": SPLITS}),
            ("--worlds", {"nargs": "+", "default": ["digits", "banking77"], "choices": ["digits", "banking77"]}),
        ),
    )
    import torch

    torch.set_num_threads(1)
    report = Report(eval="acme", seed=options.seed, quick=options.quick)
    worlds = [name for name in options.worlds if name == "digits" or (options.banking77 and not options.quick)]
    splits: Sequence[Split] = options.splits or (("third",) if options.quick else SPLITS)
    seeds = range(options.seed, options.seed + (options.seeds or (1 if options.quick else 3)))
    if options.quick:
        report.left_out = "BANKING77, three of the four splits, two of the three seeds, half of the lessons of the cuts"
    details: list[object] = []
    for name in worlds:
        for split in splits:
            ran: list[Ran] = []
            for seed in seeds:
                world = digits(seed, split) if name == "digits" else banking77(options.banking77, seed, split)
                with tempfile.TemporaryDirectory(prefix="stratos-eval-") as scratch:
                    began = time.monotonic()
                    ran.append(run(world, split, seed, Path(scratch), options.quick))
                details.append(_told(ran[-1], time.monotonic() - began))
            for claim in claims(ran):
                report.add(claim)
    report.details["runs"] = details
    report.print(options.json)


def _told(ran: Ran, seconds: float) -> dict[str, object]:
    """One run as JSON."""
    return {
        "world": ran.world,
        "split": ran.split,
        "seed": ran.seed,
        "seconds": round(seconds, 1),
        "trade_off": dict(ran.trade_off),
        "ways": {
            way: {
                "right": dict(one.right),
                "items": dict(one.items),
                "up_bytes": one.up_bytes,
                "down_bytes": one.down_bytes,
                "cpu_seconds": round(one.cpu_seconds, 1),
                **one.details,
            }
            for way, one in ran.reached.items()
        },
    }


if __name__ == "__main__":
    main()
