"""Stratos: one sentence in, a measured and served small language model out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agent.api import resume, run, run_async, stream
    from .state.brief import Brief
    from .state.evidence import Outcome

VERSION = "0.1.0"

__all__ = ["VERSION", "Brief", "Outcome", "resume", "run", "run_async", "stream"]


def __getattr__(name: str) -> Any:
    """Loads what is asked for, when it is asked for: importing the package costs nothing."""
    from importlib import import_module

    homes = {"Brief": ".state.brief", "Outcome": ".state.evidence"}
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(homes.get(name, ".agent.api"), __name__), name)
