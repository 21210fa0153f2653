"""An endpoint that is gone for a while in the middle of a run: the waits are real, and the run ends as it would have."""

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stratos.agent import session
from stratos.agent.planners import Planner, planner_for
from stratos.agent.scripted import Answer, competent, scripted_server
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.evidence import Outcome
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings

REQUEST = "tell whether 14 mahjong tiles are a winning hand, at least 90 % exact, at most $1"
SETTINGS = Settings(planner="openai:scripted", deploy=False, approved=True, local_usd_per_hour=0.1)
ANSWERS_BEFORE = 4
"""The intake and three plans; the outage begins when the next is asked for."""


class Restarting:
    """A scripted endpoint that goes away after some answers, for so many seconds, and comes back on the same port."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.answered, self.refused = seconds, 0, 0
        self.down_s = 0.0
        self.back = threading.Event()
        self._stack = ExitStack()
        self.url, _ = self._stack.enter_context(scripted_server(self._answer))
        self.port = int(self.url.rsplit(":", 1)[1].removesuffix("/v1"))
        self._restart: threading.Thread | None = None

    def __enter__(self) -> "Restarting":
        return self

    def __exit__(self, *of: object) -> None:
        if self._restart is not None:
            self._restart.join()
        self._stack.close()

    def _answer(self, request: Mapping[str, Any]) -> Answer:
        self.answered += 1
        if self.answered == ANSWERS_BEFORE + 1:  # the connection is cut in the middle of this request
            self._restart = threading.Thread(target=self._go_and_come_back)
            self._restart.start()
            return Answer(drop=True)
        return competent(request)

    def _go_and_come_back(self) -> None:
        self._stack.close()
        gone = time.monotonic()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1)
        time.sleep(self.seconds)
        self._stack.enter_context(scripted_server(self._answer, port=self.port))
        self.down_s = time.monotonic() - gone
        self.back.set()


def waited(planner: Planner, waits: list[float]) -> Planner:
    """The planner, which notes each wait and takes it in full."""

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        time.sleep(seconds)

    return replace(planner, sleep=sleep)


def ended(folder: Path, url: str, waits: list[float]) -> Outcome:
    return session.start(
        REQUEST,
        workspace=Workspace(folder),
        settings=SETTINGS,
        executor=SimulatedExecutor(world=World(log_odds_at_1m=-0.6)),
        planner=waited(planner_for(SETTINGS, {"OPENAI_BASE_URL": url}), waits),
    )


def decisions(folder: Path, outcome: Outcome) -> list[Any]:
    return [row.output for row in Journal(Workspace(folder)).rows(outcome.run_id) if row.name == "plan"]


def survives(folder: Path, seconds: float) -> None:
    """One run with an outage of so many seconds beside one without."""
    with scripted_server(competent) as (url, _):
        undisturbed = ended(folder / "undisturbed", url, [])
    waits: list[float] = []
    with Restarting(seconds) as server:
        outcome = ended(folder / "disturbed", server.url, waits)
    assert server.back.is_set()
    assert seconds <= server.down_s <= sum(waits) + 5
    assert (outcome.status, outcome.reason) == (undisturbed.status, undisturbed.reason) == ("met", outcome.reason)
    assert outcome.spent_usd == undisturbed.spent_usd
    taken, expected = decisions(folder / "disturbed", outcome), decisions(folder / "undisturbed", undisturbed)
    assert {decision["by"] for decision in taken} == {"openai:scripted"}  # the rules took nothing over
    assert [decision["call"] for decision in taken] == [decision["call"] for decision in expected]
    assert session.replay(outcome.run_id, workspace=Workspace(folder / "disturbed")).identical


def test_a_run_waits_for_an_endpoint_that_is_gone_for_three_seconds(tmp_path: Path) -> None:
    survives(tmp_path, 3)


@pytest.mark.slow
def test_a_run_waits_for_an_endpoint_that_is_gone_for_two_minutes(tmp_path: Path) -> None:
    survives(tmp_path, 120)
