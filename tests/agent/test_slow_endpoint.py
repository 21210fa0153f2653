"""An endpoint that is slower than its model was measured: it is withdrawn, and the run plans again or says why not."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from stratos import run
from stratos.agent import session
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.skills.protocol import Example
from stratos.state.brief import Brief, Limits, Targets, Weights
from stratos.state.errors import ToolFailed
from stratos.state.evidence import Latency, Outcome
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace
from stratos.tools import deploy
from stratos.tools.base import Settings
from stratos.tools.serving.deployments import ask, get, listing, stop
from stratos.tools.serving.measuring import measure_speed
from stratos.tools.serving.records import Deployment

from ..building import deployment
from ..skills.given.files import rows, write_jsonl

WIN = "tell whether 14 mahjong tiles are a winning hand"


def latency(p95_ms: float, rps: float = 500.0) -> Latency:
    return Latency(n=100, p50_ms=p95_ms / 2, p95_ms=p95_ms, p99_ms=p95_ms * 1.2, throughput_rps=rps, clients=16)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was started and withdrawn, where serving is pretended: the simulated world has no model to serve."""
    log: list[str] = []

    def start(workspace: Path, name: str, model: Path, run_id: str, **terms: Any) -> Deployment:
        log.append("start")
        return deployment(workspace, name, model, run_id)

    monkeypatch.setattr(deploy, "start", start)

    def withdraw(*where: Any, **how: Any) -> None:
        log.append("withdraw")

    def answer(served: Deployment, prompt: str, max_tokens: int | None) -> str:
        return "no"

    def key(path: Path) -> str:
        return "key"

    def questions(path: Path) -> list[Example]:
        return [Example(prompt="1m", rationale="", answer="no")] * 300

    for name, pretended in (
        ("start", start),
        ("withdraw", withdraw),
        ("health_check", answer),
        ("read_key", key),
        ("read_examples", questions),
    ):
        monkeypatch.setattr(deploy, name, pretended)
    return log


def measuring(monkeypatch: pytest.MonkeyPatch, *found: Latency) -> list[Latency]:
    """The endpoint's speed as the measurements tell it, one after another; those that are left."""
    left = list(found)

    def next_one(*where: Any, **how: Any) -> Latency:
        return left.pop(0)

    monkeypatch.setattr(deploy, "measure_speed", next_one)
    return left


def ended(
    folder: Path, request: str, world: World | None = None, brief: Brief | None = None, **settings: Any
) -> tuple[Outcome, list[Any]]:
    workspace = Workspace(folder)
    outcome = session.start(
        f"{WIN}, {request}",
        workspace=workspace,
        brief=brief,
        settings=Settings(approved=True, local_usd_per_hour=0.1, serve_hours=0.5, **settings),
        executor=SimulatedExecutor(world=world or World()),
    )
    assert session.replay(outcome.run_id, workspace=workspace).identical
    return outcome, [row for row in Journal(workspace).rows(outcome.run_id)]


def outputs(rows: list[Any], name: str) -> list[Any]:
    return [row.output for row in rows if row.name == name]


def test_an_endpoint_slower_than_promised_is_withdrawn_and_planned_around(
    tmp_path: Path, served: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = measuring(monkeypatch, latency(130), latency(120), latency(90))
    most_accurate = Brief(
        request="",
        skill="mahjong",
        task="win",
        targets=Targets(accuracy=0.7, latency_p95_ms=100),
        limits=Limits(usd=1.0),
        weights=Weights(accuracy=1),
    )
    outcome, rows = ended(tmp_path, "", World(p95_ms=80), brief=most_accurate)
    assert (outcome.status, left) == ("met", []), outcome.reason
    assert served == ["start", "withdraw", "start"]
    first, second = outputs(rows, "tool deploy")
    assert "latency: p95 120.0 ms over 100 requests, 1.20 times the target of 100 ms" in first["withdrawn"]
    assert (first["speed"]["p95_ms"], second["speed"]["p95_ms"]) == (120, 90)
    missed = next(one for one in outputs(rows, "judge") if one["split"] == "the endpoint")
    assert (missed["met"], missed["next"], [miss["constraint"] for miss in missed["misses"]]) == (
        False,
        "replan",
        ["latency"],
    )
    one, other = (found["plan"]["candidate"] for found in outputs(rows, "tool solve_pareto"))
    assert other["student"] != one["student"]
    assert outputs(rows, "tool evaluate")[-1]["evaluation"]["split"] == "sealed-2"
    settled = [row for row in rows if row.name == "settle" and row.input["tool"] == "deploy"]
    assert settled[0].output["usd"] == pytest.approx(0.0)  # it never cost an hour
    assert settled[1].output["usd"] == pytest.approx(0.05)


def test_one_slow_measurement_is_not_believed(
    tmp_path: Path, served: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring(monkeypatch, latency(450), latency(70))
    outcome, _ = ended(tmp_path, "at least 70 % exact, p95 under 100 ms, at most $1", World(p95_ms=80))
    assert outcome.status == "met"
    assert served == ["start"]


def test_too_few_requests_a_second_are_a_miss_too(
    tmp_path: Path, served: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring(monkeypatch, *[latency(50, rps=3.0)] * 2)
    outcome, rows = ended(
        tmp_path, "at least 70 % exact, at least 20 requests a second, at most $1", World(p95_ms=80), max_attempts=1
    )
    assert (outcome.status, served, outcome.deployment) == ("missed", ["start", "withdraw"], None)
    assert "3.0 requests a second with 16 clients, wanted 20" in outcome.reason
    assert outputs(rows, "judge")[-1]["next"] == "stop"


def test_without_a_target_of_speed_nothing_is_timed(
    tmp_path: Path, served: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring(monkeypatch)
    outcome, rows = ended(tmp_path, "at least 70 % exact, at most $1")
    assert outcome.status == "met"
    assert "speed" not in outputs(rows, "tool deploy")[0]


def test_an_endpoint_that_never_answers_leaves_a_run_that_goes_on_when_it_can(
    tmp_path: Path, served: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*where: Any, **how: Any) -> Deployment:
        raise ToolFailed("the server was not ready within 600 s; its log ends: ...")

    with monkeypatch.context() as broken:
        broken.setattr(deploy, "start", never)
        with pytest.raises(ToolFailed, match="not ready within 600 s"):
            ended(tmp_path, "at least 70 % exact, at most $1")
    (begun,) = Journal(Workspace(tmp_path)).runs()
    again = session.resume(begun.run_id, workspace=Workspace(tmp_path), executor=SimulatedExecutor(world=World()))
    assert (again.status, served) == ("met", ["start"])


@pytest.fixture
def space(tmp_path: Path) -> Generator[Path]:
    yield tmp_path
    for one in listing(tmp_path / "at"):
        stop(tmp_path / "at", one.name)


def test_what_was_served_before_comes_back(space: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two real runs, served by real processes; the second one's endpoint is told to be slow."""
    path = write_jsonl(space / "colours.jsonl", rows())

    def made(seed: int) -> Any:
        wanted = "name the colour, at least 60 % right, p95 under 5 s"
        return run(wanted, data=path, workspace=space / "at", seed=seed, max_attempts=1)

    first = made(0)
    assert first.status == "met", first.reason
    before = get(space / "at", "table-answer")
    monkeypatch.setattr(deploy, "measure_speed", _slowed(measure_speed))
    second = made(1)
    assert (second.status, second.deployment) == ("missed", None)
    assert "missed after 1 attempts" in second.reason
    now = get(space / "at", "table-answer")
    assert (now.run_id, now.status, now.base_url, now.version) == (first.run_id, "ready", before.base_url, 3)
    assert now.previous is None  # what was withdrawn is nothing to go back to
    assert ask(space / "at", "table-answer", rows(1)[0]["text"])


def _slowed(real: Callable[..., Latency]) -> Callable[..., Latency]:
    def slow(*where: Any, **how: Any) -> Latency:
        return real(*where, **how).model_copy(update={"p95_ms": 9000.0})

    return slow
