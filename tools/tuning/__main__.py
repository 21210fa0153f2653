"""Entry point of the tuning jobs: `python -m stratos.tools.tuning job.json`; the file's `kind` says which of the two it is."""

import json
import sys
from pathlib import Path

from ..jobs import main
from .grpo import reinforce
from .specs import GrpoJob, TuneJob
from .tune import tune

if json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")).get("kind", "tune") == "grpo":
    main(GrpoJob, reinforce)
else:
    main(TuneJob, tune)
