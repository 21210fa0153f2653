"""Runs jobs, one or several side by side, and shows what they report until they end; leaves none running when broken off."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..state.errors import Cancelled, JobLost, OutOfTime, ToolFailed
from ..state.plan import LOCAL, Offer
from .executor import Event, Executor, JobHandle
from .jobs import STOPPED_BY_CLOCK, Job

POLL_S = 0.1
HEARTBEAT_S = 1.0
"""A job that reports nothing for that long has its last report shown again, so that whoever is shown it can stop the wait."""

STARTS_AGAIN, STARTS_AGAIN_RENTED = 1, 3
"""Times that a lost job is started again: here its memory ran out, most likely, and will again; a rented server may be taken away."""

BILLED = "billed"
"""The event that says at which price a server was billed: of an executor whose result holds `usd_per_hour` beside the job's own."""

NOTHING_YET: Event = {"event": "progress", "done": 0, "total": 0, "unit": ""}


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """A job to be submitted; see Executor.submit."""

    module: str
    job: Job
    folder: Path
    threads: int | None = None
    offer: Offer | None = None


def run(executor: Executor, request: JobRequest, on_event: Callable[[Event], None] | None = None) -> dict[str, Any]:
    """Submits one job and waits for it; see `run_all`. Raises OutOfTime when its clock ended it."""
    result = run_all(executor, {"": request}, on_event)[""]
    if result.get("stopped_by") == STOPPED_BY_CLOCK:
        seconds, price = float(result["seconds"]), request.offer.usd_per_hour if request.offer else 0.0
        message = f"{request.module} was stopped: the {seconds / 60:.1f} minutes reserved for it were over"
        raise OutOfTime(message, seconds, seconds / 3600 * price)
    return result


def run_all(
    executor: Executor, requests: Mapping[str, JobRequest], on_event: Callable[[Event], None] | None = None
) -> dict[str, dict[str, Any]]:
    """Submits jobs that run side by side and waits for all; gives their results by name, and events that say in `job`
    which one they are from. A job that runs is attached to, a complete one is not started again.

    Whatever breaks that off, an error of one job, of `on_event` or Ctrl-C, none is left running. Jobs that are lost are
    started again, from their last checkpoints. Raises ToolFailed when one failed, Cancelled when one was cancelled.
    """
    show = on_event or _ignore
    rented = any(request.offer is not None and request.offer.cloud != LOCAL for request in requests.values())
    left = STARTS_AGAIN_RENTED if rented else STARTS_AGAIN
    try:
        while True:
            try:
                results = _results(executor, _submitted(executor, requests), show)
                break
            except JobLost as error:
                if not left:
                    raise
                left -= 1
                show({"event": "note", "text": f"{error}; it is started once more"})
        return {name: _without_bill(result, show) for name, result in results.items()}
    except BaseException:
        # By their folders: a job that was being submitted when Ctrl-C came has no handle yet.
        with ExitStack() as stops:  # every one is stopped, also when stopping one fails
            for request in requests.values():
                if request.folder.exists():
                    handle = JobHandle(folder=request.folder.resolve(), module=request.module, how="attached")
                    stops.callback(executor.cancel, handle)
        raise


def _without_bill(result: dict[str, Any], show: Callable[[Event], None]) -> dict[str, Any]:
    """The job's own result; what the executor says of its bill is shown apart."""
    if "usd_per_hour" not in result:
        return result
    show({"event": BILLED, "usd_per_hour": float(result["usd_per_hour"])})
    return {key: value for key, value in result.items() if key != "usd_per_hour"}


def _ignore(event: Event) -> None:
    """Shows nothing."""


def _submitted(executor: Executor, requests: Mapping[str, JobRequest]) -> dict[str, JobHandle]:
    return {
        name: executor.submit(request.module, request.job, request.folder, threads=request.threads, offer=request.offer)
        for name, request in requests.items()
    }


@dataclass(kw_only=True)
class _Waiting:
    """How far one job's reports have been shown."""

    handle: JobHandle
    offset: int = 0
    last: Event = field(default_factory=lambda: NOTHING_YET)
    shown_at: float = field(default_factory=time.monotonic)


def _results(
    executor: Executor, handles: Mapping[str, JobHandle], show: Callable[[Event], None]
) -> dict[str, dict[str, Any]]:
    """Waits until all have ended well."""
    waiting = {name: _Waiting(handle=handle) for name, handle in handles.items()}
    while waiting:
        for name, one in list(waiting.items()):
            if _has_ended(executor, one, lambda event, name=name: show({**event, "job": name} if name else event)):
                del waiting[name]
        if waiting:
            time.sleep(POLL_S)
    return {name: executor.fetch(handle) for name, handle in handles.items()}


def _has_ended(executor: Executor, one: _Waiting, show: Callable[[Event], None]) -> bool:
    """Shows what is new of one job and says whether it is done. Raises as `run_all` does."""
    status = executor.poll(one.handle)  # before the logs: those of a job that ended are whole
    events, one.offset = executor.logs(one.handle, one.offset)
    if not events and time.monotonic() - one.shown_at > HEARTBEAT_S:
        events = [one.last]
    for event in events:
        one.shown_at = time.monotonic()
        one.last = event if event.get("event") == "progress" else one.last
        show(event)
    if status.state == "cancelled":
        raise Cancelled(f"{one.handle.module} was cancelled")
    if status.out_of_money:
        raise OutOfTime(f"{one.handle.module} was stopped: {status.message}", 0.0, 0.0)
    if status.state == "failed":
        kind = JobLost if status.lost else ToolFailed
        raise kind(f"{one.handle.module} failed: {status.message} (its files: {one.handle.folder})")
    return status.state == "done"
