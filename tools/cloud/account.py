"""What the rented servers of a run may cost and have cost: one file in the run's folder, which the agent and the watchdog share.

Money is reserved before a server is asked for. What was used is what SkyPilot says the server was up for; as long as that is not
known it is the time since it was asked for, which is never less. Nothing here starts or ends a server.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ..executor import locked
from ..jobs import write_atomic

SERVERS_FOLDER, ACCOUNT_FILE = "servers", "account.json"
"""In a run's folder, and in that."""
RELEASED = "the server until it ended"
"""The charge that no call bears: what a server cost after the last call."""


GOES_ON: Mapping[str, object] = {"stopped": "", "by_hand": False}


class Rented(BaseModel):
    """A server under one name; it may have been ended and asked for again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    offer: str
    usd_per_hour: float = Field(ge=0, description="of all its nodes, their disks included")
    disk_usd_per_hour: float = Field(default=0.0, ge=0, description="of that for the disks")
    asked_at: float | None = Field(default=None, description="seconds since 1970; null while there is none")
    launching_at: float | None = Field(
        default=None, description="when it was last asked for; null where SkyPilot has said what came of it"
    )
    unwanted_at: float | None = Field(
        default=None, description="when it was given up and could not be ended for sure: where it is there, it is ended"
    )
    launched: bool = Field(default=False, description="one under this name was up for sure")
    used_usd: float = Field(default=0.0, ge=0, description="of those under this name, by `counted_at`")
    counted_at: float | None = Field(
        default=None, description="since when this machine's clock counts; null: since it was asked for"
    )
    told_s: float = Field(default=0.0, ge=0, description="what SkyPilot said that those that ended were up")
    told_usd: float = Field(default=0.0, ge=0, description="what that cost")

    @property
    def counts_from(self) -> float | None:
        """Since when more may have been used than `used_usd`; null while there is none."""
        return self.asked_at if self.counted_at is None else self.counted_at

    def cost(self, now: float) -> float:
        """The most it can have cost by now, US dollars."""
        since = self.counts_from
        running_s = 0.0 if since is None else max(0.0, now - since)
        return self.used_usd + running_s / 3600 * self.usd_per_hour


class Account(BaseModel):
    """The money of a run's servers, US dollars."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reserved_usd: float = Field(
        default=0.0, description="the most that all of them may cost, what was charged included"
    )
    kept_usd: float = Field(default=0.0, description="of that for keeping a server after a call, and ending it")
    charged: Mapping[str, float] = Field(default_factory=dict[str, float], description="by the call that bore it")
    servers: Mapping[str, Rented] = Field(default_factory=dict[str, Rented], description="by cluster")
    charged_at: float = Field(default=0.0, description="of the newest charge, seconds since 1970")
    stopped: str = Field(
        default="", description="why they were ended before their call was over; empty where they were not"
    )
    by_hand: bool = Field(default=False, description="a user ended them: the run stops, and plans nothing instead")

    @property
    def charged_usd(self) -> float:
        """What calls bore so far."""
        return sum(self.charged.values())

    @property
    def up(self) -> dict[str, Rented]:
        """Those that were asked for and not ended."""
        return {name: one for name, one in self.servers.items() if one.asked_at is not None}

    @property
    def usd_per_hour(self) -> float:
        """Of all that are up."""
        return sum(one.usd_per_hour for one in self.up.values())

    def cost(self, now: float) -> float:
        """The most that all can have cost by now."""
        return sum(one.cost(now) for one in self.servers.values())

    def ends_at(self, margin_minutes: float) -> float | None:
        """When the servers must be told to end so that ending them, which may take the margin, is paid for; null where that is never.
        Seconds since 1970."""
        price = self.usd_per_hour
        if price <= 0:
            return None
        began = [one.counts_from for one in self.up.values() if one.counts_from is not None]
        now = max(began)
        left_usd = self.reserved_usd - self.cost(now)
        return now + 3600 * left_usd / price - 60 * margin_minutes

    def reserved_for(self, call: str, usd: float, kept_usd: float) -> "Account":
        """With money for a call, `kept_usd` of it for keeping a server. A call that was charged already needs none."""
        if call in self.charged:
            return self
        return self.model_copy(update={"reserved_usd": self.charged_usd + usd, "kept_usd": kept_usd, **GOES_ON})

    def asked(self, cluster: str, server: Rented, now: float) -> "Account":
        """With a server that is asked for now, or is up already."""
        known = self.servers.get(cluster, server)
        if known.asked_at is None:  # once more: at what it costs now
            before = known.model_dump(include={"used_usd", "launched", "told_s", "told_usd"})
            known = server.model_copy(update={**before, "asked_at": now})
        return self._with(cluster, known.model_copy(update={"unwanted_at": None, "launching_at": now}))

    def unwanted(self, cluster: str, now: float) -> "Account":
        """With a server that is to be ended where it is there, or comes up."""
        return self._with(cluster, self.servers[cluster].model_copy(update={"unwanted_at": now}))

    def launched(self, cluster: str) -> "Account":
        """With a server that is up for sure."""
        return self._with(cluster, self.servers[cluster].model_copy(update={"launched": True, "launching_at": None}))

    def refused(self, cluster: str) -> "Account":
        """With a server that does not come up any more."""
        return self._with(cluster, self.servers[cluster].model_copy(update={"launching_at": None}))

    def counted(self, cluster: str, now: float, told_usd: float) -> "Account":
        """With what SkyPilot says that all under a server's name cost by now: this machine's clock goes on from there."""
        changes = {"used_usd": told_usd, "counted_at": now}
        return self._with(cluster, self.servers[cluster].model_copy(update=changes))

    def ended(self, cluster: str, told_usd: float | None, now: float, told_s: float = 0.0) -> "Account":
        """Without a server: `told_usd` is what SkyPilot says all under this name cost, and `told_s` how long they were up; null where
        it cannot say."""
        known = self.servers[cluster]
        none = {"asked_at": None, "launching_at": None, "unwanted_at": None, "counted_at": None}
        used = {"used_usd": known.cost(now) if told_usd is None else told_usd}
        told = {} if told_usd is None else {"told_usd": told_usd, "told_s": told_s}
        return self._with(cluster, known.model_copy(update={**none, **used, **told}))

    def charged_to(self, call: str, total_usd: float, now: float) -> "Account":
        """With what was used since the last charge borne by a call; a call that was charged already bears no more. RELEASED bears what
        is left to the total, less than nothing where a call was charged by this machine's clock for want of SkyPilot's word.
        What was reserved for keeping a server stays reserved while one is up."""
        if call in self.charged and call != RELEASED:
            return self
        rest = total_usd - (self.charged_usd - self.charged.get(call, 0.0))
        charged = {**self.charged, call: rest if call == RELEASED else max(0.0, rest)}
        left = self.reserved_usd - sum(charged.values())
        kept = max(0.0, min(self.kept_usd, left)) if self.up else 0.0
        changes = {"charged": charged, "charged_at": now, "reserved_usd": sum(charged.values()) + kept}
        return self.model_copy(update=changes)

    def _with(self, cluster: str, server: Rented) -> "Account":
        return self.model_copy(update={"servers": {**self.servers, cluster: server}})


def account_of(run_folder: Path) -> Account:
    """A run's account; an empty one where it rented nothing yet."""
    try:
        return Account.model_validate_json((run_folder / SERVERS_FOLDER / ACCOUNT_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Account()


def of_run(folder: Path) -> Path:
    """The folder of the run that a job's folder is of, or of the deployment's server; of a job outside of both the one above it.
    Whoever comes by a link finds the same one."""
    above = folder.resolve().parents
    return next((parent for parent in above if _has_an_account(parent)), above[0])


def _has_an_account(folder: Path) -> bool:
    """Whether it is `deployments/NAME/servers/ID` or `runs/ID`; a deployment, too, may be called `runs`."""
    match folder.parts:
        case (*_, "deployments", _, "servers", _) | (*_, "runs", _):
            return True
        case _:
            return False


@contextmanager
def changing(run_folder: Path) -> Generator["Book"]:
    """The account to be changed, kept when the block ends; nobody else changes it meanwhile."""
    folder = run_folder / SERVERS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        book = Book(account_of(run_folder))
        yield book
        write_atomic(folder / ACCOUNT_FILE, book.account.model_dump_json(indent=2))


class Book:
    """An account while it is changed."""

    def __init__(self, account: Account) -> None:
        self.account = account
