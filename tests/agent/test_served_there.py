"""Whole runs in a simulated world whose winner is served on the plan's rented server: the terms, the money, and where it is not."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from stratos.agent import session
from stratos.state.errors import ToolFailed
from stratos.state.evidence import Outcome
from stratos.state.journal import Journal
from stratos.state.workspace import Workspace
from stratos.tools import deploy
from stratos.tools.base import Settings
from stratos.tools.cloud.hosting import RentedHost
from stratos.tools.cloud.services import written_service
from stratos.tools.cloud.tasks import SetUp
from stratos.tools.executor import JobHandle
from stratos.tools.serving.records import Deployment, IfStill
from stratos.tools.serving.starting import Terms

from ..building import brief, deployment
from ..tools.cloud.test_executor import OFFER
from .test_rented_servers import RentingExecutor, recorded, renting

__all__ = ["renting"]


class HostingExecutor(RentingExecutor):
    """Whose servers can be reached; nothing reaches for them here."""

    def shell(self, handle: JobHandle) -> list[str]:
        return ["false"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Terms]:
    """The terms that serving was asked for on; the model is not there, so it is pretended to be served."""
    found: list[Terms] = []

    def start(workspace: Path, name: str, model: Path, run_id: str, terms: Terms, if_still: IfStill) -> Deployment:
        assert if_still(None)
        found.append(terms)
        return deployment(workspace, name, model, run_id)

    def answer(served: Deployment, prompt: str, max_tokens: int | None) -> str:
        return "no"

    monkeypatch.setattr(deploy, "start", start)
    monkeypatch.setattr(deploy, "health_check", answer)
    return found


def ended(tmp_path: Path, given: RentingExecutor, usd: float = 2.0, **settings: Any) -> Outcome:
    executor = HostingExecutor(world=given.world, provider=given.provider)
    workspace, wanted = Workspace(tmp_path), brief(0.9, usd=usd)
    on_slurm = wanted.model_copy(update={"limits": wanted.limits.model_copy(update={"clouds": ("slurm",)})})
    outcome = session.start(
        "",
        workspace=workspace,
        settings=Settings(approved=True, executor="sky", **settings),
        brief=on_slurm,
        executor=executor,
    )
    assert session.replay(outcome.run_id, workspace=workspace).identical
    assert executor.provider.up == {}
    assert outcome.spent_usd <= usd
    return outcome


def test_the_winner_is_served_on_the_server_that_taught_it_for_the_hours_asked(
    tmp_path: Path, renting: RentingExecutor, asked: list[Terms]
) -> None:
    outcome = ended(tmp_path, renting, serve_hours=2.0)
    assert outcome.status == "met", outcome.reason
    (terms,) = asked
    assert isinstance(terms.host, RentedHost)
    assert (terms.host.offer.id, terms.hours, terms.usd_per_hour) == ("slurm/east/small", 2.0, 0.10)
    (guarded,) = recorded(tmp_path, outcome, "guard deploy")
    held = 23 / 60 * 0.10
    assert guarded["reserved_usd"] == pytest.approx(2 * 0.10 + held)
    assert "served on slurm/east/small for 2 h at $0.1 an hour" in guarded["basis"]
    settled = [
        row.output["usd"]
        for row in Journal(Workspace(tmp_path)).rows(outcome.run_id)
        if row.name == "settle" and row.input["tool"] == "deploy"
    ]
    assert settled == [pytest.approx(2 * 0.10 + held)]
    assert outcome.spent_usd > sum(settled)


def test_with_little_money_left_it_is_served_for_as_long_as_that_pays_for(
    tmp_path: Path, renting: RentingExecutor, asked: list[Terms]
) -> None:
    outcome = ended(tmp_path, renting, usd=0.45, serve_hours=100.0)
    assert outcome.status == "met", outcome.reason
    (terms,) = asked
    assert terms.hours is not None
    assert 0.01 < terms.hours < 4
    assert outcome.spent_usd <= 0.45


def test_where_a_rate_is_asked_for_a_service_of_more_servers_is_written_to_start_by_hand(tmp_path: Path) -> None:
    served = OFFER.model_copy(update={"cloud": "aws", "instance_type": "m5.large", "region": "us-east-1"})
    path = written_service(tmp_path, "win", tmp_path / "model", served, SetUp(python="python"), 100.0, 30.0)
    assert path is not None
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert told["service"]["replica_policy"]["max_replicas"] == 5  # 100 / (0.7 x 30)
    assert (tmp_path / ".service-package" / "stratos" / "__init__.py").is_file()
    assert written_service(tmp_path, "win", tmp_path, OFFER, SetUp(), 100.0, 30.0) is None  # Slurm opens no ports


def test_it_is_served_here_where_that_is_wanted(tmp_path: Path, renting: RentingExecutor, asked: list[Terms]) -> None:
    outcome = ended(tmp_path, renting, serve_here=True)
    assert outcome.status == "met", outcome.reason
    assert asked == [Terms(about="mahjong win")]


def test_a_server_for_serving_that_cannot_be_had_leaves_a_run_that_goes_on(
    tmp_path: Path, renting: RentingExecutor, asked: list[Terms], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*where: Any, **how: Any) -> Deployment:
        raise ToolFailed("slurm/east/small could not be had: no capacity")

    with monkeypatch.context() as broken:
        broken.setattr(deploy, "start", none)
        with pytest.raises(ToolFailed, match="no capacity"):
            ended(tmp_path, renting)
    (begun,) = Journal(Workspace(tmp_path)).runs()
    executor = HostingExecutor(world=renting.world, provider=renting.provider)
    again = session.resume(begun.run_id, workspace=Workspace(tmp_path), executor=executor)
    assert (again.status, len(asked)) == ("met", 1)
