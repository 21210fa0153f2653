"""Entry point of the tuning jobs: `python -m stratos.tools.tuning job.json`; the file's `kind` says which of the two it is."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ..jobs import JobT, main
from .grpo import reinforce
from .specs import GrpoJob, TuneJob
from .tune import tune


def start(job_type: type[JobT], run: Callable[[JobT, Path], Mapping[str, object]]) -> None:
    """Runs the job; of several processes on several GPUs only the first leaves result.json or error.json."""
    if int(os.environ.get("RANK", "0")) == 0:
        main(job_type, run)
    else:
        path = Path(sys.argv[1])
        run(job_type.model_validate_json(path.read_text(encoding="utf-8")), path.parent)


if json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")).get("kind", "tune") == "grpo":
    start(GrpoJob, reinforce)
else:
    start(TuneJob, tune)
