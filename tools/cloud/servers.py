"""The servers of a run: asked for within what was reserved, ended for sure, and paid for as SkyPilot reports.

The agent uses it, and the watchdog, which is a process of its own: each keeps the account in step with the other.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn, Protocol

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
LAUNCH_MINUTES = 60.0
"""For how long a server that was asked for is waited for: SkyPilot tries one zone after another."""
UNWANTED_MINUTES = LAUNCH_MINUTES
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
            _raise_if_stopped(account)
            if ends_at is not None and ends_at <= now:
                raise OutOfTime(_used(account), 0.0, 0.0)
            book.account = account
        try:
            launch()
        except (ToolFailed, OutOfTime) as error:
            self._refused(cluster, offer, error)
        except BaseException:  # Ctrl-C: SkyPilot's server goes on with what it was asked for
            with changing(self.run_folder) as book:
                book.account = _given_up(book.account, cluster, server, now, self._now())
            raise
        with changing(self.run_folder) as book:
            still_wanted = _is_wanted(book.account, cluster)
            if not still_wanted:
                book.account = _given_up(book.account, cluster, server, now, self._now())
            book.account = book.account.launched(cluster)
        if not still_wanted:  # the watchdog was quicker, or somebody's word
            self.end([cluster])
            _raise_if_stopped(self.account)
            raise ToolFailed(f"{offer.id} was ended: somebody else released it")

    def _refused(self, cluster: str, offer: Offer, error: ToolFailed | OutOfTime) -> NoReturn:
        """Ends what is left of a server that did not come up, and raises what that comes to."""
        with changing(self.run_folder) as book:
            book.account = book.account.refused(cluster)
        try:
            self.end([cluster])
        except ToolFailed as left:
            raise ToolFailed(f"{error}\n{left}") from error
        _raise_if_stopped(self.account)
        if isinstance(error, OutOfTime):
            raise ToolFailed(f"{offer.id} was ended: {error}") from error
        raise ServerUnavailable(offer.id, str(error)) from error

    def check(self, cluster: str) -> None:
        """Raises OutOfTime where a server that is asked for was ended meanwhile: it must not be asked for again."""
        _raise_if_stopped(self.account)
        if not _is_wanted(self.account, cluster):
            raise OutOfTime("somebody else released it", 0.0, 0.0)

    def came_up(self, cluster: str) -> None:
        """Notes that a server that an agent asked for which did not live to see it is there."""
        one = self.account.up.get(cluster)
        if one is not None and one.launching_at is not None:
            with changing(self.run_folder) as book:
                book.account = book.account.launched(cluster)

    def stop(self, cluster: str, why: str) -> None:
        """Ends a server by a user's word, and with it the run that works there, which is told why. Raises as `end`."""
        with changing(self.run_folder) as book:
            book.account = book.account.model_copy(update={"stopped": why, "by_hand": True})
        self.end([cluster])

    def end(self, clusters: Iterable[str]) -> None:
        """Ends servers, and sees that they are gone. Raises ToolFailed where one stays, which is then still in the account, as one is
        that may only come up: the watchdog ends it."""
        for cluster in clusters:
            seen = self.account.up.get(cluster)
            try:
                self._provider.down(cluster)
                if cluster in self._provider.names(refresh=False):
                    raise ToolFailed(f"cluster {cluster} is still there; end it with: sky down {cluster}")
            except ToolFailed:
                self._unwanted(cluster)
                raise
            if seen is not None and not self._may_come_up(seen):
                self.gone(cluster)
            elif seen is not None and seen.unwanted_at is None:
                self._unwanted(cluster)

    def gone(self, cluster: str, seen: Rented | None = None) -> None:
        """Notes that a server is there no more, whoever ended it, and what it cost; not where it is not as it was `seen` any more."""
        if cluster not in self.account.servers:
            return
        told = self._told(cluster)
        with changing(self.run_folder) as book:
            if seen is None or seen == book.account.servers[cluster]:
                told_usd, told_s = (None, 0.0) if told is None else (told.usd, told.seconds)
                book.account = book.account.ended(cluster, told_usd, self._now(), told_s)

    def look(self, is_held: Callable[[], bool] = lambda: True) -> None:
        """Notes which servers ended themselves. One that SkyPilot was asked for and has not yet may still come up: it is not wanted
        any more where nobody carries on the run, `is_held`. Raises ToolFailed where nobody can say."""
        if up := self.account.up:
            now = self._now()
            there = self._provider.names(refresh=True)
            for cluster in set(up) - there:
                if self._may_come_up(up[cluster]):
                    self._not_there_yet(cluster, up[cluster], now, is_held)
                else:
                    self.gone(cluster, up[cluster])

    def _not_there_yet(self, cluster: str, seen: Rented, now: float, is_held: Callable[[], bool]) -> None:
        told = self._told(cluster)  # it may have come up and ended itself
        with changing(self.run_folder) as book:
            if book.account.servers[cluster] == seen:
                if told is not None:
                    book.account = book.account.counted(cluster, now, told.usd)
                if seen.unwanted_at is None and not is_held():
                    book.account = book.account.unwanted(cluster, self._now())

    def _may_come_up(self, one: Rented) -> bool:
        """Whether SkyPilot may still be at work on a server that it does not have."""
        if one.launching_at is None:
            return False
        return self._now() - max(one.launching_at, one.unwanted_at or 0.0) <= 60 * UNWANTED_MINUTES

    def _unwanted(self, cluster: str) -> None:
        with changing(self.run_folder) as book:
            if cluster in book.account.up:
                book.account = book.account.unwanted(cluster, self._now())

    def charge(self, call: str) -> tuple[float, float]:
        """What the servers cost since the last charge, borne by this call, and what stays reserved for keeping one; US dollars. By this
        machine's clock where SkyPilot cannot be asked."""
        told = {cluster: self._told(cluster) for cluster in self.account.up}  # of those that ended it was told then
        with changing(self.run_folder) as book:
            account, now = book.account, self._now()
            for cluster, cost in told.items():
                if cost is not None and cluster in account.up:
                    account = account.counted(cluster, now, cost.usd)
            book.account = account = account.charged_to(call, account.cost(now), now)
        return account.charged[call], account.reserved_usd - account.charged_usd

    def release(self) -> float:
        """Ends all servers; what they cost since the last charge, US dollars. Raises ToolFailed where one stays."""
        self.end(list(self.account.up))
        return self.charge(RELEASED)[0]

    def watch(self, save: Callable[[str], None]) -> bool:
        """Ends the servers where what was reserved is nearly used, `save` being called before for each of them; whether there is
        something left to watch. Raises ToolFailed where SkyPilot could not be reached: to be called again."""
        if self._is_used(self.account) and (clusters := self._stopped()):
            for cluster in clusters:
                save(cluster)
            if self._is_used(self.account):  # nothing was reserved for another call meanwhile
                self.end(clusters)
        for cluster, one in self.account.up.items():
            if one.unwanted_at is not None:
                self._end_unwanted(cluster, one)
        return bool(self.account.up)

    def _is_used(self, account: Account) -> bool:
        """Whether no more is left of what was reserved than ending the servers costs."""
        ends_at = account.ends_at(ENDING_MINUTES)
        return ends_at is not None and self._now() >= ends_at

    def _stopped(self) -> list[str]:
        """The servers that are to be ended, that being noted; none where something was reserved at this moment."""
        with changing(self.run_folder) as book:
            account = book.account
            if not self._is_used(account):
                return []
            book.account = account.model_copy(update={"stopped": account.stopped or _used(account)})
            return list(account.up)

    def _end_unwanted(self, cluster: str, seen: Rented) -> None:
        """Ends a server that is there though nobody wants it; one that did not come up in good time will not."""
        now = self._now()
        if cluster in self._provider.names(refresh=False):
            self._provider.down(cluster)
        elif self._may_come_up(seen):
            self._not_there_yet(cluster, seen, now, lambda: True)
        else:
            self.gone(cluster, seen)

    def _told(self, cluster: str) -> Cost | None:
        """What SkyPilot says that all under a name were up for and cost, disks included; null where it cannot say, or has forgotten some
        that were up."""
        server = self.account.servers[cluster]
        try:
            told = self._provider.costs().get(cluster, Cost(seconds=0, usd=0))
        except ToolFailed:
            return None
        forgotten = (told.seconds == 0 and server.launched) or told.seconds < server.told_s
        return None if forgotten else Cost(seconds=told.seconds, usd=_priced(server, told))


def _priced(server: Rented, told: Cost) -> float:
    """What SkyPilot reports and the disks, which it does not reckon with. Where it knows no price it is the plan's, for what came after
    what was priced before."""
    if told.usd > 0:
        return told.usd + told.seconds / 3600 * server.disk_usd_per_hour
    return server.told_usd + (told.seconds - server.told_s) / 3600 * server.usd_per_hour


def _raise_if_stopped(account: Account) -> None:
    """OutOfTime, after which another plan may be made; ToolFailed where a user ended it."""
    if account.stopped and account.by_hand:
        raise ToolFailed(account.stopped)
    if account.stopped:
        raise OutOfTime(account.stopped, 0.0, 0.0)


def _used(account: Account) -> str:
    return f"the ${account.reserved_usd:,.4f} reserved for servers were nearly used"


def _is_wanted(account: Account, cluster: str) -> bool:
    one = account.up.get(cluster)
    return one is not None and one.unwanted_at is None


def _given_up(account: Account, cluster: str, server: Rented, asked_at: float, now: float) -> Account:
    """With a server that nobody wants any more, or that is there though somebody ended it before it was."""
    known = account if cluster in account.up else account.asked(cluster, server, asked_at)
    return known.unwanted(cluster, now)
