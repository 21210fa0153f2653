"""The built-in planner: the next call for every phase of a run."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from stratos.agent.digest import digest
from stratos.agent.judge import judge
from stratos.agent.rule_planner import RulePlanner
from stratos.state.run import Match, ProposedCall, RunState
from stratos.tools.training.students import SHAPES

from ..building import attempt, candidate, choice, data, evaluation, state

MATCH = Match(teacher="solver:mahjong", students=SHAPES, parameters=(1, 2, 3, 4), rejected=())


def called(run: RunState) -> tuple[str, dict[str, Any]]:
    reply = RulePlanner().invoke([HumanMessage(digest(run).model_dump_json())])
    (call,) = reply.tool_calls  # pyright: ignore[reportAttributeAccessIssue]
    return call["name"], call["args"]


def tried(*evaluations: Any) -> RunState:
    """A run whose plan was trained and evaluated, and judged if it was evaluated."""
    run = state(match=MATCH, choice=choice(), data=data(), attempts=(attempt(*evaluations),))
    return run.model_copy(update={"verdicts": (judge(run, 4),)}) if evaluations else run


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (state(offers=None, complexity=None), "look_up_prices"),
        (state(complexity=None), "match_models"),
        (state(match=MATCH, complexity=None), "classify_complexity"),
        (state(match=MATCH), "solve_pareto"),
        (state(match=MATCH, choice=choice()), "generate_data"),
        (state(match=MATCH, choice=choice(), data=data()), "distill"),
        (tried(), "evaluate"),
        (tried(evaluation(500)), "solve_pareto"),
        (tried(evaluation(960)), "evaluate"),
    ],
)
def test_proposes_what_comes_next(run: RunState, expected: str) -> None:
    assert called(run)[0] == expected


def test_opens_the_sealed_split_only_after_development_was_met() -> None:
    assert called(tried())[1] == {"split": "dev"}
    assert called(tried(evaluation(960)))[1] == {"split": "sealed"}


def test_asks_for_the_examples_that_the_plan_needs() -> None:
    _, arguments = called(state(match=MATCH, choice=choice(candidate(tokens=200_000))))
    assert arguments["examples"] == 10_000  # 200,000 tokens over 15 + 2 + 3 tokens an answers-only example


def test_a_longer_plan_asks_for_more_data_before_training() -> None:
    run = tried(evaluation(500)).model_copy(update={"choice": choice(candidate(tokens=900_000))})
    assert called(run)[0] == "generate_data"


def test_without_a_plan_it_ends_the_run_and_says_why() -> None:
    none = choice().model_copy(update={"plan": None, "reason": "nothing fits"})
    assert called(state(match=MATCH, choice=none)) == ("finish", {"reason": "nothing fits"})


def test_a_refused_call_is_not_repeated() -> None:
    due = ProposedCall(name="solve_pareto", args={})
    assert called(state(match=MATCH, last_problem="no money", refused=due))[0] == "finish"


def test_a_call_that_was_not_due_and_was_refused_ends_nothing() -> None:
    early = ProposedCall(name="deploy", args={"name": "mine"})
    assert called(state(match=MATCH, last_problem="out of order", refused=early))[0] == "solve_pareto"
