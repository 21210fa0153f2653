"""Models for many sites: what each site's own model reaches beside one model for all, training alone, FedAvg and central training, and
how many bytes that takes.

Digits (5 sites) and, where the folder of BANKING77 is named, questions to a bank (10 sites), each split four ways, from sites that are
alike to sites with nothing in common. The loop runs in one process here, through the same letters as over Flower.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..tools.elastic.cutting import SHARES, Cut
from ..tools.elastic.fronts import Measured, Rule, SiteLimits, choose, scores
from ..tools.elastic.teaching import Recipe
from ..tools.sites.heads.header import HeaderSpec
from ..tools.sites.loop.aggregation import ALONE, SHARPNESSES
from ..tools.sites.loop.letters import Bits
from ..tools.sites.loop.orders import Orders, SitePlan
from .acme_claims import BASELINES, Ran, claims, line, told
from .acme_worlds import SPLITS, Split, World, banking77, digits, limits
from .reporting import Report, arguments

if TYPE_CHECKING:
    from ..tools.sites.cloud.backbone import Elastic
    from ..tools.sites.heads.weight_sharing import By
    from ..tools.sites.learning.local import Fitting
    from .acme_baselines import Parts, Reached

WHOLE = Cut(width=1, depth=1)
PUBLIC_EPOCHS, CUT_STEPS = 20, 500
FEDAVG_ROUNDS = 6
WHOLE_AVERAGED = "FedAvg, whole, until our accuracy"


@dataclass(frozen=True, kw_only=True)
class Aside:
    """What is measured beside the loop and its controls, where time allows."""

    headers: bool = False
    """Own models with searched headers."""
    whole: bool = False
    """FedAvg of the whole model until it is as good."""
    flower: bool = False
    """The loop over Flower's processes."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one process measures: a world's splits at one seed, which share a family."""

    name: str
    folder: Path | None
    """Of BANKING77."""
    splits: Sequence[Split]
    seed: int
    quick: bool
    aside: Aside

    def done(self) -> "list[tuple[Ran, float]]":
        """Each split's figures, and its seconds."""
        import torch

        torch.set_num_threads(1)
        worlds: dict[Split, World] = {split: self._world(split) for split in self.splits}
        elastic = built(next(iter(worlds.values())), self.seed, self.quick)
        found: list[tuple[Ran, float]] = []
        for split, world in worlds.items():
            with tempfile.TemporaryDirectory(prefix="stratos-eval-") as scratch:
                began = time.monotonic()
                ran = run(world, elastic, split, self.seed, Path(scratch), self.aside)
            found.append((ran, time.monotonic() - began))
            print(f"  {line(ran)}", file=sys.stderr, flush=True)
        return found

    def _world(self, split: Split) -> World:
        if self.name == "digits":
            return digits(self.seed, split)
        assert self.folder is not None
        return banking77(self.folder, self.seed, split)


def built(world: World, seed: int, quick: bool) -> "Elastic":
    """The family of a world and seed: it serves all splits."""
    from ..tools.sites.cloud.backbone import build
    from ..tools.sites.learning.local import Fitting

    return build(
        world.public,
        world.validation,
        world.labels,
        world.shape,
        Fitting(epochs=PUBLIC_EPOCHS, rate=2e-3, seed=seed),
        Recipe(steps=CUT_STEPS // (2 if quick else 1), rate=1e-3, seed=seed),
    )


def run(world: World, elastic: "Elastic", split: Split, seed: int, folder: Path, aside: "Aside") -> Ran:
    """The loop, its controls and the baselines on one world."""
    from ..tools.sites.learning.examples import split as split_examples
    from ..tools.sites.learning.local import Fitting
    from . import acme_baselines as baselines

    paths = world.write(folder / "data")
    parts: Parts = {site: split_examples(examples, seed) for site, examples in world.sites.items()}
    sizes = [measured.bytes for measured in elastic.table]
    boxes = limits(min(sizes), max(sizes), list(parts))
    chosen = {site: choose(elastic.table, SiteLimits(max_bytes=most)) for site, most in boxes.items()}
    cuts = {site: measured.cut for site, measured in chosen.items()}
    loop = Loop(
        elastic=elastic,
        plans=[_plan(site, boxes[site], cut) for site, cut in cuts.items()],
        paths=paths,
        parts=parts,
        folder=folder,
        epochs=world.epochs,
        rate=world.rate,
        bits=world.bits,
        seed=seed,
    )
    ways = {"own models": SHARPNESSES, "uniform": (0.0,), "each its own importances": (ALONE,)}
    reached = {way: loop.reached(way, sharpnesses) for way, sharpnesses in ways.items()}
    if aside.headers:
        for by in ("controller", "random"):
            found = _headers(world, elastic, loop.plans, by, seed)
            reached[f"own models, header by {by}"] = loop.reached(f"header by {by}", SHARPNESSES, found)
    if aside.flower:
        reached["own models, over Flower"] = loop.over_flower()
    ours = reached["own models"]
    tightest = min(cuts.values(), key=lambda cut: next(one.bytes for one in elastic.table if one.cut == cut))
    lesson = Fitting(epochs=sum(world.epochs), rate=world.rate, seed=seed)
    reached["central"], _ = baselines.joint(world, elastic, parts, WHOLE, lesson)
    reached["one for all"], reached["one for all, told the labels"] = baselines.joint(
        world, elastic, parts, tightest, lesson
    )
    reached["one for all, of public data"] = baselines.public(elastic, parts, tightest)
    twice = Fitting(epochs=2 * lesson.epochs, rate=2 * world.rate, seed=seed)
    reached["alone from nothing"] = baselines.alone(elastic, parts, cuts, twice)
    reached |= _averaged(elastic, parts, tightest, ours, lesson, whole=aside.whole)
    return Ran(
        world=world.name, split=split, seed=seed, reached=reached, trade_off=_trade_offs(elastic.table, boxes, seed)
    )


def _headers(world: World, elastic: "Elastic", plans: Sequence[SitePlan], by: "By", seed: int) -> dict[Cut, HeaderSpec]:
    """For each size that is sent, the header that a search finds on the public examples."""
    from ..tools.sites.cloud.backbone import search_header
    from ..tools.sites.heads.weight_sharing import Searching

    searching = Searching(seed=seed)
    return {
        cut: search_header(
            elastic.backbone, cut, world.public, world.validation, len(world.labels), searching, by=by
        ).spec
        for cut in {plan.sent for plan in plans}
    }


def _averaged(
    elastic: "Elastic", parts: "Parts", tightest: Cut, ours: "Reached", lesson: "Fitting", *, whole: bool
) -> dict[str, "Reached"]:
    """FedAvg of a model that every site can hold, at our bytes and epochs; and of the whole one, until it has our accuracy."""
    from ..tools.sites.cloud.backbone import cut_of
    from .acme_baselines import FLOAT_BYTES, averaged

    small = cut_of(elastic.model, elastic.backbone.importance, tightest)
    a_round = 2 * len(parts) * FLOAT_BYTES * sum(weight.numel() for weight in small.parameters())
    rounds = max(1, ours.bytes // a_round)
    some = replace(lesson, epochs=max(1, round(lesson.epochs / rounds)))
    found = {"FedAvg, our bytes": averaged(small, parts, some, rounds)}
    if whole:
        a_pass = replace(lesson, epochs=1)
        found[WHOLE_AVERAGED] = averaged(elastic.model, parts, a_pass, FEDAVG_ROUNDS, until=ours.accuracy)
    return found


def _plan(site: str, most: int, cut: Cut) -> SitePlan:
    """One width more is sent than may stay, so that the site has something to choose from."""
    wider = [share for share in SHARES if share > cut.width]
    sent = Cut(width=min(wider, default=cut.width), depth=cut.depth)
    return SitePlan(name=site, limits=SiteLimits(max_bytes=most), sent=sent, target=cut)


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One world's loop, run in several ways by the same sites."""

    elastic: "Elastic"
    plans: Sequence[SitePlan]
    paths: Mapping[str, Path]
    parts: "Parts"
    folder: Path
    epochs: tuple[int, int]
    rate: float
    bits: Bits
    seed: int

    @property
    def orders(self) -> Orders:
        """What every site is told."""
        fit, tune = self.epochs
        return Orders(config={}, bits=self.bits, fit_epochs=fit, tune_epochs=tune, rate=self.rate, seed=self.seed)

    def reached(
        self, way: str, sharpnesses: Sequence[float], headers: Mapping[Cut, HeaderSpec] | None = None
    ) -> "Reached":
        """In this process. A site that is sent the same model again answers as before and trains nothing twice."""
        from ..tools.sites.engines.same_process import SameProcess
        from ..tools.sites.loop.server import customize
        from ..tools.sites.loop.site import Site

        homes = self.folder / ("searched" if headers else "plain")
        sites = {
            site: Site(name=site, data=path, folder=homes / site, noise_seed=self.seed)
            for site, path in self.paths.items()
        }
        outcome = customize(
            self.elastic.backbone,
            self.plans,
            lambda plan: self.orders.model_copy(update={"header": headers[plan.sent]}) if headers else self.orders,
            SameProcess(sites=sites),
            self.folder / way,
            sharpnesses=sharpnesses,
        )
        told = {site.plan.name: dict(site.facts) | {"failed": site.failed} for site in outcome.sites}
        details = {"headers": {cut.name: spec.model_dump(mode="json") for cut, spec in (headers or {}).items()}}
        return self._as_reached(told, outcome.meter.total("up"), outcome.meter.total("down"), details)

    def over_flower(self) -> "Reached":
        """The same by a SuperLink and a SuperNode for each site, real processes on loopback."""
        from ..tools.sites.engines.flower import federation
        from ..tools.sites.engines.flower_app import WIRE_FILE, Node
        from ..tools.sites.loop.loop_orders import LoopOrders, SiteInLoop, outcome_in, save_backbone, write_orders

        folder = self.folder / "flower"
        save_backbone(self.elastic.backbone, folder / "backbone")
        sites = tuple(
            SiteInLoop(name=plan.name, sent_width=plan.sent.width, width=plan.target.width, depth=plan.target.depth)
            for plan in self.plans
        )
        write_orders(LoopOrders(backbone=folder / "backbone", sites=sites, orders=self.orders), folder / "orders.json")
        nodes = [Node(name=site, data=path, folder=folder / "sites" / site) for site, path in self.paths.items()]
        began = time.monotonic()
        with federation(folder / "processes", nodes) as running:
            running.run(folder / "orders.json", appear_s=120, answer_s=900, timeout_s=3600, at_once=2)
        seconds = time.monotonic() - began
        outcome = outcome_in(folder)
        told = {site["name"]: site["facts"] | {"failed": site["failed"]} for site in outcome["sites"]}
        up, down = (
            sum(length for name, length in outcome["bytes"].items() if name.endswith(way)) for way in ("/up", "/down")
        )
        wire = sum(json.loads((folder / WIRE_FILE).read_text(encoding="utf-8")).values())
        return self._as_reached(told, up, down, {"wire_bytes": wire, "seconds": round(seconds, 1)})

    def _as_reached(
        self, told: Mapping[str, Mapping[str, Any]], up: int, down: int, details: Mapping[str, object]
    ) -> "Reached":
        from .acme_baselines import Reached

        if failed := {site: facts["failed"] for site, facts in told.items() if facts["failed"]}:
            raise RuntimeError(f"sites failed: {failed}")
        return Reached(
            right={site: told[site]["test_right"] for site in self.parts},
            items={site: told[site]["test_items"] for site in self.parts},
            up_bytes=up,
            down_bytes=down,
            cpu_seconds=sum(told[site]["cpu_seconds"] for site in self.parts),
            details={"sharpness": {site: told[site]["sharpness"] for site in self.parts}, **details},
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


def main() -> None:
    """Runs the eval."""
    options = arguments(
        __doc__ or "",
        (
            ("--banking77", {"type": Path, "default": None, "help": "its folder, with train.csv and test.csv"}),
            ("--seeds", {"type": int, "default": None, "help": "seeds from --seed on; 3, with --quick 1"}),
            ("--splits", {"nargs": "+", "default": None, "choices": SPLITS}),
            ("--worlds", {"nargs": "+", "default": ["digits", "banking77"], "choices": ["digits", "banking77"]}),
            ("--flower", {"action": "store_true", "help": "the loops over Flower's processes too"}),
            (
                "--no-headers",
                {"action": "store_true", "help": "without searched headers, which take as long as half of the rest"},
            ),
            ("--jobs", {"type": int, "default": 1, "help": "seeds at the same time, a process each"}),
        ),
    )
    report = Report(eval="acme", seed=options.seed, quick=options.quick)
    worlds = [name for name in options.worlds if name == "digits" or (options.banking77 and not options.quick)]
    splits: Sequence[Split] = options.splits or (("third",) if options.quick else SPLITS)
    seeds = range(options.seed, options.seed + (options.seeds or (1 if options.quick else 3)))
    if options.quick:
        report.left_out = "BANKING77, three of the four splits, two of the three seeds, half of the lessons of the cuts"
    first = Aside(headers=not options.no_headers, whole=True, flower=options.flower)
    works = [
        Work(
            name=name,
            folder=options.banking77,
            splits=splits,
            seed=seed,
            quick=options.quick,
            aside=first if seed == options.seed else Aside(flower=options.flower),
        )
        for name in worlds
        for seed in seeds
    ]
    ran = [one for done in _all_done(works, options.jobs) for one in done]
    for name in worlds:
        for split in splits:
            for claim in claims([one for one, _ in ran if (one.world, one.split) == (name, split)]):
                report.add(claim)
    report.details["runs"] = [told(one, seconds) for one, seconds in ran]
    report.print(options.json)


def _all_done(works: Sequence[Work], jobs: int) -> "list[list[tuple[Ran, float]]]":
    if jobs == 1:
        return [work.done() for work in works]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return list(pool.map(Work.done, works))


if __name__ == "__main__":
    main()
