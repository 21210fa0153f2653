"""The servers that a workspace's runs and deployments rent now, and those that a crash left behind: found by accounts, and stopped."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import Field

from ...state.brief import Record
from ...state.errors import RequestError, ToolFailed
from ...state.workspace import Workspace
from ..serving.records import is_locked, read
from ..serving.starting import SERVERS
from .account import ACCOUNT_FILE, SERVERS_FOLDER, account_of
from .servers import Provider, Servers
from .watchdog import is_watched, watched

STOPPED = "it was ended by `stratos clusters stop`"
"""Said to the call that was at work on a server."""


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
    may_come_up: bool
    """Nobody wants it any more, and it may only be being started: its watchdog ends it as soon as it is there."""
    watched: bool
    """Its watchdog is at work on this machine."""
    folder: Path = Field(exclude=True)
    """Of its account: its run's, or that of the deployment's server."""


def rented(workspace: Workspace) -> list[RentedServer]:
    """All of a workspace, the oldest first. SkyPilot is not asked: one that ended itself is among them until it is looked for."""
    return sorted(_rented(workspace), key=lambda one: one.since)


def looked_for(workspace: Workspace, provider: Provider) -> list[RentedServer]:
    """Those that SkyPilot says are there; the accounts of the others are set right."""
    for owner in _owners(workspace):
        Servers(owner.folder, provider).look(owner.is_held)
    return rented(workspace)


def stopped(
    workspace: Workspace,
    provider: Provider,
    clusters: Sequence[str],
    watched: Callable[[Path], None] = watched,
) -> list[RentedServer]:
    """Ends these servers, and the calls that are at work there. One that is only being started may still come up: `watched` starts
    the watchdog that then ends it. Raises RequestError for one that is none of the workspace's, ToolFailed where some stay, the others
    being ended all the same."""
    there = {one.cluster: one for one in rented(workspace)}
    if unknown := [name for name in clusters if name not in there]:
        valid = ", ".join(there) or "none is rented"
        raise RequestError([f"no cluster {name!r} here; those there are: {valid}" for name in unknown])
    problems: list[str] = []
    for name in clusters:
        try:
            Servers(there[name].folder, provider).stop(name, STOPPED)
        except ToolFailed as error:
            problems.append(str(error))
    left = {one.cluster: one for one in rented(workspace) if one.cluster in clusters}
    for folder in {one.folder for one in left.values() if not one.watched}:
        watched(folder)
    if problems:
        raise ToolFailed("\n".join(problems))
    return [left.get(name, there[name]) for name in clusters]


def _rented(workspace: Workspace) -> Iterator[RentedServer]:
    now = time.time()
    for owner in _owners(workspace):
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
                left_behind=not owner.is_held(),
                may_come_up=one.unwanted_at is not None,
                watched=is_watched(owner.folder),
                folder=owner.folder,
            )


@dataclass(frozen=True, kw_only=True)
class _Owner:
    """Whose account a folder has."""

    folder: Path
    run_id: str
    deployment: str | None = None
    is_held: Callable[[], bool]
    """Whether some process carries on its run, or its deployment answers or is being started."""


def _owners(workspace: Workspace) -> Iterator[_Owner]:
    yield from _runs(workspace)
    yield from _deployments(workspace)


def _runs(workspace: Workspace) -> Iterator[_Owner]:
    for path in (workspace.path / "runs").glob(f"*/{SERVERS_FOLDER}/{ACCOUNT_FILE}"):
        folder = path.parent.parent
        yield _Owner(folder=folder, run_id=folder.name, is_held=partial(workspace.is_running, folder.name))


def _deployments(workspace: Workspace) -> Iterator[_Owner]:
    for path in (workspace.path / "deployments").glob(f"*/{SERVERS}/*/{SERVERS_FOLDER}/{ACCOUNT_FILE}"):
        folder = path.parent.parent
        of_all = folder.parent.parent
        found = read(of_all)
        yield _Owner(
            folder=folder,
            run_id=found.run_id if found else "",
            deployment=of_all.name,
            is_held=partial(_is_served, of_all, folder),
        )


def _is_served(of_all: Path, folder: Path) -> bool:
    found = read(of_all)
    return (found is not None and found.server_folder == folder and found.status == "ready") or is_locked(of_all)
