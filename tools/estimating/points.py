"""Measured serving points: their table, its checks, and the names its GPUs and models go by."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...state.errors import Correctable, RequestError
from ..models.catalogue import Catalogue, load_catalogue
from ..pricing.accelerators import accelerator_facts, known_accelerator
from .architecture import Architecture, architecture_of
from .chips import ENGINES, PRECISIONS, Engine, ServePrecision, supports

COLUMNS = (
    "model", "gpu", "gpus", "engine", "precision", "concurrency", "input_tokens", "output_tokens", "ttft_ms", "tpot_ms",
)  # fmt: skip
BLANK_PRECISION: ServePrecision = "bf16"
"""assumption: a point that names no precision ran unquantised. In measured.csv the physics agrees: constants fitted with those
points as bf16 predict them, cross-validated, with a median TPOT error of 2.7 %, as fp8 with 7.2 %; and what one accelerator
holds of a 32B model beside its weights there (three to five requests) is what 16 bits leave."""

# Names that benchmark tables use for parts of the accelerator table.
GPU_NAMES: Mapping[str, str] = {
    "a100_sxm_80gb": "A100-80GB-SXM",
    "a100_sxm": "A100-80GB-SXM",
    "h100_sxm": "H100-80GB-SXM",
    "h200_sxm": "H200-141GB-SXM",
    "b200_sxm": "B200",
    "b300_sxm": "B300",
    "gb200": "GB200",
    "gb300": "GB300",
    "l40s": "L40S",
}

SAME_SHAPE: Mapping[str, str] = {
    "nvidia/Qwen3-32B-NVFP4": "Qwen/Qwen3-32B",
    "nvidia/Llama-3.1-8B-Instruct-FP8": "meta-llama/Llama-3.1-8B-Instruct",
    "meta-llama/Llama-3.1-70B": "meta-llama/Llama-3.1-70B-Instruct",
}
"""Models of benchmark tables that the catalogue holds under another name: quantised copies, and a base model. Source: their
model cards."""


@dataclass(frozen=True, kw_only=True)
class ServingPoint:
    """One measured operating point of one deployment. `concurrency` is of the whole deployment of `gpus` accelerators."""

    model: str
    """As its file spells it."""
    architecture: Architecture
    gpu: str
    """As its file spells it."""
    accelerator: str
    gpus: int
    engine: Engine
    precision: ServePrecision
    precision_is_assumed: bool
    concurrency: int
    input_tokens: int
    output_tokens: int
    ttft_ms: float | None
    """Mean time to the first token; None: not measured."""
    tpot_ms: float
    """Mean time of each later token."""
    line: int
    """In its file, the header being 1."""

    @property
    def conditions(self) -> dict[str, Any]:
        """What it was measured under, as `predict_serving` and `check_claim` take it."""
        return {
            "precision": self.precision,
            "tensor_parallel": self.gpus,
            "engine": self.engine,
            "concurrency": self.concurrency,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
        }


def accelerator_named(gpu: str) -> str | None:
    """The table's name for a GPU as benchmarks or drivers spell it, or None."""
    return GPU_NAMES.get(gpu.lower()) or (gpu if gpu in accelerator_facts() else known_accelerator(gpu))


def read_points(path: Path, catalogue: Catalogue | None = None) -> list[ServingPoint]:
    """All points of a CSV file with the columns of `COLUMNS`; their models are found in `catalogue`, the built-in one if None.

    Raises RequestError that names every problem of the file with its line: missing columns, unknown models, GPUs, engines and
    precisions, and figures that are no positive numbers.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise RequestError(
                    [f"{path}: the columns {', '.join(missing)} are missing; needed are {', '.join(COLUMNS)}"]
                )
            rows = [(reader.line_num, {key: value or "" for key, value in row.items() if key}) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RequestError([f"{path} cannot be read as CSV: {error}"]) from error
    problems: list[str] = []
    points: list[ServingPoint] = []
    catalogue = load_catalogue() if catalogue is None else catalogue
    for line, row in rows:
        point, wrong = _point(line, row, catalogue)
        problems += [f"{path.name} line {line}: {problem}" for problem in wrong]
        points += [point] if point else []
    if not rows:
        problems.append(f"{path} holds no points")
    if problems:
        raise RequestError(problems)
    return points


def _point(line: int, row: Mapping[str, str], catalogue: Catalogue) -> tuple[ServingPoint | None, list[str]]:
    wrong: list[str] = []

    def figure(column: str, whole: bool) -> float:
        try:
            value = float(row[column])
        except ValueError:
            value = math.nan
        if not (0 < value < math.inf) or (whole and value != int(value)):
            wrong.append(f"{column} is {row[column]!r}, not a positive {'whole ' if whole else ''}number")
            return 1.0
        return value

    model, engine = row["model"].strip(), row["engine"].strip().lower()
    given = row["precision"].strip().lower()
    precision = given or BLANK_PRECISION
    accelerator = accelerator_named(row["gpu"].strip())
    architecture = None
    try:
        architecture = architecture_of(catalogue.find(SAME_SHAPE.get(model, model)))
    except Correctable as error:
        wrong.append(str(error))
    if accelerator is None:
        wrong.append(
            f"gpu {row['gpu']!r} is not known; `stratos prices` and tools/pricing/accelerators.csv name those that are"
        )
    if engine not in ENGINES:
        wrong.append(f"engine {engine!r} is none of {', '.join(ENGINES)}")
    if precision not in PRECISIONS:
        wrong.append(f"precision {given!r} is none of {', '.join(PRECISIONS)}; empty: {BLANK_PRECISION}")
    elif accelerator is not None and not supports(accelerator_facts()[accelerator], precision):
        wrong.append(f"{accelerator} cannot be predicted at {precision}: its speed at it is not known")
    ttft_ms = figure("ttft_ms", whole=False) if row["ttft_ms"].strip() else None
    whole = {name: int(figure(name, whole=True)) for name in ("gpus", "concurrency", "input_tokens", "output_tokens")}
    tpot_ms = figure("tpot_ms", whole=False)
    if wrong:
        return None, wrong
    assert accelerator is not None
    assert architecture is not None
    assert engine in ENGINES
    assert precision in PRECISIONS
    point = ServingPoint(
        model=model,
        architecture=architecture,
        gpu=row["gpu"].strip(),
        accelerator=accelerator,
        engine=engine,
        precision=precision,
        precision_is_assumed=not given,
        ttft_ms=ttft_ms,
        tpot_ms=tpot_ms,
        line=line,
        **whole,
    )
    return point, []


def groups_of(points: Sequence[ServingPoint]) -> dict[tuple[str, str, str, str], list[ServingPoint]]:
    """Points by (model, accelerator, engine, precision)."""
    found: dict[tuple[str, str, str, str], list[ServingPoint]] = {}
    for point in points:
        found.setdefault((point.model, point.accelerator, point.engine, point.precision), []).append(point)
    return found
