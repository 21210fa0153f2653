"""Jobs: typed job files run as processes of their own, and the JSON lines they report progress with.

A job lives in a folder: `job.json` (what to do), `log.jsonl` (its progress), `result.json` (written last, atomically:
its presence means complete). Starting a job again in the same folder continues it.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from ..state.canonical import is_secret_name

JOB_FILE = "job.json"
LOG_FILE = "log.jsonl"
RESULT_FILE = "result.json"
ERROR_FILE = "error.json"


class Job(BaseModel):
    """Base of all job files: closed and frozen. A job's folder is the folder its file is in."""

    model_config = ConfigDict(frozen=True, extra="forbid")


JobT = TypeVar("JobT", bound=Job)


def write_atomic(path: Path, text: str) -> None:
    """Writes text so that a reader sees the old file or the whole new one, also after a crash."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def process_environment(**changes: str) -> dict[str, str]:
    """The environment of a job's or server's process: this one's without its secrets, then the changes."""
    return {name: value for name, value in os.environ.items() if not is_secret_name(name)} | changes


def report(event: str, **fields: object) -> None:
    """Writes one progress line to standard output; `event` is "progress", "metrics" or "note"."""
    sys.stdout.write(json.dumps({"event": event, "at": round(time.time(), 3), **fields}) + "\n")
    sys.stdout.flush()


def progress(done: float, total: float, unit: str, **fields: object) -> None:
    """Reports how far the job is; extra fields are shown as they are (loss, rate)."""
    report("progress", done=done, total=total, unit=unit, **fields)


def main(job_type: type[JobT], run: Callable[[JobT, Path], Mapping[str, object]]) -> None:
    """Entry point of `python -m stratos.tools.<tool> job.json`: runs the job and leaves result.json or error.json."""
    path = Path(sys.argv[1])
    folder = path.parent
    job = job_type.model_validate_json(path.read_text(encoding="utf-8"))
    (folder / ERROR_FILE).unlink(missing_ok=True)
    try:
        result = run(job, folder)
    except Exception as error:
        write_atomic(folder / ERROR_FILE, json.dumps({"error": type(error).__name__, "message": str(error)}))
        raise
    write_atomic(folder / RESULT_FILE, json.dumps(result))
