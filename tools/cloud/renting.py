"""The money's part of an executor that rents: each call's step on the account of its run."""

from abc import ABC, abstractmethod
from pathlib import Path

from ...state.plan import Offer
from ..executor import ServerBill
from ..pricing.sky_catalogue import SkyCatalogue
from .account import of_run
from .servers import Servers
from .whereabouts import cluster_of


class Renting(ABC):
    """What `Rents` says of money, over the servers of a run."""

    def catalogue(self) -> SkyCatalogue | None:
        """As `Rents` says: here none."""
        return None

    @abstractmethod
    def servers(self, run_folder: Path) -> Servers:
        """Those of a run."""

    def reserve(self, call: Path, offer: Offer, usd: float) -> None:
        """As `Rents` says."""
        self.servers(of_run(call)).reserve(call.name, offer, usd, cluster_of(call, offer))

    def charge(self, call: Path) -> ServerBill:
        """As `Rents` says."""
        usd, kept_usd = self.servers(of_run(call)).charge(call.name)
        return ServerBill(usd=usd, kept_usd=kept_usd)

    def release(self, run_folder: Path) -> float:
        """As `Rents` says."""
        return self.servers(run_folder).release()

    def end_all(self, run_folder: Path) -> None:
        """As `Rents` says."""
        servers = self.servers(run_folder)
        servers.end(list(servers.account.up))
