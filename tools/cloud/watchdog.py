"""Ends a run's servers before they cost more than was reserved, whatever became of the agent: a process of its own, one for a run.

`python -m stratos.tools.cloud.watchdog RUN_FOLDER`. It works as long as this machine does; a server whose job has ended or was never
heard of again ends itself when it was idle, by SkyPilot's own means.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import product
from logging.handlers import RotatingFileHandler
from pathlib import Path

from ...state.errors import ToolFailed
from .account import SERVERS_FOLDER, account_of
from .carrying import CLOUD_FILE, ENDED_FILE
from .returning import saved
from .servers import Servers
from .sky import Sky
from .whereabouts import Where, where_of

LOOK_EVERY_S = 5.0
ASK_EVERY_S = 15.0
"""Beside that where SkyPilot is asked at every look, which keeps a processor busy for seconds: a server that was given up may come up."""
AGAIN_S = 10.0
"""Beside that, before the next try where one failed."""
PATIENCE_S = 2.0
"""Who only asks whether there is a watchdog holds its lock too, for a moment."""
DOWN_MINUTES = 1.0
"""Of ENDING_MINUTES, for the server to be gone."""
CANCEL_S, CHECKPOINT_S = 30.0, 20.0
"""Of those too: at most for telling the jobs to end, and for them to write a checkpoint."""
SMALL = ("--max-size=1m",)
"""To rsync: logs and reports, before the checkpoints, which may be too big for the time."""
LOCK_FILE, LOG_FILE = ".watchdog.lock", "watchdog.log"
LOG_BYTES = 1_000_000
"""Of the log, and of the one before it."""


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
    """Watches until no server of the run is left, whatever goes wrong meanwhile."""
    run_folder = Path(sys.argv[1])
    log = RotatingFileHandler(run_folder / SERVERS_FOLDER / LOG_FILE, maxBytes=LOG_BYTES, backupCount=1, delay=True)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, handlers=[log])
    while _tried(lambda: _watch(run_folder)):
        pass  # asked again without the lock: who asks for a server writes that first and starts a watchdog then


def _tried(work: Callable[[], bool]) -> bool:
    """Whether there is more to do; where that failed there is, after a while: nobody else ends the servers in time."""
    try:
        return work()
    except Exception as error:
        _log(error)
        time.sleep(AGAIN_S)
        return True


def _log(error: Exception) -> None:
    """With where it came from, where nobody foresaw it."""
    logging.warning("%s", error, exc_info=None if isinstance(error, ToolFailed) else error)


def _watch(run_folder: Path) -> bool:
    """Watches until no server is left; false where there was none, or another watchdog is at work."""
    from filelock import FileLock, Timeout

    up = account_of(run_folder).up
    if not up:
        return False
    try:
        with FileLock(run_folder / SERVERS_FOLDER / LOCK_FILE, timeout=PATIENCE_S):
            logging.info("watching %s", ", ".join(up))
            while _tried(lambda: _look(run_folder)):
                time.sleep(LOOK_EVERY_S)
            logging.info("nothing is left to watch")
    except Timeout:
        return False
    return True


def _look(run_folder: Path) -> bool:
    """Ends what must be ended; whether something is left to watch."""
    sky = Sky()
    is_left = Servers(run_folder, sky).watch(lambda cluster: _save(run_folder, sky, cluster))
    if any(one.unwanted_at is not None for one in account_of(run_folder).up.values()):
        time.sleep(ASK_EVERY_S)
    return is_left


def _save(run_folder: Path, sky: Sky, cluster: str) -> None:
    """Tells the jobs of a cluster to end, and fetches what they wrote, as far as time allows: ending the cluster must not wait."""
    logging.info("%s is ended: what was reserved is nearly used", cluster)
    until = account_of(run_folder).ends_at(DOWN_MINUTES) or 0.0
    if until <= time.time():
        logging.warning("no time is left to fetch what its jobs wrote")
        return

    def left_s() -> float:
        return max(0.0, until - time.time())

    try:
        sky.cancel(cluster, timeout_s=min(CANCEL_S, left_s()))
    except Exception as error:
        _log(error)
    time.sleep(min(CHECKPOINT_S, left_s()))
    try:
        for rules, (folder, where) in product((SMALL, ()), jobs_of(run_folder, cluster)):
            if not saved(sky, folder, where, *rules, timeout_s=left_s()):
                logging.warning("not all that the job of %s wrote could be fetched", folder)
    except Exception as error:
        _log(error)


def jobs_of(run_folder: Path, cluster: str) -> Iterator[tuple[Path, Where]]:
    """The folders of jobs that were started on a cluster and whose end is not here."""
    for path in run_folder.rglob(CLOUD_FILE):
        where = where_of(path.parent)
        if where is not None and where.cluster == cluster and not (path.parent / ENDED_FILE).exists():
            yield path.parent, where


if __name__ == "__main__":
    main()
