"""Ends a run's servers before they cost more than was reserved, whatever became of the agent: a process of its own, one for a run.

`python -m stratos.tools.cloud.watchdog RUN_FOLDER`. It works as long as this machine does; a server whose job has ended or was never
heard of again ends itself when it was idle, by SkyPilot's own means.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ...state.errors import ToolFailed
from .account import SERVERS_FOLDER
from .carrying import CLOUD_FILE, ENDED_FILE
from .returning import saved
from .servers import Servers
from .sky import Sky
from .whereabouts import Where, where_of

LOOK_EVERY_S = 5.0
AGAIN_S = 15.0
"""Before the next try, where SkyPilot could not be reached."""
CHECKPOINT_S = 20.0
"""For a job that was told to end to write its checkpoint."""
LOCK_FILE, LOG_FILE = ".watchdog.lock", "watchdog.log"


_started: list["subprocess.Popen[bytes]"] = []
"""Watchdogs this process started: whoever starts a process must also collect its exit."""


def watched(run_folder: Path) -> None:
    """Starts the watchdog of a run, in a session of its own; one that is there already stays the only one."""
    folder = run_folder / SERVERS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    _started[:] = [one for one in _started if one.poll() is None]
    with (folder / LOG_FILE).open("ab") as log:
        started = subprocess.Popen(
            [sys.executable, "-P", "-m", "stratos.tools.cloud.watchdog", str(run_folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _started.append(started)


def is_watched(run_folder: Path) -> bool:
    """Whether a watchdog of the run is at work."""
    from filelock import FileLock, Timeout

    file = run_folder / SERVERS_FOLDER / LOCK_FILE
    if not file.exists():
        return False
    try:
        with FileLock(file, blocking=False):
            return False
    except Timeout:
        return True


def main() -> None:
    """Watches until no server of the run is left."""
    from filelock import FileLock, Timeout

    run_folder = Path(sys.argv[1])
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    servers = Servers(run_folder, Sky())
    while (
        servers.account.up
    ):  # asked again without the lock: who asks for a server writes that first and starts a watchdog then
        try:
            with FileLock(run_folder / SERVERS_FOLDER / LOCK_FILE, timeout=0):
                _watch(servers)
        except Timeout:
            return


def _watch(servers: Servers) -> None:
    logging.info("watching %s", ", ".join(servers.account.up))
    left = True
    while left:
        try:
            left = servers.watch(lambda cluster: _save(servers.run_folder, Sky(), cluster))
            time.sleep(LOOK_EVERY_S)
        except ToolFailed as error:
            logging.warning("%s", error)
            time.sleep(AGAIN_S)
    logging.info("nothing is left to watch")


def _save(run_folder: Path, sky: Sky, cluster: str) -> None:
    """Tells the jobs of a cluster to end, and fetches what they wrote."""
    logging.info("%s is ended: what was reserved is nearly used", cluster)
    try:
        sky.cancel(cluster)
    except ToolFailed as error:
        logging.warning("%s", error)
    time.sleep(CHECKPOINT_S)
    for folder, where in jobs_of(run_folder, cluster):
        if not saved(sky, folder, where):
            logging.warning("what the job of %s wrote could not be fetched", folder)


def jobs_of(run_folder: Path, cluster: str) -> Iterator[tuple[Path, Where]]:
    """The folders of jobs that were started on a cluster and whose end is not here."""
    for path in run_folder.rglob(CLOUD_FILE):
        where = where_of(path.parent)
        if where is not None and where.cluster == cluster and not (path.parent / ENDED_FILE).exists():
            yield path.parent, where


if __name__ == "__main__":
    main()
