"""Stratos from a program: blocking, async and as a stream of events, in a simulated world."""

import asyncio
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import stratos
from stratos.agent.api import stream
from stratos.agent.events import (
    Approved,
    Asked,
    BriefRead,
    Ended,
    Judged,
    Measured,
    Planned,
    RunEvent,
    Started,
    Trained,
)
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.errors import ApprovalNeeded, Cancelled, NotAvailable, RequestError
from stratos.state.journal import Journal
from stratos.state.talk import Answer, Question, Word
from stratos.state.workspace import Workspace

REQUEST = "tell whether 14 mahjong tiles are a winning hand, at least 90 % exact, at most $1"
QUIET: dict[str, Any] = {"deploy": False, "local_usd_per_hour": 0.1}


def simulated(**world: Any) -> SimulatedExecutor:
    return SimulatedExecutor(world=World(**world))


def test_blocking_gives_the_outcome_and_each_event_in_order(tmp_path: Path) -> None:
    seen: list[RunEvent] = []
    outcome = stratos.run(
        REQUEST,
        workspace=tmp_path,
        approve=True,
        on_event=seen.append,
        executor=simulated(log_odds_at_1m=-0.6),
        **QUIET,
    )
    assert outcome.status == "met"
    kinds = [type(event) for event in seen]
    assert kinds[0] is Started
    assert kinds[-1] is Ended
    order = [kinds.index(kind) for kind in (BriefRead, Planned, Approved, Trained, Measured, Judged)]
    assert order == sorted(order)
    assert {event.run_id for event in seen} == {outcome.run_id}
    ended = seen[-1]
    assert isinstance(ended, Ended)
    assert ended.outcome == outcome


def test_async_gives_the_same_outcome_while_the_loop_goes_on(tmp_path: Path) -> None:
    async def both() -> tuple[stratos.Outcome, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.01)

        ticking = asyncio.create_task(tick())
        outcome = await stratos.run_async(
            REQUEST, workspace=tmp_path / "a", approve=True, executor=simulated(), **QUIET
        )
        ticking.cancel()
        return outcome, ticks

    outcome, ticks = asyncio.run(both())
    again = stratos.run(REQUEST, workspace=tmp_path / "b", approve=True, executor=simulated(), **QUIET)
    same = {"status", "reason", "spent_usd", "verdict", "brief"}
    assert outcome.model_dump(include=same) == again.model_dump(include=same)
    assert ticks > 10


def test_a_cancelled_task_stops_the_run_and_leaves_it_to_be_resumed(tmp_path: Path) -> None:
    async def cancelled() -> None:
        def halt(event: RunEvent) -> None:
            if isinstance(event, Planned):
                task.cancel()

        task = asyncio.create_task(
            stratos.run_async(REQUEST, workspace=tmp_path, approve=True, on_event=halt, executor=simulated(), **QUIET)
        )
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    (run,) = Journal(Workspace(tmp_path)).runs()
    assert run.status in ("interrupted", "met")  # the simulated rest of the run may end before the word arrives


def test_money_that_nobody_approves_stops_the_run_and_resume_goes_on(tmp_path: Path) -> None:
    with pytest.raises(ApprovalNeeded) as error:
        stratos.run(REQUEST, workspace=tmp_path, executor=simulated(), **QUIET)
    (run,) = Journal(Workspace(tmp_path)).runs()
    assert run.run_id in str(error.value)
    with pytest.raises(ApprovalNeeded):
        stratos.resume(run.run_id, workspace=tmp_path)
    asked: list[Question] = []

    def no(question: Question) -> Answer:
        asked.append(question)
        return Answer(approved=False)

    outcome = stratos.resume(run.run_id, workspace=tmp_path, approve=no)
    assert outcome.status == "cancelled"
    assert asked[0].usd > 0
    assert len(asked[0].plan_sha256) == 64


def test_a_question_of_a_stream_may_be_answered_with_a_word_that_changes_the_plan(tmp_path: Path) -> None:
    carried = stream(REQUEST, workspace=tmp_path, approve=None, executor=simulated(), **QUIET)
    asked = 0
    for event in carried:
        if isinstance(event, Asked):
            asked += 1
            word = Word(text="80 % is enough", targets={"accuracy": 0.8})
            carried.answer(Answer(word=word) if asked == 1 else Answer(approved=True))
    outcome = carried.wait()
    assert outcome.brief is not None
    assert (outcome.status, outcome.brief.targets.accuracy) == ("met", 0.8)
    assert asked == 2  # another plan needs another word
    names = [row.name for row in Journal(Workspace(tmp_path)).rows(outcome.run_id)]
    assert names.count("user") == 1
    from stratos.agent import session

    assert session.replay(outcome.run_id, workspace=Workspace(tmp_path)).identical


def test_stop_ends_a_run_that_waits(tmp_path: Path) -> None:
    carried = stream(REQUEST, workspace=tmp_path, approve=None, executor=simulated(), **QUIET)
    for event in takewhile(lambda event: not isinstance(event, Asked), carried):
        assert not isinstance(event, Ended)
    carried.stop()
    with pytest.raises(Cancelled):
        carried.wait()
    assert not carried.working


def test_what_cannot_be_used_is_said_before_anything_begins(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="valid: rules"):
        stratos.run(REQUEST, workspace=tmp_path, planner="oracle")
    bad = tmp_path / "brief.yaml"
    bad.write_text("skill: chess\ntask: win\ntargets: {accuracy: 95}\n", encoding="utf-8")
    with pytest.raises(RequestError) as error:
        stratos.run(bad, workspace=tmp_path)
    assert len(error.value.problems) == 2
    assert Journal(Workspace(tmp_path)).runs() == []


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, stratos; stratos.VERSION; print(sorted({'torch', 'duckdb', 'langgraph', 'pydantic'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
    with pytest.raises(AttributeError):
        stratos.nothing  # noqa: B018


def test_a_request_that_is_no_valid_unicode_ends_refused_with_its_reason(tmp_path: Path) -> None:
    outcome = stratos.run(f"{REQUEST}\ud800", workspace=tmp_path)
    assert outcome.status == "refused"
    assert "not valid Unicode" in outcome.reason
