"""Stratos: one sentence in, a measured and served small language model out.

From Python: `run`, `run_async`, `stream` and `resume` take and give Brief and Outcome, and raise StratosError: RequestError for what
cannot be used, ApprovalNeeded for a plan whose money nobody approved.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agent.api import resume, run, run_async, stream
    from .state.brief import Brief
    from .state.errors import ApprovalNeeded, RequestError, StratosError
    from .state.evidence import Outcome

VERSION = "0.1.0"

__all__ = [
    "VERSION", "ApprovalNeeded", "Brief", "Outcome", "RequestError", "StratosError", "resume", "run", "run_async", "stream",
]  # fmt: skip

_HOMES = {
    "Brief": ".state.brief",
    "Outcome": ".state.evidence",
    **dict.fromkeys(("ApprovalNeeded", "RequestError", "StratosError"), ".state.errors"),
}


def __getattr__(name: str) -> Any:
    """Loads what is asked for, when it is asked for: importing the package costs nothing."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, ".agent.api"), __name__), name)
