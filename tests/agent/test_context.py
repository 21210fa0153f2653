"""What a planner is shown stays small, and it can ask for more."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from stratos.agent import session
from stratos.agent.chat_intake import WRITE_BRIEF
from stratos.agent.digest import Digest, digest
from stratos.agent.scripted import Answer, Script, competent, scripted_server
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings
from stratos.tools.look_closer import CHARACTERS, LOOK_CLOSER, LookCloser

from ..building import attempt, context, evaluation, state

CHARACTERS_PER_TOKEN = 2.5
"""On the safe side: JSON in English has 3 to 4."""


def test_a_run_of_twelve_attempts_stays_under_sixteen_thousand_tokens_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A world in which nothing is learned well, and a planner that tries the next longer training after every miss."""

    def insistent(request: Mapping[str, Any]) -> Answer:
        answer = competent(request)
        if [tool["function"]["name"] for tool in request["tools"]] == [WRITE_BRIEF]:
            return answer
        seen = Digest.model_validate_json(request["messages"][1]["content"])
        named = min(seen.front, key=lambda one: one.train_tokens, default=None)
        if seen.phase in ("data", "distill", "end") and named is not None and seen.plan != named:
            return Answer(calls=[("solve_pareto", {"candidate_id": named.id})])
        return answer

    request = "tell whether 14 mahjong tiles are a winning hand, at least 97 % exact, at most $100"
    with scripted_server(insistent) as (url, requests):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        settings = Settings(
            planner="openai:scripted", deploy=False, approved=True, local_usd_per_hour=0.1, max_attempts=12
        )
        world = World(log_odds_at_1m=-2.0, gain_per_doubling=0.1, gain_per_size=0.05)
        workspace = Workspace(tmp_path)
        outcome = session.start(
            request, workspace=workspace, settings=settings, executor=SimulatedExecutor(world=world)
        )
    trainings = [row for row in Journal(workspace).rows(outcome.run_id) if row.name == "tool distill"]
    longest = max(len(str(asked["messages"])) + len(str(asked["tools"])) for asked in requests)
    assert len(trainings) == 12
    assert longest / CHARACTERS_PER_TOKEN < 16_000


def test_the_digest_of_twelve_attempts_is_small() -> None:
    attempts = tuple(attempt(evaluation(900 + number), number=number) for number in range(1, 13))
    assert len(digest(state(attempts=attempts)).model_dump_json()) / CHARACTERS_PER_TOKEN < 6_000


def test_a_look_is_answered_once_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def curious(competent_answer: Script) -> Script:
        def answer(request: object) -> Answer:
            nonlocal asked
            asked += 1
            look = Answer(calls=[("look_closer", {"part": "servers", "containing": "H100"})])
            return look if asked == 4 else competent_answer(request)  # pyright: ignore[reportArgumentType]

        return answer

    request = "tell whether 14 mahjong tiles are a winning hand, at least 70 % exact, p95 under 200 ms"
    with scripted_server(curious(competent)) as (url, requests):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        settings = Settings(planner="openai:scripted", plan_only=True)
        outcome = session.start(request, workspace=Workspace(tmp_path), settings=settings)
    assert outcome.status == "planned"
    looks = ["H100" in str(one["messages"][1]["content"]).split('"looked_up":"')[-1][:200] for one in requests]
    assert looks.count(True) == 1
    assert session.replay(outcome.run_id, workspace=Workspace(tmp_path)).identical


def test_a_look_at_much_is_cut_and_says_so(tmp_path: Path) -> None:
    run = state(attempts=tuple(attempt(evaluation(900)) for _ in range(40)))
    found = LOOK_CLOSER.run(context(run, tmp_path), LookCloser(part="attempts"))
    assert len(found.text) < CHARACTERS + 100
    assert "more lines" in found.text
    nothing = LOOK_CLOSER.run(context(run, tmp_path), LookCloser(part="servers", containing="abacus"))
    assert "nothing of servers contains 'abacus'" in nothing.text
