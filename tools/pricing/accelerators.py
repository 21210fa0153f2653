"""Datasheet facts of accelerators, and the names people and drivers give them."""

import csv
import difflib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from pydantic import Field

from ...state.brief import Record
from ...state.errors import Correctable

ACCELERATORS_CSV = Path(__file__).with_name("accelerators.csv")

# What nvidia-smi prints for parts whose table name cannot be derived by dropping spaces and the brand.
DRIVER_NAMES = {
    "A100SXM440GB": "A100-40GB-SXM",
    "A100SXM480GB": "A100-80GB-SXM",
    "A100PCIE40GB": "A100-40GB",
    "A10080GBPCIE": "A100-80GB-PCIe",
    "H10080GBHBM3": "H100-80GB-SXM",
    "H100PCIE": "H100-80GB-PCIe",
    "H100NVL": "H100-94GB-NVL",
    "H200": "H200-141GB-SXM",
    "H200NVL": "H200-141GB",
    "RTX6000ADAGENERATION": "RTX6000Ada",
}


class AcceleratorFacts(Record):
    """One accelerator as its datasheet describes it; dense figures, without sparsity."""

    accelerator: str
    memory_gib: float = Field(description="as the vendor states it; mostly decimal gigabytes")
    memory_bandwidth_gb_s: float
    bf16_dense_tflops: float | None = Field(description="null: no BF16 units, or no public figure")
    fp8_dense_tflops: float | None
    tdp_w: float | None
    interconnect: str = Field(default="", description="as the datasheet names it; NVLink both ways together")
    source: str
    notes: str


def _facts(row: Mapping[str, str]) -> AcceleratorFacts:
    def number(column: str) -> float | None:
        return float(row[column]) if row[column] else None

    return AcceleratorFacts(
        accelerator=row["accelerator"],
        memory_gib=float(row["memory_gib"]),
        memory_bandwidth_gb_s=float(row["memory_bandwidth_gb_s"]),
        bf16_dense_tflops=number("bf16_dense_tflops"),
        fp8_dense_tflops=number("fp8_dense_tflops"),
        tdp_w=number("tdp_w"),
        interconnect=row["interconnect"],
        source=row["source"],
        notes=row["notes"],
    )


@lru_cache(maxsize=1)
def accelerator_facts() -> Mapping[str, AcceleratorFacts]:
    """All accelerators of the built-in table by name. Source: vendors' datasheets, one per row."""
    with ACCELERATORS_CSV.open(encoding="utf-8", newline="") as file:
        return MappingProxyType({row["accelerator"]: _facts(row) for row in csv.DictReader(file)})


def plain(name: str) -> str:
    """A name's letters and digits in upper case: how names are compared."""
    return re.sub(r"[^A-Z0-9]", "", name.upper())


def resolve(asked: Iterable[str]) -> list[str]:
    """Table names for what a planner asked for: an exact name, or a family ("H100" means every H100 form factor).

    Raises Correctable naming every unknown one, with the nearest names and all valid ones.
    """
    names = list(accelerator_facts())
    found: list[str] = []
    unknown: list[str] = []
    for wanted in asked:
        exact = [name for name in names if plain(name) == plain(wanted)]
        family = [name for name in names if plain(name.split("-")[0]) == plain(wanted)]
        found += exact + family
        if not exact and not family:
            close = difflib.get_close_matches(wanted.upper(), names, n=3, cutoff=0.4)
            unknown.append(f"{wanted!r}" + (f" (nearest: {', '.join(close)})" if close else ""))
    if unknown:
        raise Correctable(f"unknown accelerators: {'; '.join(unknown)}. Valid: {', '.join(names)}")
    return sorted(set(found))


def known_accelerator(driver_name: str) -> str | None:
    """The table's name for a GPU as nvidia-smi prints it ("NVIDIA GeForce RTX 4090"), or None."""
    bare = plain(re.sub(r"\b(NVIDIA|GEFORCE|TESLA)\b", "", driver_name.upper()))
    if bare in DRIVER_NAMES:
        return DRIVER_NAMES[bare]
    return next((name for name in accelerator_facts() if plain(name) == bare), None)
