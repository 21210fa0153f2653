"""Waits for jobs, one or several side by side, and shows what they report; stops them when the wait is broken off."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..state.errors import Cancelled, JobLost, ToolFailed
from ..state.plan import Offer
from .executor import Event, Executor, JobHandle
from .jobs import Job


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """A job to be submitted; see Executor.submit."""

    module: str
    job: Job
    folder: Path
    threads: int | None = None
    offer: Offer | None = None


def run(executor: Executor, request: JobRequest, on_event: Callable[[Event], None] | None = None) -> dict[str, Any]:
    """Submits one job and waits for it; see `run_all`."""
    return run_all(executor, {"": request}, on_event)[""]


def run_all(
    executor: Executor, requests: Mapping[str, JobRequest], on_event: Callable[[Event], None] | None = None
) -> dict[str, dict[str, Any]]:
    """Submits jobs that run side by side and waits for all; whatever breaks that off, none is left running.

    Jobs that are lost are started once more, from their last checkpoints.
    """
    try:
        try:
            return wait_all(executor, _submitted(executor, requests), on_event)
        except JobLost as error:
            (on_event or _ignore)({"event": "note", "text": f"{error}; it is started once more"})
            return wait_all(executor, _submitted(executor, requests), on_event)
    except (KeyboardInterrupt, Cancelled, ToolFailed):
        # Also the jobs that were being submitted when Ctrl-C came and have no handle yet.
        with ExitStack() as stops:
            for request in requests.values():
                if request.folder.exists():
                    handle = JobHandle(folder=request.folder.resolve(), module=request.module, how="attached")
                    stops.callback(executor.cancel, handle)
        raise


def _submitted(executor: Executor, requests: Mapping[str, JobRequest]) -> dict[str, JobHandle]:
    return {
        name: executor.submit(request.module, request.job, request.folder, threads=request.threads, offer=request.offer)
        for name, request in requests.items()
    }


def wait(
    executor: Executor,
    handle: JobHandle,
    on_event: Callable[[Event], None] | None = None,
    timeout_s: float | None = None,
    poll_s: float = 0.1,
) -> dict[str, Any]:
    """Shows a job's events until it ends, and returns its result; ToolFailed when it failed or took too long.

    Ctrl-C, or Cancelled raised by `on_event`, stops the job as well. Any other error leaves it running, to be attached.
    """
    return wait_all(executor, {"": handle}, on_event, timeout_s, poll_s)[""]


def _ignore(event: Event) -> None:
    """Shows nothing."""


def wait_all(
    executor: Executor,
    handles: Mapping[str, JobHandle],
    on_event: Callable[[Event], None] | None = None,
    timeout_s: float | None = None,
    poll_s: float = 0.1,
) -> dict[str, dict[str, Any]]:
    """As `wait`, for jobs that run side by side: their results by name. When one fails the others are stopped.

    Each event says in `job` which one it is from.
    """
    deadline = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
    show = on_event or _ignore
    offsets = dict.fromkeys(handles, 0)
    waiting = dict(handles)
    try:
        while waiting:
            for name, handle in list(waiting.items()):
                status = executor.poll(handle)  # before the logs: those of a job that ended are whole
                events, offsets[name] = executor.logs(handle, offsets[name])
                for event in events:
                    show({**event, "job": name} if name else event)
                if status.state == "done":
                    del waiting[name]
                elif status.state == "cancelled":
                    raise Cancelled(f"{handle.module} was cancelled")
                elif status.state == "failed":
                    kind = JobLost if status.lost else ToolFailed
                    raise kind(f"{handle.module} failed: {status.message} (its files: {handle.folder})")
            if waiting and time.monotonic() > deadline:
                modules = ", ".join(handle.module for handle in waiting.values())
                raise ToolFailed(f"{modules} passed the limit of {timeout_s:g} s and was stopped")
            if waiting:
                time.sleep(poll_s)
    except (KeyboardInterrupt, Cancelled, ToolFailed):
        with ExitStack() as stops:  # every one is stopped, also when stopping one fails
            for handle in waiting.values():
                stops.callback(executor.cancel, handle)
        raise
    return {name: executor.fetch(handle) for name, handle in handles.items()}
