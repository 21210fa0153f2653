"""Servers that a crash left behind are found by their runs' accounts, told, and stopped."""

import random
import sys
import time
from pathlib import Path

import pytest
from stratos.agent.cli import app
from stratos.state.errors import RequestError, ToolFailed
from stratos.state.workspace import Workspace
from stratos.tools.cloud import rented as rented_module
from stratos.tools.cloud.account import Account, Rented, changing
from stratos.tools.cloud.rented import looked_for, rented, stopped
from stratos.tools.cloud.servers import HELD_MINUTES, UNWANTED_MINUTES, Servers
from typer.testing import CliRunner

from ...building import offer
from .simulated import SimulatedCloud

OFFER = offer(0.6).model_copy(update={"id": "slurm/loopback/cpu", "held_minutes": HELD_MINUTES})


def left_behind(workspace: Workspace, *names: str) -> SimulatedCloud:
    """A server for each run of these names, which nobody carries on."""
    cloud = SimulatedCloud(random=random.Random(0), capacity=1.0)
    for name in names:
        servers = Servers(workspace.run_folder(name), cloud, now=lambda: cloud.now)
        servers.reserve("001", OFFER, 1.0, f"stratos-{name}")
        servers.ask(f"stratos-{name}", OFFER, lambda name=name: cloud.launch(f"stratos-{name}"))
    return cloud


def test_those_left_behind_are_listed_and_stopped(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    cloud = left_behind(workspace, "one", "two")
    assert [(one.run_id, one.left_behind, one.watched) for one in rented(workspace)] == [
        ("one", True, False),
        ("two", True, False),
    ]
    (done,) = stopped(workspace, cloud, ["stratos-one"])
    assert (done.run_id, set(cloud.up), [one.run_id for one in rented(workspace)]) == ("one", {"stratos-two"}, ["two"])


def test_one_that_ended_itself_is_rented_no_more(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    cloud = left_behind(workspace, "one")
    cloud.ends("stratos-one")
    assert len(rented(workspace)) == 1
    assert looked_for(workspace, cloud) == []


def test_a_cluster_that_is_none_of_the_workspaces_is_refused_and_none_is_stopped(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    cloud = left_behind(workspace, "one")
    with pytest.raises(RequestError, match="no cluster 'other' here; those there are: stratos-one"):
        stopped(workspace, cloud, ["stratos-one", "other"])
    assert set(cloud.up) == {"stratos-one"}


def test_one_that_cannot_be_stopped_keeps_none_of_the_others(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    cloud = left_behind(workspace, "one", "two")
    cloud.stays.add("stratos-one")
    watched: list[Path] = []
    with pytest.raises(ToolFailed, match="cluster stratos-one is still there; end it with: sky down stratos-one"):
        stopped(workspace, cloud, ["stratos-one", "stratos-two"], watched.append)
    assert watched == [workspace.run_folder("one")]
    assert set(cloud.up) == {"stratos-one"}


def test_one_that_comes_up_after_asking_was_broken_off_is_ended_by_the_watchdog(tmp_path: Path) -> None:
    workspace, cloud = Workspace(tmp_path), SimulatedCloud(random=random.Random(0), capacity=1.0)
    servers = Servers(workspace.run_folder("one"), cloud, now=lambda: cloud.now)
    servers.reserve("001", OFFER, 1.0, "stratos-one")

    def broken_off() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        servers.ask("stratos-one", OFFER, broken_off)
    servers.end(["stratos-one"])  # as run_all does; it is not there yet
    cloud.pass_by(120)
    cloud.up["stratos-one"] = cloud.now  # SkyPilot's server went on
    assert servers.watch(lambda cluster: None)
    assert cloud.up == {}
    cloud.pass_by(UNWANTED_MINUTES * 60)
    assert not servers.watch(lambda cluster: None)


def test_one_that_was_being_launched_when_its_agent_was_killed_is_given_up_and_watched(tmp_path: Path) -> None:
    workspace, cloud = Workspace(tmp_path), SimulatedCloud(random=random.Random(0), capacity=1.0)
    folder, now = workspace.run_folder("one"), time.time()
    with changing(folder) as book:
        server = Rented(offer=OFFER.id, usd_per_hour=0.6)
        book.account = Account(reserved_usd=1.0).asked("stratos-one", server, now)
    with workspace.lock_run("one"):  # somebody carries it on
        (listed,) = looked_for(workspace, cloud)
    assert not listed.may_come_up
    (listed,) = looked_for(workspace, cloud)
    assert listed.may_come_up
    watched: list[Path] = []
    (done,) = stopped(workspace, cloud, ["stratos-one"], watched.append)
    assert (done.may_come_up, watched) == (True, [folder])


def test_of_one_that_is_given_up_it_is_not_said_that_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(Workspace(tmp_path), "one")
    (given_up,) = [one.model_copy(update={"may_come_up": True}) for one in rented(Workspace(tmp_path))]
    monkeypatch.setenv("STRATOS_SKY", sys.executable)  # which is not run
    monkeypatch.setattr(rented_module, "stopped", lambda *given: [given_up])  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    said = CliRunner().invoke(app, ["clusters", "stop", "stratos-one", "--workspace", str(tmp_path)]).stdout
    assert said.startswith("stratos-one: may still come up, and is then ended; it cost at most $")


def test_the_next_start_tells_of_them_on_standard_error(tmp_path: Path) -> None:
    left_behind(Workspace(tmp_path), "one")
    result = CliRunner().invoke(app, ["run", "nothing that can be read", "--workspace", str(tmp_path)])
    assert "1 left behind, at most $" in result.stderr
    assert "stratos-one of run one; see `stratos clusters`" in result.stderr
