"""How well serving is predicted: on the held-out half of measured points, beside a plain roofline and aiconfigurator.

`--fit` fits the constants to the other half and writes them into the package; what is printed then is not printed by it.
"""

# pyright: reportUnknownMemberType=false

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..tools.estimating.calibration import CALIBRATED_JSON, Calibrated, Measure, Source, shipped
from ..tools.estimating.chips import WEIGHT_BYTES
from ..tools.estimating.physics import Array
from ..tools.estimating.points import ServingPoint, groups_of, read_points
from ..tools.pricing.accelerators import accelerator_facts
from .estimator_bands import calibrate
from .estimator_fit import Rows, is_held_out
from .reporting import ROOT, Claim, Report, arguments, commit, figure
from .second_opinion import aiconfigurator

DATA = ROOT.parent / "shared" / "data" / "serving" / "measured.csv"
TERMS = "Apache-2.0 (NVIDIA aiconfigurator silicon_sample.csv) and Qwen2.5's published speed table; not part of Stratos"
GROUP_POINTS = 10
"""Goals count groups with at least so many points, held out or not."""
TPOT_MEDIAN_GOAL, TPOT_MEAN_GOAL, TTFT_MEDIAN_GOAL, SMALL_GOAL = 12.0, 20.0, 40.0, 10.0
COVERAGE_GOAL = (70.0, 90.0)
QUICK_EVERY = 8
"""A quick eval asks aiconfigurator about one held-out point in so many: it takes about two seconds for each."""
SMALL_MODELS = "Qwen/Qwen2.5-"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One group of the table; errors in percent of the measured value, shares in percent, NaN as None."""

    group: str
    n: int
    tpot_median: float
    tpot_mean: float
    ttft_median: float | None
    tpot_inside: float
    ttft_inside: float | None
    roofline_tpot_median: float
    second_tpot_median: float | None
    second_ttft_median: float | None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Points with their predictions: relative errors in percent, and whether the band held them."""

    points: Sequence[ServingPoint]
    tpot_error: Array
    ttft_error: Array
    tpot_inside: Array
    ttft_inside: Array
    roofline_error: Array
    second_tpot_error: Array
    second_ttft_error: Array

    def part(self, chosen: Sequence[int]) -> "Judged":
        """Some of the points."""
        at = np.array(chosen, dtype=int)
        columns = {name: value[at] for name, value in vars(self).items() if name != "points"}
        return Judged(points=[self.points[index] for index in chosen], **columns)


def roofline_tpot_ms(point: ServingPoint) -> float:
    """Weights over bandwidth and nothing else: what a token would take if memory were all there is."""
    weights = point.architecture.parameters * WEIGHT_BYTES[point.precision]
    return weights / point.gpus / (accelerator_facts()[point.accelerator].memory_bandwidth_gb_s * 1e9) * 1e3


def judge(points: Sequence[ServingPoint], known: Calibrated, second: Sequence[tuple[float, float] | None]) -> Judged:
    """Predicts every point and holds it against what was measured."""
    rows = Rows(points)
    found = rows.predict_with(known.effects)

    def inside(measure: Measure, predicted: Array, measured: Array) -> Array:
        factors = [
            known.band(measure, *one, point.architecture.parameters)
            for one, point in zip(rows.cells, points, strict=True)
        ]
        low, high = np.array(factors).T
        held = (predicted * low <= measured) & (measured <= predicted * high)
        return np.where(np.isnan(measured), np.nan, held.astype(float) * 100)

    other = np.array([pair or (np.nan, np.nan) for pair in second], dtype=np.float64).reshape(-1, 2)
    roofline = np.array([roofline_tpot_ms(point) for point in points])
    return Judged(
        points=points,
        tpot_error=_percent(found.tpot_ms, rows.tpot_ms),
        ttft_error=_percent(found.ttft_ms, rows.ttft_ms),
        tpot_inside=inside("tpot_ms", found.tpot_ms, rows.tpot_ms),
        ttft_inside=inside("ttft_ms", found.ttft_ms, rows.ttft_ms),
        roofline_error=_percent(roofline, rows.tpot_ms),
        second_ttft_error=_percent(other[:, 0], rows.ttft_ms),
        second_tpot_error=_percent(other[:, 1], rows.tpot_ms),
    )


def _percent(predicted: Array, measured: Array) -> Array:
    return np.abs(predicted / measured - 1) * 100


def _median(values: Array) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def _mean(values: Array) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.mean(known)) if len(known) else None


def line_of(group: str, of: Judged) -> Line:
    """The table's line for some points."""
    return Line(
        group=group,
        n=len(of.points),
        tpot_median=_median(of.tpot_error) or 0.0,
        tpot_mean=_mean(of.tpot_error) or 0.0,
        ttft_median=_median(of.ttft_error),
        tpot_inside=_mean(of.tpot_inside) or 0.0,
        ttft_inside=_mean(of.ttft_inside),
        roofline_tpot_median=_median(of.roofline_error) or 0.0,
        second_tpot_median=_median(of.second_tpot_error),
        second_ttft_median=_median(of.second_ttft_error),
    )


def table(lines: Sequence[Line]) -> str:
    """The lines for people; `-` where nothing was measured or answered."""

    def shown(value: float | None) -> str:
        return f"{value:8.1f}" if value is not None else "       -"

    width = max(len(line.group) for line in lines)
    head = (
        f"{'':{width}}        TPOT     TPOT     TTFT   inside 80 % band  roofline    aiconfigurator\n"
        f"{'held-out half':{width}}   n  median     mean   median     TPOT     TTFT    TPOT     TPOT     TTFT"
    )
    rows = [
        f"{line.group:{width}} {line.n:3} {shown(line.tpot_median)} {shown(line.tpot_mean)} {shown(line.ttft_median)} "
        f"{shown(line.tpot_inside)} {shown(line.ttft_inside)}{shown(line.roofline_tpot_median)} "
        f"{shown(line.second_tpot_median)} {shown(line.second_ttft_median)}"
        for line in lines
    ]
    return "\n".join([head, *rows, "errors: % of the measured value, absolute; band: % of points inside"])


def claims(report: Report, held: Judged, everything: Sequence[ServingPoint], known: Calibrated) -> None:
    """Adds the goals: over points of groups with at least GROUP_POINTS points, and the small models of Qwen's table."""
    sizes = {group: len(points) for group, points in groups_of(everything).items()}
    large = held.part([at for at, point in enumerate(held.points) if sizes[_group(point)] >= GROUP_POINTS])
    count = len(large.points)
    _at_most(report, "TPOT, median absolute error, held out", _median(large.tpot_error), count, TPOT_MEDIAN_GOAL)
    _at_most(report, "TPOT, mean absolute error, held out", _mean(large.tpot_error), count, TPOT_MEAN_GOAL)
    _at_most(report, "TTFT, median absolute error, held out", _median(large.ttft_error), count, TTFT_MEDIAN_GOAL)
    _at_most(report, "plain roofline, TPOT, median absolute error", _median(large.roofline_error), count, None)
    by_group = [
        large.part([at for at, point in enumerate(large.points) if _group(point) == group])
        for group in {_group(point): None for point in large.points}
    ]
    worst = max((_median(one.tpot_error) or 0.0 for one in by_group), default=None)
    _at_most(report, "TPOT, median of the worst group", worst, len(by_group), TPOT_MEDIAN_GOAL)
    worst = max((_mean(one.tpot_error) or 0.0 for one in by_group), default=None)
    _at_most(report, "TPOT, mean of the worst group", worst, len(by_group), TPOT_MEAN_GOAL)
    worst = max((_median(one.ttft_error) or 0.0 for one in by_group), default=None)
    _at_most(report, "TTFT, median of the worst group", worst, len(by_group), TTFT_MEDIAN_GOAL)
    both = np.concatenate([held.tpot_inside, held.ttft_inside])
    for name, inside in (("TPOT and TTFT", both), ("TPOT", held.tpot_inside), ("TTFT", held.ttft_inside)):
        share = _mean(inside)
        if share is None:
            continue
        low, high = COVERAGE_GOAL
        report.add(
            Claim(
                name=f"{name}, share inside the 80 % band, held out",
                value=share,
                unit="%",
                n=int(np.sum(~np.isnan(inside))),
                goal=f"{low:g} to {high:g}",
                met=low <= share <= high,
            )
        )
    small = [point for point in everything if point.model.startswith(SMALL_MODELS) and point.concurrency == 1]
    if small:
        errors = judge(small, known, [None] * len(small)).tpot_error
        _at_most(
            report, "small models of Qwen2.5's table, worst TPOT error", float(errors.max()), len(small), SMALL_GOAL
        )
    _at_most(
        report,
        "aiconfigurator, TPOT, median absolute error",
        _median(large.second_tpot_error),
        int(np.sum(~np.isnan(large.second_tpot_error))),
        None,
    )


def _at_most(report: Report, name: str, value: float | None, n: int, goal: float | None) -> None:
    if value is not None:
        met = None if goal is None else value <= goal
        report.add(
            Claim(name=name, value=value, unit="%", n=n, goal="none" if goal is None else f"<= {goal:g}", met=met)
        )


def _group(point: ServingPoint) -> tuple[str, str, str, str]:
    return (point.model, point.accelerator, point.engine, point.precision)


def write_fit(points: Sequence[ServingPoint], data: Path) -> Calibrated:
    """Fits to the half that is not held out and writes the package's constants."""
    seen = [point for point in points if not is_held_out(point)]
    source = Source(
        data=data.name,
        data_sha256=hashlib.sha256(data.read_bytes()).hexdigest(),
        terms=TERMS,
        points=len(seen),
        fitted_on=f"{datetime.now(UTC):%Y-%m-%d}",
        commit=commit(),
        command="python -m stratos.evals.estimator --fit",
    )
    known = calibrate(Rows(seen), source)
    CALIBRATED_JSON.write_text(known.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return known


def blank_precision(points: Sequence[ServingPoint], known: Calibrated) -> str:
    """What the physics says of points that name no precision, on the fitted half: the error as bf16 and as fp8."""
    from dataclasses import replace

    blank = [point for point in points if point.precision_is_assumed and not is_held_out(point)]
    if not blank:
        return ""
    errors = {
        precision: _median(
            judge([replace(one, precision=precision) for one in blank], known, [None] * len(blank)).tpot_error
        )
        for precision in ("bf16", "fp8")
    }
    as_text = ", ".join(f"{figure(error or 0)} % as {precision}" for precision, error in errors.items())
    return f"{len(blank)} fitted points name no precision and were fitted as bf16; median TPOT error {as_text}"


def main() -> None:
    """Runs the eval, or the fit."""
    options = arguments(
        __doc__ or "",
        (
            (
                "--data",
                {"type": Path, "default": DATA, "help": "measured points [../shared/data/serving/measured.csv]"},
            ),
            ("--fit", {"action": "store_true", "help": "fit the constants and write them into the package"}),
            ("--aiconfigurator", {"type": Path, "metavar": "PYTHON", "help": "Python of the environment that has it"}),
        ),
    )
    report = Report(eval="estimator", seed=options.seed, quick=options.quick)
    if not options.data.exists():
        report.left_out = f"everything: the measured points are not at {options.data}; name their file with --data"
        report.print(options.json)
        return
    points = read_points(options.data)
    if options.fit:
        known = write_fit(points, options.data)
        print(f"{CALIBRATED_JSON.name}: {known.source.points} points of {options.data.name}", file=sys.stderr)
        return
    known = shipped()
    held_points = [point for point in points if is_held_out(point)]
    if not held_points:
        report.left_out = f"everything: no point of {options.data} is held out"
        report.print(options.json)
        return
    asked = held_points[::QUICK_EVERY] if options.quick else held_points
    answers, line = aiconfigurator(asked, options.aiconfigurator)
    answered = {id(point): answer for point, answer in zip(asked, answers, strict=True)}
    second = [answered.get(id(point)) for point in held_points]
    held = judge(held_points, known, second)
    lines = [
        line_of(" ".join(group), held.part([at for at, one in enumerate(held_points) if _group(one) == group]))
        for group in groups_of(held_points)
    ]
    lines.append(line_of("all", held))
    claims(report, held, points, known)
    report.details = {
        "groups": [asdict(one) for one in lines],
        "second_opinion": line,
        "fit": known.source.model_dump(),
    }
    if all(one is None for one in second):
        report.left_out = f"aiconfigurator: {line}"
    elif options.quick:
        report.left_out = f"aiconfigurator on all but one held-out point in {QUICK_EVERY}"
    if not options.json:
        print(table(lines))
        print(line)
        print(blank_precision(points, known))
    report.print(options.json)


if __name__ == "__main__":
    main()
