"""Starts or resumes a small real run in a process of its own, which a test may kill: `driver.py WORKSPACE [RUN]`."""

import sys
from pathlib import Path

from stratos.agent import session
from stratos.state.brief import Brief, Limits, Targets, Weights
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings

BRIEF = Brief(
    request="a small real run",
    skill="mahjong",
    task="win",
    targets=Targets(latency_p95_ms=5000.0),
    limits=Limits(usd=0.0),
    weights=Weights(latency=1, hours=1, usd=1),  # the shortest training will do
)


def main() -> None:
    workspace = Workspace(Path(sys.argv[1]))
    if len(sys.argv) > 2:
        outcome = session.resume(sys.argv[2], workspace=workspace)
    else:
        outcome = session.start(
            BRIEF.request, brief=BRIEF, workspace=workspace, settings=Settings(seed=3, held_out_items=60)
        )
    sys.exit(session.EXIT_CODES[outcome.status])


if __name__ == "__main__":
    main()
