"""Leads a catalogue's name of an accelerator to the one of accelerators.csv; an unknown one stays as it is.

Form factors are what the instance type says ("SXM", "PCIE", "NVL") or, where it says nothing, what the snapshot has for the same
instance type of the same cloud, which is from the vendors' documentation. It does not guess a form factor.
"""

import csv
import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from .accelerators import accelerator_facts, plain
from .snapshot import SNAPSHOT_CSV

# What catalogues call parts whose table name cannot be derived by dropping everything but letters and digits.
ALIASES: Mapping[str, str] = {
    "A4000": "RTXA4000",
    "A5000": "RTXA5000",
    "A6000": "RTXA6000",
    "RTX6000": "QuadroRTX6000",  # Turing, 24 GB: what Lambda and Seeweb rent under this name
    "RTXPRO6000S": "RTXPRO6000-SE",
    "RTXPRO6000SERVER": "RTXPRO6000-SE",
    "RTXPRO6000WK": "RTXPRO6000-WS",
    "RTXPRO6000W": "RTXPRO6000-WS",
    "TRAINIUM": "Trainium1",
    "INFERENTIA": "Inferentia1",
    "K520": "GRID-K520",
    "RADEONPROV520": "RadeonProV520",
    "V520": "RadeonProV520",
    "H100MEGA": "H100-80GB-SXM",  # Google's A3 Mega: eight H100 SXM
}
FORM_FACTORS = (("SXM", "SXM"), ("NVL(?!INK)", "NVL"), ("PCIE?(?![A-Z])", "PCIe"))
MEMORY_TOLERANCE = 0.12
"""Drivers report up to 9 % less than the datasheet's decimal gigabytes, and keep a few % for error correction."""


@cache
def _families() -> Mapping[str, Mapping[float, tuple[str, ...]]]:
    """Names with a size in them, by family and size in GB: {"H100": {80: ("H100-80GB", ...), 94: ...}}."""
    found: dict[str, dict[float, tuple[str, ...]]] = {}
    for name in accelerator_facts():
        if sized := re.match(r"([^-]+)-(\d+)GB", name):
            sizes = found.setdefault(sized[1].upper(), {})
            sizes[float(sized[2])] = (*sizes.get(float(sized[2]), ()), name)
    return MappingProxyType(found)


@cache
def _known() -> Mapping[str, str]:
    return MappingProxyType({plain(name): name for name in accelerator_facts()})


@cache
def _snapshot_names() -> Mapping[tuple[str, str], str]:
    """The snapshot's accelerator of each instance type of each cloud."""
    with SNAPSHOT_CSV.open(encoding="utf-8", newline="") as lines:
        return MappingProxyType(
            {(row["cloud"], row["instance_type"]): row["accelerator"] for row in csv.DictReader(lines)}
        )


def normalised(name: str, *, cloud: str = "", instance_type: str = "", memory_gib: float | None = None) -> str:
    """The table's name of an accelerator, or the given name where none fits.

    `memory_gib` is what the source says one accelerator has; it tells sizes of one family apart, and the smallest is taken
    where it says nothing.
    """
    bare = re.sub(r"^(NVIDIA|AMD|TESLA|GEFORCE)+", "", plain(name))
    here = _snapshot_names().get((cloud, instance_type), "")
    family = next((family for family in sorted(_families(), key=len, reverse=True) if _is_of(bare, family)), None)
    if family is not None:
        return _sized(name, family, here, f"{name} {instance_type}".upper(), memory_gib)
    found = ALIASES.get(bare) or _known().get(bare)
    if found is None:
        return name
    return here if here.startswith(f"{found}-") else found


def _is_of(bare: str, family: str) -> bool:
    """Whether what follows the family's letters is a size or a form factor ("A100X" is another part)."""
    return re.fullmatch(rf"{family}(\d+GB?)?(SXM\d?|PCIE?|NVL|NVLINK|MEGA|HBM\d?|HGX|\d+GB?)*", bare) is not None


def _sized(name: str, family: str, here: str, words: str, memory_gib: float | None) -> str:
    """The name of a family whose parts differ in size and form factor."""
    form = next((form for pattern, form in FORM_FACTORS if re.search(pattern, words.replace("_", "-"))), None)
    form = "SXM" if form is None and "MEGA" in name.upper() else form
    sizes = _families()[family]
    stated = re.search(r"(\d+) ?GB?\b", name.upper().replace("-", " "))
    wanted = float(stated[1]) if stated else memory_gib
    near = min(sizes, key=lambda size: abs(size - wanted)) if wanted else min(sizes)
    if wanted and abs(near - wanted) > MEMORY_TOLERANCE * near:
        return name
    if not wanted and form == "NVL" and (with_form := [size for size in sizes if _named(sizes[size], form)]):
        near = with_form[0]
    if form is None and here in sizes[near]:
        return here
    plain_name = next((one for one in sizes[near] if one.endswith("GB")), sizes[near][0])
    return _named(sizes[near], form) or plain_name


def _named(names: tuple[str, ...], form: str | None) -> str | None:
    return next((name for name in names if form is not None and name.endswith(f"-{form}")), None)
