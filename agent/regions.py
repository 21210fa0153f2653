"""Finds where servers may stand: continents, and regions as the clouds name them, kept as they were said.

A brief's region is the beginning of a cloud's own name for it, in any case of letters: "us-east" fits us-east-1 and us-east4, and not
Azure's eastus, which has to be named so.
"""

import re

from ..tools.pricing.look_up import known_regions
from .names import unknown_region
from .reading import ALONE, NEAR, NO, Reading

REGIONS = {
    "eu": "europe(?:an)?|the eu|eu",
    "us": "the us|the usa|usa|the united states|american?|us",
    "asia": "asian?",
}
_COMPASS = "(?:north|south|east|west|central)"
_LANDS = "us|eu|europe|asia|ap|ca|sa|me|af|il|cn|mx|uk|africa|australia|northamerica|southamerica"
_OF_AZURE = "us|europe|asia|uk|canada|japan|korea|brazil|australia|france|germany|norway|sweden|switzerland|india|uae"
_SHAPED = (
    rf"(?:{_LANDS})-(?:gov-)?{_COMPASS}{{1,2}}\d*(?:-[a-z0-9]+)*"
    rf"|{_COMPASS}{{1,2}}(?:{_OF_AZURE})\d?|(?:{_OF_AZURE}){_COMPASS}{{1,2}}\d?"
)
"""As clouds name regions: us-east-1, asia-southeast1, eastus2, uksouth."""
_MORE = r"(?!-(?!only|regions?|servers?|hosted|based|data)\w)"
"""Behind a continent: no further part of a region's name."""


def named_regions(reading: Reading) -> tuple[str, ...]:
    """The regions that are named as clouds name them; before figures are read, for there are some in such names."""
    own = [region.lower() for region in reading.own.regions]
    numbered = [name for name in (*known_regions(), *own) if re.fullmatch(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*-\d+", name)]
    names = "|".join(sorted(map(re.escape, dict.fromkeys(numbered)), key=len, reverse=True))
    found: list[str] = []
    for match in reading.find(rf"(?P<no>\b{NO}{NEAR})?(?<![\w-])(?P<name>{_SHAPED}|{names})(?![\w-])"):
        said = reading.quote(*match.span("name"))
        if match["no"]:
            reading.problems.append(
                f"{reading.quote(*match.span())!r} cannot be held: a brief names what may be used, not what may not: "
                "say which regions are allowed, or leave it out"
            )
        elif problem := unknown_region(said, reading.own):
            reading.problems.append(problem)
        else:
            found.append(said.lower())
    return tuple(dict.fromkeys(found))


def continents(reading: Reading) -> tuple[str, ...]:
    """The beginnings of the regions' names of the continents that are named."""
    found: list[str] = []
    place = rf"(?:{'|'.join(REGIONS.values())})\b{_MORE}(?!\s+(?:mahjong|rules|style))"
    also = r"\s*(?:,|/|or|and)\s*"
    named = (
        rf"(?:\b(?:in|from|regions?\s*[:=]?)|≤)\s*{place}(?:{also}(?:in\s+)?{place})*"
        rf"|\b{place}(?:{also}{place})*[\s-](?:only|regions?|servers?|hosted|based|data\s?cent)|{ALONE[0]}{place}(?:{also}{place})*{ALONE[1]}"
    )
    for match in reading.find(named):
        found += [prefix for prefix, words in REGIONS.items() if re.search(rf"\b(?:{words})\b", match.group(0), re.I)]
    for match in reading.find(r"\b(?:in|from|regions?\s*[:=]?)\s+(?P<name>(?:us|eu|europe|asia)-[a-z][\w-]*)"):
        said = reading.quote(*match.span("name"))
        if problem := unknown_region(said, reading.own):
            reading.problems.append(problem)
        else:
            found.append(said.lower())
    return tuple(dict.fromkeys(found))
