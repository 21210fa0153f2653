"""Jobs: typed job files run as processes of their own, and the JSON lines they report progress with.

A job lives in a folder: `job.json` (what to do), `log.jsonl` (its progress), `result.json` (written last, atomically:
its presence means complete). Starting a job again in the same folder continues it, and so does its clock.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ..skills import load
from ..skills.protocol import Skill
from ..skills.users import variable_for_jobs
from ..state.canonical import is_secret_name

JOB_FILE = "job.json"
LOG_FILE = "log.jsonl"
RESULT_FILE = "result.json"
ERROR_FILE = "error.json"
CLOCK_FILE = "seconds.json"
TICK_S = 5.0
"""How often the clock is written down: what a killed job has used since is not counted."""

STOPPED_BY_CLOCK = "clock"


class Job(BaseModel):
    """Base of all job files: closed and frozen. A job's folder is the folder its file is in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    writes: ClassVar[tuple[str, ...]] = ()
    """Fields that name folders which the job writes into beside its own."""


class SkillJob(Job):
    """A job that works on one task of a skill."""

    skill: str
    task: str
    skill_data: Path | None = Field(default=None, description="the examples that the skill is opened over, if given")

    def load_skill(self) -> Skill:
        """The skill, opened."""
        return load(self.skill, self.skill_data)


class TimedJob(Job):
    """A job whose working seconds are counted and, where they cost something, limited."""

    wall_clock_s: float | None = Field(
        default=None, gt=0, description="seconds it may work, those of earlier starts included; null: no limit"
    )


JobT = TypeVar("JobT", bound=Job)


class _TimeIsUp(BaseException):
    """Raised in a job by its clock, wherever it is; no handler of the job's own errors takes it."""


def write_atomic(path: Path, text: str) -> None:
    """Writes text so that a reader sees the old file or the whole new one, also after a crash."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def process_environment(**changes: str) -> dict[str, str]:
    """The environment of a job's or server's process: this one's without its secrets, where the skills are, then the changes."""
    kept = {name: value for name, value in os.environ.items() if not is_secret_name(name)}
    return kept | variable_for_jobs() | changes


def report(event: str, **fields: object) -> None:
    """Writes one progress line to standard output; `event` is "progress", "metrics" or "note"."""
    sys.stdout.write(json.dumps({"event": event, "at": round(time.time(), 3), **fields}) + "\n")
    sys.stdout.flush()


def progress(done: float, total: float, unit: str, **fields: object) -> None:
    """Reports how far the job is; extra fields are shown as they are (loss, rate)."""
    report("progress", done=done, total=total, unit=unit, **fields)


def main(job_type: type[JobT], run: Callable[[JobT, Path], Mapping[str, object]]) -> None:
    """Entry point of `python -m stratos.tools.<tool> job.json`: runs the job and leaves result.json or error.json.

    The result of a timed job also holds its `seconds`; that of one whose time was up holds them and `stopped_by` alone.
    """
    path = Path(sys.argv[1])
    folder = path.parent
    job = job_type.model_validate_json(path.read_text(encoding="utf-8"))
    (folder / ERROR_FILE).unlink(missing_ok=True)
    try:
        result = _timed(job.wall_clock_s, run, job, folder) if isinstance(job, TimedJob) else run(job, folder)
    except Exception as error:
        write_atomic(folder / ERROR_FILE, json.dumps({"error": type(error).__name__, "message": str(error)}))
        raise
    write_atomic(folder / RESULT_FILE, json.dumps(result))


def _timed(
    limit_s: float | None, run: Callable[[JobT, Path], Mapping[str, object]], job: JobT, folder: Path
) -> Mapping[str, object]:
    """Runs the job against its clock."""
    seconds = _wound_clock(folder, limit_s)
    try:
        result = run(job, folder)
    except _TimeIsUp:
        result = {"stopped_by": STOPPED_BY_CLOCK}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return {**result, "seconds": round(seconds(), 2)}


def _wound_clock(folder: Path, limit_s: float | None) -> Callable[[], float]:
    """Counts a job's seconds, those of its earlier starts included, and raises _TimeIsUp in it when they reach the limit."""
    path, began = folder / CLOCK_FILE, time.monotonic()
    before: float = json.loads(path.read_text(encoding="utf-8")) if path.exists() else 0.0

    def seconds() -> float:
        return before + time.monotonic() - began

    def wind() -> None:
        left_s = TICK_S if limit_s is None else min(TICK_S, limit_s - seconds())
        signal.setitimer(signal.ITIMER_REAL, max(left_s, 0.001))

    def tick(number: int, frame: object) -> None:
        write_atomic(path, json.dumps(seconds()))
        if limit_s is not None and seconds() >= limit_s:
            raise _TimeIsUp
        wind()

    signal.signal(signal.SIGALRM, tick)
    wind()
    return seconds
