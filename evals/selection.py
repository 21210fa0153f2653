"""How well a plan is chosen: the product's choice over real prices and published accuracies, beside single-objective choices.

The task is grade-school maths (GSM8K), because for it the catalogue's models have published accuracies: which model, precision and
split on which server answers so much traffic for so many months best. Candidates are the product's own (`hub_candidates.py`):
latency and throughput by the fitted estimator, dollars from the price snapshot, hours of one tuning of adapters. Accuracy is
the published share of GSM8K, the same at every precision.

Each random brief has weights and limits. The product chooses by the brief's weights. A baseline takes the most accurate, the
cheapest, or the fastest to answer, in two ways: among the candidates that keep every limit, or of all, as one who looks at one figure
alone would; what then breaks a limit scores 0. Of equals it takes the one that is cheapest, then soonest. All are scored by the same
four-term score (`tools/front/scoring.py`); for the optimum the score is written out anew, over every feasible candidate.
"""

# pyright: reportUnknownMemberType=false

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..state.brief import Brief, Limits, Targets, Weights
from ..state.model_facts import ModelFacts
from ..state.plan import Offer, Prediction
from ..state.run import Complexity, Match, RunState
from ..tools.base import Context, Settings
from ..tools.estimating.architecture import is_estimable
from ..tools.executor import LocalExecutor
from ..tools.front.limits import broken_shares
from ..tools.front.scoring import Objective, figures, scales, score
from ..tools.front.table import CandidateTable, Floats, Rows
from ..tools.front.words import figures_of
from ..tools.hub_candidates import hub_table
from ..tools.models.catalogue import load_catalogue
from ..tools.pareto import solve_pareto
from ..tools.pricing.accelerators import accelerator_facts
from ..tools.pricing.look_up import LookUpPrices, look_up_prices
from ..tools.pricing.planning import planning_set
from .reporting import Claim, Report, arguments

BRIEFS, QUICK_BRIEFS = 1000, 250
PROMPT_TOKENS, ANSWER_TOKENS = 110, 220
"""assumption: a GSM8K question with its instruction, and a worked answer at its 95th percentile, in tokens."""
BASELINES: Mapping[str, Objective] = {"accuracy-first": "accuracy", "cost-first": "usd", "latency-first": "latency"}
GAIN_GOAL = 1.3
ROUNDING = 1e-9


def offers(*, cheapest_of_each_kind: bool) -> list[Offer]:
    """Every choosable offer of the snapshot whose speed is known, or of each kind the cheapest, which no other of it beats."""
    known, prices = accelerator_facts(), look_up_prices(LookUpPrices())
    return [
        one.plain(executable=False)
        for one in (planning_set(prices) if cheapest_of_each_kind else prices.offers)
        if not one.doubts and one.accelerator and (chip := known.get(one.accelerator)) and chip.bf16_dense_tflops
    ]


def world(*, quick: bool) -> tuple[list[Offer], list[ModelFacts], dict[str, Prediction]]:
    """Offers, the open models with a published GSM8K accuracy, and that accuracy of each."""
    models = [
        facts
        for facts in load_catalogue().values()
        if facts.kind == "open" and facts.instruct and "gsm8k" in facts.scores and is_estimable(facts)
    ]
    published = {
        facts.name: Prediction(value=found.value, low=found.value, high=found.value, source=found.source)
        for facts in models
        for found in [facts.scores["gsm8k"]]
    }
    return offers(cheapest_of_each_kind=quick), models, published


def whole_catalogue(seed: int) -> Floats:
    """Objectives of every offer x open model x precision x split, published accuracies where there are any: for timing the front."""
    known = [facts for facts in load_catalogue().values() if facts.kind == "open" and is_estimable(facts)]
    _, _, published = world(quick=False)
    table = hub_table(
        context_of(random_brief(random.Random(seed))), offers(cheapest_of_each_kind=False), known, published
    )
    assert table is not None
    return table.objectives()


def random_brief(chance: random.Random) -> Brief:
    """Weights at random (uniform over all mixes), limits each with a chance of two in three, traffic and months always."""

    def maybe(low: float, high: float) -> float | None:
        return math.exp(chance.uniform(math.log(low), math.log(high))) if chance.random() < 2 / 3 else None

    shares = [chance.expovariate(1) for _ in range(4)]
    names = ("accuracy", "latency", "hours", "usd")
    return Brief(
        request="a random brief",
        skill="mahjong",
        task="win",
        targets=Targets(
            accuracy=chance.uniform(0.3, 0.9) if chance.random() < 2 / 3 else None,
            accuracy_rule="point_estimate",
            latency_p95_ms=maybe(500, 20_000),
            requests_per_day=math.exp(chance.uniform(math.log(1e3), math.log(1e5))),
            serving_months=chance.uniform(1, 12),
        ),
        limits=Limits(usd=maybe(200, 50_000), hours=maybe(0.2, 5.0)),
        weights=Weights(**{name: share / sum(shares) for name, share in zip(names, shares, strict=True)}),
    )


def context_of(brief: Brief) -> Context:
    """What the product's table builder reads: lengths of a question and an answer, and the brief."""
    complexity = Complexity(
        verdict="", probability=1, evidence=(), probe_items=0, teacher_accuracy=1, most_frequent_share=0, best_shortcut="",
        best_shortcut_share=0, distinct_answers=0, rationale_tokens=ANSWER_TOKENS, rationale_tokens_p95=ANSWER_TOKENS,
        answer_tokens=1, prompt_tokens=PROMPT_TOKENS,
    )  # fmt: skip
    match = Match(teacher="none", students=(), parameters=(), rejected=())
    nowhere = Path()
    return Context(
        state=RunState(run_id="selection", request=brief.request, brief=brief, complexity=complexity, match=match),
        settings=Settings(),
        workspace=nowhere,
        run_folder=nowhere,
        step_folder=nowhere,
        executor=LocalExecutor(),
        emit=lambda event: None,
    )


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One brief's choices by their scores; `optimum` is the best score there is."""

    feasible: int
    product: float
    optimum: float
    within: Mapping[str, float]
    """Baselines that keep the limits."""
    blind: Mapping[str, float]
    """Baselines that do not look at them."""


def choices(table: CandidateTable, brief: Brief) -> Chosen | None:
    """The product's choice and the baselines'; None where no candidate is feasible."""
    front = solve_pareto(table, brief)
    feasible = np.flatnonzero(sum(broken_shares(table, brief).values(), start=np.zeros(len(table))) == 0.0)
    if front.chosen is None:
        assert not len(feasible), "the product found nothing where something is feasible"
        return None
    found = scored(table, brief, feasible)
    score_of = dict(zip(feasible.tolist(), found.tolist(), strict=True))

    def picked(among: Rows) -> dict[str, float]:
        return {name: score_of.get(_first(table, among, objective), 0.0) for name, objective in BASELINES.items()}

    return Chosen(
        feasible=len(feasible),
        product=score(figures_of(front.chosen), scales(brief, table, feasible)),
        optimum=float(found.max()),
        within=picked(feasible),
        blind=picked(np.arange(len(table))),
    )


def _first(table: CandidateTable, among: Rows, objective: Objective) -> int:
    """The row that is best in one objective; of equals the one that the product's order of preference has first."""
    values = figures(table, among)[objective]
    return table.first(among[values == (values.max() if objective == "accuracy" else values.min())])


def scored(table: CandidateTable, brief: Brief, feasible: Rows) -> Floats:
    """(feasible,) the four-term score, written out anew: the product's own formula is not asked."""
    assert brief.weights is not None
    terms: list[tuple[float, Floats]] = [(brief.weights.accuracy, table.known_accuracy()[feasible])]
    for weight, column, limit in (
        (brief.weights.latency, table.latency_p95_ms, brief.targets.latency_p95_ms),
        (brief.weights.usd, table.usd, brief.limits.usd),
        (brief.weights.hours, table.hours, brief.limits.hours),
    ):
        values = column[feasible]
        if limit:
            terms.append((weight, np.clip(1 - values / limit, 0, 1)))
        elif values.max() > values.min():
            terms.append((weight, (values.max() - values) / (values.max() - values.min())))
    total = np.sum([weight * term for weight, term in terms], axis=0) / sum(weight for weight, _ in terms)
    return np.asarray(total, dtype=np.float64)


def main() -> None:
    """Runs the eval."""
    options = arguments(__doc__ or "")
    report = Report(eval="selection", seed=options.seed, quick=options.quick)
    wanted = QUICK_BRIEFS if options.quick else BRIEFS
    servers, models, published = world(quick=options.quick)
    chance = random.Random(options.seed)
    found: list[Chosen] = []
    asked, rows = 0, 0
    while len(found) < wanted:
        brief = random_brief(chance)
        asked += 1
        table = hub_table(context_of(brief), servers, models, published)
        assert table is not None
        rows = len(table)
        usable = replace(table, executable=np.ones(len(table), dtype=np.bool_))
        if one := choices(usable, brief):
            found.append(one)
    _report(report, found, asked, rows, len(models))
    report.print(options.json)


def _report(report: Report, found: Sequence[Chosen], asked: int, rows: int, models: int) -> None:
    n = len(found)
    product = statistics.fmean(one.product for one in found)
    regret = max(one.optimum - one.product for one in found)
    report.add(_claim("mean four-term score of the product's choice", product, "of 1", n))
    report.add(_claim("largest regret against the exact optimum", regret, "of 1", n, "0", met=regret < ROUNDING))
    for how, scores in (
        ("within the limits", [one.within for one in found]),
        ("blind to the limits, 0 where one is broken", [one.blind for one in found]),
    ):
        means = {name: statistics.fmean(one[name] for one in scores) for name in BASELINES}
        for name, mean in means.items():
            report.add(_claim(f"mean score of {name}, {how}", mean, "of 1", n))
        best = max(means, key=lambda name: means[name])
        gain = product / means[best]
        name = f"score over the best baseline's ({best}), {how}"
        report.add(_claim(name, gain, "times", n, f">= {GAIN_GOAL}", met=gain >= GAIN_GOAL))
        most = statistics.fmean(one.optimum for one in found) / means[best]
        report.add(_claim(f"the most that any choice could score over it, {how}", most, "times", n))
        below = sum(one.product < max(theirs.values()) - ROUNDING for one, theirs in zip(found, scores, strict=True))
        report.add(_claim(f"briefs on which a baseline scores higher, {how}", below, "briefs", n, "0", met=below == 0))
    report.details["briefs asked"], report.details["candidates"], report.details["models"] = asked, rows, models
    report.details["feasible, median"] = statistics.median(one.feasible for one in found)
    report.left_out = f"{asked - n} of {asked} random briefs had no feasible candidate and are not scored"


def _claim(name: str, value: float, unit: str, n: int, goal: str = "none", met: bool | None = None) -> Claim:
    return Claim(name=name, value=value, unit=unit, n=n, goal=goal, met=met)


if __name__ == "__main__":
    main()
