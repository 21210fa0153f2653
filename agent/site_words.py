"""Finds what a request says of many sites: how many, that their data stay there, and how large a box may be. Which sites and where
their examples are stands beside the request."""

import re
from dataclasses import dataclass

from ..state.brief import Sites
from ..state.numbers import AS_SAID, shown
from .reading import NUMBER, Reading

_SITE = (
    r"(?:branch(?:es)?|sites?|devices?|tenants?|box(?:es)?|shops?|stores?|clinics?|hospitals?|offices?|locations?|factor(?:y|ies)|plants?"
    r"|subsidiar(?:y|ies)|customers?\s+sites?)"
)
_MIB_PER_UNIT = {"kb": 1e3 / 2**20, "kib": 2**-10, "mb": 1e6 / 2**20, "mib": 1.0, "gb": 1e9 / 2**20, "gib": 2.0**10}
_UNIT = r"(?P<unit>[kmg]i?b)(?:ytes)?\b"
_SIZE = rf"[≤\s]*(?P<low>\d+(?:\.\d+)?)\s*(?:[kmg]i?b\s*)?(?:(?:-|\bto\b)\s*(?P<high>\d+(?:\.\d+)?)\s*)?{_UNIT}"
_EACH = rf"(?:\s*(?:each|apiece)\b|\s*(?:per|an?|for\s+each|for\s+every|/)\s*{_SITE}\b)"
_HAS = r"(?:has|have|holds?|takes?|allows?|can\s+hold|with|of)"
_THERE = (
    r"(?:there|local(?:ly)?|put|them|it|where\s+(?:it|they)\s+(?:is|are)"
    rf"|(?:(?:at|on|in|inside|with)\s+)?(?:each|the|its|their|every)\s+{_SITE})"
)
_STAYS = (
    r"(?:the(?:ir|se)?\s+|its\s+|our\s+|all\s+|local\s+)*data\s+(?:(?:that|which)\s+)?(?:(?:must|may|should|can|shall|do|does|has|have|to)\s+)*"
    rf"(?:stays?|remains?|(?:is|are|be)\s+kept|(?:not|never)\s+leaves?|cannot\s+leave)\s+{_THERE}\b"
    rf"|without\s+(?:\w+\s+)?data\s+leaving\s+{_THERE}\b"
)


@dataclass(frozen=True, kw_only=True)
class SiteWords:
    """What was said of sites."""

    said: str = ""
    """The user's words that mean many sites; empty: there are none."""
    count: int | None = None
    max_mib: float | None = None


def read_sites(reading: Reading) -> SiteWords:
    """What the request says of sites; of a size from one to another the smaller is taken, and told as an assumption."""
    sizes = [
        *reading.find(rf"(?:each|every|all)\s+(?:of\s+the\s+)?{_SITE}\s+{_HAS}\s*{_SIZE}"),
        *reading.find(f"{_SIZE}{_EACH}"),
    ]
    counts = reading.find(rf"{NUMBER}\s+(?:(?!and\b|or\b)[a-z]+\s+)?{_SITE}\b")
    stays = reading.find(_STAYS)
    if not (sizes or counts or stays):
        return SiteWords()
    first = min([*sizes, *counts, *stays], key=lambda match: match.start())
    return SiteWords(
        said=reading.quote(*first.span()),
        count=_count(reading, counts),
        max_mib=reading.one("the size of each site's model, MiB", [_size(reading, match) for match in sizes]),
    )


def _size(reading: Reading, match: re.Match[str]) -> float:
    low, high, unit = (match.group(name) for name in ("low", "high", "unit"))
    if high is not None:
        reading.assumptions.append(
            f"which site has {low} and which {high} {unit} was not said: {low} {unit} is taken for each that names none"
        )
    return float(low) * _MIB_PER_UNIT[unit.lower()]


def _count(reading: Reading, found: list[re.Match[str]]) -> int | None:
    value = reading.one("the number of sites", [float(match.group(1).replace(",", "")) for match in found])
    return None if value is None else int(value)


def applied(words: SiteWords, sites: Sites | None, problems: list[str]) -> Sites | None:
    """The sites that stand beside the request under what its words say; adds to the problems what does not fit."""
    if sites is None:
        if words.said:
            problems.append(
                f"{words.said!r} means many sites: `stratos customize` makes a model for each; name them and their files of examples with "
                "--sites FILE or FOLDER, or under `sites:` in a brief"
            )
        return None
    if words.count is not None and words.count != len(sites.each):
        problems.append(f"the request speaks of {shown(words.count, AS_SAID)} sites, and {len(sites.each)} are named")
    if words.max_mib is None:
        return sites
    each = tuple(
        site if site.max_mib is not None else site.model_copy(update={"max_mib": words.max_mib}) for site in sites.each
    )
    return sites.model_copy(update={"each": each})
