"""The servers that a workspace's runs and deployments rent now, and those that a crash left behind: found by accounts, and stopped."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from ...state.brief import Record
from ...state.errors import RequestError, ToolFailed
from ...state.workspace import Workspace
from ..serving.records import is_locked, read
from ..serving.starting import SERVERS
from .account import ACCOUNT_FILE, SERVERS_FOLDER, account_of
from .servers import Provider, Servers
from .watchdog import is_watched


class RentedServer(Record):
    """A server that was asked for and not ended, as its run's account says."""

    cluster: str
    run_id: str
    """Empty for a deployment's that is only being started."""
    deployment: str | None = None
    """What is served on it; null: jobs of the run are at work there."""
    offer_id: str
    since: float
    """Seconds since 1970."""
    usd_per_hour: float
    usd: float
    """The most it can have cost by now."""
    run_usd: float
    """The most that all servers of its run can have cost by now."""
    reserved_usd: float
    """The most that all servers of its run may cost."""
    left_behind: bool
    """No process carries on its run, or its deployment does not answer."""
    watched: bool
    """Its watchdog is at work on this machine."""
    folder: Path = Field(exclude=True)
    """Of its account: its run's, or that of the deployment's server."""


def rented(workspace: Workspace) -> list[RentedServer]:
    """All of a workspace, the oldest first. SkyPilot is not asked: one that ended itself is among them until it is looked for."""
    return sorted(_rented(workspace), key=lambda one: one.since)


def looked_for(workspace: Workspace, provider: Provider) -> list[RentedServer]:
    """Those that SkyPilot says are there; the accounts of the others are set right."""
    for folder in {one.folder for one in rented(workspace)}:
        Servers(folder, provider).look()
    return rented(workspace)


def stopped(workspace: Workspace, provider: Provider, clusters: Sequence[str]) -> list[RentedServer]:
    """Ends these servers. Raises RequestError for one that is none of the workspace's, ToolFailed where some stay, the others being
    ended all the same."""
    there = {one.cluster: one for one in rented(workspace)}
    if unknown := [name for name in clusters if name not in there]:
        valid = ", ".join(there) or "none is rented"
        raise RequestError([f"no cluster {name!r} here; those there are: {valid}" for name in unknown])
    problems: list[str] = []
    for name in clusters:
        try:
            Servers(there[name].folder, provider).end([name])
        except ToolFailed as error:
            problems.append(str(error))
    if problems:
        raise ToolFailed("\n".join(problems))
    return [there[name] for name in clusters]


def _rented(workspace: Workspace) -> Iterator[RentedServer]:
    now = time.time()
    for owner in (*_runs(workspace), *_deployments(workspace)):
        account = account_of(owner.folder)
        for cluster, one in account.up.items():
            assert one.asked_at is not None
            yield RentedServer(
                cluster=cluster,
                run_id=owner.run_id,
                deployment=owner.deployment,
                offer_id=one.offer,
                since=one.asked_at,
                usd_per_hour=one.usd_per_hour,
                usd=one.cost(now),
                run_usd=account.cost(now),
                reserved_usd=account.reserved_usd,
                left_behind=owner.left_behind,
                watched=is_watched(owner.folder),
                folder=owner.folder,
            )


@dataclass(frozen=True, kw_only=True)
class _Owner:
    """Whose account a folder has."""

    folder: Path
    run_id: str
    deployment: str | None = None
    left_behind: bool


def _runs(workspace: Workspace) -> Iterator[_Owner]:
    for path in (workspace.path / "runs").glob(f"*/{SERVERS_FOLDER}/{ACCOUNT_FILE}"):
        folder = path.parent.parent
        yield _Owner(folder=folder, run_id=folder.name, left_behind=not workspace.is_running(folder.name))


def _deployments(workspace: Workspace) -> Iterator[_Owner]:
    for path in (workspace.path / "deployments").glob(f"*/{SERVERS}/*/{SERVERS_FOLDER}/{ACCOUNT_FILE}"):
        folder = path.parent.parent
        of_all = folder.parent.parent
        found = read(of_all)
        served = found is not None and found.server_folder == folder and found.status == "ready"
        yield _Owner(
            folder=folder,
            run_id=found.run_id if found else "",
            deployment=of_all.name,
            left_behind=not served and not is_locked(of_all),
        )
