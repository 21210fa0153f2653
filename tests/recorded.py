"""Real journals of whole runs in a simulated world: one run for each way to end, made once and only read by tests."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stratos.agent import session
from stratos.agent.scripted import Answer, competent, scripted_server
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.canonical import Row
from stratos.state.errors import ApprovalNeeded
from stratos.state.journal import Journal
from stratos.state.talk import Answer as Reply
from stratos.state.talk import Question, Word
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings

WIN = "tell whether 14 mahjong tiles are a winning hand"
HOSTILE = """'; DROP TABLE steps; -- "><script>alert(origin)</script><img src=x onerror='alert(name)'>{{ facts }}</style>\u2028"""
"""Without figures: a request whose figures cannot be placed is refused."""


@dataclass(frozen=True)
class Recorded:
    """A workspace and the names of its runs by how they ended."""

    workspace: Workspace
    runs: dict[str, str]

    def rows(self, ending: str) -> list[Row]:
        """One run's rows."""
        return Journal(self.workspace, secrets=()).rows(self.runs[ending])


def made_once(folder: Path) -> Recorded:
    """The runs in a folder, made where they are not there; one process at a time may ask."""
    names = folder / "names.json"
    if names.exists():
        return Recorded(Workspace(folder), json.loads(names.read_text(encoding="utf-8")))
    found = make(folder)
    names.write_text(json.dumps(found.runs), encoding="utf-8")
    return found


def make(folder: Path) -> Recorded:
    """Runs that were replanned and met, missed, infeasible, planned, refused, cancelled, unfinished, talked over in a chat (the
    request mended, its money asked for, the plan answered with a word), and planned by a model."""
    workspace = Workspace(folder)
    runs: dict[str, str] = {}

    def run(ending: str, request: str, world: World | None = None, **settings: Any) -> None:
        ask = settings.pop("ask", session.nobody)
        given: dict[str, Any] = {"deploy": False, "approved": True, "local_usd_per_hour": 0.1, **settings}
        try:
            session.start(
                f"{WIN}, {request}",
                workspace=workspace,
                settings=Settings(**given),
                executor=SimulatedExecutor(world=world or World()),
                ask=ask,
                on_start=lambda run_id: runs.update({ending: run_id}),
            )
        except ApprovalNeeded:
            assert ending == "unfinished"

    run("met", f"at least 90 % exact, at most $1 {HOSTILE}", World(log_odds_at_1m=-0.6))
    run("missed", "at least 90 % exact, at most $1", World(ceiling=0.8), max_attempts=1)
    run("infeasible", "99 % exact, p95 under 1 ms")
    run("planned", "at least 70 % exact, p95 under 200 ms", plan_only=True, local_usd_per_hour=0.0)
    run("refused", "120 % accuracy")
    run("cancelled", "at least 70 % exact, at most $1", approved=False, ask=_no)
    run("unfinished", "at least 70 % exact, at most $1", approved=False)
    run("talked", "120 % accuracy", approved=False, asks=True, ask=_talking())
    with scripted_server(_wordy) as (url, _), pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", url)
        paid: dict[str, Any] = {"planner": "openai:scripted", "planner_usd_per_million": (0.5, 2.0)}
        run("model", "at least 90 % exact, at most $1", **paid)
    return Recorded(workspace, runs)


def _no(question: Question) -> Reply:
    """A user who approves nothing."""
    return Reply(approved=False)


def _talking() -> session.Ask:
    """A user who mends the request, names the money, asks for less than the first plan would give, and approves the next."""
    texts = iter([f"{WIN}, at least 90 % exact", "at most $1"])
    words = iter([Reply(word=Word(text="70 % is enough", targets={"accuracy": 0.7}))])

    def ask(question: Question) -> Reply:
        return Reply(text=next(texts)) if question.about == "brief" else next(words, Reply(approved=True))

    return ask


def _wordy(request: Any) -> Answer:
    """Plans well and gives reasons that no page may execute."""
    answer = competent(request)
    return Answer(calls=answer.calls, text=f"because {HOSTILE}")
