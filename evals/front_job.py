"""One front of one table of objectives, in a process of its own on one core: `python -m stratos.evals.front_job FILE METHOD RUNS`.

It prints a JSON document: seconds of each run, the peak of its memory with the table in it, the front's size and a digest of its rows.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tools.front.nondominated import non_dominated

Rows = NDArray[np.intp]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def by_pymoo(objectives: NDArray[np.float64]) -> Rows:
    """pymoo's sorting, its first front alone."""
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    return np.sort(np.asarray(NonDominatedSorting().do(objectives, only_non_dominated_front=True), dtype=np.intp))


def by_moocore(objectives: NDArray[np.float64]) -> Rows:
    """The C code under pymoo, asked for the front alone."""
    import moocore  # pyright: ignore[reportMissingTypeStubs]

    return np.flatnonzero(moocore.is_nondominated(objectives, keep_weakly=True))


def by_pivots(objectives: NDArray[np.float64]) -> Rows:
    """The loop often written by hand: each row left, by rising sum, throws out what it dominates."""
    rows, found = np.argsort(objectives.sum(axis=1), kind="stable"), list[int]()
    while len(rows):
        pivot, others = objectives[rows[0]], objectives[rows]
        found.append(int(rows[0]))
        dominated = np.asarray((others >= pivot).all(axis=1) & (others > pivot).any(axis=1))
        rows = rows[1:][~dominated[1:]]
    return np.sort(np.array(found, dtype=np.intp))


def peak_mib() -> float:
    """This program's most memory. `getrusage` would count the parent's too, which a child starts with."""
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


METHODS: dict[str, Callable[[NDArray[np.float64]], Rows]] = {
    "ours": non_dominated,
    "pymoo": by_pymoo,
    "moocore": by_moocore,
    "pivots": by_pivots,
}


def main() -> None:
    """Runs one method so many times on the table of a .npy file."""
    file, method, runs = sys.argv[1:]
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    objectives = np.load(file)
    seconds, cpu_seconds, rows = list[float](), list[float](), np.empty(0, dtype=np.intp)
    for _ in range(int(runs)):
        started, cpu = time.perf_counter(), time.process_time()
        rows = METHODS[method](objectives)
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.process_time() - cpu)
    document: dict[str, Any] = {
        "rows": len(objectives),
        "front": len(rows),
        "sha256": hashlib.sha256(rows.astype(np.int64).tobytes()).hexdigest(),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mib": peak_mib(),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
