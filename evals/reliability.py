"""How safe the journal is: several writers and a polling reader on one workspace, and every acknowledged row counted."""

import multiprocessing
import tempfile
import time
from pathlib import Path

from ..state.journal import Journal
from ..state.workspace import Workspace
from .reporting import Claim, Report, arguments

WRITERS = 4


def _write(workspace: Path, run_id: str, rows: int) -> None:
    journal = Journal(Workspace(workspace), secrets=())
    for number in range(rows):
        journal.append(run_id, "effect", "write", {"number": number}, {"text": "x" * 200})


def rows_lost(folder: Path, rows_each: int) -> tuple[int, float, int]:
    """Rows that are missing in the end, seconds taken, and how often the reader looked meanwhile."""
    workspace = Workspace(folder)
    journal = Journal(workspace, secrets=())
    runs = [workspace.new_run_id() for _ in range(WRITERS)]
    for run_id in runs:
        journal.begin(run_id, {"request": "reliability"})
    started = time.monotonic()
    writers = [multiprocessing.Process(target=_write, args=(folder, run_id, rows_each)) for run_id in runs]
    for writer in writers:
        writer.start()
    looks = 0
    while any(writer.is_alive() for writer in writers):
        journal.verify(runs[looks % WRITERS])
        looks += 1
        time.sleep(0.05)
    seconds = time.monotonic() - started
    assert all(writer.exitcode == 0 for writer in writers)
    found = [journal.verify(run_id) for run_id in runs]
    assert all(one.ok for one in found)
    return WRITERS * (rows_each + 1) - sum(one.rows for one in found), seconds, looks


def main() -> None:
    """Runs the eval."""
    options = arguments(__doc__ or "")
    report = Report(eval="reliability", seed=options.seed, quick=options.quick)
    each = 100 if options.quick else 2500
    if options.quick:
        report.left_out = "400 appends instead of 10,000; killed agents are in tests/agent/test_kill.py"
    with tempfile.TemporaryDirectory(prefix="stratos-eval-") as scratch:
        lost, seconds, looks = rows_lost(Path(scratch), each)
    n = WRITERS * each
    name = f"rows lost, {WRITERS} writers and a reader that looked {looks} times"
    report.add(Claim(name=name, value=lost, unit="rows", n=n, goal="0", met=lost == 0))
    name = "appends a second, all writers together"
    report.add(Claim(name=name, value=n / seconds, unit="1/s", n=n, goal="none", met=None))
    report.print(options.json)


if __name__ == "__main__":
    main()
