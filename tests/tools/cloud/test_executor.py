"""The executor of other machines over a pretended SkyPilot: jobs run, report, come back whole, end when told, and are found again."""

import json
import os
import sys
import time
from collections.abc import Generator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from stratos.skills import load
from stratos.state.errors import JobLost, OutOfTime, PriceChanged, ServerUnavailable, ToolFailed
from stratos.tools.cloud import executor as module
from stratos.tools.cloud.executor import SkyExecutor
from stratos.tools.cloud.servers import Servers
from stratos.tools.cloud.tasks import SetUp
from stratos.tools.executor import JobHandle
from stratos.tools.generation import GenerateJob
from stratos.tools.training.students import TrainJob
from stratos.tools.tuning.specs import TuneJob
from stratos.tools.waiting import JobRequest, run

from ...building import offer
from ..training.test_train import TINY
from ..tuning import tiny
from .pretended import PretendedSky

OFFER = offer(0.1).model_copy(
    update={
        "id": "slurm/loopback/cpu",
        "cloud": "slurm",
        "region": "loopback",
        "instance_type": "cpu",
        "vcpus": 1,
        "memory_gib": 2,
    }
)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and questions cost nothing here."""
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(module, "ASK_EVERY_S", 0.2)
    monkeypatch.setattr(module, "AGAIN_S", 0.0)


@pytest.fixture
def sky(tmp_path: Path) -> Generator[PretendedSky]:
    pretended = PretendedSky(tmp_path / "clusters")
    yield pretended
    for name in list(pretended.made):
        pretended.down(name)


def executor(tmp_path: Path, sky: PretendedSky) -> SkyExecutor:
    """Without a watchdog, with a dollar for the call of the job's folder."""
    made = SkyExecutor(
        tmp_path,
        frozenset({"slurm"}),
        sky=sky,
        set_up=SetUp(python=sys.executable),
        watched=lambda folder: None,
        catalogue=tmp_path / "catalogue",
    )
    made.reserve(request(tmp_path).folder, OFFER, 1.0)
    return made


def request(tmp_path: Path, **changes: Any) -> JobRequest:
    run_folder = tmp_path / "runs" / "r1"
    job = GenerateJob(
        skill="mahjong",
        task="win",
        seed=0,
        data_folder=run_folder / "data",
        examples=50,
        splits=("dev",),
        held_out_items=10,
        workers=1,
    ).model_copy(update=changes)
    return JobRequest(module="stratos.tools.generation", job=job, folder=run_folder / "steps" / "data", offer=OFFER)


def test_a_job_runs_there_and_all_it_made_comes_back(tmp_path: Path, sky: PretendedSky) -> None:
    events: list[dict[str, Any]] = []
    result = run(executor(tmp_path, sky), request(tmp_path), events.append)
    assert result["splits"][0]["n"] == 10
    data = tmp_path / "runs" / "r1" / "data"
    assert {"train-00000.jsonl", "dev.jsonl"} <= {path.name for path in data.iterdir()}
    assert any(event["event"] == "progress" and event["done"] > 0 for event in events)
    (told,) = sky.launched
    assert told["resources"] == {
        "infra": "slurm/loopback",
        "cpus": "1",
        "memory": "2",
        "autostop": {"idle_minutes": 10, "down": True},
    }


def test_what_was_spoiled_on_its_way_is_not_taken(tmp_path: Path, sky: PretendedSky) -> None:
    sky.spoils = "dev.jsonl"
    with pytest.raises(ToolFailed, match=r"what was fetched is not what was made there: dev\.jsonl"):
        run(executor(tmp_path, sky), request(tmp_path))
    assert not (request(tmp_path).folder / "result.json").exists()
    assert sky.made == {}


def test_a_job_that_fails_says_there_why_and_leaves_no_cluster(tmp_path: Path, sky: PretendedSky) -> None:
    with pytest.raises(ToolFailed, match="'nothing'"):
        run(executor(tmp_path, sky), request(tmp_path, skill="nothing"))
    assert sky.made == {}


def test_a_server_that_cannot_be_had_is_told_and_costs_nothing(tmp_path: Path, sky: PretendedSky) -> None:
    sky.refuses = "no capacity in loopback"
    at = executor(tmp_path, sky)
    with pytest.raises(ServerUnavailable, match="slurm/loopback/cpu cannot be had: no capacity in loopback"):
        run(at, request(tmp_path))
    assert at.charge(request(tmp_path).folder).usd == 0.0


def test_a_connection_lost_for_minutes_does_not_lose_a_server_that_is_up(tmp_path: Path, sky: PretendedSky) -> None:
    at, asked = executor(tmp_path, sky), request(tmp_path)
    run(at, asked)
    sky.refuses, sky.refusals = "no connection", 5
    again = asked.folder.with_name("again")
    handle = at.submit(asked.module, asked.job, again, offer=OFFER)
    assert (handle.how, sky.refusals, len(sky.made)) == ("started", 0, 1)
    at.cancel(handle)


def test_nothing_is_started_without_money(tmp_path: Path, sky: PretendedSky) -> None:
    at, asked = executor(tmp_path, sky), request(tmp_path)
    at.charge(asked.folder)  # what was reserved is free again
    with pytest.raises(ToolFailed, match="no money is reserved for slurm/loopback/cpu"):
        run(at, asked)  # which ends what it may have started: nothing
    assert sky.launched == []


def test_a_server_whose_price_has_moved_is_not_asked_for_and_one_that_is_up_goes_on(
    tmp_path: Path, sky: PretendedSky
) -> None:
    at, asked = executor(tmp_path, sky), request(tmp_path)
    price(tmp_path, "0.106")
    with pytest.raises(PriceChanged, match=r"slurm/loopback/cpu now costs \$0\.106 an hour"):
        at.submit(asked.module, asked.job, asked.folder, offer=OFFER)
    assert (sky.launched, at.servers(tmp_path / "runs" / "r1").account.servers) == ([], {})
    price(tmp_path, "0.104")
    handle = at.submit(asked.module, asked.job, asked.folder, offer=OFFER)
    (server,) = at.servers(tmp_path / "runs" / "r1").account.servers.values()
    assert server.usd_per_hour == 0.104  # within 5 %: begun, and reckoned with as it is
    price(tmp_path, "0.3")
    assert at.submit(asked.module, asked.job, asked.folder.with_name("again"), offer=OFFER).how == "started"
    at.cancel(handle)


def test_a_spot_server_that_is_taken_away_twice_is_asked_for_again_and_goes_on_from_what_was_saved(
    tmp_path: Path, sky: PretendedSky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE_EVERY_S", 0.2)
    changes = {"id": "aws/us-east-1/x (spot)", "cloud": "aws", "region": "us-east-1", "instance_type": "x"}
    spot, asked = OFFER.model_copy(update=changes), training(tmp_path)
    at = SkyExecutor(
        tmp_path, frozenset({"aws"}), sky=sky, set_up=SetUp(python=sys.executable), watched=lambda folder: None,
        catalogue=tmp_path,
    )  # fmt: skip
    at.reserve(asked.folder, spot, 1.0)
    notes: list[str] = []
    saved: list[set[Path]] = [set()]

    def heard(event: dict[str, Any]) -> None:
        notes.append(str(event.get("text", "")))
        new = set(asked.folder.glob("checkpoint-*.pt")) - saved[-1]
        if new and len(saved) < 3:
            saved.append(saved[-1] | new)
            sky.down(next(iter(sky.made)))

    result = run(at, replace(asked, offer=spot), heard)
    went_on = [int(note.split()[2]) for note in dict.fromkeys(notes) if note.startswith("continuing after")]
    assert (result["stopped_by"], len(went_on)) == ("tokens", 2)
    assert 0 < went_on[0] < went_on[1] < result["tokens"]
    assert [told["resources"]["use_spot"] for told in sky.launched] == [True] * 3
    assert at.charge(asked.folder).usd == pytest.approx(
        sum(sky.costs()[n].seconds for n in sky.costs()) / 36000, rel=0.2
    )


TWO = OFFER.model_copy(update={"id": f"{OFFER.id} x 2 servers", "nodes": 2, "usd_per_hour": 0.2})


def test_what_cannot_be_shared_runs_on_the_first_of_two_servers(tmp_path: Path, sky: PretendedSky) -> None:
    at, asked = executor(tmp_path, sky), request(tmp_path)
    at.reserve(asked.folder, TWO, 1.0)
    result = run(at, replace(asked, offer=TWO))
    (cluster,) = sky.made
    assert (result["splits"][0]["n"], sky.launched[0]["num_nodes"]) == (10, 2)
    second = sky.folder / f"{cluster}-1" / "stratos" / "jobs"
    assert list(second.glob("*/carried.json"))
    assert not list(second.glob("*/ended.json"))
    (server,) = at.servers(tmp_path / "runs" / "r1").account.servers.values()
    assert server.usd_per_hour == 0.2


def test_two_servers_cost_twice_what_the_catalogue_has_for_one(tmp_path: Path, sky: PretendedSky) -> None:
    at, asked = executor(tmp_path, sky), request(tmp_path)
    at.reserve(asked.folder, TWO, 1.0)
    price(tmp_path, "0.2")
    with pytest.raises(PriceChanged, match=r"x 2 servers now costs \$0\.4 an hour"):
        at.submit(asked.module, asked.job, asked.folder, offer=TWO)
    price(tmp_path, "0.1")
    at.cancel(at.submit(asked.module, asked.job, asked.folder, offer=TWO))
    assert len(sky.launched) == 1


@pytest.mark.slow
def test_two_servers_tune_one_model_together_and_the_first_gives_it_back(tmp_path: Path, sky: PretendedSky) -> None:
    run_folder = tmp_path / "runs" / "r1"
    run_folder.mkdir(parents=True)
    model, shard = tiny.checkpoint(run_folder / "tiny"), tiny.shard(run_folder / "sums.jsonl", tiny.lines(64))
    job = TuneJob(
        model=model, shards=(shard,), method="full", learning_rate=3e-3, batch_tokens=256, max_sequence_tokens=64
    )
    asked = JobRequest(
        module="stratos.tools.tuning", job=job, folder=run_folder / "steps" / "student", threads=1, offer=TWO
    )
    at = executor(tmp_path, sky)
    at.reserve(asked.folder, TWO, 1.0)
    result = run(at, asked)
    assert result["steps"] * 2 * 256 >= result["tokens"]  # a step is a batch of each
    assert (asked.folder / "model" / "model.safetensors").exists()
    up_s = sky.costs()[next(iter(sky.made))].seconds
    assert at.charge(asked.folder).usd == pytest.approx(up_s / 3600 * 0.2, rel=0.05)


def training(tmp_path: Path) -> JobRequest:
    """A small one with checkpoints all the time."""
    run_folder = tmp_path / "runs" / "r1"
    run_folder.mkdir(parents=True)
    shard = run_folder / "train-00000.jsonl"
    examples = load("mahjong").make("win", seed=1, block=0, count=600)
    shard.write_text("".join(json.dumps(asdict(example)) + "\n" for example in examples))
    job = TrainJob(
        skill="mahjong", task="win", student=TINY, target="rationale", shards=(shard,), tokens=400_000, seed=1,
        checkpoint_every_s=0.1,
    )  # fmt: skip
    return JobRequest(module="stratos.tools.training", job=job, folder=run_folder / "steps" / "student")


def test_what_was_begun_is_not_broken_off_when_its_price_moves(tmp_path: Path, sky: PretendedSky) -> None:
    at, asked = executor(tmp_path, sky), request(tmp_path, examples=3_000_000)
    handle = at.submit(asked.module, asked.job, asked.folder, offer=OFFER)
    sky.down(next(iter(sky.made)))
    assert _until(at, handle, "failed").lost
    price(tmp_path, "0.3")
    assert at.submit(asked.module, asked.job, asked.folder, offer=OFFER).how == "started"
    (server,) = at.servers(tmp_path / "runs" / "r1").account.servers.values()
    assert server.usd_per_hour == 0.3
    at.cancel(handle)


def test_prices_that_skypilot_would_fetch_before_it_starts_a_server_are_fetched_before_they_are_planned_with(
    tmp_path: Path, sky: PretendedSky
) -> None:
    clouds = frozenset({"aws", "lambda", "gcp", "slurm"})
    at = SkyExecutor(tmp_path, clouds, sky=sky, set_up=SetUp(python="python"), catalogue=tmp_path)
    for cloud, age_s in (("lambda", 6 * 3600), ("gcp", 8 * 3600)):
        (tmp_path / cloud).mkdir()
        (tmp_path / cloud / "vms.csv").touch()
        os.utime(tmp_path / cloud / "vms.csv", (0, time.time() - age_s))
    sky.refuses = "no network"  # nor can it when it starts one
    for _ in range(2):
        assert at.catalogue().clouds == clouds | {"local"}
    assert sky.renewed == ["aws", "gcp"]


def price(folder: Path, usd: str) -> None:
    """What the catalogue says that OFFER's server costs."""
    file = folder / "catalogue" / "slurm" / "vms.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"InstanceType,Region,Price,SpotPrice\ncpu,loopback,{usd},\n")
    os.utime(file, ns=(0, int(float(usd) * 1e12)))  # another time for another price


def test_what_a_server_cost_is_borne_once_and_all_of_it(tmp_path: Path, sky: PretendedSky) -> None:
    at, asked = executor(tmp_path, sky), request(tmp_path)
    run(at, asked)
    first, again = at.charge(asked.folder), at.charge(asked.folder)
    assert first.usd > 0
    assert (again.usd, again.kept_usd) == (first.usd, first.kept_usd)
    assert first.kept_usd == pytest.approx(13 / 60 * 0.1)
    rest = at.release(tmp_path / "runs" / "r1")
    assert sky.made == {}
    (up_s,) = sky.seconds.values()
    assert first.usd + rest == pytest.approx(up_s / 3600 * 0.1)


def test_a_watchdog_ends_a_server_whose_money_is_nearly_used(tmp_path: Path, sky: PretendedSky) -> None:
    at, asked = executor(tmp_path, sky), request(tmp_path, examples=3_000_000)
    handle = at.submit(asked.module, asked.job, asked.folder, offer=OFFER)
    run_folder, later = tmp_path / "runs" / "r1", time.time() + 3600 * 10 - 60 * 2
    saved: list[str] = []
    assert not Servers(run_folder, sky, now=lambda: later).watch(saved.append)
    assert (len(saved), sky.made) == (1, {})
    assert at.poll(handle).out_of_money
    with pytest.raises(OutOfTime, match=r"the \$1.0000 reserved for servers were nearly used"):
        run(at, asked)


def test_a_job_is_found_again_by_another_agent_and_ended(tmp_path: Path, sky: PretendedSky) -> None:
    asked = request(tmp_path, examples=3_000_000)
    first = executor(tmp_path, sky).submit(asked.module, asked.job, asked.folder, offer=OFFER)
    later = executor(tmp_path, sky)
    again = later.submit(asked.module, asked.job, asked.folder, offer=OFFER)
    assert (first.how, again.how, len(sky.launched)) == ("started", "attached", 1)
    assert _until(later, again, "running")
    later.cancel(again)
    assert sky.made == {}
    assert later.poll(again).state == "cancelled"


def test_a_cluster_that_is_gone_loses_the_job_which_is_started_once_more(tmp_path: Path, sky: PretendedSky) -> None:
    asked = request(tmp_path, examples=3_000_000)
    at = executor(tmp_path, sky)
    handle = at.submit(asked.module, asked.job, asked.folder, offer=OFFER)
    sky.down(next(iter(sky.made)))
    found = _until(at, handle, "failed")
    assert (found.lost, "is gone" in found.message) == (True, True)
    with pytest.raises(JobLost):
        run(at, JobRequest(module=asked.module, job=asked.job, folder=asked.folder, offer=OFFER), _lose(sky))


def test_a_cluster_that_cannot_be_reached_for_a_while_is_waited_for(tmp_path: Path, sky: PretendedSky) -> None:
    at, asked = executor(tmp_path, sky), request(tmp_path)
    handle = at.submit(asked.module, asked.job, asked.folder, offer=OFFER)
    sky.unreached = True
    until = time.monotonic() + 1
    while time.monotonic() < until:
        assert at.poll(handle).state == "running"
        time.sleep(0.1)
    sky.unreached = False
    assert _until(at, handle, "done")
    assert at.fetch(handle)["splits"][0]["n"] == 10


def test_jobs_without_another_machine_run_here(tmp_path: Path, sky: PretendedSky) -> None:
    asked = request(tmp_path)
    result = run(executor(tmp_path, sky), JobRequest(module=asked.module, job=asked.job, folder=asked.folder))
    assert (result["splits"][0]["n"], sky.launched) == (10, [])


def _until(at: SkyExecutor, handle: JobHandle, state: str) -> Any:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = at.poll(handle)
        if found.state == state:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not {state} within a minute")


def _lose(sky: PretendedSky) -> Any:
    """Every cluster is gone as soon as something of it is heard."""

    def heard(event: dict[str, Any]) -> None:
        for name in list(sky.made):
            sky.down(name)

    return heard
