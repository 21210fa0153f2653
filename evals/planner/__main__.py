"""Prints how well several planners do side by side: `python -m stratos.evals.planner [--quick] [--planner NAME ...]`."""

import gc
import multiprocessing
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import Any

from ...agent.planners import OPENAI, REQUEST_TIMEOUT_S, RULES, Planner, check_planner, planner_for, rules_planner
from ...agent.scripted import Answer, scripted_server
from ...state.evidence import wilson
from ...tools.base import Settings
from ...tools.generation import available_workers
from ..reporting import Claim, Report, arguments
from .baselines import BASELINES, CHOOSING_ONCE, ONCE, baseline
from .faults import CLIENT_TIMEOUT_S, SHARE, Endpoint
from .oracle import Best, oracle
from .running import Result, run_scenario
from .scenarios import Scenario, scenario_named, scenarios
from .scoring import Case, Share, same_outcome, scored
from .table import table

HTTP, HTTP_FAULTS = "rules over HTTP", "rules over HTTP, faults"
PLANNERS = (RULES, *BASELINES, *CHOOSING_ONCE, HTTP, HTTP_FAULTS)
SCRIPTED = "openai:scripted"
PATIENCE_S = 2.0
LONGEST_PAUSE_S = 0.02
"""What a planner that waits for its endpoint waits here: pauses are shortened, their number is not."""

QUICK_EACH = dict.fromkeys((*BASELINES, *CHOOSING_ONCE, HTTP_FAULTS), 3)
"""With --quick, of how many scenarios in turn such a planner runs one; `rules` runs all."""

QUICK_PLANNERS = tuple(name for name in PLANNERS if name != HTTP)
LEFT_OUT = f"baselines and {HTTP_FAULTS!r} ran every third scenario, {HTTP!r} none; planners are compared on scenarios that both ran"
NOT_READ = "requests were not read: every run got the brief that its request means"
CHUNK = 6
"""Scenarios that a worker takes at a time."""

Cases = dict[str, list[Case]]


def main() -> None:
    """Runs the eval."""
    names = f"one of {', '.join(PLANNERS)}, or {OPENAI}MODEL; several may follow"
    extra: list[tuple[str, dict[str, object]]] = [
        ("--planner", {"nargs": "+", "metavar": "NAME", "help": names}),
        (
            "--given-briefs",
            {"action": "store_true", "help": "skip the reading: every run gets the brief it should read"},
        ),
    ]
    options = arguments(__doc__ or "", extra)
    asked: list[str] = options.planner or list(QUICK_PLANNERS if options.quick else PLANNERS)
    _check(asked)
    report = Report(eval="planner", seed=options.seed, quick=options.quick)
    report.left_out = "; ".join(
        part
        for part, told in ((LEFT_OUT, options.quick and not options.planner), (NOT_READ, options.given_briefs))
        if told
    )
    each = {name: QUICK_EACH.get(name, 1) if options.quick else 1 for name in asked}
    cases = _cases(each, options.seed, options.given_briefs)
    scores = {name: scored(name, of) for name, of in cases.items()}
    for claim in _claims(cases):
        report.add(claim)
    report.details = {"planners": {name: asdict(one) for name, one in scores.items()}, "differing": _differing(cases)}
    if not options.json:
        print(table(scores, cases))
    report.print(options.json)


def _check(asked: Sequence[str]) -> None:
    unknown = [name for name in asked if name not in PLANNERS and not name.startswith(OPENAI)]
    if unknown:
        sys.exit(f"no planner {', '.join(map(repr, unknown))}; valid: {', '.join(PLANNERS)}, {OPENAI}MODEL")
    for name in asked:
        if name not in PLANNERS:
            check_planner(name)


def _cases(each: Mapping[str, int], seed: int, given_briefs: bool) -> Cases:
    """What each planner makes of its share of the scenarios, two cores at work."""
    found = scenarios()
    tasks = [
        (name, tuple(one.name for one in found[::step][first : first + CHUNK]), seed, given_briefs)
        for name, step in each.items()
        for first in range(0, len(found[::step]), CHUNK)
    ]
    with multiprocessing.get_context("fork").Pool(available_workers()) as pool:
        bests = dict(pool.imap_unordered(_oracle, [(one.name, seed) for one in found if one.expect], chunksize=CHUNK))
        results: dict[tuple[str, str], Result] = {}
        for name, part in pool.imap_unordered(_run_part, tasks):
            results |= {(name, result.scenario): result for result in part}
            print(f"  {len(results)} of {sum(len(names) for _, names, *_ in tasks)} runs", file=sys.stderr, flush=True)
    return {
        name: [
            Case(scenario=one, best=bests.get(one.name), result=results[name, one.name], read=not given_briefs)
            for one in found[::step]
        ]
        for name, step in each.items()
    }


def _oracle(task: tuple[str, int]) -> tuple[str, Best | None]:
    name, seed = task
    return name, oracle(scenario_named(name), seed)


def _run_part(task: tuple[str, tuple[str, ...], int, bool]) -> tuple[str, list[Result]]:
    """Some scenarios with one planner, in a worker."""
    planner, names, seed, given_briefs = task
    found: list[Result] = []
    gc.disable()  # a run makes 50,000 small records; collecting between runs saves a seventh of the time
    with _asked(planner, seed) as planner_of:
        for name in names:
            scenario = scenario_named(name)
            once = planner.endswith(ONCE)
            found.append(run_scenario(scenario, planner_of(scenario), seed, given_brief=given_briefs, once=once))
            gc.collect()
    return planner, found


@contextmanager
def _asked(name: str, seed: int) -> Generator[Callable[[Scenario], Planner]]:
    """For each scenario the planner of that name; those over HTTP have a server of their own."""
    if name == RULES:
        yield lambda scenario: rules_planner()
    elif name in BASELINES or name in CHOOSING_ONCE:
        yield lambda scenario: baseline(name, seed)
    elif name.startswith(OPENAI):
        yield lambda scenario: planner_for(Settings(planner=name))
    else:
        share = SHARE if name == HTTP_FAULTS else 0.0
        with Endpoints(share) as endpoints:
            yield lambda scenario: endpoints.planner(scenario, seed)


class Endpoints:
    """A loopback server whose script is exchanged for each scenario, and the planner that asks it."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._endpoint: Endpoint | None = None
        self._stack = ExitStack()

    def __enter__(self) -> "Endpoints":
        self._url, _ = self._stack.enter_context(scripted_server(self._answer))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def planner(self, scenario: Scenario, seed: int) -> Planner:
        """A client for a scenario; with a short time-out only where the server hangs on purpose."""
        answers = scenario.world.planner_answers
        self._endpoint = Endpoint(share=self._share, seed=f"{seed}:{scenario.name}", answers=answers)
        environ = {"OPENAI_BASE_URL": self._url, "OPENAI_API_KEY": "none"}
        timeout_s = CLIENT_TIMEOUT_S if self._share else REQUEST_TIMEOUT_S
        asked = planner_for(Settings(planner=SCRIPTED), environ, timeout_s=timeout_s)
        return replace(asked, patience_s=PATIENCE_S, sleep=_short_pause)

    def _answer(self, request: Mapping[str, Any]) -> Answer:
        assert self._endpoint is not None
        return self._endpoint(request)


def _short_pause(seconds: float) -> None:
    time.sleep(min(seconds, LONGEST_PAUSE_S))


def _claims(cases: Cases) -> Iterator[Claim]:
    """The goals of `rules`, or of the first planner asked for, and what is told beside them without one."""
    name = RULES if RULES in cases else next(iter(cases))
    one = scored(name, cases[name])
    given_up, nothing = (
        "'cannot be met' answered where the oracle finds nothing",
        "answers 'cannot be met' that are right",
    )
    if one.fields.n:
        yield _at_least(f"brief fields exact, {name}", one.fields, 0.95)
    yield _at_least(f"targets met where the oracle meets them, {name}", one.met, 0.95)
    yield Claim(
        name=f"dollar regret as a share of the brief's limit, {name}",
        value=one.regret_of_limit,
        unit="of the limit",
        n=one.regret_n,
        goal="at most 0.05",
        met=one.regret_of_limit <= 0.05,
    )
    yield Claim(
        name=f"dollar regret as a share of the oracle's spending, {name}",
        value=one.regret_of_oracle,
        unit="of the oracle's",
        n=one.regret_n,
        goal="none",
        met=None,
    )
    yield _at_least(f"{given_up}, {name}", one.impossible, 0.95)
    yield _at_least(f"{nothing}, {name}", one.given_up, 0.95)
    yield _at_least(f"requests refused for the right reason, {name}", one.refusals, None)
    overruns = [scored(other, of).overruns for other, of in cases.items()]
    over, runs = sum(found.hits for found in overruns), sum(found.n for found in overruns)
    yield Claim(
        name="runs over their dollar limit, all planners", value=over, unit="runs", n=runs, goal="0", met=over == 0
    )
    yield from _against_baselines(cases)
    yield from _under_faults(cases)


def _at_least(name: str, share: Share, goal: float | None) -> Claim:
    known = share.n > 0
    interval = wilson(share.hits, share.n) if known else None
    return Claim(
        name=name,
        value=share.value,
        unit="share",
        n=share.n,
        goal="none" if goal is None else f"at least {goal:g}",
        met=share.value >= goal if known and goal is not None else None,
        interval=(interval.low, interval.high) if interval else None,
    )


def _against_baselines(cases: Cases) -> Iterator[Claim]:
    """The deployment score of the rules over that of the best baseline of each group, on scenarios that both ran.

    The goal is beside those that choose once: beside the best that plans again under the same judge not even the oracle reaches it.
    """
    for group, goal in ((CHOOSING_ONCE, 1.3), (BASELINES, None)):
        asked = [name for name in group if name in cases]
        if RULES in cases and asked:
            yield from _against(asked, cases, goal)


def _against(asked: Sequence[str], cases: Cases, goal: float | None) -> Iterator[Claim]:
    shared = {case.scenario.name for case in cases[asked[0]]}
    rules = scored(RULES, [case for case in cases[RULES] if case.scenario.name in shared])
    others = [scored(name, cases[name]) for name in asked]
    for what, how, wanted in (("score", "", goal), ("score_unzeroed", ", missed ones by their figures", None)):
        best = max(others, key=lambda one: getattr(one, what))
        ratio = getattr(rules, what) / (getattr(best, what) or 1.0)
        yield Claim(
            name=f"deployment score over the best baseline's ({best.planner}){how}",
            value=ratio,
            unit="times",
            n=rules.score_n,
            goal=f"at least {wanted:g}" if wanted else "none",
            met=ratio >= wanted if wanted else None,
        )


def _under_faults(cases: Cases) -> Iterator[Claim]:
    """Whether faults of the endpoint change what comes out."""
    for name, of in cases.items():
        if name in (HTTP, HTTP_FAULTS) and RULES in cases:
            differing = len(_differing(cases)[name])
            share = Share(hits=len(of) - differing, n=len(of))
            yield _at_least(f"same outcomes as rules, {name}", share, 1.0)


def _differing(cases: Cases) -> dict[str, list[str]]:
    """Scenarios that ended otherwise over HTTP than with the rules."""
    by_rules = {case.scenario.name: case.result for case in cases.get(RULES, [])}
    return {
        name: [
            case.scenario.name for case in cases[name] if not same_outcome(case.result, by_rules[case.scenario.name])
        ]
        for name in (HTTP, HTTP_FAULTS)
        if name in cases and by_rules
    }


if __name__ == "__main__":
    main()
