"""`stratos calibrate`: corrects predictions by what was measured; the command's words and table, nothing else."""

# pyright: reportUnknownMemberType=false

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, At
from .terminal import errors, print_json, print_table, say, workspace_at

if TYPE_CHECKING:
    from ..state.canonical import Row
    from ..tools.estimating.measurements import Calibration, Dropped, Fit, Pair


def calibrate(
    points: Annotated[
        Path | None,
        typer.Option(
            "--points", metavar="FILE", help="A CSV of your own serving measurements, kept for later calibrations too."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; write nothing.")] = False,
    workspace: At = None,
    as_json: AsJson = False,
) -> None:
    """Correct predictions and their bands by what this workspace's runs measured."""
    from ..tools.estimating.measurements import FILE, save_calibration

    with errors(as_json):
        space = workspace_at(workspace)
        found, pairs, dropped = _calibrated(space.path, points)
        # Nothing measured and nothing written before: an empty file would say no more than none.
        changed = bool(found.fits) or (space.path / FILE).exists()
        file = save_calibration(space.path, found) if changed and not dry_run else None
    if as_json:
        print_json(
            {
                "pairs": len(pairs),
                "fits": [fit.model_dump(mode="json") for fit in found.fits],
                "dropped": [one.model_dump(mode="json") for one in dropped],
                "written": str(file) if file else None,
            }
        )
        return
    _print(found.fits, dropped)
    if changed:
        say(f"written to {file}" if file else "nothing was written (--dry-run)")


def _calibrated(folder: Path, points: Path | None) -> "tuple[Calibration, list[Pair], list[Dropped]]":
    """The workspace's new corrections, the pairs behind them, and what was dropped."""
    from ..state.errors import JournalError
    from ..state.journal import Journal
    from ..state.workspace import Workspace
    from ..tools.estimating.measurements import (
        Calibration,
        Dropped,
        journal_pairs,
        load_calibration,
        point_pairs,
        refit,
    )

    kept = {(pair.kind, pair.origin, pair.hardware): pair for pair in load_calibration(folder).points}
    dropped: list[Dropped] = []
    if points is not None:
        from ..tools.estimating.points import read_points
        from ..tools.models.catalogue import known_models

        new = point_pairs(read_points(points, known_models(folder)), points.name)
        kept |= {(pair.kind, pair.origin, pair.hardware): pair for pair in new}
    workspace = Workspace(folder)
    rows: dict[str, list[Row]] = {}
    if workspace.journal_file.exists():
        journal = Journal(workspace)
        for run in journal.runs():
            try:
                rows[run.run_id] = journal.verified_rows(run.run_id)
            except JournalError as error:
                dropped.append(Dropped(origin=run.run_id, kind="run", reason=str(error)))
    pairs, wrong = journal_pairs(rows)
    every = [*pairs, *kept.values()]
    return Calibration(fits=refit(every), points=tuple(kept.values())), every, [*dropped, *wrong]


def _print(fits: "tuple[Fit, ...]", dropped: "list[Dropped]") -> None:
    rows = [
        (
            fit.kind,
            fit.hardware,
            str(fit.fit.pairs),
            f"x {fit.fit.bias:.2f}",
            f"/ {fit.band_before:.2f} to x {fit.band_before:.2f}",
            f"{fit.inside_before:.0%}",
            f"x {fit.fit.low_factor:.2f} to x {fit.fit.high_factor:.2f}",
            f"{fit.inside_after:.0%}",
        )
        for fit in fits
    ]
    print_table(
        ("figure", "on", "pairs", "measured / predicted", "band before", "inside", "band now", "inside"),
        rows,
        empty="no pair of prediction and measurement yet: runs that train and are measured make them",
    )
    for one in dropped:
        say(f"left out: {one.origin} ({one.kind}): {one.reason}")
