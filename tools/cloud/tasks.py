"""A job as a SkyPilot task: what of the plan's offer it asks for, what travels, how it is set up and run.

The task is a YAML file in the job's folder, for the user to read, and to run by hand with `sky launch`.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ...state.plan import Candidate, Offer, Plan
from ..pricing.skypilot import OWN_FOLDER
from ..serving.vllm import PROGRAM_VARIABLE
from .arrived import LAUNCH_VARIABLE
from .carrying import JOBS, PACKAGE, Carried
from .package import pins
from .startable import UNSTATED, WITHOUT_TYPES, is_spot, why_not

REMOTE_ROOT = "~/stratos"
PYTHON_VARIABLE = "STRATOS_SKY_PYTHON"
"""Of the environment: a Python on the servers that has all that jobs need, as on a cluster with shared folders; unset: it is installed."""
DISK_GIB = 100
"""Of a server: the environment takes 3 to 9 GiB, a checkpoint of a few billion weights with its optimiser's state some 30. SkyPilot's own
default is 256 GiB, which costs more on clouds that charge for disks; prices here are without disks."""
SPOT_RECOVERY = "FAILOVER"
"""Where a managed job (`sky jobs launch`, by hand) loses its spot server: first the same region, then the others. Stratos starts no managed
jobs and asks for a server that was taken away itself: their controller is another rented machine, outside of the run's account, and starts
servers anew that nobody reserved money for."""
SHARED = frozenset({"stratos.tools.tuning"})
"""Modules whose work several processes can share: tuning of open models. Students built from scratch are trained by one process."""
SERVING = "stratos.tools.serving"
"""The module of the serve job."""
VLLM_PIN = "vllm==0.33.0"
VLLM_INSTALLED = f"python -m venv $HOME/vllm && $HOME/vllm/bin/python -m pip install --quiet {VLLM_PIN}\n"
VLLM_NAMED = f"export {PROGRAM_VARIABLE}=$HOME/vllm/bin/vllm"
MASTER_PORT = 29500
ON_THE_FIRST = '[ "${SKYPILOT_NODE_RANK:-0}" = 0 ] || exit 0'
SAME_JOB = ("teacher", "student", "precision", "strategy", "train_tokens", "training", "tensor_parallel")
"""Of a candidate: what its job is made from, whichever server carries it out."""
SIZES_NAMED = frozenset({"A100-80GB", "V100-32GB"})
"""Of families with several sizes, those that SkyPilot names with the size; the other size has the bare name."""
FORMS = frozenset({"SE", "WS"})
"""Editions of one part (RTX PRO 6000 for servers and workstations)."""


@dataclass(frozen=True, kw_only=True)
class SetUp:
    """How a machine gets what jobs need."""

    python: str | None = None
    """A Python there that has everything already, such as a cluster's shared one; null: the pinned packages are installed."""
    pins: Sequence[str] = ()

    @classmethod
    def here(cls) -> "SetUp":
        """As this process's environment says, with the versions that are installed here."""
        return cls(python=os.environ.get(PYTHON_VARIABLE), pins=pins())


def task(
    job: Carried,
    offer: Offer,
    package: Path,
    folder: Path,
    set_up: SetUp,
    threads: int | None = None,
    *,
    fallbacks: Sequence[Offer] = (),
    module: str = "",
    idle_minutes: int | None = None,
) -> dict[str, Any]:
    """The task of one job. `folder` is the job's own, here; `package` the staged package.

    `fallbacks` are taken in their order where the offer cannot be had: whoever gives them has seen that each costs at most what was
    reserved, and that its predictions meet the brief. `module` is what the job runs: one whose work can be shared gets a process for each
    accelerator of each of the offer's servers; another one runs on the first of them, while the others stand by for one that can. With
    `idle_minutes` the servers end themselves when they were idle so long.
    """
    home = f"{REMOTE_ROOT}/{JOBS}/{job.name}"
    mounts = {f"{REMOTE_ROOT}/{place}": str(path) for place, path in job.files.items() if path.exists()}
    run = [
        f'cd "$HOME/{home.removeprefix("~/")}"',
        *environment(threads),
        *_shared(offer, module),
        *([VLLM_NAMED] if has_vllm(offer, module, set_up) else []),
        f"exec {shlex.quote(set_up.python or 'python')} -P -m stratos.tools.cloud.arrived .",
    ]
    made: dict[str, Any] = {
        "name": job.name,
        "resources": resources(offer, fallbacks, idle_minutes=idle_minutes),
        "num_nodes": offer.nodes,
        "file_mounts": {f"{REMOTE_ROOT}/{PACKAGE}/stratos": str(package), home: str(folder), **mounts},
        "run": "\n".join(run) + "\n",
    }
    if set_up.python is None:
        made["setup"] = installation(set_up.pins) + (VLLM_INSTALLED if has_vllm(offer, module, set_up) else "")
    return made


def has_vllm(offer: Offer, module: str, set_up: SetUp) -> bool:
    """Whether vLLM is set up there: to serve on accelerators, in an environment of its own, since it wants a torch of its own."""
    return module == SERVING and offer.accelerator is not None and set_up.python is None


def environment(threads: int | None = None) -> list[str]:
    """Lines of a shell that make the package's modules start."""
    threaded = [f"export OMP_NUM_THREADS={threads}"] if threads else []
    return [
        f"export PYTHONPATH=$HOME/stratos/{PACKAGE} HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false",
        *threaded,
    ]


def _shared(offer: Offer, module: str) -> list[str]:
    """Lines of a shell that have a job's work shared where it can be, and done once where it cannot."""
    if module not in SHARED:
        return [ON_THE_FIRST] if offer.nodes > 1 else []
    return launching(offer.nodes) if offer.nodes > 1 or offer.accelerator_count > 1 else []


def launching(nodes: int) -> list[str]:
    """Lines of a shell after which `arrived` starts its module once for each accelerator of each server, the way `accelerate launch` does
    it for GPUs: by torch's own launcher. SkyPilot says which server this is and where the first one is."""
    words = [
        *("-m torch.distributed.run", f"--nnodes {nodes}", "--node_rank $SKYPILOT_NODE_RANK"),
        "--nproc_per_node ${SKYPILOT_NUM_GPUS_PER_NODE:-1}",
        *('--master_addr $(echo "$SKYPILOT_NODE_IPS" | head -n 1)', f"--master_port {MASTER_PORT}", "-m"),
    ]
    # A checkpoint lies on the first server alone: where the job is started once more there, all must begin anew together.
    anew = ["rm -rf checkpoint-*"] if nodes > 1 else []
    return [*anew, f'export {LAUNCH_VARIABLE}="{" ".join(words)}"']


def installation(pins: Sequence[str]) -> str:
    """The line of a shell that installs what the package needs."""
    return "python -m pip install --quiet " + " ".join(map(shlex.quote, pins)) + "\n"


def resources(offer: Offer, fallbacks: Sequence[Offer] = (), *, idle_minutes: int | None = None) -> dict[str, Any]:
    """What SkyPilot is asked for: the offer, and after it, in their order, what may be taken where it cannot be had."""
    servers = [
        {**server(one), **({"job_recovery": SPOT_RECOVERY} if is_spot(one) else {})} for one in (offer, *fallbacks)
    ]
    # Of `any_of` SkyPilot takes the cheapest, which need not be what was planned and approved; of `ordered` the first that can be had.
    wanted: dict[str, Any] = {"ordered": servers} if fallbacks else servers[0]
    if idle_minutes is not None:
        wanted["autostop"] = {"idle_minutes": idle_minutes, "down": True}
    return wanted


def server(offer: Offer) -> dict[str, Any]:
    """One offer: its own machine type where its cloud has some, and never less than its parts."""
    region = "" if offer.region == UNSTATED else offer.region
    wanted: dict[str, Any] = {"infra": f"{offer.cloud}/{region}" if region else offer.cloud}
    if offer.cloud in WITHOUT_TYPES:
        if offer.accelerator is not None:
            wanted["accelerators"] = f"{accelerator_name(offer.accelerator)}:{offer.accelerator_count}"
        wanted |= {"cpus": f"{offer.vcpus:g}"} if offer.vcpus else {}
        wanted |= {"memory": f"{offer.memory_gib:g}"} if offer.memory_gib else {}
        return wanted
    # Accelerators are not named: the type has them, and SkyPilot refuses a type whose accelerator its catalogue calls by another name.
    wanted |= {"instance_type": offer.instance_type, "disk_size": DISK_GIB}
    return wanted | ({"use_spot": True} if is_spot(offer) else {})


def fallbacks(
    plan: Plan,
    others: Sequence[Candidate],
    offers: Mapping[str, Offer],
    reserved_usd: float,
    catalogue: Path = OWN_FOLDER,
) -> list[Offer]:
    """Of candidates, such as a plan's runners-up or the front, the servers that may carry out the plan's own job: the same student, trained
    alike, on another executable one of `offers`, at no more at the upper end of its band than was reserved. In the candidates' order. What
    SkyPilot cannot start is left out: for one fallback that it does not know it refuses the whole task.

    For tasks by hand. The executor names the plan's server alone and plans anew where it cannot be had: an approval, the predictions and
    the account are of one server at one price, few plans have such runners-up (kinds of server differ along a front), and SkyPilot comes
    to the next one only after all it does for the first, so that what is saved is the seconds of planning."""
    wanted, found = plan.candidate, dict[str, Offer]()
    for one in others:
        if (offer := offers.get(one.offer_id)) is None:  # this machine is no server
            continue
        alike = all(getattr(one, name) == getattr(wanted, name) for name in SAME_JOB) and offer.id != wanted.offer_id
        if alike and one.executable and one.usd.high <= reserved_usd and why_not(offer, catalogue) is None:
            found[offer.id] = offer
    return list(found.values())


def accelerator_name(accelerator: str) -> str:
    """What clusters without machine types call an accelerator of accelerators.csv: without its form factor, and without its memory where
    SkyPilot takes the name for the part with that much (its common/accelerators.csv)."""
    family, _, rest = accelerator.partition("-")
    sized = f"{family}-{rest.partition('-')[0]}"
    return sized if sized in SIZES_NAMED else family if "GB" in rest or rest in FORMS else accelerator


def written(made: Mapping[str, Any], path: Path) -> Path:
    """The task's file."""
    head = f"# A job of Stratos as a SkyPilot task; by hand: sky launch -c NAME {path.name}\n"
    path.write_text(head + yaml.safe_dump(dict(made), sort_keys=False, width=120), encoding="utf-8")
    return path
