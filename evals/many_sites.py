"""How a loop over sites grows with their number: the server's seconds for up to 1,000 simulated sites, and 100 real ones on this machine.

The simulated sites send drawn importance vectors and sketches, so that the server alone is measured. The real ones train small vision
transformers on pictures of digits, by Flower's simulation engine where it is installed, else one after the other.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import importlib.util
import math
import statistics
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tools.elastic.cutting import Cut
from ..tools.elastic.fronts import SiteLimits
from ..tools.sites.loop.orders import IMPORTANCE, RESULT, SKETCH, UNITS, WELCOME, Orders, SitePlan
from .plots import log_plot
from .reporting import Claim, Report, arguments

if TYPE_CHECKING:
    from ..tools.sites.loop.server import Backbone

COUNTS, REPEATS = (10, 30, 100, 300, 1000), 3
FROM = 100
"""Sites from which on the exponent is told: below, what is done once weighs."""
SENT = ((1.0, 1.0, 0.75), (0.75, 0.5, 0.5), (0.5, 0.25, 0.25))
"""Widths sent, depths and widths kept, in turn: three sorts of boxes."""
REAL_SITES, IMAGES, LABELS = 100, 60, 3
MOST_MINUTES, MOST_GIB = 30.0, 12.0
SAMPLE_S = 0.5


@dataclass
class SimulatedSites:
    """A post without sites behind it: it answers each letter with drawn figures, and counts the seconds that takes."""

    units: Mapping[str, int]
    seed: int
    seconds: float = field(default=0.0)

    def exchange(self, letters: Mapping[str, bytes]) -> Iterable[tuple[str, bytes | str]]:
        """As of `server.Post`."""
        from ..tools.sites.loop.letters import Letter

        began, rng = time.process_time(), np.random.default_rng(self.seed)
        answers: dict[str, bytes | str] = {}
        for site, sent in letters.items():
            if Letter.from_bytes(sent).kind == WELCOME:
                arrays = {
                    UNITS: rng.gamma(0.7, size=self.units[site]).astype(np.float16),
                    SKETCH: np.sort(rng.normal(size=(32, 16)), axis=1).astype(np.float16),
                }
                answers[site] = Letter(kind=IMPORTANCE, arrays=arrays, facts={"examples": 100}).to_bytes()
            else:
                answers[site] = Letter(kind=RESULT, facts={"test_right": 9, "test_items": 10}).to_bytes()
        self.seconds += time.process_time() - began
        return answers.items()


def server_seconds(backbone: "Backbone", count: int, seed: int, folder: Path) -> float:
    """CPU-seconds of the server's work on one loop over so many sites."""
    from ..tools.sites.loop.server import customize

    plans = [
        SitePlan(
            name=f"site-{number}",
            limits=SiteLimits(),
            sent=Cut(width=SENT[number % 3][0], depth=SENT[number % 3][1]),
            target=Cut(width=SENT[number % 3][2], depth=SENT[number % 3][1]),
        )
        for number in range(count)
    ]
    layout = backbone.layout
    units = {
        plan.name: round(layout.layers * plan.sent.depth) * round((layout.heads + layout.neurons) * plan.sent.width)
        for plan in plans
    }
    post = SimulatedSites(units=units, seed=seed)
    began = time.process_time()
    outcome = customize(backbone, plans, lambda plan: Orders(config={}, bits=4), post, folder)
    seconds = time.process_time() - began - post.seconds
    failed = [site for site in outcome.sites if site.failed]
    if failed:
        raise RuntimeError(f"{len(failed)} of {count} simulated sites failed: {failed[0].failed}")
    return seconds


def _untaught() -> "Backbone":
    """A backbone with drawn weights and importances: what a server does with it costs the same."""
    from transformers import EuroBertConfig, EuroBertModel

    from ..tools.elastic.importance import Importance
    from ..tools.elastic.units import layout_of
    from ..tools.sites.loop.server import Backbone

    model = EuroBertModel(
        EuroBertConfig(
            vocab_size=1500,
            hidden_size=128,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            intermediate_size=256,
            max_position_embeddings=64,
            pad_token_id=0,
        )
    ).eval()
    layout = layout_of(model)
    vector = np.random.default_rng(0).gamma(0.7, size=layout.layers * (layout.heads + layout.neurons))
    return Backbone(model=model, importance=Importance.of_vector(layout, vector))


def exponent(counts: Sequence[int], seconds: Sequence[float]) -> float:
    """Of the power of the number of sites that the seconds grow with, by least squares of the logarithms."""
    xs, ys = [math.log(count) for count in counts], [math.log(one) for one in seconds]
    return statistics.linear_regression(xs, ys).slope


@dataclass
class Memory:
    """The most memory that this process and its descendants held together."""

    gib: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Memory":
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        import psutil

        me = psutil.Process()
        while not self._over.wait(SAMPLE_S):
            held = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    held += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.gib = max(self.gib, held / 2**30)


def hundred_sites(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """The loop over so many real sites: minutes, the most memory, and what they reached."""
    from ..tools.elastic.teaching import Recipe
    from ..tools.sites.cloud.backbone import build
    from ..tools.sites.engines.flower_app import Node
    from ..tools.sites.engines.same_process import SameProcess
    from ..tools.sites.engines.simulation import simulate
    from ..tools.sites.learning.examples import Examples
    from ..tools.sites.learning.local import Fitting
    from ..tools.sites.loop.loop_orders import LoopOrders, SiteInLoop, outcome_in, run_loop, save_backbone, write_orders
    from ..tools.sites.loop.site import Site
    from .acme_worlds import digits

    world = digits(seed, "alike")
    elastic = build(
        world.public,
        world.validation,
        world.labels,
        world.shape,
        Fitting(epochs=20, seed=seed),
        Recipe(steps=100, seed=seed),
    )
    save_backbone(elastic.backbone, folder / "backbone")
    rng = np.random.default_rng(seed)
    every = [examples for examples in world.sites.values()]
    pixels = np.concatenate([np.asarray(examples.pixels) for examples in every])
    labels = np.concatenate([examples.labels for examples in every])
    nodes: list[Node] = []
    for number in range(count):
        own = rng.choice(10, LABELS, replace=False)
        rows = np.concatenate([rng.choice(np.flatnonzero(labels == label), IMAGES // LABELS) for label in own])
        some = Examples(pixels=pixels[rows], labels=labels[rows])
        home = folder / "sites" / f"site-{number}"
        home.mkdir(parents=True)
        np.savez(home / "data.npz", pixels=some.pixels, labels=[str(label) for label in some.labels])  # pyright: ignore[reportArgumentType]
        nodes.append(Node(name=f"site-{number}", data=home / "data.npz", folder=home / "kept"))
    told = LoopOrders(
        backbone=folder / "backbone",
        sites=tuple(
            SiteInLoop(
                name=node.name, sent_width=SENT[number % 3][0], width=SENT[number % 3][2], depth=SENT[number % 3][1]
            )
            for number, node in enumerate(nodes)
        ),
        orders=Orders(config={}, bits=6, fit_epochs=8, tune_epochs=16, rate=2e-3, seed=seed),
    )
    (folder / "server").mkdir()
    write_orders(told, folder / "server" / "orders.json")
    simulated = importlib.util.find_spec("flwr") is not None and importlib.util.find_spec("ray") is not None
    began = time.monotonic()
    with Memory() as memory:
        if simulated:
            simulate(folder / "server" / "orders.json", nodes, workers=2)
        else:
            sites = {node.name: Site(name=node.name, data=node.data, folder=node.folder) for node in nodes}
            run_loop(folder / "server" / "orders.json", SameProcess(sites=sites))
    outcome = outcome_in(folder / "server")
    reached = [site["facts"] for site in outcome["sites"] if not site["failed"]]
    return {
        "engine": "Flower's simulation" if simulated else "one process",
        "minutes": (time.monotonic() - began) / 60,
        "gib": memory.gib,
        "models": len(reached),
        "accuracy": statistics.mean(facts["test_right"] / facts["test_items"] for facts in reached),
    }


def main() -> None:
    """Runs the eval."""
    options = arguments(
        __doc__ or "",
        (
            ("--sites", {"type": int, "default": None, "help": f"real ones; {REAL_SITES}, with --quick 10"}),
            (
                "--plot",
                {"type": Path, "default": Path("build/evals/many_sites.svg"), "help": "where the plot is written"},
            ),
        ),
    )
    import torch

    torch.set_num_threads(1)
    report = Report(eval="many_sites", seed=options.seed, quick=options.quick)
    backbone, medians = _untaught(), list[float]()
    repeats = 1 if options.quick else REPEATS
    for count in COUNTS:
        taken: list[float] = []
        for repeat in range(repeats):
            with tempfile.TemporaryDirectory(prefix="stratos-eval-") as scratch:
                taken.append(server_seconds(backbone, count, options.seed + repeat, Path(scratch)))
        medians.append(statistics.median(taken))
        report.add(
            Claim(
                name=f"server's CPU-seconds of a loop over {count} sites",
                value=medians[-1],
                unit="s",
                n=repeats,
                goal="none",
                met=None,
            )
        )
    measured = [(count, seconds) for count, seconds in zip(COUNTS, medians, strict=True) if count >= FROM]
    power = exponent(*zip(*measured, strict=True))
    report.add(
        Claim(
            name=f"power of the number of sites that they grow with, from {FROM}",
            value=power,
            unit="",
            n=len(measured) * repeats,
            goal="<= 1",
            met=power <= 1,
        )
    )
    options.plot.parent.mkdir(parents=True, exist_ok=True)
    text = log_plot(COUNTS, medians, x_name="sites", y_name="server's CPU-seconds of one loop", line="linear")
    options.plot.write_text(text, encoding="utf-8")
    report.details["plot"] = str(options.plot)
    count = options.sites or (10 if options.quick else REAL_SITES)
    if options.quick:
        report.left_out = f"{REAL_SITES} real sites, of which {count} ran; {REPEATS} repeats of each number of sites"
    with tempfile.TemporaryDirectory(prefix="stratos-eval-") as scratch:
        found = hundred_sites(Path(scratch), count, options.seed)
    report.details["real"] = found
    whole = count >= REAL_SITES
    for name, value, unit, most in (
        ("minutes", found["minutes"], "min", MOST_MINUTES),
        ("most memory", found["gib"], "GiB", MOST_GIB),
    ):
        report.add(
            Claim(
                name=f"{count} real sites, {found['engine']}: {name}",
                value=value,
                unit=unit,
                n=count,
                goal=f"<= {most:g}" if whole else "none",
                met=value <= most if whole else None,
            )
        )
    name, models = f"{count} real sites: with a model of their own", found["models"]
    report.add(Claim(name=name, value=models, unit="sites", n=count, goal="all", met=models == count))
    report.print(options.json)


if __name__ == "__main__":
    main()
