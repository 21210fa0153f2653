"""Starts or resumes a small real run in a process of its own, which a test may kill: `driver.py WORKSPACE [RUN]`."""

import sys
from pathlib import Path

from stratos.agent import session
from stratos.state.workspace import Workspace
from stratos.tools.base import Settings

REQUEST = "tell whether 14 mahjong tiles are a winning hand, p95 under 5 s, for free"


def main() -> None:
    workspace = Workspace(Path(sys.argv[1]))
    if len(sys.argv) > 2:
        outcome = session.resume(sys.argv[2], workspace=workspace)
    else:
        outcome = session.start(REQUEST, workspace=workspace, settings=Settings(seed=3, held_out_items=60))
    sys.exit(session.EXIT_CODES[outcome.status])


if __name__ == "__main__":
    main()
