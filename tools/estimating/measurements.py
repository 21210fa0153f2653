"""Stratos's own measurements beside its predictions: read from the journal, checked, and turned into corrections.

A correction is a bias and an 80 % band by kind of figure and by hardware. Pairs come from verified runs, where what no hardware
can do is dropped with the reason, and from files, of which one such line refuses all.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import Field, ValidationError

from ...state.brief import Record
from ...state.errors import Correctable, RequestError
from ...state.plan import LOCAL, Correction, Offer, Prediction
from ..jobs import write_atomic
from ..pricing.accelerators import accelerator_facts
from .bands import BandFit, refit_band
from .validator import check_training_claim

if TYPE_CHECKING:
    from ...state.canonical import Row
    from .points import ServingPoint

FILE = "calibration.json"
Kind = Literal["accuracy", "latency_p95_ms", "hours", "tpot_ms", "ttft_ms"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ANY_SERVER = "any server"
EDGE = 0.002
"""Shares of 0 and 1 have no odds; they count as this much away from there."""

_CORRECTED = re.compile(r"corrected x ([\d.]+) by")


class Pair(Record):
    """One predicted figure and what was measured."""

    kind: Kind
    hardware: str
    predicted: float = Field(description="before any correction by earlier pairs")
    low: float = Field(description="of the band as it was shown")
    high: float
    measured: float
    origin: str = Field(description="run and attempt, or file and line")

    @property
    def inside(self) -> bool:
        """Whether the band that was shown held the measured value."""
        return self.low <= self.measured <= self.high


class Dropped(Record):
    """A pair that counts for nothing, and why."""

    origin: str
    kind: str
    reason: str


class Fit(Record):
    """What pairs say of one kind of figure on one hardware."""

    kind: Kind
    hardware: str
    fit: BandFit
    inside_before: float = Field(description="share of measured values in the bands that were shown")
    inside_after: float = Field(description="the same with this correction, on the very pairs it is made from")
    band_before: float = Field(description="median upper end over value as shown")


class Calibration(Record):
    """A workspace's own corrections."""

    fits: tuple[Fit, ...] = ()
    points: tuple[Pair, ...] = Field(default=(), description="pairs that came from files, kept for the next refit")

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """As a plan reckons with them."""
        return tuple(Correction(kind=one.kind, hardware=one.hardware, **one.fit.model_dump()) for one in self.fits)


def corrected(prediction: Prediction, corrections: Sequence[Correction], kind: Kind, hardware: str) -> Prediction:
    """A figure by what was measured of its kind on that hardware; as it is where nothing was. Not for shares."""
    for one in corrections:
        if (one.kind, one.hardware) == (kind, hardware):
            return BandFit.model_validate(one.model_dump(exclude={"kind", "hardware"})).apply(prediction)
    return prediction


def hardware_name(offer: Offer, how: str) -> str:
    """What corrections are kept by: the accelerators (or CPU) of an offer, and the engine or method used on it."""
    if offer.accelerator is not None:
        server = f"{offer.accelerator_count} x {offer.accelerator}"
    else:
        server = "this machine" if offer.cloud == LOCAL else "cloud CPU"
    return f"{server}, {how}"


def engine_of(offer: Offer) -> str:
    """The engine Stratos serves with on an offer."""
    return "vllm" if offer.accelerator is not None else "ctranslate2"


def load_calibration(workspace_folder: Path) -> Calibration:
    """The workspace's corrections; none when `stratos calibrate` never wrote any. Raises Correctable for a broken file."""
    file = workspace_folder / FILE
    if not file.exists():
        return Calibration()
    try:
        return Calibration.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise Correctable(f"{file} cannot be read ({error}); move it away and run `stratos calibrate`") from error


def save_calibration(workspace_folder: Path, calibration: Calibration) -> Path:
    """Writes the corrections, all or nothing."""
    workspace_folder.mkdir(parents=True, exist_ok=True)
    file = workspace_folder / FILE
    write_atomic(file, calibration.model_dump_json(indent=1) + "\n")
    return file


def refit(pairs: Sequence[Pair]) -> tuple[Fit, ...]:
    """Bias and band of every kind and hardware that has pairs; few pairs keep most of the band they were shown with."""
    groups: dict[tuple[Kind, str], list[Pair]] = {}
    for pair in pairs:
        groups.setdefault((pair.kind, pair.hardware), []).append(pair)
    return tuple(_fit(kind, hardware, group) for (kind, hardware), group in sorted(groups.items()))


def _fit(kind: Kind, hardware: str, pairs: Sequence[Pair]) -> Fit:
    scale: Callable[[float], float] = _odds if kind == "accuracy" else float
    shown = median(max(_ratio(scale, pair.high, pair), 1 / _ratio(scale, pair.low, pair), 1.001) for pair in pairs)
    fit = refit_band([(scale(pair.predicted), scale(pair.measured)) for pair in pairs], prior_factor=shown)

    def holds(pair: Pair) -> bool:
        value = scale(pair.predicted) * fit.bias
        return value * fit.low_factor <= scale(pair.measured) <= value * fit.high_factor

    return Fit(
        kind=kind,
        hardware=hardware,
        fit=fit,
        inside_before=sum(pair.inside for pair in pairs) / len(pairs),
        inside_after=sum(map(holds, pairs)) / len(pairs),
        band_before=shown,
    )


def _ratio(scale: Callable[[float], float], end: float, pair: Pair) -> float:
    """A band's end over the middle of that band, which a correction may have moved away from `predicted`."""
    middle = math.sqrt(max(scale(pair.low), 1e-12) * max(scale(pair.high), 1e-12))
    return max(scale(end), 1e-12) / middle


def _odds(share: float) -> float:
    share = min(max(share, EDGE), 1 - EDGE)
    return share / (1 - share)


def _share(odds: float) -> float:
    return odds / (1 + odds)


def journal_pairs(runs: Mapping[str, "Sequence[Row]"]) -> tuple[list[Pair], list[Dropped]]:
    """Every predicted figure of these runs that was measured, and what was dropped. Runs must be verified before."""
    pairs: list[Pair] = []
    dropped: list[Dropped] = []
    for rows in runs.values():
        for found in _run_pairs(rows):
            (pairs if isinstance(found, Pair) else dropped).append(found)  # pyright: ignore[reportArgumentType]
    return pairs, dropped


def _run_pairs(rows: "Sequence[Row]") -> Iterable[Pair | Dropped]:
    from ...state.tables import tables, view_rows

    offers = "SELECT gave -> '$.plan.offer' FROM parsed_steps WHERE json_type(gave -> '$.plan.offer') = 'OBJECT'"
    methods_of_attempts = (
        "SELECT seq, CASE WHEN gave ->> '$.attempt.candidate.training' <> 'scratch' THEN gave ->> "
        "'$.attempt.candidate.training' ELSE gave ->> '$.attempt.candidate.strategy' END FROM parsed_steps WHERE name = 'tool distill'"
    )
    with tables(rows) as connection:
        predictions = view_rows(connection, "predictions")
        attempts = {row["seq"]: row for row in view_rows(connection, "attempts")}
        planned = [Offer.model_validate_json(text) for (text,) in connection.execute(offers).fetchall()]
        methods: dict[int, str | None] = dict(connection.execute(methods_of_attempts).fetchall())
    by_id = {offer.id: offer for offer in planned}
    for row in predictions:
        if row["what"] in KINDS and row["measured"] is not None:
            attempt = attempts[row["seq"]]
            yield _pair(row, attempt, by_id.get(attempt["server"]), methods.get(row["seq"]) or "unknown method")


def _pair(row: Mapping[str, Any], attempt: Mapping[str, Any], offer: Offer | None, method: str) -> Pair | Dropped:
    kind: Kind = row["what"]
    origin = f"{row['run_id']} attempt {row['attempt']}"
    if offer is None:
        return Dropped(origin=origin, kind=kind, reason=f"its server {attempt['server']!r} is in no plan of the run")
    if problem := _impossible(kind, row, attempt, offer):
        return Dropped(origin=origin, kind=kind, reason=problem)
    how = {"accuracy": method, "hours": method}.get(kind, engine_of(offer))
    return Pair(
        kind=kind,
        hardware=f"{ANY_SERVER}, {how}" if kind == "accuracy" else hardware_name(offer, how),
        predicted=_uncorrected(kind, row["predicted"], row["source"] or ""),
        low=row["low"],
        high=row["high"],
        measured=row["measured"],
        origin=origin,
    )


def _impossible(kind: Kind, row: Mapping[str, Any], attempt: Mapping[str, Any], offer: Offer) -> str | None:
    """Why a pair of the journal cannot be used, or None."""
    figures = [row[name] for name in ("predicted", "low", "high", "measured")]
    if any(figure is None or not math.isfinite(figure) for figure in figures):
        return "a figure of it is missing or not finite"
    if kind == "accuracy":
        return None if all(0 <= figure <= 1 for figure in figures) else "a share lies outside 0 to 1"
    if not all(figure > 0 for figure in figures):
        return "a figure of it is not positive"
    if kind == "hours":
        if attempt["stopped_by"] not in (None, "tokens"):
            return f"the training was stopped by {attempt['stopped_by']}, before the tokens it was predicted for"
        facts = accelerator_facts().get(offer.accelerator or "")
        if facts is not None and attempt["parameters"] and attempt["tokens"]:
            problems = check_training_claim(
                row["measured"],
                parameters=attempt["parameters"],
                train_tokens=attempt["tokens"],
                accelerator=facts,
                count=max(1, offer.accelerator_count),
            )
            return problems[0] if problems else None
    return None


def _uncorrected(kind: Kind, predicted: float, source: str) -> float:
    """The prediction without the corrections its source names, so that a bias is not counted twice."""
    bias = math.prod(float(factor) for factor in _CORRECTED.findall(source))
    if bias <= 0:
        return predicted
    return _share(_odds(predicted) / bias) if kind == "accuracy" else predicted / bias


def point_pairs(points: Sequence["ServingPoint"], name: str) -> list[Pair]:
    """Measured serving points beside what `predict_serving` says of them.

    Raises RequestError that names every line whose figures cannot be: all of the file counts, or nothing.
    """
    from ...state.errors import ToolFailed
    from .serving import predict_serving
    from .validator import Claim, check_claim, check_plausible

    pairs: list[Pair] = []
    problems: list[str] = []
    for point in points:
        facts, origin = accelerator_facts()[point.accelerator], f"{name} line {point.line}"
        measured: dict[Kind, float] = {"tpot_ms": point.tpot_ms}
        if point.ttft_ms is not None:
            measured["ttft_ms"] = point.ttft_ms
        wrong = list(check_claim(Claim(**measured), point.architecture, facts, **point.conditions))
        try:
            found = predict_serving(point.architecture, facts, **point.conditions)
        except ToolFailed as error:
            problems += [f"{origin}: {problem}" for problem in wrong or [str(error)]]
            continue
        predicted: dict[Kind, Prediction] = {"tpot_ms": found.tpot_ms, "ttft_ms": found.ttft_ms}
        if not wrong:
            wrong = [
                problem
                for kind, value in measured.items()
                if (problem := check_plausible(kind, value, predicted[kind].value))
            ]
        problems += [f"{origin}: {problem}" for problem in wrong]
        pairs += [_point_pair(point, kind, value, predicted[kind], origin) for kind, value in measured.items()]
    if problems:
        raise RequestError(problems)
    return pairs


def _point_pair(point: "ServingPoint", kind: Kind, measured: float, predicted: Prediction, origin: str) -> Pair:
    return Pair(
        kind=kind,
        hardware=f"{point.gpus} x {point.accelerator}, {point.engine} {point.precision}",
        predicted=predicted.value,
        low=predicted.low,
        high=predicted.high,
        measured=measured,
        origin=origin,
    )
