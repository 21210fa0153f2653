"""Random briefs, and the plans that the rule planner makes of them with the executor of rented servers, every cloud being enabled that
SkyPilot can be left alone with."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ...agent import session
from ...state.brief import Brief, Limits, Targets, Weights
from ...state.errors import RequestError
from ...state.evidence import Outcome
from ...state.plan import Machine, Offer
from ...state.workspace import Workspace
from ...tools.base import Settings
from ...tools.cloud.executor import SkyExecutor
from ...tools.cloud.sky import Sky
from ...tools.cloud.startable import CLOUDS, startable
from ...tools.executor import JobHandle
from ...tools.jobs import Job
from ...tools.pricing.accelerators import accelerator_facts
from ...tools.pricing.look_up import known_clouds, known_regions
from ..planner.world import MACHINE

LOCAL_USD_PER_HOUR = 50.0
"""So much that this machine is chosen where nothing else will do."""
TASKS = ("win", "waits", "discard")
"""Of mahjong: the one skill that needs no data of its own."""
IN_MEMORY = Path("/dev/shm")
"""Where workspaces lie if there is such a place: a journal syncs every row to its disk."""


class Unasked(Sky):
    """In the place of SkyPilot's program, where a plan is made without asking it for anything."""

    def __init__(self) -> None:
        pass

    def renew(self, cloud: str) -> None:
        """Its catalogue is what the eval says."""


class AllClouds(SkyExecutor):
    """Runs nothing, and plans as for a user who has every cloud that SkyPilot can start servers of and let them end themselves."""

    def __init__(self, catalogue: Path) -> None:
        """`catalogue`: SkyPilot's, a folder of CLOUD/vms.csv."""
        super().__init__(Path(), startable(CLOUDS), sky=Unasked(), catalogue=catalogue)

    def machine(self) -> Machine:
        return MACHINE

    def submit(
        self, module: str, job: Job, folder: Path, *, threads: int | None = None, offer: Offer | None = None
    ) -> JobHandle:
        raise AssertionError(f"a plan alone starts {module}")


def random_brief(rng: random.Random) -> Brief:
    """Targets, money, time, places and servers, each drawn by itself: many cannot be met."""
    clouds = [cloud for cloud in known_clouds() if cloud in CLOUDS]
    families = sorted({name.split("-")[0] for name in accelerator_facts()})
    regions = sorted({region.split("-")[0] for region in known_regions() if "," not in region})
    chosen = rng.sample(clouds, rng.choice((0, 0, 1, 1, 2, 4)))
    return Brief(
        request="drawn at random",
        skill="mahjong",
        task=rng.choice(TASKS),
        targets=Targets(
            accuracy=rng.choice((None, 0.5, 0.6, 0.7, 0.8, 0.9)),
            latency_p95_ms=rng.choice((None, 20.0, 50.0, 100.0, 200.0, 500.0)),
            throughput_rps=rng.choice((None, None, 5.0, 50.0, 300.0)),
        ),
        limits=Limits(
            usd=round(10 ** rng.uniform(-1, 2.5), 2),
            usd_per_month=rng.choice((None, None, None, 500.0, 3000.0)),
            hours=rng.choice((None, None, 0.5, 2.0, 12.0)),
            clouds=tuple(chosen),
            regions=tuple(rng.sample(regions, rng.choice((0, 0, 0, 2, 5)))),
            accelerators=tuple(rng.sample(families, rng.choice((0, 0, 0, 3, 8)))),
        ),
        weights=rng.choice((None, None, Weights(accuracy=rng.random() + 0.01, latency=rng.random(), usd=rng.random()))),
    )


def planned(seed: int, executor: AllClouds) -> Iterator[tuple[Brief, Outcome | None]]:
    """Without end: a brief and its outcome, which has a plan or says why none; None where the brief was refused."""
    rng, settings = (
        random.Random(seed),
        Settings(plan_only=True, approved=True, deploy=False, local_usd_per_hour=LOCAL_USD_PER_HOUR, executor="sky"),
    )
    while True:
        brief = random_brief(rng)
        with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
            try:
                yield (
                    brief,
                    session.start(
                        brief.request,
                        workspace=Workspace(Path(folder)),
                        settings=settings,
                        brief=brief,
                        executor=executor,
                    ),
                )
            except RequestError:
                yield brief, None
