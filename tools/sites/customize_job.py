"""The job that carries the loop to all sites of this machine and back: over Flower, or in its own process.

`python -m stratos.tools.sites.customize_job job.json`. Started again in the same folder it asks only for what is missing.
"""

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import Field

from ...state.brief import Record
from ..jobs import TimedJob, main, progress, report
from .engines.flower import Door, federation
from .loop.aggregation import Robust
from .loop.loop_orders import LoopOrders, SiteInLoop, outcome_in, run_loop, write_orders
from .loop.orders import Orders

if TYPE_CHECKING:
    from .heads.adapter import AdapterSpec
    from .heads.header import HeaderSpec
    from .heads.weight_sharing import Found

SpecT = TypeVar("SpecT", bound=Record)
SITES, FLOWER, ORDERS_FILE = "sites", "flower", "orders.json"
LOOK_EVERY_S = 0.5
ANSWERS = 2
"""Letters that each site answers."""


class SiteAtWork(SiteInLoop):
    """A site, and where its examples are."""

    data: Path | None = Field(default=None, description="null: it joins from a machine of its own")


class CustomizeJob(TimedJob):
    """The loop, and where its sites are."""

    backbone: Path
    sites: tuple[SiteAtWork, ...]
    orders: Orders
    engine: Literal["flower", "simulation", "here"] = "flower"
    secure: bool = False
    door: Door | None = Field(default=None, description="for sites that join; null: all work here")
    appear_s: float = Field(default=120.0, gt=0, description="seconds that sites have to be there")
    robust: Robust = "none"
    public: tuple[Path, Path] | None = Field(
        default=None,
        description="public examples to search headers or adapters on, to learn from and to choose by; null: no search",
    )
    answer_s: float = Field(default=3600.0, gt=0, description="seconds that a site may take to answer")
    at_once: int = Field(default=2, ge=1, description="sites that work at the same time")
    threads: int = Field(default=1, gt=0)


def run(job: CustomizeJob, folder: Path) -> Mapping[str, object]:
    """Runs or continues the loop in the job's folder."""
    import torch

    from .engines.flower_app import WIRE_FILE, Node
    from .engines.simulation import simulate

    torch.set_num_threads(job.threads)
    began = time.process_time()
    orders_file = folder / ORDERS_FILE
    told = LoopOrders(
        backbone=job.backbone,
        sites=tuple(SiteInLoop.model_validate(site.model_dump(exclude={"data"})) for site in job.sites),
        orders=job.orders,
        headers=_headers(job) if job.public and job.orders.answers == "labels" else {},
        adapters=_adapters(job) if job.public and job.orders.answers == "texts" else {},
        robust=job.robust,
    )
    write_orders(told, orders_file)
    nodes = [
        Node(name=site.name, data=site.data, folder=folder / SITES / site.name)
        for site in job.sites
        if site.data is not None
    ]
    with _watched(folder, ANSWERS * len(job.sites)):
        if job.engine == "here":
            from .engines.same_process import SameProcess
            from .loop.site import Site

            sites = {node.name: Site(name=node.name, data=node.data, folder=node.folder) for node in nodes}
            run_loop(orders_file, SameProcess(sites=sites))
        elif job.engine == "simulation":
            simulate(orders_file, nodes, workers=job.at_once)
        else:
            report("note", text=_who(job, len(nodes)))
            # Every site as late as may be, one after the other.
            most = job.appear_s + ANSWERS * job.answer_s * len(job.sites)
            with federation(folder / FLOWER, nodes, secure=job.secure, door=job.door) as running:
                running.run(
                    orders_file, appear_s=job.appear_s, answer_s=job.answer_s, at_once=_at_once(job), timeout_s=most
                )
    wire = folder / WIRE_FILE
    return {
        "outcome": outcome_in(folder),
        "wire": wire.read_text(encoding="utf-8") if wire.exists() else None,
        "cpu_seconds": round(time.process_time() - began, 2),
    }


def _who(job: CustomizeJob, here: int) -> str:
    """Where the sites are."""
    said = f"Flower: a SuperLink and {here} SuperNodes on this machine"
    if job.door is None:
        return said
    names = ", ".join(job.door.keys)
    return f"{said}; waiting at most {job.appear_s / 60:g} min for {names} to join {job.door.address}"


def _at_once(job: CustomizeJob) -> int:
    """How many sites may work at the same time; 0: all, where each has a machine of its own."""
    return job.at_once if any(site.data is not None for site in job.sites) else 0


@contextmanager
def _watched(folder: Path, answers: int) -> Generator[None]:
    """Reports how many answers are there while the block runs."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_EVERY_S):
            progress(len(list(folder.glob("letters/*/*.up"))), answers, "answers", what="sites")

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _headers(job: CustomizeJob) -> dict[str, "HeaderSpec"]:
    """For each size that is sent, the header that a search finds on the public examples."""
    from .cloud.backbone import search_header
    from .cloud.public_examples import public_examples

    assert job.public is not None
    names, (train, validation) = public_examples(job.public)
    return _searched(job, partial(search_header, train=train, validation=validation, classes=len(names)))


def _adapters(job: CustomizeJob) -> dict[str, "AdapterSpec"]:
    """The same of adapters."""
    from .cloud.backbone import search_adapter
    from .cloud.public_examples import public_answers

    assert job.public is not None
    train, validation = public_answers(job.public)
    return _searched(job, partial(search_adapter, train=train, validation=validation))


def _searched(job: CustomizeJob, search: Callable[..., "Found[SpecT]"]) -> dict[str, SpecT]:
    from .heads.weight_sharing import Searching
    from .loop.loop_orders import load_backbone

    backbone = load_backbone(job.backbone, job.orders.answers)
    found: dict[str, SpecT] = {}
    sent = sorted({site.plan().sent for site in job.sites}, reverse=True)
    for number, cut in enumerate(sent):
        progress(number, len(sent), "sizes", what="headers" if job.orders.answers == "labels" else "adapters")
        told = Searching(seed=job.orders.seed)
        found[cut.name] = search(backbone, cut, searching=told, max_tokens=job.orders.max_tokens).spec
    return found


if __name__ == "__main__":
    main(CustomizeJob, run)
