"""What a plan's server, its fallbacks and several of it become as SkyPilot's resources; a service; and what SkyPilot cannot start."""

# pyright: reportUnknownMemberType=false

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from stratos.state.plan import Offer, Plan
from stratos.tools.cloud.carrying import carried
from stratos.tools.cloud.services import KEY_VARIABLE, PORT, Replicas, replicas, service
from stratos.tools.cloud.startable import CLOUDS, catalogue_usd, startable, why_not
from stratos.tools.cloud.tasks import (
    ON_THE_FIRST,
    SERVING,
    SetUp,
    accelerator_name,
    fallbacks,
    resources,
    task,
    written,
)
from stratos.tools.pricing import LookUpPrices, look_up_prices
from stratos.tools.serving.job import ServeJob
from stratos.tools.serving.vllm import free_port
from stratos.tools.tuning.specs import TuneJob

from ...building import candidate, offer, prediction
from ..serving import tiny_model
from ..tuning import tiny
from .test_executor import OFFER

ROOT = Path(__file__).parents[3]


def a100(**changes: Any) -> Offer:
    made = {
        "id": "azure/eastus/Standard_NC48ads_A100_v4/A100-80GB-PCIe x 2",
        "cloud": "azure",
        "region": "eastus",
        "instance_type": "Standard_NC48ads_A100_v4",
        "accelerator": "A100-80GB-PCIe",
        "accelerator_count": 2,
        "spot_usd_per_hour": 2.0,
        "price_basis": "node_on_demand",
    }
    return offer(7.346).model_copy(update={**made, **changes})


def test_a_server_is_asked_for_by_its_own_type_and_place() -> None:
    wanted = {"infra": "azure/eastus", "instance_type": "Standard_NC48ads_A100_v4", "disk_size": 100}
    assert resources(a100()) == wanted
    assert resources(a100(region="unstated"))["infra"] == "azure"


def test_a_spot_price_is_asked_for_as_spot_and_lost_servers_are_made_good() -> None:
    (listed,) = look_up_prices(LookUpPrices(spot=True, clouds=("verda",), accelerators=("B200",), limit=1)).offers
    asked = resources(listed)
    assert (asked["use_spot"], asked["job_recovery"], asked["infra"]) == (True, "FAILOVER", "verda/FIN-03")
    assert "use_spot" not in resources(a100())


def test_fallbacks_come_behind_the_planned_server_in_their_order() -> None:
    other = a100(region="westus3", id="other")
    asked = resources(a100(), [other], idle_minutes=10)
    assert [one["infra"] for one in asked["ordered"]] == ["azure/eastus", "azure/westus3"]
    assert asked["autostop"] == {"idle_minutes": 10, "down": True}


def test_a_fallback_carries_out_the_same_job_within_what_was_reserved(tmp_path: Path) -> None:
    chosen = candidate(executable=True, usd=prediction(1.0))
    plan = Plan(candidate=chosen, offer=OFFER, reason="test", runners_up=())
    dear = chosen.model_copy(update={"offer_id": "dear", "usd": prediction(3.0)})
    there = chosen.model_copy(update={"offer_id": "there", "usd": prediction(1.1)})
    longer = there.model_copy(update={"offer_id": "longer", "train_tokens": chosen.train_tokens + 1})
    closed = there.model_copy(update={"offer_id": "closed", "executable": False})
    unknown = there.model_copy(update={"offer_id": "unknown"})
    others = [chosen, dear, unknown, there, longer, closed]
    offers = {one.offer_id: a100(id=one.offer_id) for one in others}
    others.append(there.model_copy(update={"offer_id": "local/local/this-machine"}))
    offers["unknown"] = a100(id="unknown", cloud="aws", region="sa-east-1")
    assert [one.id for one in fallbacks(plan, others, offers, 2.3, tmp_path)] == ["there"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("A100-40GB-SXM", "A100"),
        ("A100-80GB-PCIe", "A100-80GB"),
        ("H100-94GB-NVL", "H100"),
        ("H200-141GB-SXM", "H200"),
        ("V100-16GB", "V100"),
        ("V100-32GB", "V100-32GB"),
        ("RTXPRO6000-SE", "RTXPRO6000"),
        ("GRID-K520", "GRID-K520"),
        ("L40S", "L40S"),
    ],
)
def test_clusters_without_types_are_asked_for_accelerators_by_skypilots_names(ours: str, theirs: str) -> None:
    assert accelerator_name(ours) == theirs
    asked = resources(OFFER.model_copy(update={"accelerator": ours, "accelerator_count": 4}))
    assert asked["accelerators"] == f"{theirs}:4"


def catalogue(folder: Path, *rows: str) -> Path:
    (folder / "azure").mkdir()
    (folder / "azure" / "vms.csv").write_text("\n".join(["InstanceType,Region,Price,SpotPrice", *rows]) + "\n")
    return folder


def test_what_skypilots_catalogue_lacks_is_not_startable_and_says_why(tmp_path: Path) -> None:
    at = catalogue(tmp_path, "standard_nc48ads_a100_v4,EastUS,7.3,", "Standard_NC48ads_A100_v4,westus3,7.3,2.0")
    assert why_not(a100(), at) is None
    assert why_not(a100(region="northeurope"), at) == (
        "SkyPilot's catalogue has 'Standard_NC48ads_A100_v4' not in 'northeurope', only in eastus, westus3"
    )
    assert "no 'other' of azure" in str(why_not(a100(instance_type="other"), at))
    assert "no spot price" in str(why_not(a100(id="x (spot)"), at))
    assert why_not(a100(id="x (spot)", region="westus3"), at) is None
    assert [catalogue_usd(a100(region="westus3", nodes=nodes), at) for nodes in (1, 2)] == [7.3, 14.6]
    assert why_not(a100(cloud="aws", region="us-east-1", instance_type="no file"), at) is None


def test_clouds_that_skypilot_cannot_use_are_told(tmp_path: Path) -> None:
    assert why_not(a100(cloud="coreweave"), tmp_path) == "SkyPilot starts no servers of coreweave"
    assert "cannot end itself" in str(why_not(a100(cloud="verda"), tmp_path))
    assert "a region of shadeform" in str(why_not(a100(cloud="shadeform"), tmp_path))
    assert "cannot join 2 servers of vast" in str(why_not(a100(cloud="vast", nodes=2), tmp_path))
    assert why_not(a100(cloud="aws", region="sa-east-1"), tmp_path) == "SkyPilot has no catalogue of sa-east-1 of aws"
    assert why_not(offer(), tmp_path) is None
    assert startable(frozenset({"aws", "verda", "shadeform", "coreweave", "local"})) == {"aws"}
    assert {"aws", "slurm", "vast"} < startable(CLOUDS)


def test_several_servers_share_tuning_and_nothing_else(tmp_path: Path) -> None:
    sent = carried(TuneJob(model=tmp_path, shards=(tmp_path / "a",)), tmp_path / "job")
    beside: Any = (tmp_path, tmp_path / "job", SetUp(python="python"))
    tuning = task(sent, a100(nodes=2), *beside, module="stratos.tools.tuning")
    assert (tuning["num_nodes"], "--nnodes 2" in tuning["run"], ON_THE_FIRST in tuning["run"]) == (2, True, False)
    assert "--nnodes 1" in task(sent, a100(), *beside, module="stratos.tools.tuning")["run"]
    other = task(sent, a100(nodes=2), *beside, module="stratos.tools.training")
    assert (other["num_nodes"], "STRATOS_LAUNCH" in other["run"], ON_THE_FIRST in other["run"]) == (2, False, True)
    assert ON_THE_FIRST not in task(sent, a100(), *beside, module="stratos.tools.training")["run"]


@pytest.mark.slow
def test_two_servers_tune_one_model_together(tmp_path: Path) -> None:
    here = tmp_path / "here"
    job_folder = here / "job"
    job_folder.mkdir(parents=True)
    model, shard = tiny.checkpoint(here / "tiny"), tiny.shard(here / "sums.jsonl", tiny.lines(64))
    job = TuneJob(
        model=model, shards=(shard,), method="full", learning_rate=3e-3, batch_tokens=256, max_sequence_tokens=64
    )
    sent = carried(job, job_folder)
    module = "stratos.tools.tuning"
    told: dict[str, Any] = {"module": module, "job": sent.job, "writes": [], "start": "x"}
    (job_folder / "carried.json").write_text(json.dumps(told))
    made = task(
        sent, OFFER.model_copy(update={"nodes": 2}), ROOT, job_folder, SetUp(python=sys.executable), 1, module=module
    )
    homes = [tmp_path / "first", tmp_path / "second"]
    processes = [_on_a_server(made, home, rank) for rank, home in enumerate(homes)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    first, second = (next((home / "stratos" / "jobs").iterdir()) for home in homes)
    result = json.loads((first / "result.json").read_text())
    # 64 examples, 256 tokens a batch: each server learns half of them, a step being a batch of both.
    assert ((first / "model" / "model.safetensors").exists(), (second / "model").exists()) == (True, False)
    assert result["steps"] * 2 * 256 >= result["tokens"]


def _on_a_server(
    made: dict[str, Any], home: Path, rank: int, secrets: dict[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """What SkyPilot does on one of two servers: the mounts, then the line, told which one it is."""
    for there, source in made["file_mounts"].items():
        target = home / there.removeprefix("~/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(source) == ROOT:
            target.symlink_to(ROOT)
        elif Path(source).is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
    cluster = {"SKYPILOT_NODE_RANK": str(rank), "SKYPILOT_NODE_IPS": "127.0.0.1\n127.0.0.1"}
    return subprocess.Popen(
        ["bash", "-c", made["run"]], env={**os.environ, "HOME": str(home), **cluster, **(secrets or {})}
    )


def test_a_service_probes_the_models_endpoint_and_holds_no_key(tmp_path: Path) -> None:
    made = service("sums", tmp_path, a100(), tmp_path, SetUp(pins=("numpy==2.4.0",)), replicas(30, 20))
    assert made["service"]["readiness_probe"]["path"] == "/v1/models"
    assert made["service"]["replica_policy"] == {
        "min_replicas": 1,
        "max_replicas": 3,  # 30 / (0.7 x 20) = 2.14
        "target_qps_per_replica": 14.0,
    }
    assert made["secrets"] == {"STRATOS_API_KEY": None}
    assert (made["resources"]["ports"], "use_spot" in made["resources"]) == (8080, False)
    assert written(made, tmp_path / "service.yaml").exists()


def test_what_a_service_runs_answers_the_probe_with_its_key_alone(tmp_path: Path) -> None:
    tiny_model.make(tmp_path / "model")
    made = service("sums", tmp_path / "model", a100(), ROOT, SetUp(python=sys.executable), Replicas(target_rps=1.0))
    port, home = free_port("127.0.0.1"), tmp_path / "home"
    made["run"] = made["run"].replace(str(PORT), str(port))
    process = _on_a_server(made, home, 0, {KEY_VARIABLE: "a-key-of-the-test"})
    try:
        probe = made["service"]["readiness_probe"]
        url = f"http://127.0.0.1:{port}{probe['path']}"
        told = {
            name: value.replace(f"${{{KEY_VARIABLE}}}", "a-key-of-the-test") for name, value in probe["headers"].items()
        }
        assert _answered(url, told, process) == 200
        assert httpx.get(url).status_code == 401
        assert (home / "stratos" / "service" / "key").stat().st_mode & 0o077 == 0
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answered(url: str, headers: dict[str, str], process: "subprocess.Popen[bytes]") -> int:
    """The first answer of a server that is being started."""
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            return httpx.get(url, headers=headers).status_code
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError("no answer")


def test_spot_replicas_have_some_that_stay_and_stand_ins_on_demand(tmp_path: Path) -> None:
    wanted = Replicas(least=1, most=4, target_rps=5.0, spot=True, on_demand=2)
    made = service("sums", tmp_path, a100(), tmp_path, SetUp(python="python"), wanted)
    policy = made["service"]["replica_policy"]
    assert (policy["base_ondemand_fallback_replicas"], policy["dynamic_ondemand_fallback"]) == (2, True)
    assert (policy["min_replicas"], made["resources"]["use_spot"], "job_recovery" in made["resources"]) == (
        2,
        True,
        False,
    )


def test_accelerators_serve_by_vllm_in_an_environment_of_its_own(tmp_path: Path) -> None:
    asked = carried(ServeJob(model_dir=tmp_path, served_name="m", api_key_file=tmp_path / "key"), tmp_path / "job")
    for made in (
        task(asked, a100(), tmp_path, tmp_path, SetUp(pins=["torch==2"]), module=SERVING),
        service("m", tmp_path, a100(), tmp_path, SetUp(pins=["torch==2"]), replicas(1.0, 1.0)),
    ):
        assert made["setup"].splitlines()[1].startswith("python -m venv $HOME/vllm && $HOME/vllm/bin/python")
        assert "export STRATOS_VLLM=$HOME/vllm/bin/vllm" in made["run"].splitlines()
    for made in (
        task(asked, OFFER, tmp_path, tmp_path, SetUp(pins=["torch==2"]), module=SERVING),
        task(asked, a100(), tmp_path, tmp_path, SetUp(pins=["torch==2"]), module="stratos.tools.tuning"),
    ):
        assert "vllm" not in made["setup"]
        assert "VLLM" not in made["run"]


def test_clusters_that_open_no_ports_serve_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot open the ports of slurm"):
        service("sums", tmp_path, OFFER, tmp_path, SetUp(python="python"), Replicas(target_rps=1.0))
    with pytest.raises(ValueError, match="2 replicas on demand of at most 1"):
        service("sums", tmp_path, a100(), tmp_path, SetUp(python="python"), Replicas(target_rps=1.0, on_demand=2))
