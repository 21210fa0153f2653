"""How fast and how right the front is: the exact one over a million candidates, and the search's share of it where both run.

Candidates are the real price snapshot times made-up model shapes under simple physics (`front_world.py`): they have the structure of
the product's (prices, ties, what does not fit) and their figures mean nothing.

Seconds of one core are told by the clock and by the processor's time; ratios to others' code are of the latter, as other work on the
machine slows both.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tools.front.indicators import hypervolume
from ..tools.front.nondominated import non_dominated
from ..tools.front.search import BUDGET, Found, exact_front, search_front
from ..tools.front.space import Floats, Points, size_of
from . import front_world, selection
from .front_job import THREADS
from .reporting import Claim, Report, arguments

SECONDS_GOAL, MEMORY_GOAL_GIB, SHARE_GOAL = 2.0, 2.0, 0.99
ROWS = 1_000_000
SUBSET = 50_000
"""Rows of the product's table on which pymoo, which ranks all fronts, ends within a minute."""
PATIENCE_S = 120.0
SEARCHED_MODELS = 12
PYMOO_ALONE = 20_000


def tables(model_count: int, seed: int) -> dict[str, Floats]:
    """The product's candidates, and two kinds of points that are hard in other ways."""
    rng = np.random.default_rng(seed)
    shares = rng.random((ROWS, 4))
    shares /= shares.sum(axis=1, keepdims=True)
    return {
        "the product's own, whole catalogue": selection.whole_catalogue(seed),
        "offers x models": front_world.enumerated(model_count, seed),
        "uniform": rng.random((ROWS, 4)),
        "anti-correlated": shares + rng.normal(0, 0.02, (ROWS, 1)),
    }


def job(file: Path, method: str, runs: int) -> dict[str, Any] | None:
    """What one method came to in a process of its own on one core; None where it took longer than PATIENCE_S."""
    command = [sys.executable, "-P", "-m", "stratos.evals.front_job", str(file), method, str(runs)]
    environment = os.environ | dict.fromkeys(THREADS, "1")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=PATIENCE_S * runs, env=environment
        )
    except subprocess.TimeoutExpired:
        return None
    return json.loads(done.stdout)


def measure_exact(report: Report, folder: Path, model_count: int, runs: int) -> None:
    """Seconds and memory of the exact front of each table, and of others' code on the same rows."""
    for name, objectives in tables(model_count, report.seed).items():
        np.save(folder / "table.npy", objectives)
        ours = job(folder / "table.npy", "ours", runs)
        assert ours is not None
        seconds, gib = statistics.median(ours["seconds"]), ours["peak_mib"] / 1024
        cpu_seconds = statistics.median(ours["cpu_seconds"])
        goal = name != "anti-correlated"
        what = f"{name}, {ours['rows']:,} rows, {ours['front']:,} on the front"
        report.details[what] = ours
        report.add(Claim(name=f"front of {what}", value=seconds, unit="s", n=runs,
                         goal=f"< {SECONDS_GOAL:g}" if goal else "none",
                         met=seconds < SECONDS_GOAL if goal else None))  # fmt: skip
        report.add(Claim(name=f"peak memory, {name}", value=gib, unit="GiB", n=runs,
                         goal=f"< {MEMORY_GOAL_GIB:g}", met=gib < MEMORY_GOAL_GIB))  # fmt: skip
        report.add(Claim(name=f"front of {name}", value=cpu_seconds, unit="CPU-s", n=runs, goal="none", met=None))
        others = ("moocore",) if report.quick else ("moocore", "pivots")
        for method in others:
            _beside(report, folder / "table.npy", method, name, ours)
        if name == "offers x models":
            chosen = np.random.default_rng(report.seed).choice(len(objectives), SUBSET, replace=False)
            np.save(folder / "subset.npy", objectives[chosen])
            few = job(folder / "subset.npy", "ours", runs)
            assert few is not None
            _beside(report, folder / "subset.npy", "pymoo", f"{SUBSET:,} of {name}", few)


def _beside(report: Report, file: Path, method: str, name: str, ours: dict[str, Any]) -> None:
    found = job(file, method, 1)
    if found is None:
        report.add(
            Claim(name=f"{method} on {name}, stopped after", value=PATIENCE_S, unit="s", n=1, goal="none", met=None)
        )
        return
    assert found["sha256"] == ours["sha256"], f"{method} finds another front of {name}"
    report.details[f"{method}, {name}"] = found
    took, seconds = found["cpu_seconds"][0], statistics.median(ours["cpu_seconds"])
    report.add(Claim(name=f"{method} on {name}, the same front", value=took, unit="CPU-s", n=1, goal="none", met=None))
    report.add(
        Claim(name=f"{method} over ours, {name}", value=took / seconds, unit="ratio", n=1, goal="none", met=None)
    )


def measure_rightness(report: Report, model_count: int, subsets: int) -> None:
    """Random subsets of the product's table against every row with every other."""
    objectives, rng = front_world.enumerated(model_count, report.seed), np.random.default_rng(report.seed)
    equal = 0
    for _ in range(subsets):
        subset = objectives[rng.choice(len(objectives), int(rng.integers(1, 600)), replace=True)]
        equal += non_dominated(subset).tolist() == by_brute_force(subset)
    report.add(Claim(name="equal to brute force on random subsets", value=equal / subsets, unit="share", n=subsets,
                     goal="1", met=equal == subsets))  # fmt: skip


def by_brute_force(objectives: NDArray[np.float64]) -> list[int]:
    """Every row against every other."""
    no_worse = (objectives[:, None] <= objectives[None]).all(axis=2)
    better = (objectives[:, None] < objectives[None]).any(axis=2)
    return np.flatnonzero(~(no_worse & better).any(axis=0)).tolist()


def measure_search(report: Report, seeds: int) -> None:
    """The search's share of the exact hypervolume, and that of NSGA-II alone, over several seeds."""
    on = front_world.hardware(front_world.offers(everything=False))
    of = front_world.models(SEARCHED_MODELS, report.seed)
    space = front_world.space(on, of)

    def evaluate(points: Points) -> tuple[Floats, Floats]:
        return front_world.evaluate(on, of, points)

    started = time.process_time()
    exact = exact_front(space, evaluate)
    report.add(Claim(name=f"exact front of a space of {size_of(space):,.0f} points, evaluated too",
                     value=time.process_time() - started, unit="CPU-s", n=1, goal="none", met=None))  # fmt: skip
    for name, budget, local in (("search", BUDGET, True), ("NSGA-II alone", PYMOO_ALONE, False)):
        shares, in_logs, seconds = list[float](), list[float](), list[float]()
        for seed in range(report.seed, report.seed + seeds):
            started = time.process_time()
            found = search_front(space, evaluate, seed=seed, budget=budget, local=local)
            seconds.append(time.process_time() - started)
            shares.append(share_of(found, exact, logarithmic=False))
            in_logs.append(share_of(found, exact, logarithmic=True))
        goal = local
        report.details[name] = {"budget": budget, "shares": shares, "shares_in_logs": in_logs, "cpu_seconds": seconds}
        what = f"{name}, {budget:,} evaluations"
        for kind, values in (("hypervolume", shares), ("hypervolume of logarithms", in_logs)):
            report.add(Claim(name=f"{what}: share of {kind}, worst seed", value=min(values), unit="share", n=seeds,
                             goal=f">= {SHARE_GOAL}" if goal else "none",
                             met=min(values) >= SHARE_GOAL if goal else None))  # fmt: skip
        report.add(Claim(name=f"{what}, median", value=statistics.median(seconds), unit="CPU-s", n=seeds,
                         goal="none", met=None))  # fmt: skip


def share_of(found: Found, exact: Found, *, logarithmic: bool) -> float:
    """Of the exact front's hypervolume: objectives scaled to its ranges, up to a tenth beyond them.

    With dollars, hours and latency in logarithms a few cheap or fast points no longer make up the whole: the harder measure.
    """

    def scaled(objectives: Floats) -> Floats:
        return np.column_stack([np.log(objectives[:, :2]), objectives[:, 2], np.log(objectives[:, 3])])

    whole, part = (scaled(one.objectives) if logarithmic else one.objectives for one in (exact, found))
    best, span = whole.min(axis=0), np.ptp(whole, axis=0)
    reference: Floats = np.array([1.1] * len(best))
    volumes = [hypervolume((one - best) / span, reference) for one in (part, whole)]
    return volumes[0] / volumes[1]


def main() -> None:
    """Runs the eval."""
    models_option: dict[str, object] = {
        "type": int,
        "default": 60,
        "help": "made-up models that the offers are taken with",
    }
    given = arguments(__doc__ or "", [("--models", models_option)])
    report = Report(eval="front", seed=given.seed, quick=given.quick)
    with tempfile.TemporaryDirectory() as folder:
        measure_exact(report, Path(folder), given.models, runs=3 if given.quick else 9)
    measure_rightness(report, given.models, subsets=100 if given.quick else 1000)
    measure_search(report, seeds=5 if given.quick else 20)
    if given.quick:
        report.left_out = "the loop written by hand; 9 instead of 3 runs; 20 seeds instead of 5"
    report.print(given.json)


if __name__ == "__main__":
    main()
