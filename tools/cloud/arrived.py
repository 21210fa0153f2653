"""What runs a job on another machine: its job file with the places of here, its reports to its log, and at the end what came of it.

`python -m stratos.tools.cloud.arrived FOLDER`, the folder with `carried.json`. Started again there it continues the job.
"""

import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from ..jobs import ERROR_FILE, JOB_FILE, LOG_FILE, RESULT_FILE, write_atomic
from .carrying import CARRIED_FILE, CLOUD_FILE, ENDED_FILE, TASK_FILE, arrived_at

LAUNCH_VARIABLE = "STRATOS_LAUNCH"
"""Of the environment: words that start a module in several processes, before its name; unset: it is one process."""
STDERR_FILE = "stderr.log"
"""What the job said beside its reports."""


def main() -> int:
    """Runs the job and says how it ended."""
    folder = Path(sys.argv[1]).absolute()
    root = folder.parent.parent
    told = json.loads((folder / CARRIED_FILE).read_text(encoding="utf-8"))
    write_atomic(folder / JOB_FILE, json.dumps(arrived_at(told["job"], str(root)), indent=2))
    for old in (ENDED_FILE, ERROR_FILE):
        (folder / old).unlink(missing_ok=True)
    code = 0 if (folder / RESULT_FILE).exists() else _run(told["module"], folder)
    written = {place: hashes(root / place) for place in told["writes"]}
    ended = {"start": told["start"], "exit_code": code, "root": str(root), "sha256": hashes(folder), "written": written}
    write_atomic(folder / ENDED_FILE, json.dumps(ended))
    return code


def hashes(folder: Path) -> Mapping[str, str]:
    """SHA-256 of every file of a folder, by its path in it; not of what tells of the run itself, nor of hidden files."""
    apart = {CARRIED_FILE, CLOUD_FILE, ENDED_FILE, JOB_FILE, LOG_FILE, STDERR_FILE, TASK_FILE}
    named = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: _sha256(path) for name, path in named.items() if name not in apart and not name.startswith(".")}


def _run(module: str, folder: Path) -> int:
    """The job's process; whoever ends this one ends it too."""
    launch = shlex.split(os.environ.get(LAUNCH_VARIABLE, "-m"))
    command = [sys.executable, "-P", *launch, module, str(folder / JOB_FILE)]
    with (folder / LOG_FILE).open("ab") as log, (folder / STDERR_FILE).open("ab") as errors:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)

        def pass_on(number: int, _: FrameType | None) -> None:
            child.send_signal(number)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, pass_on)
        assert child.stdout is not None
        for line in child.stdout:  # to the log, which is fetched, and to SkyPilot's own
            log.write(line)
            log.flush()
            sys.stdout.write(line.decode(errors="replace"))
            sys.stdout.flush()
        return child.wait()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
