"""Serving on a rented server of a pretended SkyPilot: real servers, fronts and tunnels, the money reserved, and nothing left."""

import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import psutil
import pytest
from stratos.state.errors import NotAvailable, ToolFailed
from stratos.state.workspace import Workspace
from stratos.tools.cloud import executor as cloud_executor
from stratos.tools.cloud import hosting
from stratos.tools.cloud.account import account_of
from stratos.tools.cloud.executor import SkyExecutor
from stratos.tools.cloud.hosting import RentedHost
from stratos.tools.cloud.rented import rented
from stratos.tools.cloud.tasks import SetUp
from stratos.tools.serving import tunnel_job
from stratos.tools.serving.deployments import ask, get, health_check, start, start_again, stop
from stratos.tools.serving.processes import write_key
from stratos.tools.serving.records import Deployment, server_folder
from stratos.tools.serving.replacing import replace
from stratos.tools.serving.smoke import SmokeTest
from stratos.tools.serving.starting import Place, Terms
from stratos.tools.serving.temporary import temporary_server
from stratos.tools.serving.tunnel_job import TunnelJob

from ..serving.conftest import made as model_made
from .pretended import PretendedSky
from .test_executor import OFFER

NAME, PROMPT = "rented", "w1 w2"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [model_made(tmp_path_factory.mktemp(f"model-{seed}"), endless=False, seed=seed) for seed in range(2)]


@pytest.fixture
def sky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[PretendedSky]:
    monkeypatch.setattr(cloud_executor, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(cloud_executor, "ASK_EVERY_S", 0.5)
    made = PretendedSky(tmp_path / "cloud")
    monkeypatch.setattr(hosting, "Sky", lambda: made)
    yield made
    for name in list(made.made):
        made.down(name)


@pytest.fixture
def space(tmp_path: Path, sky: PretendedSky) -> Generator[Path]:
    at = tmp_path / "workspace"
    yield at
    if (at / "deployments" / NAME / "deployment.json").exists():
        sky.unreached = False
        stop(at, NAME)


def terms(space: Path, sky: PretendedSky, hours: float = 1.0, said: Callable[[str], None] = lambda text: None) -> Terms:
    set_up = SetUp(python=sys.executable)
    executor = SkyExecutor(space, frozenset({"slurm"}), sky=sky, set_up=set_up, watched=_unwatched)
    return Terms(hours=hours, usd_per_hour=OFFER.paid_usd_per_hour, host=RentedHost(executor, OFFER, hours, say=said))


def _unwatched(run_folder: Path) -> None:
    """No watchdog: it would ask the real SkyPilot."""


def served(space: Path, sky: PretendedSky, model: Path, **how: Any) -> Deployment:
    return start(space, NAME, model, "run-1", terms=terms(space, sky, **how))


def test_a_model_is_served_there_and_asked_here(space: Path, sky: PretendedSky, models: list[Path]) -> None:
    said: list[str] = []
    made = served(space, sky, models[0], said=said.append)
    assert said == [f"{OFFER.id} is asked for, to serve rented", "rented answers there"]
    here = start(space, "here", models[0], "run-1", place=Place())
    try:
        assert health_check(made, PROMPT, max_tokens=5) == health_check(here, PROMPT, max_tokens=5)
    finally:
        stop(space, "here")
    (cluster,) = sky.made
    (one,) = rented(Workspace(space))
    assert (one.cluster, one.deployment, one.run_id, one.left_behind) == (cluster, NAME, "run-1", False)
    account = account_of(server_folder(made))
    assert account.reserved_usd == pytest.approx(0.1 + 23 / 60 * 0.1)
    assert made.until == pytest.approx(time.time() + 3600, abs=30)
    assert sky.launched[0]["resources"]["autostop"] == {"idle_minutes": 10, "down": True}
    ended = stop(space, NAME)
    assert sky.made == {}
    assert ended.usd == pytest.approx(sky.seconds[cluster] / 3600 * 0.1)
    assert rented(Workspace(space)) == []


def test_the_key_is_nobodys_but_its_owners(space: Path, sky: PretendedSky, models: list[Path]) -> None:
    made = served(space, sky, models[0])
    key = (server_folder(made) / "api_key").read_text(encoding="utf-8")
    (cluster,) = sky.made.values()
    holding = [path for path in cluster.home.rglob("*") if path.is_file() and key in path.read_text(errors="replace")]
    assert [path.name for path in holding] == ["api_key"]
    assert holding[0].stat().st_mode & 0o077 == 0
    assert key not in str(sky.launched)


def test_a_connection_that_is_lost_is_made_again(space: Path, sky: PretendedSky, models: list[Path]) -> None:
    made = served(space, sky, models[0])
    (tunnel,) = psutil.Process(made.pid).children()
    tunnel.kill()
    until = time.monotonic() + 30
    while time.monotonic() < until and get(space, NAME).status != "ready":
        time.sleep(0.2)
    assert ask(space, NAME, PROMPT, max_tokens=5)
    assert sky.made


def test_a_server_that_cannot_be_had_costs_nothing_and_is_told(
    space: Path, sky: PretendedSky, models: list[Path]
) -> None:
    sky.refuses = "no capacity in east"
    with pytest.raises(ToolFailed, match="no capacity in east"):
        served(space, sky, models[0])
    assert sky.made == {}
    assert list((space / "deployments" / NAME / "servers").glob("*")) == []


def test_a_server_that_ends_before_it_answers_says_why_and_is_ended(
    space: Path, sky: PretendedSky, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ToolFailed, match="ended before it answered"):
        served(space, sky, empty)
    assert sky.made == {}


def test_when_its_hours_are_over_the_server_is_ended_too(
    models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[Path] = []
    monkeypatch.setattr(tunnel_job, "release", released.append)
    with temporary_server(models[0], tmp_path / "there") as server:
        job = TunnelJob(
            api_key_file=write_key(tmp_path, key=server.api_key),
            shell=(*PretendedSky(tmp_path).shell("c"), "c"),
            there=server.base_url,
            engine="ctranslate2",
            model=server.model,
            stop_after_s=3.0,
        )
        done = tunnel_job.run(job, tmp_path)
    assert (done["connections"], released) == (1, [tmp_path])


def test_a_server_that_is_taken_away_is_told_and_can_be_ended(
    space: Path, sky: PretendedSky, models: list[Path]
) -> None:
    served(space, sky, models[0])
    (cluster,) = sky.made
    sky.down(cluster)
    assert get(space, NAME).status == "dead"
    (one,) = rented(Workspace(space))
    assert one.left_behind
    stop(space, NAME)
    assert rented(Workspace(space)) == []


def test_another_model_takes_over_on_a_server_of_its_own(space: Path, sky: PretendedSky, models: list[Path]) -> None:
    old = served(space, sky, models[0])
    (first,) = sky.made
    it_answers = SmokeTest(prompts=[PROMPT], is_right=lambda prompt, answer: True, least_right=1, max_tokens=5)
    new = replace(space, NAME, models[1], "run-2", it_answers, terms=terms(space, sky))
    assert (new.version, new.base_url) == (2, old.base_url)
    assert first not in sky.made
    assert len(sky.made) == 1
    assert new.usd_before == pytest.approx(sky.seconds[first] / 3600 * 0.1)
    assert ask(space, NAME, PROMPT, max_tokens=5)


def test_what_a_killed_agent_began_is_ended_by_the_next_start(
    space: Path, sky: PretendedSky, models: list[Path]
) -> None:
    made = served(space, sky, models[0])
    (space / "deployments" / NAME / "deployment.json").unlink()  # as where the agent died before it wrote that
    (first,) = sky.made
    again = served(space, sky, models[0])
    assert first not in sky.made
    assert again.pid != made.pid
    assert not psutil.pid_exists(made.pid) or psutil.Process(made.pid).status() == psutil.STATUS_ZOMBIE
    assert ask(space, NAME, PROMPT, max_tokens=5)


def test_a_server_that_stays_is_not_forgotten(space: Path, sky: PretendedSky, models: list[Path]) -> None:
    made = served(space, sky, models[0])
    sky.unreached = True
    with pytest.raises(ToolFailed, match="no connection"):
        stop(space, NAME)
    assert account_of(server_folder(made)).up
    sky.unreached = False
    assert stop(space, NAME).status == "stopped"
    assert sky.made == {}


def test_without_skypilot_a_rented_server_cannot_be_asked_again(
    space: Path, sky: PretendedSky, models: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = served(space, sky, models[0])
    os.kill(made.pid, signal.SIGKILL)
    monkeypatch.setenv("STRATOS_SKY", "/nowhere/sky")
    with pytest.raises(NotAvailable, match="SkyPilot's program"):
        start_again(space, NAME)
