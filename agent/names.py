"""Whether the names that limits hold exist: clouds, regions, accelerators and licences, of the built-in tables and the user's own files."""

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

from ..state.errors import Correctable, UnusablePrices
from ..state.run import OwnNames
from ..tools.models.catalogue import own_models, with_own
from ..tools.models.licences import LICENCES, known_licence
from ..tools.pricing.accelerators import accelerator_facts, resolve
from ..tools.pricing.configured import configured_sources
from ..tools.pricing.look_up import known_clouds, known_regions, names_of

NAMES_SHOWN = 40
"""Valid names that a message lists: all clouds, and of regions the nearest and the first."""
LIKE = 0.5
"""Least likeness, of 1, of a name that is listed before the others."""

Own = Callable[[], OwnNames]


def own_names(workspace: Path) -> OwnNames:
    """What the user's price and models files name. Raises UnusablePrices for files that cannot be read."""
    sources = configured_sources(workspace)
    clouds, regions = names_of(sources) if sources else ((), ())
    try:
        models = own_models(workspace)
    except Correctable as error:
        raise UnusablePrices([str(error)]) from error
    licences = tuple(sorted({facts.licence for facts in models}))
    return OwnNames(clouds=clouds, regions=regions, licences=licences)


def no_own_names() -> OwnNames:
    """Where nothing but the built-in tables counts."""
    return OwnNames()


def unknown_names(limits: Mapping[str, Any], own: Own = no_own_names) -> list[str]:
    """One problem for each list of names that holds unknown ones, with what is valid; what is no list of names is not looked at.

    `own` is asked only where the built-in tables do not know all names: its files may be large.
    """
    asked = {field: names for field in _PROBLEMS if (names := _names(limits.get(field)))}
    if not any(_PROBLEMS[field](names, OwnNames()) for field, names in asked.items()):
        return []
    known = own()
    return [problem for field, names in asked.items() for problem in _PROBLEMS[field](names, known)]


def unknown_region(name: str, own: OwnNames) -> str | None:
    """What is wrong with a region's name or its beginning; None where nothing is."""
    known = sorted({*known_regions(), *(region.lower() for region in own.regions)})
    if any(region.startswith(name.strip().lower()) for region in known):
        return None
    return f"{name!r} begins no region's name; {valid_names([name], known)}"


def valid_names(unknown: Sequence[str], known: Collection[str]) -> str:
    """What is valid instead, the nearest names first where the list is long."""
    by_lower = {name.lower(): name for name in known}
    close = [
        by_lower[near] for one in unknown for near in difflib.get_close_matches(one.lower(), by_lower, n=3, cutoff=LIKE)
    ]
    first = list(dict.fromkeys(close))
    plain = sorted((name for name in known if name not in first and "," not in name), key=str.lower)
    listed = [*first, *plain]
    more = f" and {len(listed) - NAMES_SHOWN} more" if len(listed) > NAMES_SHOWN else ""
    return f"valid: {', '.join(listed[:NAMES_SHOWN])}{more}"


def _names(value: object) -> list[str]:
    given = cast("list[object]", value) if isinstance(value, list | tuple) else []
    return [name for name in given if isinstance(name, str)]


def _clouds(names: Sequence[str], own: OwnNames) -> list[str]:
    known = {*known_clouds(), *own.clouds}
    return _told("clouds", [name for name in names if name.strip().lower() not in known], known)


def _regions(names: Sequence[str], own: OwnNames) -> list[str]:
    wrong = [name for name in names if unknown_region(name, own)]
    known = {*known_regions(), *(region.lower() for region in own.regions)}
    return [f"{problem} (a region is named by its beginning)" for problem in _told("regions", wrong, known)]


def _accelerators(names: Sequence[str], own: OwnNames) -> list[str]:
    wrong = [name for name in names if not _is_accelerator(name)]
    return _told("accelerators", wrong, accelerator_facts())


def _is_accelerator(name: str) -> bool:
    try:
        return bool(resolve([name]))
    except Correctable:
        return False


def _licences(names: Sequence[str], own: OwnNames) -> list[str]:
    known = {*_built_in_licences(), *own.licences}
    folded = {name.casefold() for name in known}
    wrong = [name for name in names if known_licence(name) is None and name.strip().casefold() not in folded]
    return _told("licences", wrong, known)


@cache
def _built_in_licences() -> frozenset[str]:
    from .limits import LICENCES as NAMED_IN_REQUESTS

    facts = {name for one in LICENCES for name in (one.name, one.spdx) if name}
    return frozenset({*facts, *NAMED_IN_REQUESTS, *(model.licence for model in with_own(()).values())})


def _told(field: str, wrong: Sequence[str], known: Collection[str]) -> list[str]:
    if not wrong:
        return []
    verb = "is" if len(wrong) == 1 else "are"
    return [f"limits.{field}: {', '.join(map(repr, wrong))} {verb} unknown; {valid_names(wrong, known)}"]


_PROBLEMS: Mapping[str, Callable[[Sequence[str], OwnNames], list[str]]] = {
    "clouds": _clouds,
    "regions": _regions,
    "accelerators": _accelerators,
    "licences": _licences,
}
