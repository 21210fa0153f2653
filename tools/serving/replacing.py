"""Replacing what a deployment serves while it is asked: the new version is tried first, then takes over between two requests.

It takes over only after it passed a smoke evaluation on an endpoint of its own, and is asked once more through the deployment's. Where
it fails, or is not ready in time, the old one goes on, and nothing of the new one is left running. The old one ends when the last answer
that it had begun is written. Both are in memory meanwhile.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ...state.errors import Correctable, StratosError, ToolFailed
from .conversion import fingerprint
from .deployments import health_check, recorded, start, stop
from .job import ServeJob, read_key
from .processes import KEY_FILE
from .records import (
    Changed,
    Deployment,
    IfStill,
    Version,
    folder_of,
    get,
    is_same,
    listing,
    locked,
    read,
    route_to,
    whatever,
    write,
)
from .retiring import drain, retire
from .smoke import SmokeReport, SmokeTest, smoke
from .starting import (
    PROBE_TOKENS,
    RunningServer,
    Terms,
    discard,
    end_strays,
    front_of,
    new_server_folder,
    start_server,
    terms_of,
)
from .vllm import EngineChoice, choose_engine


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
    if_still: IfStill = whatever,
) -> Deployment:
    """Puts another model behind a deployment that runs, at the same address, with the same key; on other terms, where they are given.

    Raises Changed, Correctable (nothing runs under that name, or that model already), NotAvailable, ToolFailed: the new version did
    not start, was not ready in time or did not pass; the old one serves then, and `failed.log` beside the record holds the new one's log.
    """
    folder, model_dir = folder_of(workspace, name), model_dir.resolve()
    get(workspace, name)
    with locked(folder):
        old = _running(folder, name, if_still)
        model_sha256 = fingerprint(model_dir)
        if (old.run_id, old.model_dir, old.model_sha256) == (run_id, model_dir, model_sha256):
            raise Correctable(f"{name!r} serves that model already, as version {old.version}")
        terms = terms or terms_of(workspace, old)
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
        new = _taken_over(old, new, server, test, say)
        write(folder, new)
        return retire(folder, new, old, say)


def rollback(
    workspace: Path,
    name: str,
    test: SmokeTest,
    *,
    terms: Terms | None = None,
    ready_within_s: float | None = None,
    say: Callable[[str], None] = lambda text: None,
    if_still: IfStill = whatever,
) -> Deployment:
    """Brings back, in the same way, what the running version replaced. Raises as `replace` does, and Correctable where it replaced
    nothing or the old model's files were changed."""
    found = get(workspace, name)
    if not if_still(found):
        raise Changed(name)
    if (before := found.previous) is None:
        raise nothing_before(name)
    _refuse_changed_files(before)
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
        if_still=partial(is_same, found),
    )


def withdraw(
    workspace: Path, name: str, run_id: str, test: SmokeTest, *, say: Callable[[str], None] = lambda text: None
) -> None:
    """Ends what a run serves under a name. What that had replaced serves again, on the terms that it had, where its clients may still
    expect it. Where another command has replaced or stopped it meanwhile, that stays as it is. Raises as `rollback` does."""
    found = next((one for one in listing(workspace) if one.name == name), None)
    if found is None or found.run_id != run_id or found.status == "stopped":
        return
    before, unchanged = found.previous, partial(is_same, found)
    try:
        if before is None or not before.is_due:
            stop(workspace, name, if_still=unchanged)
            return
        _refuse_changed_files(before)
        terms = terms_of(workspace, before)
        if found.status == "ready" and front_of(found) is not None:
            rollback(workspace, name, test, terms=terms, say=say, if_still=unchanged)
        else:
            start(
                workspace, name, before.model_dir, before.run_id, engine=before.engine, terms=terms, if_still=unchanged
            )
    except Changed:
        return
    folder = folder_of(workspace, name)
    with locked(folder):  # what was withdrawn is nothing to go back to
        now = read(folder)
        if now is not None and now.run_id == before.run_id and now.previous and now.previous.run_id == run_id:
            write(folder, now.model_copy(update={"previous": before.previous}))


def _refuse_changed_files(before: Version) -> None:
    if fingerprint(before.model_dir) != before.model_sha256:
        raise Correctable(
            f"the files of version {before.number} in {str(before.model_dir)!r} are no longer what it served"
        )


def nothing_before(name: str) -> Correctable:
    """Said where there is nothing to go back to."""
    return Correctable(f"{name!r} has replaced nothing: there is no version to go back to")


def _running(folder: Path, name: str, if_still: IfStill) -> Deployment:
    """The deployment, whose front routes to what its record says."""
    old = read(folder)
    assert old is not None
    if not if_still(old):
        raise Changed(name)
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
        try:
            route_to(old)
            if isinstance(error, StratosError):
                drain(old, new.version, say)  # what clients had begun to ask it
        finally:
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
