"""Planners with one aim each: the same graph, guard and judge as the rules, another choice from the front shown."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from ...agent.digest import Digest
from ...agent.planners import RULES, Planner
from ...agent.rule_planner import RulePlanner
from ...state.plan import Candidate


def _accuracy(candidate: Candidate) -> float:
    return candidate.accuracy.value if candidate.accuracy else 0.0


AIMS: Mapping[str, Callable[[Candidate], tuple[float, ...]]] = {
    "accuracy-first": lambda one: (-_accuracy(one), one.usd.value, one.hours.value),
    "cost-first": lambda one: (one.usd.value, one.hours.value, -_accuracy(one)),
    "latency-first": lambda one: (one.latency_p95_ms.value, -_accuracy(one), one.usd.value),
}
"""What each makes least of; where candidates tie, a second aim decides, so that none is foolish on purpose."""

RANDOM = "random"
BASELINES = (*AIMS, RANDOM)

ONCE = ", once"
CHOOSING_ONCE = tuple(f"{name}{ONCE}" for name in BASELINES)
"""The same without a feedback loop, as the paper's baselines choose: one attempt, and no other plan after a miss."""


class BaselinePlanner(RulePlanner):
    """The rules, but the plan is the candidate its one aim likes best of those the digest shows within the limits."""

    aim: str
    seed: int = 0

    def next_call(self, state: Digest) -> tuple[str, dict[str, Any], str]:
        """As the rules do; a plan that is not its own pick is exchanged for it before anything is paid."""
        pick = self._pick(state)
        if state.problem or state.plan is None or state.phase not in ("data", "distill") or pick is None:
            return super().next_call(state)
        if pick.id == state.plan.id:
            return super().next_call(state)
        return "solve_pareto", {"candidate_id": pick.id}, f"{self.aim}: {pick.id}"

    def _pick(self, state: Digest) -> Candidate | None:
        limits = state.brief.limits
        fitting = [
            one
            for one in state.front
            if one.executable
            and one.needed_usd <= state.usd_left
            and (limits.hours is None or one.hours.value <= limits.hours)
        ]
        if not fitting:
            return None
        if self.aim == RANDOM:
            named = sorted(one.id for one in fitting)
            chosen = random.Random(f"{self.seed}:{named}").choice(named)
            return next(one for one in fitting if one.id == chosen)
        return min(fitting, key=AIMS[self.aim])


def baseline(aim: str, seed: int) -> Planner:
    """One of BASELINES or CHOOSING_ONCE as a planner; named as the rules are, which read the request for all of them."""
    return Planner(name=RULES, model=BaselinePlanner(aim=aim.removesuffix(ONCE), seed=seed))
