"""The scenarios: what is asked for, what it means, and the world it is asked in; read from the YAML files in `scenarios/`.

Expected figures were written from the words alone, before any parser saw them.
"""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import yaml
from pydantic import Field, model_validator

from ...state.brief import AccuracyRule, Brief, Limits, Record, Targets, Weights

FOLDER = Path(__file__).with_name("scenarios")

Happening = Literal[
    "met_at_once",
    "accuracy_miss",
    "latency_miss",
    "cost_overrun",
    "hours_limit",
    "divergence",
    "planner_lost",
    "machine_lost",
    "price_change",
    "infeasible_accuracy",
    "infeasible_latency",
    "infeasible_dollars",
    "infeasible_hours",
    "infeasible_region",
    "infeasible_accelerator",
    "unprovable",
    "contradictory",
    "missing",
    "adversarial",
]
"""What the scenario's request or world brings about. What the world draws is not told by it: a scenario without any is open."""

Problem = Literal[
    "no_skill", "task", "accuracy", "latency", "money", "free_cloud", "unprovable", "percentile", "rate", "left_over"
]
SAID: dict[Problem, str] = {
    "no_skill": r"skill",
    "task": r"\btasks?\b",
    "accuracy": r"accuracy",
    "latency": r"latency",
    "money": r"dollar|money|budget|not understood",
    "free_cloud": r"no cloud server is free|contradict",
    "unprovable": r"no finite test|no test of this size",
    "percentile": r"p99|percentile",
    "rate": r"is no limit|per hour",
    "left_over": r"not understood",
}
"""What one line of a refusal must speak of, before it lists what would be valid; a pattern each."""


class Expected(Record):
    """The brief that a request means. Everything at its default was not asked for."""

    skill: str = "mahjong"
    task: str
    accuracy: float | None = None
    accuracy_rule: AccuracyRule = "lower_bound"
    latency_p95_ms: float | None = None
    throughput_rps: float | None = None
    usd: float
    usd_per_month: float | None = None
    hours: float | None = None
    regions: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    clouds: tuple[str, ...] = ()
    max_parameters: int | None = None

    def brief(self, request: str, weights: Weights | None = None) -> Brief:
        """As a brief."""
        given = self.model_dump()
        targets = {name: given[name] for name in Targets.model_fields if name in given}
        limits = {name: given[name] for name in Limits.model_fields if name in given}
        return Brief(
            request=request,
            skill=self.skill,
            task=self.task,
            targets=Targets(**targets),
            limits=Limits(**limits),
            weights=weights,
        )

    def right_fields(self, brief: Brief | None) -> dict[str, bool]:
        """For each field whether a brief that was read says the same; none does where there is no brief."""
        if brief is None:
            return dict.fromkeys(Expected.model_fields, False)
        found = {**brief.targets.model_dump(), **brief.limits.model_dump(), "skill": brief.skill, "task": brief.task}
        return {name: _same(wanted, found[name]) for name, wanted in self.model_dump().items()}


def _same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, float) and isinstance(found, int | float):
        return abs(wanted - found) <= 1e-6 * max(1.0, abs(wanted))
    if isinstance(wanted, tuple) and isinstance(found, tuple):
        names, others = cast("tuple[str, ...]", wanted), cast("tuple[str, ...]", found)
        return {name.lower() for name in names} == {name.lower() for name in others}
    return wanted == found


class Mishaps(Record):
    """How the scenario's world departs from what is predicted; what is not set is drawn by the seed."""

    level: float | None = Field(default=None, description="log odds of a right answer beside the usual")
    ceiling: float | None = Field(default=None, description="accuracy that no training passes")
    pace: float = Field(default=1.0, gt=0, description="training time, in times what is predicted, in the middle")
    latency: float = Field(default=1.0, gt=0, description="latency, in times what is predicted, in the middle")
    diverges: tuple[int, ...] = Field(default=(), description="which trainings diverge, counted from 1")
    loses: tuple[int, ...] = Field(default=(), description="which starts of a training are lost, counted from 1")
    price_factor: float = Field(default=1.0, gt=0, description="cloud prices of today, in times the snapshot's")
    planner_answers: int | None = Field(default=None, description="answers of the planner's endpoint before it is gone")


class Setting(Record):
    """How the run is started."""

    local_usd_per_hour: float = 0.1
    clouds: tuple[str, ...] = Field(default=(), description="clouds that jobs can be run on, beside this machine")
    max_usd: float | None = None


class Scenario(Record):
    """One thing asked for, in one world. `refused` beside `expect`: a request that may be refused for that, too."""

    name: str
    request: str = ""
    brief: dict[str, Any] | None = Field(default=None, description="a YAML brief in the place of the request")
    style: tuple[str, ...] = ()
    happens: tuple[Happening, ...] = ()
    expect: Expected | None = None
    refused: Problem | None = None
    world: Mishaps = Mishaps()
    settings: Setting = Setting()

    @model_validator(mode="after")
    def _complete(self) -> "Scenario":
        if bool(self.request) == (self.brief is not None):
            raise ValueError(f"{self.name}: give a request or a brief")
        if self.expect is None and self.refused is None:
            raise ValueError(f"{self.name}: give what is expected, a brief or a refusal")
        return self

    @property
    def language(self) -> str:
        """en, zh or mixed by the name's first part; brief for a YAML file."""
        return self.name.split("-")[0]

    @property
    def weights(self) -> Weights | None:
        """The brief's weights, where it has any."""
        given = (self.brief or {}).get("weights")
        return Weights(**given) if given else None

    @property
    def wanted(self) -> Brief:
        """The brief it means. A scenario that must be refused has none."""
        assert self.expect is not None
        return self.expect.brief(self.request, self.weights)


@cache
def scenarios() -> tuple[Scenario, ...]:
    """All of them, by file and place in it. Raises ValueError for a malformed one or a name used twice."""
    found = tuple(
        Scenario.model_validate(document)
        for path in sorted(FOLDER.glob("*.yaml"))
        for document in yaml.safe_load(path.read_text(encoding="utf-8"))
    )
    twice = sorted(name for name, count in Counter(one.name for one in found).items() if count > 1)
    if twice:
        raise ValueError(f"names used twice: {', '.join(twice)}")
    return found


def scenario_named(name: str) -> Scenario:
    """The scenario of that name; raises KeyError for any other."""
    return {one.name: one for one in scenarios()}[name]


def says(problem: Problem, reason: str) -> bool:
    """Whether a refusal speaks of the problem; one that finds no skill says nothing of any other problem."""
    told = [line.split("valid")[0] for line in reason.splitlines()]
    found = [name for name, pattern in SAID.items() for line in told if re.search(pattern, line, re.I)]
    return problem in found and ("no_skill" not in found or problem == "no_skill")
