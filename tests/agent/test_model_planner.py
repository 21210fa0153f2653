"""A planner behind a real endpoint: every fault of an answer or of its server is corrected, waited out or given up on."""

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stratos.agent import session
from stratos.agent.digest import digest
from stratos.agent.model_intake import WRITE_BRIEF
from stratos.agent.model_planner import MAX_ANSWERS, decide
from stratos.agent.planners import MAX_OUTPUT_TOKENS, Decision, check_planner, planner_for
from stratos.agent.scripted import Answer, Script, competent, in_turn, scripted_server
from stratos.state.errors import NotAvailable
from stratos.state.journal import Journal
from stratos.state.run import Match
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings
from stratos.tools.registry import TOOLS
from stratos.tools.training.students import SHAPES

from ..building import state

KEY = "sk-secret-of-the-test"
READY = digest(state(match=Match(teacher="solver:mahjong", students=SHAPES, parameters=(1, 2, 3, 4), rejected=())))
GOOD = Answer(calls=[("solve_pareto", {})])
REQUEST = "tell whether 14 mahjong tiles are a winning hand, at least 70 % exact, p95 under 200 ms"

FAULTS = {
    "no valid JSON": Answer(calls=[("solve_pareto", "{not json")]),
    "no known tool": Answer(calls=[("spend_everything", {})]),
    "wrong types": Answer(calls=[("generate_data", {"examples": "many"})]),
    "unknown argument": Answer(calls=[("solve_pareto", {"limit_usd": 1e9})]),
    "text": Answer(text="I would solve the front now.", finish_reason="stop"),
    "nothing": Answer(finish_reason="stop"),
    "cut off": Answer(text="Let me think about", finish_reason="length"),
    "an end before the end": Answer(calls=[("finish", {"reason": "I am tired"})]),
    "no chat completion": Answer(body="{}"),
}
PASSING = {
    "429": Answer(status=429, headers={"Retry-After": "7"}, body="{}"),
    "500": Answer(status=500, body="{}"),
    "503": Answer(status=503, body="{}"),
    "dropped": Answer(drop=True),
}


def settings(**changes: Any) -> Settings:
    return Settings(planner="openai:scripted", plan_only=True, **changes)


def asked(script: Script, *, waits: list[float] | None = None, patience_s: float = 60, **changes: Any) -> Decision:
    with scripted_server(script) as (url, _):
        planner = planner_for(settings(**changes), {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY})
        slept = waits if waits is not None else []
        return decide(replace(planner, sleep=slept.append, patience_s=patience_s), READY, TOOLS)


def test_a_good_answer_is_a_decision_with_its_tokens_and_their_price() -> None:
    found = asked(in_turn(GOOD), planner_usd_per_million=(2.0, 10.0))
    assert found.call is not None
    assert (found.call.name, found.corrections, found.by) == ("solve_pareto", (), "openai:scripted")
    assert (found.input_tokens, found.output_tokens) == (1000, 50)
    assert found.usd == pytest.approx(0.0025)


def test_what_a_server_does_not_count_is_counted_at_the_most_it_can_be() -> None:
    found = asked(in_turn(Answer(calls=GOOD.calls, tokens=None)), planner_usd_per_million=(2.0, 10.0))
    assert found.output_tokens == MAX_OUTPUT_TOKENS
    assert found.input_tokens > len(READY.model_dump_json()) / 2
    assert found.usd > 0.0025


@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_that_cannot_be_used_is_corrected_once_and_paid_for(fault: str) -> None:
    found = asked(in_turn(FAULTS[fault], GOOD), planner_usd_per_million=(2.0, 10.0))
    assert found.call is not None
    assert found.call.name == "solve_pareto"
    assert len(found.corrections) == 1
    assert found.usd >= 0.0025


def test_corrections_say_what_was_wrong_and_what_is_valid() -> None:
    requests: list[dict[str, Any]]
    with scripted_server(in_turn(FAULTS["wrong types"], FAULTS["no known tool"], GOOD)) as (url, requests):
        decide(planner_for(settings(), {"OPENAI_BASE_URL": url}), READY, TOOLS)
    corrections = [request["messages"][-1]["content"] for request in requests[1:]]
    assert "examples: Input should be a valid integer" in corrections[0]
    assert "there is no tool 'spend_everything'; valid: look_up_prices" in corrections[1]
    assert [len(request["messages"]) for request in requests] == [2, 3, 3]  # the conversation does not grow


def test_every_tool_is_offered_with_its_own_schema() -> None:
    with scripted_server(in_turn(GOOD)) as (url, requests):
        decide(planner_for(settings(), {"OPENAI_BASE_URL": url}), READY, TOOLS)
    offered = {tool["function"]["name"]: tool["function"] for tool in requests[0]["tools"]}
    assert set(offered) == {"finish", *TOOLS}
    assert offered["generate_data"]["parameters"]["required"] == ["examples"]
    assert "reverse" in offered["generate_data"]["description"]


def test_after_too_many_unusable_answers_the_planner_gives_up() -> None:
    found = asked(in_turn(*[FAULTS["text"]] * MAX_ANSWERS, GOOD))
    assert found.call is None
    assert "4 answers could not be used" in found.gave_up
    assert len(found.corrections) == MAX_ANSWERS


@pytest.mark.parametrize("fault", PASSING)
def test_what_may_pass_is_tried_again(fault: str) -> None:
    waits: list[float] = []
    found = asked(in_turn(PASSING[fault], PASSING[fault], GOOD), waits=waits)
    assert found.call is not None
    assert found.corrections == ()
    assert len(waits) == 2
    if fault == "429":
        assert waits == [7, 7]


def test_an_endpoint_that_stays_away_is_given_up_on_when_patience_ends() -> None:
    found = asked(lambda request: PASSING["dropped"], patience_s=0.3)
    assert found.call is None
    assert "its endpoint failed" in found.gave_up


def test_a_refused_key_is_not_tried_again_and_not_told() -> None:
    with scripted_server(lambda request: Answer(status=401, body='{"error": {"message": "bad key"}}')) as (
        url,
        requests,
    ):
        planner = planner_for(settings(), {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY})
        found = decide(planner, READY, TOOLS)
    assert len(requests) == 1
    assert "bad key" in found.gave_up
    assert KEY not in found.gave_up


def test_an_answer_that_may_cost_more_than_is_left_is_not_asked_for() -> None:
    with scripted_server(competent) as (url, requests):
        planner = planner_for(settings(planner_usd_per_million=(1e6, 1e6)), {"OPENAI_BASE_URL": url})
        found = decide(planner, READY, TOOLS)
    assert requests == []
    assert found.call is None
    assert "is left" in found.gave_up


def test_parallel_calls_are_kept_in_order() -> None:
    found = asked(in_turn(Answer(calls=[("match_models", {}), ("classify_complexity", {}), ("solve_pareto", {})])))
    assert found.call is not None
    assert [found.call.name, *(call.name for call in found.also)] == [
        "match_models",
        "classify_complexity",
        "solve_pareto",
    ]


@pytest.mark.parametrize("name", ["oracle", "openai:", ""])
def test_an_unknown_planner_is_refused_with_the_valid_ones(name: str) -> None:
    with pytest.raises(NotAvailable, match="valid: rules, or openai:MODEL"):
        check_planner(name, {})


def test_a_planner_without_an_endpoint_says_what_to_set() -> None:
    with pytest.raises(NotAvailable, match="OPENAI_API_KEY"):
        check_planner("openai:gpt", {})


def reading_well(script: Script) -> Script:
    """Reads the request as it should be; the rest is the script's."""

    def answer(request: Mapping[str, Any]) -> Answer:
        reading = [tool["function"]["name"] for tool in request["tools"]] == [WRITE_BRIEF]
        return competent(request) if reading else script(request)

    return answer


def planned(folder: Path, script: Script, monkeypatch: pytest.MonkeyPatch) -> tuple[Workspace, str, Any]:
    """A plan by the scripted endpoint: its workspace, its run, and the plan."""
    workspace = Workspace(folder)
    with scripted_server(reading_well(script)) as (url, _):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        ended = session.start(REQUEST, workspace=workspace, settings=settings())
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ended.status == "planned"
    (chosen,) = [row.output for row in Journal(workspace).rows(ended.run_id) if row.name == "tool solve_pareto"]
    return workspace, ended.run_id, chosen["plan"]["candidate"]  # pyright: ignore


def by_the_rules(folder: Path) -> Any:
    workspace = Workspace(folder)
    ended = session.start(REQUEST, workspace=workspace, settings=Settings(plan_only=True))
    return next(row.output for row in Journal(workspace).rows(ended.run_id) if row.name == "tool solve_pareto")


def misbehaving(seed: int) -> Script:
    """A planner that decides well, whose answers and endpoint fail at every fifth call."""
    chance = random.Random(seed)

    def script(request: Mapping[str, Any]) -> Answer:
        if chance.random() < 0.2:
            return chance.choice([*FAULTS.values(), PASSING["500"], PASSING["dropped"]])
        return competent(request)

    return script


def test_a_planner_that_misbehaves_reaches_the_plan_that_the_rules_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, run_id, plan = planned(tmp_path / "llm", misbehaving(3), monkeypatch)
    assert plan["id"] == by_the_rules(tmp_path / "rules")["plan"]["candidate"]["id"]
    replayed = session.replay(run_id, workspace=workspace)  # no endpoint and no key any more
    assert (replayed.identical, replayed.finished) == (True, True)


def test_the_rules_take_over_from_a_planner_that_gives_up_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [Answer(calls=[("look_up_prices", {}), ("match_models", {})]), *[FAULTS["text"]] * MAX_ANSWERS]
    workspace, run_id, plan = planned(tmp_path, in_turn(*answers), monkeypatch)
    decisions = [row.output for row in Journal(workspace).rows(run_id) if row.name == "plan"]
    assert [decision["by"] for decision in decisions] == ["openai:scripted", "openai:scripted", "rules", "rules"]  # pyright: ignore
    assert plan
    assert session.replay(run_id, workspace=workspace).identical


def test_a_refused_call_is_told_and_a_planner_refused_again_and_again_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stubborn(request: Mapping[str, Any]) -> Answer:
        return Answer(calls=[("deploy", {"name": "mine"})])

    workspace, run_id, plan = planned(tmp_path, stubborn, monkeypatch)
    rulings = [row.output for row in Journal(workspace).rows(run_id) if row.name == "guard deploy"]
    assert len(rulings) == 5
    assert all("out of order" in ruling["problem"] for ruling in rulings)  # pyright: ignore
    assert plan
    assert session.replay(run_id, workspace=workspace).identical


def test_the_key_is_nowhere_in_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def telling(request: Mapping[str, Any]) -> Answer:
        return Answer(text=f"your key is {KEY}", finish_reason="stop")

    workspace, run_id, _ = planned(tmp_path, telling, monkeypatch)
    assert not any(KEY in row.output_json or KEY in row.input_json for row in Journal(workspace).rows(run_id))
