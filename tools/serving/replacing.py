"""Replacing what a deployment serves while it is asked: the new version is tried first, then takes over between two requests.

It takes over only after it passed a smoke evaluation on an endpoint of its own, and is asked once more through the deployment's. Where
it fails, or is not ready in time, the old one goes on, and nothing of the new one is left running. The old one ends when the last answer
that it had begun is written. Both are in memory meanwhile.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ...state.errors import Correctable, StratosError, ToolFailed
from .conversion import fingerprint
from .deployments import health_check, recorded
from .job import ServeJob, read_key
from .processes import KEY_FILE
from .records import Deployment, folder_of, get, locked, read, route_to, server_folder, traffic, write
from .smoke import SmokeReport, SmokeTest, smoke
from .starting import (
    PROBE_TOKENS,
    RunningServer,
    Terms,
    discard,
    end_server,
    end_strays,
    front_of,
    new_server_folder,
    start_server,
    terms_of,
)
from .vllm import EngineChoice, choose_engine

DRAIN_S = 600.0
"""As long as one answer may take; what is not written then is cut."""
POLL_S = 0.05


def replace(
    workspace: Path,
    name: str,
    model_dir: Path,
    run_id: str,
    test: SmokeTest,
    *,
    engine: EngineChoice = "auto",
    terms: Terms | None = None,
    ready_within_s: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Deployment:
    """Puts another model behind a deployment that runs, at the same address, with the same key; on other terms, where they are given.

    Raises Correctable (nothing runs under that name, or that model already), NotAvailable, ToolFailed: the new version did not start,
    was not ready in time or did not pass; the old one serves then, and `failed.log` beside the record holds the new one's log.
    """
    folder, model_dir = folder_of(workspace, name), model_dir.resolve()
    get(workspace, name)
    with locked(folder):
        old = _running(folder, name)
        model_sha256 = fingerprint(model_dir)
        if (old.run_id, old.model_dir, old.model_sha256) == (run_id, model_dir, model_sha256):
            raise Correctable(f"{name!r} serves that model already, as version {old.version}")
        until, terms = old.until if terms is None else None, terms or terms_of(workspace, old)
        server_at = new_server_folder(folder)
        job = ServeJob(
            model_dir=model_dir,
            served_name=name,
            api_key_file=server_at / KEY_FILE,
            engine=engine if terms.host else choose_engine(engine),
            threads=terms.threads,
            stop_after_s=terms.stop_after_s,
        )
        front = front_of(old)
        assert front is not None
        say(f"version {old.version + 1} is started beside version {old.version}")
        try:
            server, _ = start_server(folder, job, timeout_s=ready_within_s, host=terms.host)
        except ToolFailed as error:
            raise ToolFailed(f"{_kept(old)}; the new one did not start: {error}") from error
        new = recorded(name, front, server, job, run_id, model_sha256, old, terms)
        new = new if until is None else new.model_copy(update={"until": until})
        new = _taken_over(old, new, server, test, say)
        write(folder, new)
        _drain(new, old, say)
        end_server(old)
        if old.offer is not None:
            new = new.model_copy(update={"usd_before": old.usd})  # as SkyPilot reports, its end included
            write(folder, new)
        shutil.rmtree(server_folder(old), ignore_errors=True)
        return new


def rollback(
    workspace: Path,
    name: str,
    test: SmokeTest,
    *,
    terms: Terms | None = None,
    ready_within_s: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Deployment:
    """Brings back, in the same way, what the running version replaced. Raises as `replace` does, and Correctable where it replaced
    nothing or the old model's files were changed."""
    before = get(workspace, name).previous
    if before is None:
        raise nothing_before(name)
    if fingerprint(before.model_dir) != before.model_sha256:
        raise Correctable(
            f"the files of version {before.number} in {str(before.model_dir)!r} are no longer what it served"
        )
    return replace(
        workspace,
        name,
        before.model_dir,
        before.run_id,
        test,
        engine=before.engine,
        terms=terms,
        ready_within_s=ready_within_s,
        say=say,
    )


def nothing_before(name: str) -> Correctable:
    """Said where there is nothing to go back to."""
    return Correctable(f"{name!r} has replaced nothing: there is no version to go back to")


def _running(folder: Path, name: str) -> Deployment:
    """The deployment, whose front routes to what its record says."""
    old = read(folder)
    assert old is not None
    if old.status != "ready":
        raise Correctable(f"{name!r} is {old.status}: `stratos deployments start {name}` first")
    if front_of(old) is None:
        raise Correctable(
            f"{name!r} was started by an older Stratos, and its server holds the address itself: "
            f"`stratos deployments stop {name}`, then start it"
        )
    route_to(old)  # before strays end: a replacement that was killed may have routed to one of them
    end_strays(folder, keep=old)
    return old


def _taken_over(
    old: Deployment, new: Deployment, server: RunningServer, test: SmokeTest, say: Callable[[str], None]
) -> Deployment:
    """The new version's record, once it passed and is routed to. What fails is ended, and the old one routed to."""
    try:
        report = smoke(test, server.url, read_key(server.folder / KEY_FILE), new.name)
        say(_told(report))
        if report.problems:
            raise ToolFailed("; ".join(report.problems))
        route_to(new)
        health_check(new, test.prompts[0], max_tokens=test.max_tokens or PROBE_TOKENS)
    except BaseException as error:  # Ctrl-C too
        route_to(old)
        discard(server.pid, server.folder)
        if isinstance(error, StratosError):
            raise ToolFailed(f"{_kept(old)}; the new one did not pass: {error}") from error
        raise
    say(f"version {new.version} answers now")
    return new.model_copy(update={"smoke": report})


def _told(report: SmokeReport) -> str:
    took = f", half of them within {report.p50_ms:.1f} ms" if report.p50_ms is not None else ""
    most = f" (at most {report.most_p50_ms:g} ms wanted)" if report.most_p50_ms is not None else ""
    return (
        f"smoke evaluation: {report.right} of {report.asked} right (at least {report.least_right} wanted), "
        f"{report.failed} failed{took}{most}"
    )


def _kept(old: Deployment) -> str:
    return f"version {old.version} goes on serving {old.name!r}"


def _drain(new: Deployment, old: Deployment, say: Callable[[str], None]) -> None:
    """Waits until the old version's last answer is written."""
    until = time.monotonic() + DRAIN_S
    while time.monotonic() < until:
        found = traffic(new)
        carried = found.versions.get(old.version) if found else None
        if found is not None and (carried is None or carried.in_flight == 0):
            say(f"version {old.version} has written its last answer and ends")
            return
        time.sleep(POLL_S)
    say(f"version {old.version} was still writing after {DRAIN_S:.0f} s and is cut")
