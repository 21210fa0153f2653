"""A simulated provider of servers, with a clock of its own."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from stratos.state.errors import ToolFailed
from stratos.tools.cloud.servers import KEEPING_MINUTES
from stratos.tools.cloud.sky import Cost

MINUTE = 60.0
TICK_S = 45.0


@dataclass(kw_only=True)
class SimulatedCloud:
    """A provider with a clock of its own: a server costs from when it is up until it is ended, by anybody or by itself."""

    random: random.Random
    now: float = 1_000_000.0
    up: dict[str, float] = field(default_factory=dict[str, float])
    idle_since: dict[str, float] = field(default_factory=dict[str, float])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    unreached_until: float = 0.0
    refuses: dict[str, str] = field(default_factory=dict[str, str])
    """What is said when a cluster is asked for, by its name."""
    stays: set[str] = field(default_factory=set[str])
    """Clusters that do not end when they are told to."""
    ending_minutes: float = 1.0
    """The longest that ending one takes; it is paid for meanwhile."""
    usd_per_hour: dict[str, float] = field(default_factory=dict[str, float])
    """Prices that SkyPilot's report has, by cluster; 0 for others, as of clouds without a catalogue."""
    capacity: float = 0.8
    """How often one that is asked for can be had."""
    launches: list[str] = field(default_factory=list[str])
    launch_minutes: float = 8.0
    """The longest that bringing one up takes."""
    coming: dict[str, float] = field(default_factory=dict[str, float])
    """When one comes up that nobody waits for any more."""
    meanwhile: Callable[[str], None] = lambda cluster: None
    """What befalls in the middle of a launch."""
    alarm: Callable[[], None] = lambda: None
    """The watchdog's look, at every tick."""

    def names(self, *, refresh: bool) -> set[str]:
        self._reached()
        return set(self.up)

    def down(self, cluster: str) -> None:
        self._reached()
        if cluster in self.up and cluster not in self.stays:
            self.pass_by(self.random.uniform(0, self.ending_minutes) * MINUTE, quiet=True)
            self.ends(cluster)

    def costs(self) -> dict[str, Cost]:
        self._reached()
        running = {name: self.now - since for name, since in self.up.items()}
        both = {name: self.seconds.get(name, 0.0) + running.get(name, 0.0) for name in {*running, *self.seconds}}
        return {
            name: Cost(seconds=seconds, usd=seconds / 3600 * self.usd_per_hour.get(name, 0.0))
            for name, seconds in both.items()
        }

    def ends(self, cluster: str) -> None:
        """As when it is preempted."""
        if (since := self.up.pop(cluster, None)) is not None:
            self.seconds[cluster] = self.seconds.get(cluster, 0.0) + self.now - since
            self.idle_since.pop(cluster, None)

    def launch(self, cluster: str) -> None:
        """Brings a server up within ten minutes, or has none."""
        self._reached()
        self.launches.append(cluster)
        if why := self.refuses.get(cluster):
            raise ToolFailed(why)
        if cluster not in self.up:
            self.meanwhile(cluster)
            self.coming.pop(cluster, None)
            self.pass_by(self.random.uniform(0.5, self.launch_minutes) * MINUTE, quiet=True)
            if self.random.random() > self.capacity:
                raise ToolFailed("no capacity")
            self.up[cluster] = self.now
            self.pass_by(self.random.uniform(0, 1) * MINUTE, quiet=True)
        self.idle_since.pop(cluster, None)

    def pass_by(self, seconds: float, *, quiet: bool = False) -> None:
        """Time goes on, servers that were idle for long end themselves, and the watchdog looks every few seconds."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + TICK_S)
            for name in [name for name, at in self.coming.items() if self.now >= at]:
                self.up[name] = self.idle_since[name] = self.coming.pop(name)
            for name, since in list(self.idle_since.items()):
                if self.now - since >= KEEPING_MINUTES * MINUTE:
                    self.ends(name)
            if not quiet:
                self.alarm()

    def _reached(self) -> None:
        if self.now < self.unreached_until:
            raise ToolFailed("no connection")
