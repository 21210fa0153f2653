"""Runs jobs on the servers that plans name, by SkyPilot: the executor's five verbs, and this machine for what names none.

A job's folder here mirrors its folder there: reports are fetched as they come, everything when it has ended, and what came is held
against the hashes that were made there. The jobs of a run on one offer share a cluster, which ends itself when it was idle. Nothing is
started without money that was reserved for it: see `servers`.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from ...state.errors import PriceChanged, ToolFailed
from ...state.plan import LOCAL, Machine, Offer
from ..executor import Event, JobHandle, JobStatus, LocalExecutor, locked, write_job
from ..jobs import ERROR_FILE, JOB_FILE, LOG_FILE, RESULT_FILE, Job, write_atomic
from ..pricing.look_up import ListedOffer
from ..pricing.moves import price_moved
from ..pricing.sky_catalogue import SkyCatalogue
from ..pricing.skypilot import OWN_FOLDER, VMS_FILE
from ..serving.job import ENDPOINT_FILE
from .account import account_of, of_run
from .arrived import STDERR_FILE
from .carrying import CARRIED_FILE, ENDED_FILE, FILES, TASK_FILE, Carried, carried, gathered
from .package import staged
from .renting import Renting
from .returning import fetched, saved
from .servers import HELD_MINUTES, KEEPING_MINUTES, LAUNCH_MINUTES, Servers
from .sky import Queued, Sky
from .startable import WITHOUT_TYPES, catalogue_usd, startable, why_not
from .tasks import DISK_GIB, SetUp, task, written
from .watchdog import is_watched, watched
from .whereabouts import Where, cluster_of, ended, last_words, note, where_of

PACKAGE_FOLDER = "package"
REPORTS = (LOG_FILE, STDERR_FILE, ERROR_FILE, ENDED_FILE, ENDPOINT_FILE)
LOOK_EVERY_S, ASK_EVERY_S = 3.0, 30.0
"""Between fetching reports, and between asking SkyPilot about a job that said nothing of its end: the second takes seconds of work."""
SAVE_EVERY_S = 120.0
"""Between fetching what a job wrote so far: from its newest checkpoint here it goes on where its server is lost."""
UNREACHED_S = 600.0
"""A cluster that could not be asked for so long is taken as gone."""
WATCHED_EVERY_S = 60.0
"""Between looks at whether the run's watchdog is at work while a job is waited for."""
LAUNCH_TIMEOUT_S = 60 * LAUNCH_MINUTES
LAUNCHES, AGAIN_S = 6, 60.0
"""Tries to start a job on a server that is up, and seconds between them: a connection may be lost for minutes."""
HERE = "stratos.tools.teaching"
"""Modules of jobs that ask a teacher's endpoint: they run here, where its key is."""
HOURS_A_MONTH = 730
RENEWED_S = 7 * 3600.0
"""Age of a file from which on SkyPilot 0.14.1 fetches it anew before it uses it."""


class SkyExecutor(Renting):
    """Each job with an offer of another machine as a job of a SkyPilot cluster; all others here."""

    def __init__(
        self,
        workspace: Path,
        clouds: frozenset[str] | None = None,
        *,
        sky: Sky | None = None,
        set_up: SetUp | None = None,
        watched: Callable[[Path], None] = watched,
        catalogue: Path = OWN_FOLDER,
    ) -> None:
        """`clouds`: those that are enabled, as prices name them; null: as SkyPilot says when it is asked. `watched` starts the
        watchdog of a run; `catalogue` is SkyPilot's own. Raises NotAvailable without SkyPilot."""
        self._here = LocalExecutor(workspace=workspace)
        self._clouds, self._watched, self._catalogue = clouds, watched, catalogue
        self._sky = sky or Sky()
        self._set_up = set_up or SetUp.here()
        self._looked: dict[Path, float] = {}
        self._saved: dict[Path, float] = {}
        self._asked: dict[Path, float] = {}
        self._reached: dict[Path, float] = {}
        self._renewed: dict[Path, float] = {}
        self._guarded: dict[Path, float] = {}

    @property
    def clouds(self) -> frozenset[str]:
        """Those that SkyPilot may use, and this machine."""
        if self._clouds is None:
            self._clouds = startable(frozenset(self._sky.enabled()))
        return self._clouds | {LOCAL}

    def can_start(self, offer: ListedOffer) -> bool:
        """As `Rents` says."""
        return offer.cloud in self.clouds and why_not(offer, self._catalogue) is None

    def catalogue(self) -> SkyCatalogue:
        """As `Rents` says: SkyPilot's own, since what it says a server costs is what is charged."""
        for cloud in sorted(self.clouds - WITHOUT_TYPES - {LOCAL}):
            self._renew(cloud)
        return SkyCatalogue(folder=self._catalogue, clouds=self.clouds)

    def terms(self, offer: ListedOffer) -> dict[str, float]:
        """As `Rents` says: the minutes that a server is held, and its disk where the price list has a price of disks."""
        if offer.cloud == LOCAL:
            return {}
        disk = (offer.disk_usd_per_gib_month or 0.0) * DISK_GIB / HOURS_A_MONTH * offer.nodes
        return {"held_minutes": HELD_MINUTES, **({"disk_usd_per_hour": disk} if disk > 0 else {})}

    def servers(self, run_folder: Path) -> Servers:
        """Those of a run."""
        return Servers(run_folder, self._sky)

    def reserve(self, call: Path, offer: Offer, usd: float) -> None:
        """As `Rents` says."""
        super().reserve(call, offer, usd)
        self._guard(of_run(call))

    def machine(self) -> Machine:
        """This one."""
        return self._here.machine()

    def submit(
        self, module: str, job: Job, folder: Path, *, threads: int | None = None, offer: Offer | None = None
    ) -> JobHandle:
        """Starts the job on the offer's server, or finds it running or complete; starting a lost one again continues it, from what was
        fetched of it. Raises ServerUnavailable where the server cannot be had, PriceChanged where SkyPilot's price of it has left the
        offer's by more than 5 %, OutOfTime where the watchdog ended it meanwhile, ToolFailed where a user did, where the offer's
        cloud is not enabled or no money is reserved."""
        if offer is None or offer.cloud == LOCAL or module.startswith(HERE):
            return self._here.submit(module, job, folder, threads=threads)
        if offer.cloud not in self.clouds:
            raise ToolFailed(f"{offer.id} cannot be started: SkyPilot has not enabled {offer.cloud} (`sky check`)")
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            if not (folder / JOB_FILE).exists():  # what was begun goes on as long as what was reserved for it lasts
                self._check_price(folder, offer)
            write_job(folder, job)
            if (folder / RESULT_FILE).exists():
                return JobHandle(folder=folder, module=module, how="complete")
            where = where_of(folder)
            if where is not None and self._goes_on(folder, where):
                self._guard(of_run(folder))
                return JobHandle(folder=folder, module=module, how="attached")
            if where is not None:
                self._end_jobs(where, self._queue(where) or [])
            self._start(module, carried(job, folder), folder, offer, threads)
        return JobHandle(folder=folder, module=module, how="started")

    def poll(self, handle: JobHandle) -> JobStatus:
        """Where the job stands, as its reports tell, which are fetched every few seconds; SkyPilot is asked where they do not."""
        where = where_of(handle.folder)
        if where is None:
            return self._here.poll(handle)
        if (handle.folder / RESULT_FILE).exists():
            return JobStatus(state="done", exit_code=0)
        if where.cancelled:
            return JobStatus(state="cancelled")
        run_folder = of_run(handle.folder)
        if self._due(self._guarded, run_folder, WATCHED_EVERY_S):
            self._guard(run_folder)
        if (account := account_of(run_folder)).stopped:
            return JobStatus(state="failed", message=account.stopped, out_of_money=not account.by_hand)
        if self._due(self._looked, handle.folder, LOOK_EVERY_S):
            self._look(handle.folder, where)
        if (told := ended(handle.folder, where)) is not None:
            return self._as_ended(handle.folder, where, told)
        return self._as_queued(handle.folder, where)

    def logs(self, handle: JobHandle, offset: int = 0) -> tuple[list[Event], int]:
        """As of this machine's executor, of what was fetched."""
        return self._here.logs(handle, offset)

    def cancel(self, handle: JobHandle) -> None:
        """Ends the job, and its cluster where nothing else runs on it. Raises ToolFailed where it is still there afterwards."""
        where = where_of(handle.folder)
        if where is None:
            self._here.cancel(handle)
            return
        with locked(handle.folder):
            note(handle.folder, where.model_copy(update={"cancelled": True}))
            queued = self._queue(where) or []
            others = [one for one in queued if one.name != where.name and one.state in ("waiting", "running")]
            if not others:
                self.servers(of_run(handle.folder)).end([where.cluster])
                return
            self._end_jobs(where, queued)

    def fetch(self, handle: JobHandle) -> dict[str, Any]:
        """As of this machine's executor, of what was fetched."""
        return self._here.fetch(handle)

    def shell(self, handle: JobHandle) -> list[str]:
        """As `Hosts` says. Raises ToolFailed for a job that was started here."""
        where = where_of(handle.folder)
        if where is None:
            raise ToolFailed(f"the job of {handle.folder} runs on this machine")
        return [*self._sky.shell(where.cluster), where.cluster]

    def _check_price(self, folder: Path, offer: Offer) -> None:
        """That a server which is not up yet still costs what was planned with."""
        if cluster_of(folder, offer) in self.servers(of_run(folder)).account.up:
            return
        self._renew(offer.cloud)
        now = catalogue_usd(offer, self._catalogue)
        if now is not None and price_moved(offer.usd_per_hour, now):
            raise PriceChanged(offer.id, now)

    def _renew(self, cloud: str) -> None:
        """Has SkyPilot fetch the prices that it would fetch before it starts a server: a plan must not be made with others."""
        file = self._catalogue.expanduser() / cloud / VMS_FILE
        is_new = file.exists() and time.time() - file.stat().st_mtime < RENEWED_S
        if cloud in WITHOUT_TYPES or is_new or not self._due(self._renewed, file, RENEWED_S):
            return
        with suppress(
            ToolFailed
        ):  # it cannot fetch them when it starts a server either: what it has stays what it reckons with
            self._sky.renew(cloud)

    def _start(self, module: str, sent: Carried, folder: Path, offer: Offer, threads: int | None) -> None:
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

        files = {str(place): path for place, path in sent.files.items()}
        where = Where(cluster=cluster_of(folder, offer), name=sent.name, offer=offer.id, start=uuid4().hex, files=files)
        told = {"module": module, "job": sent.job, "writes": list(map(str, sent.writes)), "start": where.start}
        for old in (ENDED_FILE, ERROR_FILE):
            (folder / old).unlink(missing_ok=True)
        write_atomic(folder / CARRIED_FILE, json.dumps(told))
        package = staged(folder.parent / f".{PACKAGE_FOLDER}-{folder.name}")
        travelling = gathered(sent, folder.parent / f".{FILES}-{folder.name}")
        made = written(
            task(
                travelling, offer, package, folder, self._set_up, threads, module=module, idle_minutes=KEEPING_MINUTES
            ),
            folder / TASK_FILE,
        )
        note(folder, where)
        run_folder = of_run(folder)

        servers = self.servers(run_folder)
        tries = LAUNCHES if where.cluster in servers.account.up else 1
        again = Retrying(
            stop=stop_after_attempt(tries),
            wait=wait_fixed(AGAIN_S),
            retry=retry_if_exception_type(ToolFailed),
            reraise=True,
        )

        def tried() -> None:
            servers.check(where.cluster)  # minutes lie between two tries
            self._sky.launch(where.cluster, made, idle_minutes=KEEPING_MINUTES, timeout_s=LAUNCH_TIMEOUT_S)

        def launch() -> None:
            self._watched(run_folder)
            again(tried)

        # The watchdog reckons with what SkyPilot charges now, which may be a little beside the plan's price.
        now = catalogue_usd(offer, self._catalogue)
        self._reached.pop(folder, None)
        try:
            servers.ask(where.cluster, offer if now is None else offer.model_copy(update={"usd_per_hour": now}), launch)
        except BaseException:  # the watchdog may have found nothing left, and ended, before what is left came up
            self._guard(run_folder)
            raise

    def _guard(self, run_folder: Path) -> None:
        """Starts the watchdog where a server is up: this one's, or that of an agent before, may have died with its machine."""
        if account_of(run_folder).up and not is_watched(run_folder):
            self._watched(run_folder)

    def _goes_on(self, folder: Path, where: Where) -> bool:
        """Whether a job that was started is waiting or at work, or ended well and only has to be fetched."""
        if where.cancelled:
            return False
        queued = self._queue(where)
        if queued is None:
            return self._is_waited_for(folder)
        mine = _newest(queued, where)
        if mine is None or mine.state not in ("waiting", "running", "done"):
            return False
        self.servers(of_run(folder)).came_up(where.cluster)
        return True

    def _queue(self, where: Where) -> list[Queued] | None:
        """Empty where the cluster is gone; null where that cannot be said: it is being set up, or does not answer SkyPilot."""
        status = {one["name"]: one["status"] for one in self._sky.clusters()}.get(where.cluster)
        if status == "INIT":
            return None
        return self._sky.queue(where.cluster) if status == "UP" else []

    def _end_jobs(self, where: Where, queued: Sequence[Queued]) -> None:
        """Ends every start of a job: two must not work in one folder."""
        for one in queued:
            if one.name == where.name and one.state in ("waiting", "running"):
                self._sky.cancel(where.cluster, one.number)

    def _is_waited_for(self, folder: Path) -> bool:
        """Whether a cluster that cannot be asked may still be reached."""
        return time.monotonic() - self._reached.setdefault(folder, time.monotonic()) < UNREACHED_S

    def _look(self, folder: Path, where: Where) -> None:
        if self._due(self._saved, folder, SAVE_EVERY_S):
            saved(self._sky, folder, where)
        if self._sky.bring(
            where.cluster, where.folder, folder, *(f"--include=/{name}" for name in REPORTS), "--exclude=*"
        ):
            self._reached[folder] = time.monotonic()

    def _as_ended(self, folder: Path, where: Where, told: Mapping[str, Any]) -> JobStatus:
        """Of a job that wrote its end. One that ended well is done when all of it is here."""
        try:
            if not fetched(self._sky, folder, where, told):
                return JobStatus(state="running", message="it has ended and could not be fetched yet")
        except ToolFailed as error:
            return JobStatus(state="failed", message=str(error))
        code = int(told["exit_code"])
        if (folder / RESULT_FILE).exists():
            return JobStatus(state="done", exit_code=code)
        lost = not (folder / ERROR_FILE).exists()
        message = f"it ended with {code} there: {last_words(folder)}"
        return JobStatus(state="failed", message=message, exit_code=code, lost=lost)

    def _as_queued(self, folder: Path, where: Where) -> JobStatus:
        """Of a job that wrote no end: whether it can still."""
        if not self._due(self._asked, folder, ASK_EVERY_S):
            return JobStatus(state="running")
        try:
            queued = self._queue(where)
            if queued is None:
                raise ToolFailed(f"cluster {where.cluster} is being set up, or does not answer")
            if (mine := _newest(queued, where)) is None:
                self.servers(of_run(folder)).look()
        except ToolFailed as error:
            if self._is_waited_for(folder):
                return JobStatus(state="running", message=str(error))
            return JobStatus(state="failed", message=str(error), lost=True)
        if mine is None:
            return JobStatus(state="failed", message=f"cluster {where.cluster} or its job is gone", lost=True)
        if mine.state in ("waiting", "running"):
            self.servers(of_run(folder)).came_up(where.cluster)
            return JobStatus(state="running")
        self._look(folder, where)
        if ended(folder, where) is not None:
            return JobStatus(state="running")  # the next look fetches it
        return JobStatus(state="failed", message=f"SkyPilot says it {mine.state}: {last_words(folder)}", lost=True)

    @staticmethod
    def _due(when: dict[Path, float], folder: Path, every_s: float) -> bool:
        now = time.monotonic()
        if now - when.get(folder, -every_s) < every_s:
            return False
        when[folder] = now
        return True


def _newest(queued: Sequence[Queued], where: Where) -> Queued | None:
    return next((one for one in queued if one.name == where.name), None)
