"""A line that the chat's rules do not understand, before a model: it may rephrase, it may answer, it may not approve or invent."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from stratos.agent.chat import Chat
from stratos.agent.chat_model import SAY_FOR_USER, reply
from stratos.agent.display import RichDisplay
from stratos.agent.planners import planner_for
from stratos.agent.scripted import Answer, competent, in_turn, scripted_server
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings

from ..building import brief, state

PRICE = (1.0, 10.0)


def says(line: str) -> Answer:
    return Answer(calls=[(SAY_FOR_USER, {"line": line})])


def replied(line: str, answer: Answer, pieces: list[str], usd: float = 1.0) -> Any:
    with scripted_server(in_turn(answer)) as (url, _):
        settings = Settings(planner="openai:scripted", planner_usd_per_million=PRICE)
        planner = planner_for(settings, {"OPENAI_BASE_URL": url})
        return reply(planner, state(brief=brief(usd=usd)), line, pieces.append)


def test_words_come_piece_by_piece_and_are_paid_for() -> None:
    pieces: list[str] = []
    found = replied("wie geht es voran?", Answer(text="Noch ist nichts trainiert.", finish_reason="stop"), pieces)
    assert len(pieces) > 2
    assert "".join(pieces).strip() == "Noch ist nichts trainiert." == found.text.strip()
    assert found.usd == pytest.approx((1000 * 1.0 + 50 * 10.0) / 1e6)


def test_a_line_is_put_into_words_the_rules_know_with_the_users_own_figures() -> None:
    assert replied("höchstens 2 Dollar bitte", says("at most $2"), []).line == "at most $2"
    found = replied("höchstens 2 Dollar bitte", says("at most $200"), [])
    assert (found.line, "you did not say 200" in found.problem) == ("", True)


def test_a_model_that_fails_or_is_too_dear_is_told_as_it_is() -> None:
    assert "did not answer" in replied("hm?", Answer(status=401, body="{}"), []).problem
    assert "is left" in replied("hm?", says("status"), [], usd=0.000001).problem


def test_in_a_chat_a_model_rephrases_but_never_approves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [says("yes"), says("cheaper"), Answer(text="It is waiting.", finish_reason="stop")]

    def script(request: Mapping[str, Any]) -> Answer:
        if SAY_FOR_USER in str(request["tools"]):
            return answers.pop(0)
        return competent(request)

    said: list[str] = []
    workspace = Workspace(tmp_path)
    with scripted_server(script) as (url, _):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        settings = Settings(
            planner="openai:scripted", planner_usd_per_million=PRICE, deploy=False, local_usd_per_hour=0.1, asks=True
        )
        display = RichDisplay(Console(file=StringIO()), bars=False)
        chat = Chat(workspace, settings, display, said.append, executor=SimulatedExecutor(world=World()))
        chat.begin("tell whether 14 mahjong tiles are a winning hand, at least 90 % exact, at most $1")
        chat.settle(60)
        chat.hear("mach schon")
        assert "which only you can say" in said[-1]
        chat.hear("geht es auch guenstiger?")
        assert "understood as: cheaper" in said
        assert "the accuracy target" in said[-1]
        chat.hear("und jetzt?")
        assert said[-1].strip() == "It is waiting."
        chat.hear("yes")
        chat.settle(60)
        chat.leave()
    (run,) = Journal(workspace).runs()
    outcome: Any = Journal(workspace).rows(run.run_id)[-1].output
    assert run.status == "met"
    assert outcome["spent_usd"] < 1
    paid = [row.output["word"]["usd"] for row in Journal(workspace).rows(run.run_id) if row.name == "user"]  # pyright: ignore
    assert sum(paid) > 0
