"""What the runs of one planner come to beside the oracle. The scores were defined before anything was measured.

Deployment score of a run that met its targets: the weighted mean (the brief's weights, else equal) of the exact share on the
split that decided; 1 - p95 / target; 1 - hours used / limit; 1 - dollars spent / limit. Each is at least 0. What has no target
or limit (or a limit of 0) is left out. A run that met nothing deploys nothing and scores 0. Scores and regrets are means
over scenarios that the oracle meets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ...state.brief import Brief
from ...tools.front.scoring import Objective, limit_scales, score
from .oracle import Best
from .running import Result
from .scenarios import Scenario, says

GAVE_NOTHING = ("missed", "infeasible")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A scenario, what the oracle found in it, and what a planner made of it."""

    scenario: Scenario
    best: Best | None
    result: Result
    read: bool = True
    """Whether the run had to read the request; false where it got the brief."""

    @property
    def wrong(self) -> bool:
        """Whether it ended otherwise than it should."""
        if self.rightly_refused:
            return False
        if self.scenario.expect is None:
            return True
        return not self.result.met if self.best else self.result.status not in (*GAVE_NOTHING, "met")

    @property
    def rightly_refused(self) -> bool:
        """Whether it was refused, as it must or may be, for that reason."""
        problem = self.scenario.refused
        return problem is not None and self.result.status == "refused" and says(problem, self.result.reason)


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many of how many."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        """0 where there is nothing to count."""
        return self.hits / self.n if self.n else 0.0


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One planner's scores."""

    planner: str
    scenarios: int
    fields: Share
    """Fields of briefs read exactly, over requests that mean a brief; YAML briefs are left out."""
    fields_given: Share
    """The same, of fields that the request gives and that are not at their default."""
    briefs: Share
    """Briefs with every field exact."""
    refusals: Share
    """Requests that cannot become a brief, refused for the right reason."""
    met: Share
    """Scenarios that the oracle meets, met."""
    met_of_read: Share
    """The same, of those whose brief was read exactly."""
    impossible: Share
    """Scenarios in which the oracle finds nothing, answered with "cannot be met"."""
    given_up: Share
    """Answers "cannot be met" that are right: the oracle finds nothing either."""
    beyond: int
    """Scenarios met in several attempts that the oracle cannot meet in one."""
    regret_of_limit: float
    """Dollars over the oracle's, as a share of the brief's limit."""
    regret_of_oracle: float
    """Dollars over the oracle's, as a share of the oracle's own."""
    regret_n: int
    score: float
    score_unzeroed: float
    score_n: int
    attempts: float
    overruns: Share
    invalid_calls: int
    decisions: int
    tokens: int
    largest_prompt: int


def scored(planner: str, cases: Sequence[Case]) -> Scores:
    """The scores of one planner's cases."""
    read = [
        case
        for case in cases
        if case.scenario.expect and case.scenario.brief is None and case.read and not case.rightly_refused
    ]
    run = [case for case in cases if case.scenario.expect]
    possible = [case for case in run if case.best and not case.rightly_refused]
    impossible = [case for case in run if not case.best and not case.rightly_refused]
    gave_up = [case for case in run if case.result.status in GAVE_NOTHING]
    regrets = [case for case in possible if case.result.met and case.scenario.weights is None and _limit(case) > 0]
    must_refuse = [case for case in cases if case.scenario.expect is None]
    return Scores(
        planner=planner,
        scenarios=len(cases),
        fields=_share([right for case in read for right in _fields(case).values()]),
        fields_given=_share([_fields(case)[name] for case in read for name in _given(case.scenario)]),
        briefs=_share([all(_fields(case).values()) for case in read]),
        refusals=_share([case.rightly_refused for case in must_refuse]),
        met=_share([case.result.met for case in possible]),
        met_of_read=_share([case.result.met for case in possible if all(_fields(case).values())]),
        impossible=_share([case.result.status in GAVE_NOTHING for case in impossible]),
        given_up=_share([case.best is None for case in gave_up]),
        beyond=sum(case.result.met for case in run if not case.best),
        regret_of_limit=_mean([_extra(case) / _limit(case) for case in regrets]),
        regret_of_oracle=_mean([_extra(case) / _best_usd(case) for case in regrets if _best_usd(case) > 0]),
        regret_n=len(regrets),
        score=_mean([deployment_score(case.result, case.scenario.wanted) for case in possible]),
        score_unzeroed=_mean([figures_score(case.result, case.scenario.wanted) for case in possible]),
        score_n=len(possible),
        attempts=_mean([case.result.attempts for case in possible]),
        overruns=_share([case.result.spent_usd > _limit(case) + 1e-6 for case in run]),
        invalid_calls=sum(case.result.invalid_calls for case in cases),
        decisions=sum(case.result.decisions for case in cases),
        tokens=sum(case.result.tokens for case in cases),
        largest_prompt=max((case.result.largest_prompt for case in cases), default=0),
    )


def deployment_score(result: Result, brief: Brief) -> float:
    """0 to 1; 0 where nothing is deployed."""
    return figures_score(result, brief) if result.met else 0.0


def figures_score(result: Result, brief: Brief) -> float:
    """The same from the figures alone, met or not; 0 where nothing was evaluated."""
    if result.exact is None or result.p95_ms is None:
        return 0.0
    figures: dict[Objective, float] = {
        "accuracy": result.exact,
        "latency": result.p95_ms,
        "hours": result.hours,
        "usd": result.spent_usd,
    }
    scales = limit_scales(brief)
    if brief.targets.accuracy is None:
        del scales["accuracy"]
    return score(figures, scales) if any(scale.weight for scale in scales.values()) else 0.0


def same_outcome(one: Result, other: Result) -> bool:
    """Whether two runs ended alike: status, money, what was trained, in which order."""
    return (
        one.status == other.status
        and abs(one.spent_usd - other.spent_usd) < 1e-6
        and one.trained == other.trained
        and one.right_fields == other.right_fields
    )


def _fields(case: Case) -> Mapping[str, bool]:
    assert case.scenario.expect is not None
    return case.result.right_fields or case.scenario.expect.right_fields(None)


def _given(scenario: Scenario) -> list[str]:
    """Fields that the request speaks of: set, and not at their default."""
    expected = scenario.expect
    assert expected is not None
    defaults = {name: field.default for name, field in type(expected).model_fields.items()}
    return [name for name, value in expected.model_dump().items() if value != defaults[name]]


def _limit(case: Case) -> float:
    return case.scenario.wanted.limits.usd or 0.0


def _best_usd(case: Case) -> float:
    assert case.best is not None
    return case.best.measured.usd


def _extra(case: Case) -> float:
    return case.result.spent_usd - _best_usd(case)


def _share(found: Sequence[bool]) -> Share:
    return Share(hits=sum(found), n=len(found))


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else 0.0
