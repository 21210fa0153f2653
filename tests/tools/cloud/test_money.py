"""The money of rented servers over a simulated clock: whatever happens, the bill is the provider's to the cent, within the limit, and
no server is left."""

import random
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stratos.state.errors import OutOfTime, ServerUnavailable, ToolFailed
from stratos.state.plan import Offer
from stratos.tools.cloud.account import Account, changing
from stratos.tools.cloud.servers import ENDING_MINUTES, HELD_MINUTES, KEEPING_MINUTES, UNWANTED_MINUTES, Servers
from stratos.tools.costs import server_minutes, server_usd

from ...building import offer
from .simulated import MINUTE, TICK_S, SimulatedCloud

CENT = 0.01
HISTORIES = 1000


class Killed(Exception):
    """The agent is gone without a word."""


@dataclass(kw_only=True)
class History:
    """One run: calls with money reserved for them, and what befalls them."""

    folder: Path
    cloud: SimulatedCloud
    limit_usd: float
    bill: dict[str, float] = field(default_factory=dict[str, float])
    offers: list[Offer] = field(default_factory=list[Offer])
    launching: Account = field(default_factory=Account)
    """As it was written when the newest launch began."""
    beyond_usd: float = 0.0
    """The most that can have been used beyond what was reserved, while SkyPilot could not be reached."""
    is_given_up: bool = False
    has_clocks: bool = True
    """Whether jobs end by clocks of their own; if not, the watchdog alone ends them."""

    @property
    def servers(self) -> Servers:
        """A new agent's each time: nothing is remembered but what is written."""
        return Servers(self.folder, self.cloud, now=lambda: self.cloud.now)

    def watch(self) -> None:
        """One look of the watchdog, which comes again where it cannot reach SkyPilot: what is used meanwhile nobody can limit."""
        try:
            self.servers.watch(lambda cluster: None)
        except ToolFailed:
            account = self.servers.account
            used_usd = account.cost(self.cloud.now + TICK_S + ENDING_MINUTES * MINUTE)
            self.beyond_usd = max(self.beyond_usd, used_usd - account.reserved_usd)

    def call(self, number: int) -> None:
        """One guarded call, as the guard and the executor carry it out, started again after a crash of the agent."""
        dice = self.cloud.random
        at, minutes, name = dice.choice(self.offers), dice.uniform(1, 30), f"{number:03d}"
        usd = server_usd(at, minutes)
        if sum(self.bill.values()) + usd > self.limit_usd:
            return
        before_usd = sum(self.bill.values())
        cluster = f"stratos-{at.id}"
        for _ in range(8):
            try:
                self.servers.reserve(name, at, usd, cluster)
                self._work(cluster, at, minutes)
                break
            except (ServerUnavailable, OutOfTime):  # another plan is made: this call is over
                break
            except (ToolFailed, Killed):  # the run stopped, and is resumed later, or never
                if dice.random() < 0.4:  # somebody lists what is left behind
                    with suppress(ToolFailed):
                        self.servers.look(lambda: False)
                self.cloud.pass_by(dice.uniform(1, 40) * MINUTE)
                if dice.random() < 0.1:
                    self.is_given_up = True
                    return
        self.bill[name], kept_usd = self.servers.charge(name)
        assert self.bill[name] >= 0
        self._check_kept(kept_usd, before_usd + usd, at)
        if dice.random() < 0.1:  # killed before the journal had what was charged
            self.cloud.pass_by(dice.uniform(1, 40) * MINUTE)
            with suppress(ToolFailed):
                self.servers.reserve(name, at, usd, cluster)
            assert self.servers.charge(name)[0] == self.bill[name]

    def _check_kept(self, kept_usd: float, reserved_usd: float, at: Offer) -> None:
        """What stays reserved is for ten idle minutes and three to end it, of what was reserved, where a server may be up."""
        kept_minutes = KEEPING_MINUTES + ENDING_MINUTES if self.servers.account.up else 0.0
        most = kept_minutes / 60 * at.paid_usd_per_hour
        left = max(0.0, reserved_usd - sum(self.bill.values()))
        assert kept_usd == pytest.approx(min(most, left), abs=1e-9)

    def _work(self, cluster: str, at: Offer, minutes: float) -> None:
        """A job until its end; it is lost where its server is, and started again as often as that is paid for."""
        dice = self.cloud.random
        self._ask(cluster, at)
        left = dice.uniform(0, 1.2 if self.has_clocks else 5) * minutes
        if self.has_clocks:  # slower than its clock: the clock ends it
            left = min(left, server_minutes(at, server_usd(at, minutes)))
        while left > 0:
            part = min(left, dice.uniform(0.5, 10))
            self.cloud.pass_by(part * MINUTE)
            left -= part
            if dice.random() < 0.08:  # the agent; the job works on, and its server then ends itself
                if cluster in self.cloud.up:
                    self.cloud.idle_since[cluster] = self.cloud.now + left * MINUTE
                raise Killed
            if cluster in self.cloud.up and dice.random() < 0.1:
                self.cloud.ends(cluster)  # preempted
            if dice.random() < 0.1:
                self.cloud.unreached_until = self.cloud.now + dice.uniform(1, 8) * MINUTE
            if cluster not in self.cloud.up:
                self.servers.look()
                if self.servers.account.stopped:
                    raise OutOfTime(self.servers.account.stopped, 0.0, 0.0)
                self._ask(cluster, at)
        self.cloud.idle_since[cluster] = self.cloud.now

    def _ask(self, cluster: str, at: Offer) -> None:
        try:
            self.servers.ask(cluster, at, lambda: self.cloud.launch(cluster))
        except Killed:
            if self.cloud.random.random() < 0.5:  # without a word, and not by Ctrl-C
                with changing(self.folder) as book:
                    book.account = self.launching
            raise

    def meanwhile(self, cluster: str) -> None:
        """In the middle of a launch somebody lists the clusters, or the agent is killed: SkyPilot's server goes on."""
        dice, self.launching = self.cloud.random, self.servers.account
        if dice.random() < 0.3:
            self.servers.look()
        if dice.random() < 0.08:
            self.cloud.coming[cluster] = self.cloud.now + dice.uniform(0, 40) * MINUTE
            raise Killed


@settings(max_examples=HISTORIES, deadline=None)
@given(seed=st.integers(min_value=0, max_value=2**32), limit_usd=st.floats(min_value=0.05, max_value=20))
def test_the_bill_is_the_providers_whatever_happens(seed: int, limit_usd: float) -> None:
    dice = random.Random(seed)
    cloud = SimulatedCloud(random=dice, ending_minutes=2.0)
    with TemporaryDirectory() as folder:
        offers = [_offer(dice, name) for name in ("one", "two")]
        prices = {at.id: at.paid_usd_per_hour for at in offers}
        if dice.random() < 0.5:  # SkyPilot's catalogue has prices, which are without disks
            cloud.usd_per_hour = {f"stratos-{at.id}": at.usd_per_hour for at in offers}
        history = History(
            folder=Path(folder) / "runs" / "r",
            cloud=cloud,
            limit_usd=limit_usd,
            offers=offers,
            has_clocks=dice.random() < 0.6,
        )
        cloud.alarm, cloud.meanwhile = history.watch, history.meanwhile
        cloud.launch_minutes = dice.choice([8.0, 25.0])
        for number in range(dice.randint(1, 5)):
            if not history.is_given_up:
                history.call(number)
            cloud.pass_by(dice.choice([0.0, dice.uniform(0, 20)]) * MINUTE)
        cloud.pass_by(max(0.0, cloud.unreached_until - cloud.now))
        history.servers.release()
        cloud.pass_by((UNWANTED_MINUTES + 1) * MINUTE)  # what was being launched may still have come up
        bill = sum(history.bill.values()) + history.servers.release()
        provider = sum(cloud.seconds.get(f"stratos-{name}", 0.0) / 3600 * usd for name, usd in prices.items())
        assert not cloud.up
        assert bill == pytest.approx(provider, abs=CENT / 2)
        assert provider <= limit_usd + history.beyond_usd + CENT / 2


def _offer(dice: random.Random, name: str) -> Offer:
    disk = dice.choice([0.0, dice.uniform(0.01, 0.5)])
    terms = {"id": name, "held_minutes": HELD_MINUTES, "disk_usd_per_hour": disk}
    return offer(dice.uniform(0.02, 5)).model_copy(update=terms)
