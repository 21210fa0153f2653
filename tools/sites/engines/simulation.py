"""Many sites on one machine by Flower's simulation engine (Ray): the same apps and letters as between processes, in a few workers.

Ray is an optional part beside Flower's own.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

from ....state.errors import NotAvailable
from ..loop.loop_orders import outcome_in
from .flower import QUIET
from .flower_app import (
    APPEAR_SETTING,
    AT_ONCE_SETTING,
    NODES_SETTING,
    ORDERS_SETTING,
    TIMEOUT_SETTING,
    Node,
    client_app,
    server_app,
)

WAIT_S = 3600.0
"""Nobody is late in a simulation: its sites take their turns."""


def simulate(orders_file: Path, sites: Sequence[Node], *, workers: int) -> None:
    """Runs or continues the loop that a file orders, with so many sites at work at the same time, a core each.

    Raises NotAvailable without Flower or Ray, ToolFailed where the loop does not come to its end.
    """
    missing = [name for name in ("flwr", "ray") if importlib.util.find_spec(name) is None]
    if missing:
        raise NotAvailable(f"{' and '.join(missing)} not installed: pip install 'stratos-slm[simulation]'")
    os.environ |= QUIET | {"RAY_USAGE_STATS_ENABLED": "0"}
    from flwr.simulation import run_simulation

    settings = {
        ORDERS_SETTING: str(orders_file),
        APPEAR_SETTING: 120.0,
        TIMEOUT_SETTING: WAIT_S,
        AT_ONCE_SETTING: 0,
        NODES_SETTING: "",
    }
    run_simulation(
        server_app(settings),
        client_app(sites),
        num_supernodes=len(sites),
        backend_config={
            "init_args": {"num_cpus": workers, "include_dashboard": False, "log_to_driver": False},
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        },
    )
    outcome_in(orders_file.parent)
