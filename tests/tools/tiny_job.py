"""A job for the executor's tests: it counts its starts, says what it is told, sleeps, fails or has children."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from stratos.tools.jobs import Job, TimedJob, main


class TinyJob(Job):
    """What to do."""

    say: str = ""
    sleep_s: float = 0.0
    fail: str = ""
    exit_code: int | None = None
    children: bool = False


class TinyTimedJob(TinyJob, TimedJob):
    """The same against a clock."""


def run(job: TinyJob, folder: Path) -> Mapping[str, object]:
    """Does it; returns the environment that executors set."""
    with (folder / "starts").open("a") as file:
        file.write(f"{os.getpid()}\n")
    if job.children:
        sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
        children = [subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)]
        (folder / "children").write_text(" ".join(str(child.pid) for child in children) + "\n")
    sys.stdout.write(job.say)
    sys.stdout.flush()
    (folder / "ready").touch()
    time.sleep(job.sleep_s)
    if job.fail:
        raise ValueError(job.fail)
    if job.exit_code is not None:
        sys.stderr.write("last words\n")
        sys.stderr.flush()
        os._exit(job.exit_code)
    return {name: os.environ.get(name) for name in ("HF_HUB_OFFLINE", "OMP_NUM_THREADS", "HOME")}


if __name__ == "__main__":
    main(TinyTimedJob if "wall_clock_s" in Path(sys.argv[1]).read_text() else TinyJob, run)
