"""What goes wrong outside a planner's reach: a training diverges, a price changes, a machine is lost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from stratos.agent import session
from stratos.evals.simulated_world import SimulatedExecutor, World
from stratos.state.errors import JobLost, PriceChanged
from stratos.state.evidence import DIVERGED, Outcome
from stratos.state.journal import Journal
from stratos.state.plan import Offer
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings
from stratos.tools.executor import JobHandle, JobStatus
from stratos.tools.jobs import Job
from stratos.tools.training.students import TrainJob

REQUEST = "tell whether 14 mahjong tiles are a winning hand, at least 90 % exact, at most $1"


@dataclass(kw_only=True)
class Troubled(SimulatedExecutor):
    """A simulated executor whose n-th training meets a mishap."""

    mishap: Callable[["Troubled", TrainJob, Path, Offer | None], None] = lambda executor, job, folder, offer: None
    lost: set[Path] = field(default_factory=set[Path])
    trainings: list[TrainJob] = field(default_factory=list[TrainJob])

    def submit(
        self, module: str, job: Job, folder: Path, *, threads: int | None = None, offer: Offer | None = None
    ) -> JobHandle:
        handle = super().submit(module, job, folder, threads=threads, offer=offer)
        if isinstance(job, TrainJob):
            self.trainings.append(job)
            self.mishap(self, job, folder, offer)
        return handle

    def poll(self, handle: JobHandle) -> JobStatus:
        if handle.folder in self.lost:
            return JobStatus(state="failed", message="its machine is gone", lost=True)
        return super().poll(handle)


def ended(folder: Path, executor: Troubled) -> tuple[Outcome, dict[str, list[Any]]]:
    workspace = Workspace(folder)
    settings = Settings(deploy=False, approved=True, local_usd_per_hour=0.1)
    outcome = session.start(REQUEST, workspace=workspace, settings=settings, executor=executor)
    steps: dict[str, list[Any]] = {}
    for row in Journal(workspace).rows(outcome.run_id):
        steps.setdefault(row.name, []).append(row.output)
    assert session.replay(outcome.run_id, workspace=workspace).identical
    return outcome, steps


def test_a_training_that_diverged_is_repeated_from_its_start_with_another_seed(tmp_path: Path) -> None:
    def diverges(executor: Troubled, job: TrainJob, folder: Path, offer: Offer | None) -> None:
        if len(executor.trainings) <= 2:  # student and control of the first attempt
            executor.results[folder] = {**executor.results[folder], "stopped_by": DIVERGED}
            executor.models[folder] = executor.models[folder][0], 1

    executor = Troubled(world=World(), mishap=diverges)
    outcome, steps = ended(tmp_path, executor)
    assert outcome.status == "met"
    first, second = (found["attempt"] for found in steps["tool distill"])
    assert first["candidate"]["train_tokens"] == second["candidate"]["train_tokens"]
    assert [job.seed for job in executor.trainings] == [0, 0, 1, 1]
    assert executor.trainings[2].continue_from is None


def test_a_price_that_changed_leads_to_a_new_choice_at_the_new_price(tmp_path: Path) -> None:
    changed: list[str] = []

    def dearer(executor: Troubled, job: TrainJob, folder: Path, offer: Offer | None) -> None:
        assert offer is not None
        if not changed:
            changed.append(offer.id)
            raise PriceChanged(offer.id, 0.4)

    outcome, steps = ended(tmp_path, Troubled(world=World(), mishap=dearer))
    assert outcome.status == "met"
    before, after = (found["plan"]["offer"]["usd_per_hour"] for found in steps["tool solve_pareto"])
    assert (before, after) == (0.1, 0.4)


def test_a_price_that_left_its_quote_is_told_with_both_and_the_judge_says_so(tmp_path: Path) -> None:
    changed: list[str] = []

    def dearer(executor: Troubled, job: TrainJob, folder: Path, offer: Offer | None) -> None:
        assert offer is not None
        if not changed:
            changed.append(offer.id)
            raise PriceChanged(offer.id, 0.106)

    _, steps = ended(tmp_path, Troubled(world=World(), mishap=dearer))
    told = "local/local/this-machine now costs $0.106 an hour, 6% above the $0.1 quoted (this machine's owner, undated)"
    assert steps["tool distill"][0]["problem"].startswith(told)
    assert told in steps["judge"][0]["reason"]
    assert told not in steps["judge"][1]["reason"]


@pytest.mark.parametrize("price", [0.104, 0.096])
def test_a_price_within_5_percent_of_its_quote_is_paid_and_nothing_is_planned_anew(
    tmp_path: Path, price: float
) -> None:
    def drifted(executor: Troubled, job: TrainJob, folder: Path, offer: Offer | None) -> None:
        assert offer is not None
        if offer.usd_per_hour != price:
            raise PriceChanged(offer.id, price)

    outcome, steps = ended(tmp_path, Troubled(world=World(), mishap=drifted))
    assert outcome.status == "met"
    assert len(steps["tool solve_pareto"]) == len(steps["tool distill"]) == 1
    (distilled,) = steps["tool distill"]
    assert distilled["price"] == {"started_at": price}
    assert distilled["usd"] == pytest.approx(distilled["attempt"]["seconds"] / 3600 * price, rel=0.01)
    assert steps["settle"][1]["usd"] == pytest.approx(distilled["usd"])


@pytest.mark.parametrize("billed", [0.2, 0.104, 0.05])
def test_a_bill_is_charged_as_it_is_and_told_where_it_left_its_quote(tmp_path: Path, billed: float) -> None:
    def bills(executor: Troubled, job: TrainJob, folder: Path, offer: Offer | None) -> None:
        executor.results[folder] = {**executor.results[folder], "usd_per_hour": billed}

    outcome, steps = ended(tmp_path, Troubled(world=World(), mishap=bills))
    assert outcome.status == "met"
    (distilled,) = steps["tool distill"]
    assert steps["settle"][1]["usd"] == pytest.approx(distilled["usd"] * billed / 0.1)
    told = "was billed at $" in steps["judge"][0]["reason"]
    assert told == (billed != 0.104)
    assert outcome.plan is not None
    assert outcome.plan.offer.usd_per_hour == (billed if told else 0.1)


def test_a_job_that_was_lost_is_started_once_more_and_no_third_time(tmp_path: Path) -> None:
    def lost(executor: Troubled, job: TrainJob, folder: Path, offer: Offer | None) -> None:
        again = sum(job == one for one in executor.trainings) > 1
        executor.lost = executor.lost - {folder} if again else executor.lost | {folder}

    assert ended(tmp_path / "once", Troubled(world=World(), mishap=lost))[0].status == "met"

    def gone(executor: Troubled, job: TrainJob, folder: Path, offer: Offer | None) -> None:
        executor.lost.add(folder)

    executor = Troubled(world=World(), mishap=gone)
    with pytest.raises(JobLost, match="machine is gone"):
        ended(tmp_path / "for-good", executor)
    assert len(executor.trainings) == 4  # student and control, twice
