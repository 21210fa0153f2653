"""Stratos from a program: blocking, async and as a stream of events, in a simulated world."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import stratos
from stratos.agent import session
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
from stratos.agent.planners import Planner
from stratos.agent.rule_planner import RulePlanner
from stratos.agent.scripted import Answer as Scripted
from stratos.agent.scripted import competent, scripted_server
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.errors import ApprovalNeeded, Cancelled, NotAvailable, RequestError
from stratos.state.journal import Journal
from stratos.state.talk import Answer, Question, Word
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings

from ..building import brief
from .chatting import Slow

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

        slow = Slow(world=World(), seconds=60)
        task = asyncio.create_task(
            stratos.run_async(REQUEST, workspace=tmp_path, approve=True, on_event=halt, executor=slow, **QUIET)
        )
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    (run,) = Journal(Workspace(tmp_path)).runs()
    assert run.status == "interrupted"
    assert stratos.resume(run.run_id, workspace=tmp_path, approve=True, executor=simulated()).status == "met"


def test_money_that_nobody_approves_stops_the_run_and_resume_goes_on(tmp_path: Path) -> None:
    with pytest.raises(ApprovalNeeded) as error:
        stratos.run(REQUEST, workspace=tmp_path, executor=simulated(), **QUIET)
    (run,) = Journal(Workspace(tmp_path)).runs()
    assert run.run_id in str(error.value)
    assert error.value.run_id == run.run_id
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
    with pytest.raises(stratos.RequestError) as error:
        stratos.run(REQUEST, workspace=tmp_path, max_usd=-1, max_minutes=-2, sead=3, threads="many", max_hours=1)
    sead, hours, threads, usd, minutes = error.value.problems
    assert sead.startswith("sead: no such setting; valid: ")
    assert "seed" in sead
    assert "max_minutes" in hours
    assert threads.endswith("(given: 'many')")
    assert usd.endswith("(given: -1)")
    assert minutes == "max_minutes: Input should be greater than 0 (given: -2)"
    assert Journal(Workspace(tmp_path)).runs() == []


@pytest.mark.parametrize("limit", [{"max_usd": 0.001}, {"max_minutes": 0.05}])
def test_a_brief_given_as_such_is_held_to_the_limits_beside_it(tmp_path: Path, limit: dict[str, float]) -> None:
    given = brief(accuracy=0.9, usd=100.0)
    outcome = stratos.run(given, workspace=tmp_path, approve=True, executor=simulated(), **limit, **QUIET)
    assert outcome.status != "met"
    assert outcome.spent_usd <= limit.get("max_usd", 100.0)
    assert outcome.brief is not None
    assert outcome.brief.limits.usd == limit.get("max_usd", 100.0)
    assert outcome.brief.limits.hours == (0.05 / 60 if "max_minutes" in limit else None)
    assert outcome.brief.assumptions == given.assumptions


@pytest.fixture
def ctrl_c_heeded() -> Iterator[None]:
    """SIGINT as at a terminal: a suite that a script started in the background inherits it ignored, workers included."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_heeded")
def test_resume_stops_while_an_endpoint_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its waits are the run's own, so that a stop is heeded in them."""
    with scripted_server(lambda request: Scripted(status=503)) as (url, requests):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        settings = Settings(planner="openai:scripted", plan_only=True)
        run_id = session.begin(Journal(Workspace(tmp_path)), REQUEST, settings)
        here, began = threading.get_ident(), time.monotonic()
        threading.Timer(2.0, lambda: signal.pthread_kill(here, signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            stratos.resume(run_id, workspace=tmp_path)
    assert requests
    assert time.monotonic() - began < 30
    assert not [thread for thread in threading.enumerate() if thread.name == "stratos-run"]


def test_a_finished_run_gives_its_outcome_again_without_the_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted_server(competent) as (url, _), monkeypatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", url)
        outcome = stratos.run(
            REQUEST, workspace=tmp_path, approve=True, executor=simulated(), planner="openai:scripted", **QUIET
        )
    assert outcome.status == "met"
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert stratos.resume(outcome.run_id, workspace=tmp_path) == outcome
    assert session.resume(outcome.run_id, workspace=Workspace(tmp_path)) == outcome


def test_a_planner_of_a_programs_own_is_replayed_from_its_record(tmp_path: Path) -> None:
    planner = Planner(name="mine", model=RulePlanner())
    workspace = Workspace(tmp_path)
    outcome = session.start(
        REQUEST.replace("$1", "$0"), workspace=workspace, settings=Settings(plan_only=True), planner=planner
    )
    assert session.replay(outcome.run_id, workspace=workspace).identical


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, stratos; stratos.VERSION; print(sorted({'torch', 'duckdb', 'langgraph', 'pydantic'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
    assert (stratos.ApprovalNeeded, stratos.RequestError) == (ApprovalNeeded, RequestError)
    assert issubclass(ApprovalNeeded, stratos.StratosError)
    with pytest.raises(AttributeError):
        stratos.nothing  # noqa: B018


def test_a_request_that_is_no_valid_unicode_ends_refused_with_its_reason(tmp_path: Path) -> None:
    outcome = stratos.run(f"{REQUEST}\ud800", workspace=tmp_path)
    assert outcome.status == "refused"
    assert "not valid Unicode" in outcome.reason


def test_a_plan_that_a_chat_came_to_is_carried_out_under_its_request_at_last(tmp_path: Path) -> None:
    workspace, answers = Workspace(tmp_path), iter([Answer(text=REQUEST), Answer(approved=True)])
    planned = session.start(
        "sing a song",
        workspace=workspace,
        settings=Settings(plan_only=True, asks=True, **QUIET),
        ask=lambda question: next(answers),
    )
    assert planned.status == "planned"
    outcome = stratos.resume(planned.run_id, workspace=tmp_path, approve=True, executor=simulated())
    assert outcome.status == "met"
    assert [run.request for run in Journal(workspace).runs()] == ["sing a song", REQUEST]
