"""What keeps a brief's sites from being worked with, told before anything is spent. A site's file is read where it lies; what is told of
it is what is wrong with it."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from ...state.brief import Answers, Brief, Sites, Targets
from ...state.errors import RequestError
from ...state.evidence import wilson
from .cloud.checkpoint import wrong_with_checkpoint
from .cloud.pictures import are_pictures
from .cloud.shape import Shape
from .engines.keys import CA_FILE, CERTIFICATE_FILE, KEY_FILE
from .learning.examples import SiteExamples, images, read

NEEDED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "flower": (("flwr",), "sites"),
    "simulation": (("flwr", "ray"), "simulation"),
    "here": ((), ""),
}
"""Packages that an engine needs, and the extra that installs them."""
MOST_NEEDED = 100_000
"""Examples that judge a target; where more were needed, none are told."""


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
    seen: dict[str, SiteExamples] = {}
    for site in sites.each:
        if site.data is None:
            continue
        found = _looked_at(Path(site.data), sites.answers)
        if isinstance(found, SiteExamples):
            seen[site.name] = found
        else:
            problems += [f"site {site.name}: {problem}" for problem in found]
    return problems + _unlike(brief) + _wrong_with_joining(sites) + _never_shown(brief.targets, sites, seen)


def _never_shown(targets: Targets, sites: Sites, seen: Mapping[str, SiteExamples]) -> list[str]:
    """The accuracy target, where too few examples judge it for any model to reach it; sites whose files are not here may have more."""
    if targets.accuracy is None or targets.accuracy_rule != "lower_bound":
        return []
    held = {name: min(len(site.parts["validation"]), len(site.parts["test"])) for name, site in seen.items()}
    if sites.judged == "together":
        held = {"all sites": sum(held.values())} if len(held) == len(sites.each) else {}
    few = {name: n for name, n in held.items() if wilson(n, n).low < targets.accuracy}
    if not few:
        return []
    name, n = min(few.items(), key=lambda one: one[1])
    others = f" (and {len(few) - 1} more)" if len(few) > 1 else ""
    needed = next((n for n in range(n, MOST_NEEDED) if wilson(n, n).low >= targets.accuracy), None)
    ways = [f"{needed:,} such examples" if needed else "", "`judged: together`" if sites.judged == "each" else ""]
    return [
        f"the target of {targets.accuracy:.1%} right can never be shown at {name}{others}: of the {n} examples that judge it, all right "
        f"would show no more than {wilson(n, n).low:.1%}. Give {' or '.join(filter(None, [*ways, 'a lower target']))}, or "
        "`accuracy_rule: point_estimate`, which holds the measured share against it"
    ]


def _unlike(brief: Brief) -> list[str]:
    """Sites whose examples are not of the same kind as the public ones, or pictures of another size."""
    assert brief.sites is not None
    if brief.data is None:
        return []
    public = Path(brief.data.path)
    wanted = _kind(public)
    return [
        f"site {site.name}: its examples are {_kind(Path(site.data))}, the public ones {wanted}"
        for site in brief.sites.each
        if site.data is not None and _kind(Path(site.data)) != wanted
    ]


def _kind(path: Path) -> str:
    """Texts, or pictures of a size where the file can be read."""
    if not are_pictures(path.name):
        return "texts"
    try:
        _, pixels, _ = images(path)
    except (RequestError, OSError, ValueError):
        return "pictures"  # what is wrong with the file is told for itself
    channels, height, width = pixels.shape[1:]
    return f"pictures of {height} x {width} pixels in {channels} channels"


def wrong_with_file(path: Path, answers: Answers) -> list[str]:
    """What keeps a site's file of examples from being learned from."""
    found = _looked_at(path, answers)
    return [] if isinstance(found, SiteExamples) else found


def _looked_at(path: Path, answers: Answers) -> SiteExamples | list[str]:
    """A site's examples, or what is wrong with their file."""
    try:
        return read(path, 0, answers)
    except RequestError as error:
        return list(error.problems)
    except OSError as error:
        return [f"{path} cannot be opened: {error.strerror or error}"]
    except ValueError as error:  # no JSON, no array
        return [f"{path} cannot be read: {error}"]


def _wrong_with_joining(sites: Sites) -> list[str]:
    """With the keys of sites that join and the server's certificates."""
    problems: list[str] = []
    owners: dict[str, str] = {}
    for site in sites.joining:
        assert site.key is not None
        try:
            key = Path(site.key).read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"site {site.name}: its key {site.key} cannot be read: {error}")
            continue
        if len(key) < 2 or not key[0].startswith("ecdsa-"):
            problems.append(
                f"site {site.name}: {site.key} is no public key; `stratos site key {site.name}` makes one there"
            )
        elif (other := owners.setdefault(key[1], site.name)) != site.name:
            problems.append(f"site {site.name}: its key is that of site {other}; each has one of its own")
    folder = Path(sites.certificates or "")
    missing = [name for name in (CA_FILE, CERTIFICATE_FILE, KEY_FILE) if not (folder / name).is_file()]
    if sites.joining and missing:
        problems.append(
            f"sites: certificates {folder} has no {', '.join(missing)}; `stratos site authority HOST` makes them for this machine"
        )
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
