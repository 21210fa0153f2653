"""A trained model as a SkyServe service: replicas of the plan's server behind one endpoint, more of them as more is asked.

The file is for the user, to be run with `sky serve up --secret STRATOS_API_KEY FILE`: a deployment on a rented server has one in its step's
folder where the brief asks for a rate. SkyPilot's own classes accept it (eval `cloud_tasks`); no service of it was ever started, since
SkyServe needs a cloud that can open ports, which the Slurm of the tests cannot. Stratos starts none: the controller that adds replicas is
a server of its own, and neither is within the run's account.
"""

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ...state.plan import Offer
from ..serving.job import ServeJob
from .carrying import PACKAGE
from .package import staged
from .startable import WITHOUT_TYPES, is_spot
from .tasks import REMOTE_ROOT, SERVING, VLLM_INSTALLED, VLLM_NAMED, SetUp, environment, has_vllm, installation, server

PORT = 8080
KEY_VARIABLE = "STRATOS_API_KEY"
"""The secret that the service is started with: the file has its name alone."""
SERVICE, MODEL, KEY_FILE = "service", "model", "key"
"""In the root there: the service's folder; in it the model's, and the file of the key."""
SERVICE_FILE, SERVICE_PACKAGE = "service.yaml", ".service-package"
READY_S, PROBE_S = 1200, 15
"""assumption: setting up takes minutes, loading a few billion weights some more; one answer to a probe takes well below a second."""
TARGET_SHARE = 0.7
"""assumption: a replica is given that share of what it carried when it was measured, so that bursts find room while another starts."""


@dataclass(frozen=True, kw_only=True)
class Replicas:
    """How many servers answer. With `spot` they may be taken away: `on_demand` of them are not, and where no spot server can be had an
    on-demand one takes its place, at its price, until one can."""

    least: int = 1
    most: int = 1
    target_rps: float
    """Requests a second that one is meant to carry."""
    spot: bool = False
    on_demand: int = 0


def replicas(needed_rps: float, carried_rps: float, *, spot: bool = False, on_demand: int = 0) -> Replicas:
    """As many as carry the busiest second, one while little is asked. `carried_rps` is of one server, both requests a second."""
    target = TARGET_SHARE * carried_rps
    return Replicas(most=max(1, math.ceil(needed_rps / target)), target_rps=target, spot=spot, on_demand=on_demand)


def written_service(
    folder: Path, name: str, model: Path, offer: Offer, set_up: SetUp, needed_rps: float, carried_rps: float
) -> Path | None:
    """The file of a service that carries the rate, in a folder, with the package beside it; null for clusters that open no ports."""
    if offer.cloud in WITHOUT_TYPES:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    package = staged(folder / SERVICE_PACKAGE)
    made = service(name, model, offer, package, set_up, replicas(needed_rps, carried_rps))
    head = "# The model as a SkyServe service, by hand: sky serve up --secret STRATOS_API_KEY FILE; what it costs nothing here limits\n"
    path = folder / SERVICE_FILE
    path.write_text(head + yaml.safe_dump(made, sort_keys=False, width=120), encoding="utf-8")
    return path


def service(
    name: str, model: Path, offer: Offer, package: Path, set_up: SetUp, wanted: Replicas, *, threads: int | None = None
) -> dict[str, Any]:
    """The service of a model's folder on the offer's server. `package` is the staged package. Raises ValueError for clusters without
    machine types, which open no ports, and for fewer replicas than are never taken away."""
    if offer.cloud in WITHOUT_TYPES:
        raise ValueError(f"SkyServe cannot open the ports of {offer.cloud}")
    if not 0 <= wanted.on_demand <= wanted.most:
        raise ValueError(f"{wanted.on_demand} replicas on demand of at most {wanted.most}")
    home, vllm = f"{REMOTE_ROOT}/{SERVICE}", has_vllm(offer, SERVING, set_up)
    resources = {**server(offer), "ports": PORT}
    if wanted.spot or is_spot(offer):
        resources["use_spot"] = True
    made: dict[str, Any] = {
        "name": name,
        "service": _spec(wanted, spot="use_spot" in resources),
        "resources": resources,
        "secrets": {KEY_VARIABLE: None},
        "file_mounts": {f"{REMOTE_ROOT}/{PACKAGE}/stratos": str(package), f"{home}/{MODEL}": str(model)},
        "run": "\n".join(_run(name, set_up.python or "python", threads, vllm=vllm)) + "\n",
    }
    if set_up.python is None:
        made["setup"] = installation(set_up.pins) + (VLLM_INSTALLED if vllm else "")
    return made


def _spec(wanted: Replicas, *, spot: bool) -> Mapping[str, Any]:
    policy: dict[str, Any] = {
        "min_replicas": max(wanted.least, wanted.on_demand),
        "max_replicas": wanted.most,
        "target_qps_per_replica": wanted.target_rps,
    }
    if spot:
        policy |= {"base_ondemand_fallback_replicas": wanted.on_demand, "dynamic_ondemand_fallback": True}
    probe = {
        "path": "/v1/models",
        "headers": {"Authorization": f"Bearer ${{{KEY_VARIABLE}}}"},
        "initial_delay_seconds": READY_S,
        "timeout_seconds": PROBE_S,
    }
    return {"readiness_probe": probe, "replica_policy": policy}


def _run(name: str, python: str, threads: int | None, *, vllm: bool) -> list[str]:
    """The job's file is written there: a machine's home folder is known only there. The key is in a file that its owner alone can read."""
    job = ServeJob(
        model_dir=Path(MODEL),
        served_name=name,
        api_key_file=Path(KEY_FILE),
        host="0.0.0.0",  # the load balancer is on another machine; who has no key is refused
        port=PORT,
        threads=threads or 1,
    )
    return [
        f'cd "$HOME/{REMOTE_ROOT.removeprefix("~/")}/{SERVICE}"',
        f'(umask 077; printf %s "${KEY_VARIABLE}" > {KEY_FILE})',
        *environment(threads),
        *([VLLM_NAMED] if vllm else []),
        f"printf %s {shlex.quote(job.model_dump_json())} > job.json",
        f"exec {shlex.quote(python)} -P -m stratos.tools.serving job.json",
    ]
