"""The servers of a run: asked for within what was reserved, ended for sure, and paid for as SkyPilot reports.

The agent uses it, and the watchdog, which is a process of its own: each keeps the account in step with the other.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from ...state.errors import OutOfTime, ServerUnavailable, ToolFailed
from ...state.plan import Offer
from .account import RELEASED, Account, Rented, account_of, changing
from .sky import Cost

STARTING_MINUTES = 10.0
"""assumption: what a cloud takes at most until a job works, its packages installed. Seen: 1.5 minutes on Slurm."""
KEEPING_MINUTES = 10
"""A server that was idle so long ends itself: planning between two calls takes seconds, a user's word longer."""
ENDING_MINUTES = 3.0
"""assumption: for a checkpoint to be fetched and the server to be gone. Seen: 0.2 minutes on Slurm."""
HELD_MINUTES = STARTING_MINUTES + KEEPING_MINUTES + ENDING_MINUTES
"""What is reserved with every call beside its own work, and free again when the call has ended and no server is kept."""
UNWANTED_MINUTES = 15.0
"""After asking for a server was broken off, until it is taken as one that does not come up any more."""
LOOK_AFTER_S = 240.0
"""Since the last charge, from when on a server may have ended itself, and SkyPilot is asked."""


class Provider(Protocol):
    """What is needed of SkyPilot to end servers and to know what they cost; each may raise ToolFailed."""

    def names(self, *, refresh: bool) -> set[str]:
        """Of the clusters that there are, whatever they do; refreshed, as their clouds say."""
        ...

    def down(self, cluster: str) -> None:
        """Ends a cluster and all on it; nothing where it is gone."""
        ...

    def costs(self) -> dict[str, Cost]:
        """What clusters were up for and cost, by name, those that ended included."""
        ...


class Servers:
    """The servers of one run and its account."""

    def __init__(self, run_folder: Path, provider: Provider, now: Callable[[], float] = time.time) -> None:
        self.run_folder, self._provider, self._now = run_folder, provider, now

    @property
    def account(self) -> Account:
        """As it is written now."""
        return account_of(self.run_folder)

    def reserve(self, call: str, offer: Offer, usd: float, cluster: str) -> None:
        """Sets money aside for a call on one server; another one that is up is ended first. Raises ToolFailed where that one stays."""
        if self._now() - self.account.charged_at > LOOK_AFTER_S:
            self.look()
        self.end(name for name in self.account.up if name != cluster)
        kept = (KEEPING_MINUTES + ENDING_MINUTES) / 60 * offer.paid_usd_per_hour
        with changing(self.run_folder) as book:
            book.account = book.account.reserved_for(call, usd, kept)

    def ask(self, cluster: str, offer: Offer, launch: Callable[[], None]) -> None:
        """Asks for a server and starts something on it. Raises ServerUnavailable where it cannot be had: it cost nothing, or what
        SkyPilot says; OutOfTime where too little is left of what was reserved, ToolFailed where nothing was."""
        now = self._now()
        with changing(self.run_folder) as book:
            server = Rented(
                offer=offer.id, usd_per_hour=offer.paid_usd_per_hour, disk_usd_per_hour=offer.disk_usd_per_hour
            )
            account = book.account.asked(cluster, server, now)
            ends_at = account.ends_at(ENDING_MINUTES)
            if ends_at is not None and account.reserved_usd <= account.charged_usd:
                raise ToolFailed(f"no money is reserved for {offer.id}")
            if account.stopped or (ends_at is not None and ends_at <= now):
                raise OutOfTime(f"the ${account.reserved_usd:,.4f} reserved for servers were nearly used", 0.0, 0.0)
            book.account = account
        try:
            launch()
        except ToolFailed as error:
            try:
                self.end([cluster])
            except ToolFailed as left:
                raise ToolFailed(f"{error}\n{left}") from error
            raise ServerUnavailable(offer.id, str(error)) from error
        except BaseException:  # Ctrl-C: SkyPilot's server goes on with what it was asked for
            with changing(self.run_folder) as book:
                book.account = book.account.unwanted(cluster, self._now())
            raise
        with changing(self.run_folder) as book:
            still_wanted = cluster in book.account.up
            book.account = book.account.launched(cluster)
        if not still_wanted:  # the watchdog was quicker
            self._provider.down(cluster)
            raise ToolFailed(f"{offer.id} was ended: {self.account.stopped or 'somebody else released it'}")

    def end(self, clusters: Iterable[str]) -> None:
        """Ends servers, and sees that they are gone. Raises ToolFailed where one stays, which is then still in the account, as one is
        that may only come up: the watchdog ends it."""
        for cluster in clusters:
            self._provider.down(cluster)
            if cluster in self._provider.names(refresh=False):
                raise ToolFailed(f"cluster {cluster} is still there; end it with: sky down {cluster}")
            up = self.account.up.get(cluster)
            if up is not None and up.unwanted_at is None:
                self.gone(cluster)

    def gone(self, cluster: str) -> None:
        """Notes that a server is there no more, whoever ended it, and what it cost."""
        told = self._told(cluster)
        with changing(self.run_folder) as book:
            book.account = book.account.ended(cluster, told, self._now())

    def look(self) -> None:
        """Notes which servers ended themselves. Raises ToolFailed where nobody can say."""
        if up := self.account.up:
            there = self._provider.names(refresh=True)
            for cluster in set(up) - there:
                self.gone(cluster)

    def charge(self, call: str) -> tuple[float, float]:
        """What the servers cost since the last charge, borne by this call, and what stays reserved for keeping one; US dollars."""
        total = self._total()
        with changing(self.run_folder) as book:
            book.account = book.account.charged_to(call, total, self._now())
            account = book.account
        return account.charged[call], account.reserved_usd - account.charged_usd

    def release(self) -> float:
        """Ends all servers; what they cost since the last charge, US dollars. Raises ToolFailed where one stays."""
        self.end(list(self.account.up))
        return self.charge(RELEASED)[0]

    def watch(self, save: Callable[[str], None]) -> bool:
        """Ends the servers where what was reserved is nearly used, `save` being called before for each of them; whether there is
        something left to watch. Raises ToolFailed where SkyPilot could not be reached: to be called again."""
        account = self.account
        ends_at = account.ends_at(ENDING_MINUTES)
        if ends_at is not None and self._now() >= ends_at:
            with changing(self.run_folder) as book:
                words = f"the ${account.reserved_usd:,.4f} reserved for servers were nearly used"
                book.account = book.account.model_copy(update={"stopped": words})
            for cluster in account.up:
                save(cluster)
            self.end(list(account.up))
        for cluster, one in self.account.up.items():
            if one.unwanted_at is not None:
                self._end_unwanted(cluster, one.unwanted_at)
        return bool(self.account.up)

    def _end_unwanted(self, cluster: str, since: float) -> None:
        """Ends a server that came up though asking for it was broken off; one that did not come up in good time will not."""
        if cluster in self._provider.names(refresh=False):
            self._provider.down(cluster)
        elif self._now() - since > 60 * UNWANTED_MINUTES:
            self.gone(cluster)

    def _told(self, cluster: str) -> float | None:
        """What SkyPilot says that all under a name cost, disks included; null where it cannot say, or has nothing of one that was up."""
        try:
            told = self._provider.costs().get(cluster, Cost(seconds=0, usd=0))
        except ToolFailed:
            return None
        forgotten = told.seconds == 0 and self.account.servers[cluster].launched
        return None if forgotten else self._priced(cluster, told)

    def _priced(self, cluster: str, told: Cost) -> float:
        """What SkyPilot reports and the disks, which it does not reckon with; at the plan's price where it knows none."""
        server, hours = self.account.servers[cluster], told.seconds / 3600
        return told.usd + hours * server.disk_usd_per_hour if told.usd > 0 else hours * server.usd_per_hour

    def _total(self) -> float:
        """What all servers cost by now; by this machine's clock where SkyPilot cannot be asked."""
        account, now = self.account, self._now()
        told = {cluster: self._told(cluster) for cluster in account.up}  # of those that ended it was told then
        total = 0.0
        for cluster, one in account.servers.items():
            known = told.get(cluster)
            total += one.cost(now) if known is None else known
        return total
