"""What breaks in on a rented server while it is started, waited for or given up: the executor over a SkyPilot that is a dictionary."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from stratos.state.errors import OutOfTime, ToolFailed
from stratos.state.workspace import Workspace
from stratos.tools.cloud import executor as module
from stratos.tools.cloud import hosting
from stratos.tools.cloud.account import account_of
from stratos.tools.cloud.executor import SkyExecutor
from stratos.tools.cloud.rented import stopped
from stratos.tools.cloud.servers import Servers
from stratos.tools.cloud.sky import Cost, Queued, Sky
from stratos.tools.cloud.tasks import SetUp
from stratos.tools.executor import JobHandle
from stratos.tools.jobs import Job
from stratos.tools.serving import starting
from stratos.tools.serving.job import ServeJob

from .test_executor import OFFER


class Work(Job):
    """Nothing is run of it."""


class ToldSky(Sky):
    """Clusters with their jobs, numbered from the oldest on; `launching` is called before each launch."""

    def __init__(self) -> None:
        self.up, self.jobs = dict[str, float](), dict[str, list[str]]()
        self.status, self.cancelled = "UP", list[int]()
        self.launching: Callable[[], None] = lambda: None

    def launch(self, cluster: str, task: Path, *, idle_minutes: int, timeout_s: float) -> None:
        self.launching()
        self.up.setdefault(cluster, time.time())
        self.jobs.setdefault(cluster, []).append(yaml.safe_load(task.read_text())["name"])

    def queue(self, cluster: str) -> list[Queued]:
        jobs = list(enumerate(self.jobs[cluster]))[::-1]
        return [Queued(number=n, name=name, state=self._state(n)) for n, name in jobs]

    def _state(self, number: int) -> Any:
        return "cancelled" if number in self.cancelled else "running"

    def clusters(self, *, refresh: bool = True) -> list[dict[str, Any]]:
        return [{"name": name, "status": self.status} for name in self.up]

    def cancel(self, cluster: str, job: int | None = None, *, timeout_s: float = 300) -> None:
        assert job is not None
        self.cancelled.append(job)

    def down(self, cluster: str) -> None:
        self.up.pop(cluster, None)
        self.jobs.pop(cluster, None)

    def costs(self) -> dict[str, Cost]:
        return {name: Cost(seconds=time.time() - since, usd=0) for name, since in self.up.items()}

    def bring(self, cluster: str, there: str, here: Path, *rules: str, timeout_s: float = 600) -> bool:
        return False


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions cost nothing here, and nothing travels."""
    for name in ("LOOK_EVERY_S", "ASK_EVERY_S", "AGAIN_S"):
        monkeypatch.setattr(module, name, 0.0)
    monkeypatch.setattr(module, "staged", Path.absolute)


@pytest.fixture
def sky(monkeypatch: pytest.MonkeyPatch) -> ToldSky:
    made = ToldSky()
    monkeypatch.setattr(hosting, "Sky", lambda: made)
    return made


def executor(tmp_path: Path, sky: Sky, watched: Callable[[Path], None] = lambda folder: None) -> SkyExecutor:
    made = SkyExecutor(
        tmp_path,
        frozenset({"slurm"}),
        sky=sky,
        set_up=SetUp(python="python"),
        watched=watched,
        catalogue=tmp_path / "none",
    )
    made.reserve(folder_in(tmp_path), OFFER, 1.0)
    return made


def folder_in(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "r1" / "003-distill" / "student"


def submitted(at: SkyExecutor, tmp_path: Path, name: str = "student") -> JobHandle:
    return at.submit("stratos.tools.training", Work(), folder_in(tmp_path).with_name(name), offer=OFFER)


class BrokenOff(BaseException):
    """As Ctrl-C is, or the agent's end."""


def broken_off() -> None:
    raise BrokenOff


def test_a_resumed_run_is_watched_again(tmp_path: Path, sky: ToldSky) -> None:
    submitted(executor(tmp_path, sky), tmp_path)
    watched: list[Path] = []
    again = executor(tmp_path, sky, watched.append)  # the machine was started anew: agent and watchdog are gone
    run_folder = tmp_path / "runs" / "r1"
    assert watched == [run_folder]
    handle = submitted(again, tmp_path)
    assert (handle.how, watched) == ("attached", [run_folder] * 2)
    again.poll(handle)
    again.poll(handle)
    assert watched == [run_folder] * 3


def test_no_server_is_asked_for_again_after_the_watchdog_stopped_the_call(tmp_path: Path, sky: ToldSky) -> None:
    at = executor(tmp_path, sky)
    submitted(at, tmp_path)
    tries: list[str] = []

    def unreached_for_hours() -> None:
        tries.append("launch")
        Servers(tmp_path / "runs" / "r1", sky, now=lambda: time.time() + 36000).watch(lambda cluster: None)
        raise ToolFailed("no connection")

    sky.launching = unreached_for_hours
    with pytest.raises(OutOfTime, match="were nearly used"):
        submitted(at, tmp_path, "another")
    assert tries == ["launch"]


def test_a_cluster_that_does_not_answer_for_a_moment_keeps_its_job(tmp_path: Path, sky: ToldSky) -> None:
    at = executor(tmp_path, sky)
    handle = submitted(at, tmp_path)
    sky.status = "INIT"
    assert at.poll(handle).state == "running"
    assert submitted(at, tmp_path).how == "attached"
    assert [len(jobs) for jobs in sky.jobs.values()] == [1]


def test_what_a_killed_agent_was_launching_is_waited_for_and_found(tmp_path: Path, sky: ToldSky) -> None:
    def half_way() -> None:
        (cluster,) = account_of(tmp_path / "runs" / "r1").up
        sky.up[cluster], sky.status = time.time(), "INIT"
        raise BrokenOff

    sky.launching = half_way
    with pytest.raises(BrokenOff):
        submitted(executor(tmp_path, sky), tmp_path)
    (cluster,) = sky.up
    at = executor(tmp_path, sky)
    handle = submitted(at, tmp_path)
    sky.status, sky.jobs[cluster] = "UP", [yaml.safe_load((folder_in(tmp_path) / "task.yaml").read_text())["name"]]
    assert (handle.how, at.poll(handle).state) == ("attached", "running")
    at.cancel(handle)
    assert (sky.up, account_of(tmp_path / "runs" / "r1").up) == ({}, {})


def test_one_that_does_not_answer_for_long_is_asked_for_again(
    tmp_path: Path, sky: ToldSky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UNREACHED_S", -1.0)
    at = executor(tmp_path, sky)
    handle = submitted(at, tmp_path)
    sky.status = "INIT"
    assert at.poll(handle).lost
    assert submitted(at, tmp_path).how == "started"


def test_what_an_earlier_start_left_in_the_queue_is_ended_before_the_next(tmp_path: Path, sky: ToldSky) -> None:
    at = executor(tmp_path, sky)
    submitted(at, tmp_path)
    (cluster,) = sky.jobs
    sky.jobs[cluster] *= 2  # SkyPilot's server went on with one of a killed agent
    sky.cancelled = [1]
    assert submitted(at, tmp_path).how == "started"
    assert sky.cancelled == [1, 0]


def test_a_look_that_fails_is_waited_for(tmp_path: Path, sky: ToldSky, monkeypatch: pytest.MonkeyPatch) -> None:
    at = executor(tmp_path, sky)
    handle = submitted(at, tmp_path)
    sky.down(next(iter(sky.up)))

    def unreached(*, refresh: bool) -> set[str]:
        raise ToolFailed("no connection")

    monkeypatch.setattr(sky, "names", unreached)
    assert at.poll(handle).state == "running"


def test_a_server_that_is_stopped_by_a_word_stops_its_run_until_that_is_resumed(tmp_path: Path, sky: ToldSky) -> None:
    at = executor(tmp_path, sky)
    handle = submitted(at, tmp_path)
    stopped(Workspace(tmp_path), sky, list(sky.up))
    status = at.poll(handle)
    assert (status.out_of_money, status.message) == (False, "it was ended by `stratos clusters stop`")
    with pytest.raises(ToolFailed, match="clusters stop"):
        submitted(at, tmp_path)
    assert sky.up == {}
    assert submitted(executor(tmp_path, sky), tmp_path).how == "started"


def test_one_that_is_stopped_while_it_is_launched_ends_its_call_too(tmp_path: Path, sky: ToldSky) -> None:
    at, watched = executor(tmp_path, sky), list[Path]()

    def stopped_meanwhile() -> None:
        (cluster,) = account_of(tmp_path / "runs" / "r1").up
        (done,) = stopped(Workspace(tmp_path), sky, [cluster], watched.append)
        assert done.may_come_up

    sky.launching = stopped_meanwhile
    with pytest.raises(ToolFailed, match="clusters stop"):
        submitted(at, tmp_path)
    assert (sky.up, watched) == ({}, [tmp_path / "runs" / "r1"])


def served(tmp_path: Path) -> tuple[Path, ServeJob]:
    """The folder of a deployment, and its job."""
    folder = tmp_path / "deployments" / "m"
    at = starting.new_server_folder(folder)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "x").write_text("x")
    job = ServeJob(model_dir=tmp_path / "model", served_name="m", api_key_file=at / "api_key", stop_after_s=3600.0)
    return folder, job


def test_a_deployments_server_that_is_broken_off_while_it_is_launched_is_not_forgotten(
    tmp_path: Path, sky: ToldSky
) -> None:
    folder, job = served(tmp_path)
    at = job.api_key_file.parent
    sky.launching = broken_off
    with pytest.raises(ToolFailed, match="may still come up"):
        starting.start_server(folder, job, host=hosting.RentedHost(executor(tmp_path, sky), OFFER, 1.0))
    starting.end_strays(folder, keep=None)
    (cluster,) = account_of(at).up
    sky.up[cluster] = time.time()  # SkyPilot's server went on
    assert Servers(at, sky).watch(lambda name: None)
    assert sky.up == {}
    hours_later = Servers(at, sky, now=lambda: time.time() + 7200)
    assert not hours_later.watch(lambda name: None)
    starting.end_strays(folder, keep=None)
    assert not at.exists()


def test_a_deployments_server_that_is_stopped_while_it_is_launched_is_told(tmp_path: Path, sky: ToldSky) -> None:
    folder, job = served(tmp_path)

    def stopped_meanwhile() -> None:
        at = job.api_key_file.parent
        (cluster,) = account_of(at).up
        Servers(at, sky).stop(cluster, "somebody said so")

    sky.launching = stopped_meanwhile
    with pytest.raises(ToolFailed, match="somebody said so"):
        starting.start_server(folder, job, host=hosting.RentedHost(executor(tmp_path, sky), OFFER, 1.0))
    assert sky.up == {}


def test_what_was_carried_to_a_deployments_server_goes_with_it(tmp_path: Path, sky: ToldSky) -> None:
    _, job = served(tmp_path)
    at = job.api_key_file.parent
    rented = executor(tmp_path, sky)
    rented.reserve(at / hosting.THERE, OFFER, 1.0)
    rented.submit("stratos.tools.serving", job, at / hosting.THERE, offer=OFFER)
    key = job.api_key_file.read_text()
    starting.release(at)
    assert [path for path in at.rglob("*") if path.is_file() and key in path.read_text()] == [job.api_key_file]
