"""Whole runs on rented servers in a simulated world, and what befalls such servers: the bill is the provider's, and none is left."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from stratos.agent import session
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.errors import ToolFailed
from stratos.state.evidence import Outcome
from stratos.state.journal import Journal
from stratos.state.plan import LOCAL, Offer
from stratos.state.tables import tables, view_rows
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings
from stratos.tools.cloud.account import of_run
from stratos.tools.cloud.renting import Renting
from stratos.tools.cloud.servers import HELD_MINUTES, Servers
from stratos.tools.cloud.whereabouts import cluster_of
from stratos.tools.executor import JobHandle, JobStatus, ServerBill
from stratos.tools.jobs import Job
from stratos.tools.pricing.look_up import ListedOffer
from stratos.tools.pricing.sky_catalogue import SkyCatalogue
from stratos.tools.training.students import TrainJob

from ..building import brief
from ..tools.cloud.simulated import SimulatedCloud

PRICES = """\
cloud,instance_type,region,accelerator,accelerator_count,price_usd_per_hour,as_of,vcpus,memory_gib
slurm,small,east,,0,0.10,2026-11-29,2,8
slurm,small,west,,0,0.11,2026-11-29,2,8
slurm,large,east,,0,0.50,2026-11-29,8,32
"""
USD_PER_HOUR = {"slurm/east/small": 0.10, "slurm/west/small": 0.11, "slurm/east/large": 0.50}
ON_SPOT = """\
cloud,instance_type,region,accelerator,accelerator_count,price_usd_per_hour,spot_price_usd_per_hour,as_of,vcpus,memory_gib
slurm,small,east,,0,0.10,0.03,2026-11-29,2,8
slurm,small,west,,0,0.02,,2026-11-29,2,8
"""


@dataclass(kw_only=True)
class RentingExecutor(Renting, SimulatedExecutor):
    """A simulated world on servers of a simulated provider, whose clock the jobs' seconds move on."""

    provider: SimulatedCloud
    refuses: dict[str, str] = field(default_factory=dict[str, str])
    """Why a server of an offer, by the beginning of its id, cannot be had."""
    loses: int = 0
    """Trainings that are lost with their servers, each half way through what is left: there is a checkpoint of it."""
    usd_per_hour: dict[str, float] = field(default_factory=lambda: dict(USD_PER_HOUR))
    """What the provider asks, by offer."""
    prices: SkyCatalogue | None = None
    breaks: Callable[[str], None] = lambda module: None
    """Called before each job, with its module; what it raises is how the job failed."""
    offers: dict[str, str] = field(default_factory=dict[str, str])
    lost: set[Path] = field(default_factory=set[Path])
    done_s: dict[Path, float] = field(default_factory=dict[Path, float])
    """Of trainings that were lost, what their checkpoints hold."""

    clouds = frozenset({LOCAL, "slurm"})

    def can_start(self, offer: ListedOffer) -> bool:
        return True

    def catalogue(self) -> SkyCatalogue | None:
        return self.prices

    def terms(self, offer: ListedOffer) -> dict[str, float]:
        return {} if offer.cloud == LOCAL else {"held_minutes": HELD_MINUTES}

    def servers(self, run_folder: Path) -> Servers:
        return Servers(run_folder, self.provider, now=lambda: self.provider.now)

    def submit(
        self, module: str, job: Job, folder: Path, *, threads: int | None = None, offer: Offer | None = None
    ) -> JobHandle:
        assert offer is not None
        cluster = cluster_of(folder, offer)
        self.offers[cluster] = offer.id
        for start, why in self.refuses.items():
            if offer.id.startswith(start):
                self.provider.refuses[cluster] = why
        self.servers(of_run(folder)).ask(cluster, offer, lambda: self.provider.launch(cluster))
        self.breaks(module)
        self.lost.discard(folder)
        handle = super().submit(module, job, folder, threads=threads, offer=offer)
        seconds = float(self.results[folder]["seconds"]) - self.done_s.get(folder, 0.0)
        if self.loses and folder.name == "student":
            self.loses -= 1
            self.lost.add(folder)
            self.done_s[folder] = self.done_s.get(folder, 0.0) + seconds / 2
            self.provider.pass_by(seconds / 2)
            self.provider.ends(cluster)
        else:
            self.provider.pass_by(seconds)
        return handle

    def poll(self, handle: JobHandle) -> JobStatus:
        if handle.folder in self.lost:
            self.servers(of_run(handle.folder)).look()
            return JobStatus(state="failed", message="its cluster is gone", lost=True)
        return super().poll(handle)

    @property
    def provided_usd(self) -> float:
        """What the provider's servers were up for, at their prices."""
        return sum(s / 3600 * self.usd_per_hour[self.offers[name]] for name, s in self.provider.seconds.items())


@pytest.fixture
def renting(tmp_path: Path) -> RentingExecutor:
    (tmp_path / "prices.csv").write_text(PRICES, encoding="utf-8")
    provider = SimulatedCloud(random=random.Random(0), capacity=1.0)
    return RentingExecutor(world=World(), provider=provider)


def ended(tmp_path: Path, executor: RentingExecutor, usd: float = 2.0, **changes: Any) -> Outcome:
    """A run on slurm alone; it replays, its bill is the provider's to the cent, and no server is left."""
    workspace = Workspace(tmp_path)
    wanted = brief(0.9, usd=usd)
    given = wanted.model_copy(update={"limits": wanted.limits.model_copy(update={"clouds": ("slurm",)})})
    settings = Settings(deploy=False, approved=True, executor="sky", **changes)
    outcome = session.start("", workspace=workspace, settings=settings, brief=given, executor=executor)
    assert session.replay(outcome.run_id, workspace=workspace).identical
    assert executor.provider.up == {}
    assert outcome.spent_usd == pytest.approx(executor.provided_usd, abs=0.005)
    assert outcome.spent_usd <= usd
    with tables(Journal(workspace).rows(outcome.run_id)) as connection:
        told = view_rows(connection, "spend")
    assert (told[-1]["total_usd"] if told else 0.0) == pytest.approx(outcome.spent_usd, abs=1e-6)
    return outcome


def recorded(tmp_path: Path, outcome: Outcome, name: str) -> list[Any]:
    return [row.output for row in Journal(Workspace(tmp_path)).rows(outcome.run_id) if row.name == name]


def test_a_run_keeps_one_server_for_all_its_calls_and_pays_for_it_whole(
    tmp_path: Path, renting: RentingExecutor
) -> None:
    outcome = ended(tmp_path, renting)
    assert (outcome.status, set(renting.offers.values())) == ("met", {"slurm/east/small"})
    assert outcome.spent_usd > 0
    clocks_s = [job.wall_clock_s or 0.0 for _, job in renting.submitted if isinstance(job, TrainJob)]
    (ruled,) = recorded(tmp_path, outcome, "guard distill")
    assert len(clocks_s) == 2
    assert (sum(clocks_s) / 60 + HELD_MINUTES) / 60 * 0.10 <= ruled[
        "server_usd"
    ] + 1e-9  # should it have room for one at a time
    (released,) = recorded(tmp_path, outcome, "release servers")
    assert released["usd"] > 0


def test_where_a_server_cannot_be_had_the_next_of_its_kind_is_taken_and_nothing_is_paid_for_it(
    tmp_path: Path, renting: RentingExecutor
) -> None:
    renting.refuses["slurm/east/small"] = "no capacity in east"
    outcome = ended(tmp_path, renting)
    assert outcome.status == "met"
    assert set(renting.offers.values()) == {"slurm/east/small", "slurm/west/small"}
    assert recorded(tmp_path, outcome, "settle")[0]["usd"] == 0


@pytest.mark.parametrize("why", ["no valid credentials for slurm", "quota exceeded: 0 of 0 CPUs", "no capacity"])
def test_where_none_can_be_had_the_run_says_why_and_costs_nothing(
    tmp_path: Path, renting: RentingExecutor, why: str
) -> None:
    renting.refuses["slurm"] = why
    outcome = ended(tmp_path, renting)
    assert (outcome.status, outcome.spent_usd) == ("infeasible", 0.0)
    problems = [output["problem"] for output in recorded(tmp_path, outcome, "tool generate_data")]
    assert len(problems) == 3
    assert all(why in problem for problem in problems)


def test_a_server_that_is_taken_away_twice_is_asked_for_again(tmp_path: Path, renting: RentingExecutor) -> None:
    renting.loses = 2
    outcome = ended(tmp_path, renting)
    assert outcome.status == "met"
    assert len(renting.provider.launches) >= 3


def test_spot_servers_are_rented_where_they_are_asked_for_and_taken_away_twice(
    tmp_path: Path, renting: RentingExecutor
) -> None:
    (tmp_path / "prices.csv").write_text(ON_SPOT, encoding="utf-8")
    renting.loses, renting.usd_per_hour = 2, {"slurm/east/small (spot)": 0.03}
    outcome = ended(tmp_path, renting, spot=True)
    assert (outcome.status, set(renting.offers.values())) == ("met", {"slurm/east/small (spot)"})
    assert len(renting.provider.launches) >= 3
    (student,) = renting.done_s
    trained_s = renting.results[student]["seconds"]
    assert renting.done_s[student] == pytest.approx(0.75 * trained_s)  # a half, and half of what was left


def test_a_server_is_planned_with_at_the_price_that_skypilot_has(tmp_path: Path, renting: RentingExecutor) -> None:
    file = tmp_path / "catalogue" / "slurm" / "vms.csv"
    file.parent.mkdir(parents=True)
    file.write_text("InstanceType,Region,Price,SpotPrice\nsmall,east,0.4,\nsmall,west,0.2,\n")
    renting.prices = SkyCatalogue(folder=tmp_path / "catalogue", clouds=frozenset({"slurm"}))
    renting.usd_per_hour["slurm/west/small"] = 0.2
    outcome = ended(tmp_path, renting)
    assert (outcome.status, set(renting.offers.values())) == ("met", {"slurm/west/small"})
    (found,) = recorded(tmp_path, outcome, "tool look_up_prices")
    (warned,) = [offer["warnings"] for offer in found["offers"] if offer["id"] == "slurm/west/small"]
    assert "SkyPilot reckons with $0.2 an hour" in warned[0]
    assert "mind slurm/west/small: SkyPilot reckons with $0.2" in found["note"]


def test_one_that_is_taken_away_always_ends_the_run_which_can_be_resumed(
    tmp_path: Path, renting: RentingExecutor
) -> None:
    renting.loses = 100
    with pytest.raises(ToolFailed, match="its cluster is gone"):
        ended(tmp_path, renting)
    assert renting.provider.up == {}
    renting.loses = 0
    run = Journal(Workspace(tmp_path)).runs()[0]
    outcome = session.resume(run.run_id, workspace=Workspace(tmp_path), executor=renting)
    assert outcome.status == "met"
    assert outcome.spent_usd == pytest.approx(renting.provided_usd, abs=0.005)


def test_a_call_that_was_charged_when_the_agent_was_killed_ends_the_same_way_when_it_is_resumed(
    tmp_path: Path, renting: RentingExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    renting.refuses["slurm/east/small"] = "no capacity in east"

    class Killed(BaseException):
        """Before the journal had it."""

    def charged_and_killed(call: Path) -> ServerBill:
        RentingExecutor.charge(renting, call)
        raise Killed

    with monkeypatch.context() as killed:
        killed.setattr(renting, "charge", charged_and_killed)
        with pytest.raises(Killed):
            ended(tmp_path, renting)
    renting.refuses.clear()
    renting.provider.refuses.clear()
    run = Journal(Workspace(tmp_path)).runs()[0]
    outcome = session.resume(run.run_id, workspace=Workspace(tmp_path), executor=renting)
    assert (outcome.status, set(renting.offers.values())) == ("met", {"slurm/east/small", "slurm/west/small"})
    assert "no capacity in east" in recorded(tmp_path, outcome, "tool generate_data")[0]["problem"]


def test_a_full_disk_ends_the_run_and_its_server(tmp_path: Path, renting: RentingExecutor) -> None:
    def full(module: str) -> None:
        raise ToolFailed(f"{module} failed: OSError: No space left on device")

    renting.breaks = full
    with pytest.raises(ToolFailed, match="No space left on device"):
        ended(tmp_path, renting)
    assert renting.provider.up == {}


def test_a_server_that_nobody_can_reach_at_the_end_is_told(tmp_path: Path, renting: RentingExecutor) -> None:
    def unreached(module: str) -> None:
        if module.endswith("evaluation") and len(renting.submitted) >= 4:
            renting.provider.unreached_until = renting.provider.now + 1e9

    renting.breaks = unreached
    workspace, wanted = Workspace(tmp_path), brief(0.9, usd=2.0)
    given = wanted.model_copy(update={"limits": wanted.limits.model_copy(update={"clouds": ("slurm",)})})
    settings = Settings(deploy=False, approved=True, executor="sky")
    outcome = session.start("", workspace=workspace, settings=settings, brief=given, executor=renting)
    assert "no connection" in outcome.reason
    assert outcome.spent_usd >= renting.provided_usd
