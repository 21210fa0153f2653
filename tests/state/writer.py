"""Processes for the journal's tests, which are killed or run side by side.

`append FOLDER COUNT` adds rows to a run of its own. `steps FOLDER RUN DIE_IN DIE_AFTER` takes six steps, each leaving a
line in FOLDER/effects, and kills itself in one step or after one (0: in none).
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from stratos.state.journal import Journal, Recorder
from stratos.state.workspace import Workspace

STEPS = 6


def append(folder: str, count: int) -> None:
    """Prints the run's name, then each row's number once it is acknowledged."""
    journal = Journal(Workspace(Path(folder)), secrets=())
    run_id = journal.workspace.new_run_id()
    journal.begin(run_id, {"request": "many rows"})
    sys.stdout.write(f"{run_id}\n")
    for number in range(1, count):
        row = journal.append(run_id, "effect", f"row {number}", {"number": number}, {"text": "x" * 200})
        sys.stdout.write(f"{row.seq}\n")
    sys.stdout.flush()


def steps(folder: str, run_id: str, die_in: int = 0, die_after: int = 0) -> list[int]:
    """The outputs of all steps."""
    journal = Journal(Workspace(Path(folder)), secrets=())
    if not journal.rows(run_id):
        journal.begin(run_id, {"request": "six steps"})
    outputs: list[int] = []
    with Recorder(journal, run_id) as recorder:
        for number in range(1, STEPS + 1):
            outputs.append(recorder.step(f"step {number}", {"number": number}, _effect(folder, number, die_in)))
            if number == die_after:
                os.kill(os.getpid(), signal.SIGKILL)
        recorder.finish("met", {"sum": sum(outputs)})
    return outputs


def _effect(folder: str, number: int, die_in: int) -> Callable[[], int]:
    def do() -> int:
        with (Path(folder) / "effects").open("a") as file:
            file.write(f"{number}\n")
        if number == die_in:
            os.kill(os.getpid(), signal.SIGKILL)
        return number * number

    return do


if __name__ == "__main__":
    if sys.argv[1] == "append":
        append(sys.argv[2], int(sys.argv[3]))
    else:
        steps(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
