"""What keeps a brief's sites from being worked with, told before anything is spent. A site's file is read where it lies; what is told of
it is what is wrong with it."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from ...state.brief import Brief
from ...state.errors import RequestError
from .checkpoint import wrong_with_checkpoint
from .cloud_shape import Shape
from .examples import read

NEEDED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "flower": (("flwr",), "sites"),
    "simulation": (("flwr", "ray"), "simulation"),
    "here": ((), ""),
}
"""Packages that an engine needs, and the extra that installs them."""


def wrong_with_sites(brief: Brief) -> list[str]:
    """Everything that is wrong, one line each; empty where the sites can be worked with."""
    sites = brief.sites
    if sites is None:
        return []
    problems = _unheld(brief)
    packages, extra = NEEDED[sites.engine]
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        problems.append(
            f"sites: engine {sites.engine} needs {' and '.join(missing)}: pip install 'stratos-slm[{extra}]', or say engine: here, which "
            "needs neither"
        )
    if brief.student is not None:
        problems += wrong_with_checkpoint(Path(brief.student).expanduser(), sites.answers, Shape().max_tokens)
    for site in sites.each:
        try:
            read(Path(site.data), 0, sites.answers)
        except RequestError as error:
            problems += [f"site {site.name}: {problem}" for problem in error.problems]
        except OSError as error:
            problems.append(f"site {site.name}: {site.data} cannot be opened: {error.strerror or error}")
        except ValueError as error:  # no JSON, no array
            problems.append(f"site {site.name}: {site.data} cannot be read: {error}")
    return problems


def _unheld(brief: Brief) -> list[str]:
    """What stands in the brief and means nothing for many sites."""
    targets, limits = brief.targets, brief.limits
    said = {
        "teacher": brief.teacher,
        "weights": brief.weights,
        "choose": brief.choose,
        "targets.throughput_rps": targets.throughput_rps,
        "targets.requests_per_day": targets.requests_per_day,
        "targets.serving_months": targets.serving_months,
        "limits.usd_per_month": limits.usd_per_month,
        "limits.accelerators": limits.accelerators or None,
        "limits.regions": limits.regions or None,
        "limits.clouds": limits.clouds or None,
        "limits.licences": limits.licences or None,
        "limits.max_parameters": limits.max_parameters,
    }
    problems = [
        f"{name} cannot be held for many sites: leave it out" for name, value in said.items() if value is not None
    ]
    if brief.data is None:
        problems.append(
            "sites need public examples too, that a backbone learns from: `data: {path: FILE}` in the brief, or --data FILE"
        )
    return problems
