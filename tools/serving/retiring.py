"""Ending a version that another one has taken the place of: its server ends when the last answer that it had begun is written."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from .records import Deployment, server_folder, traffic, write
from .starting import end_server, living_front

DRAIN_S = 600.0
"""As long as one answer may take; what is not written then is cut."""
POLL_S = 0.05


def retire(folder: Path, new: Deployment, old: Deployment, say: Callable[[str], None]) -> Deployment:
    """Ends the server of `old`, which nothing is sent to any more, Ctrl-C or not; the record of the new one with what both cost."""
    try:
        drain(new, old.version, say)
    finally:
        end_server(old)
    if old.offer is not None and new.previous is not None:  # as SkyPilot reports, its end included
        before = new.previous.model_copy(update={"usd": old.usd})
        new = new.model_copy(update={"usd_before": old.usd, "previous": before})
        write(folder, new)
    shutil.rmtree(server_folder(old), ignore_errors=True)
    return new


def drain(by: Deployment, version: int, say: Callable[[str], None]) -> None:
    """Waits until a version's last answer is written, as the front of a deployment tells, or until that front is gone."""
    until = time.monotonic() + DRAIN_S
    while time.monotonic() < until:
        found = traffic(by)
        carried = found.versions.get(version) if found else None
        if found is not None and (carried is None or carried.in_flight == 0):
            say(f"version {version} has written its last answer and ends")
            return
        if found is None and living_front(by) is None:
            return
        time.sleep(POLL_S)
    say(f"version {version} was still writing after {DRAIN_S:.0f} s and is cut")
