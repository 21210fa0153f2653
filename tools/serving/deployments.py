"""Deployments: named endpoints of students on this machine that outlive the agent; `replacing` changes what one serves.

A client always speaks with the deployment's front, which stays at its address while servers come and go.
"""

import shutil
import time
from functools import partial
from pathlib import Path

from ...state.errors import Correctable
from .client import chat
from .conversion import fingerprint
from .front_job import certificates_in
from .job import ServeJob, read_key
from .measuring import LatencyReport, ThroughputReport, measure_latency, measure_throughput
from .processes import KEY_FILE
from .records import (
    RECORD_FILE,
    Changed,
    Deployment,
    IfStill,
    folder_of,
    get,
    is_same,
    listing,
    locked,
    needs_to_run,
    over,
    read,
    route_to,
    server_folder,
    whatever,
    write,
)
from .retiring import retire
from .starting import (
    LOCALLY,
    Move,
    Place,
    RunningFront,
    RunningServer,
    Terms,
    ask_server,
    check,
    discard,
    end_front,
    end_server,
    end_strays,
    front_of,
    living_front,
    new_server_folder,
    port_again,
    port_of,
    start_front,
    start_server,
    terms_of,
)
from .temporary import TemporaryServer, temporary_server
from .vllm import EngineChoice, choose_engine

__all__ = [
    "RECORD_FILE",
    "Deployment",
    "LatencyReport",
    "TemporaryServer",
    "ThroughputReport",
    "ask",
    "get",
    "health_check",
    "listing",
    "measure_latency",
    "measure_throughput",
    "start",
    "start_again",
    "stop",
    "temporary_server",
]


def start(
    workspace: Path,
    name: str,
    model_dir: Path,
    run_id: str,
    *,
    place: Place | None = None,
    engine: EngineChoice = "auto",
    probe: str | None = None,
    terms: Terms = LOCALLY,
    renew: bool = False,
    if_still: IfStill = whatever,
) -> Deployment:
    """Serves a model under a name and returns when it answers; `probe` is a prompt it must answer to be accepted. `place` is where
    clients find it; null: where they do, or any free port.

    The same run and model, already running under that name, is returned as it is, unless it is to `renew` its hours. Another one is
    replaced without a test: it ends when its last answer is written.
    Raises Changed, Correctable (name, folder, port), ToolFailed (with the end of the server's log), NotAvailable (no vllm).
    """
    folder, model_dir = folder_of(workspace, name), model_dir.resolve()
    model_sha256 = fingerprint(model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        old = read(folder)
        if not if_still(old):
            raise Changed(name)
        runs = old is not None and old.status == "ready"
        if old and runs and front_of(old):
            route_to(old)  # before strays end: a replacement that was killed may have routed to one of them
        end_strays(folder, keep=old)
        same = old is not None and (old.run_id, old.model_dir, old.model_sha256) == (run_id, model_dir, model_sha256)
        if old and runs and same and place is None and not renew:
            return old
        there = living_front(old) if old and old.status != "stopped" else None
        kept = there if place is None and old and old.status != "ended" else None  # then it ends itself in a moment
        ended_first = there if place is not None and old is not None and place.port == port_of(old) else None
        if place is not None:
            check(place, is_free=ended_first is None)
        server_at = new_server_folder(folder)
        job = ServeJob(
            model_dir=model_dir,
            served_name=name,
            api_key_file=server_at / KEY_FILE,
            engine=engine if terms.host else choose_engine(engine),
            threads=terms.threads,
            stop_after_s=terms.stop_after_s,
        )
        at_once = None if kept or ended_first else place or Place()
        server, begun = start_server(folder, job, front=at_once, host=terms.host)
        try:
            if probe is not None:
                ask_server(server, name, probe)
            if ended_first:
                end_front(ended_first)
                begun = start_front(folder, place or Place())
            front = begun or kept
            assert front is not None
            new = recorded(name, front, server, job, run_id, model_sha256, old, terms)
            route_to(new)
        except BaseException:
            try:
                if old and runs and kept:
                    route_to(old)
            finally:
                discard(server.pid, server.folder)
                if begun is not None:
                    end_front(begun)
            raise
        write(folder, new)
        if old is None:
            return new
        if kept and runs:
            return retire(folder, new, old, lambda text: None)
        end_server(old)
        shutil.rmtree(server_folder(old), ignore_errors=True)
        if there and not kept and not ended_first:
            end_front(there)
        return new


def recorded(
    name: str,
    front: RunningFront,
    server: RunningServer,
    job: ServeJob,
    run_id: str,
    model_sha256: str,
    old: Deployment | None,
    terms: Terms,
) -> Deployment:
    """The record of a deployment whose server and front run."""
    same = old is not None and (old.run_id, old.model_sha256) == (run_id, model_sha256)
    ends = None if job.stop_after_s is None else server.endpoint.started_at + job.stop_after_s
    again = same and old is not None and old.status != "ready"
    return Deployment(
        name=name,
        base_url=front.base_url,
        api_key_file=front.api_key_file,
        model_dir=job.model_dir,
        model_sha256=model_sha256,
        engine=server.endpoint.engine,
        pid=server.pid,
        process_created_at=server.created_at,
        started_at=server.endpoint.started_at,
        status="ready",
        run_id=run_id,
        until=ends if terms.until is None else terms.until,
        version=1 if old is None else old.version if again else old.version + 1,
        server_folder=server.folder,
        server_url=server.url,
        front_pid=front.pid,
        front_created_at=front.created_at,
        host=front.place.host,
        tls_certificate=front.place.tls_certificate,
        tls_key=front.place.tls_key,
        threads=job.threads,
        previous=None if old is None else old.previous if same else old.as_version(),
        usd_per_hour=terms.usd_per_hour,
        about=terms.about,
        offer=terms.host.offer if terms.host else None,
        usd_before=old.usd if old else 0.0,
    )


def start_again(workspace: Path, name: str, move: Move | None = None, *, hours: float | None = None) -> Deployment:
    """Serves a deployment's model under its name again, at the port it had where that is free, and no longer than was paid for, or for
    so many hours from now; one that runs is returned as it is, unless it is to move or to have other hours. Clients need another key
    only after it was stopped.

    Raises as `start` does, and Correctable when that time is over.
    """
    old = get(workspace, name)
    if hours is None and old.until is not None and old.until <= time.time():
        raise Correctable(over(name))
    return start(
        workspace,
        name,
        old.model_dir,
        old.run_id,
        place=_place_again(old, move),
        engine=old.engine,
        terms=terms_of(workspace, old, hours),
        renew=hours is not None,
        if_still=partial(is_same, old),
    )


def _place_again(old: Deployment, move: Move | None) -> Place | None:
    """Where a new front is to be; null where the one there was still runs and stays."""
    lives = old.status != "stopped" and living_front(old) is not None
    if lives and old.status != "ended" and move is None and not _is_renewed(old):
        return None
    move = move or Move()
    known = old.status != "stopped" and old.api_key_file.is_file()
    return Place(
        host=move.host or old.host,
        port=move.port or (port_of(old) if lives else port_again(old)),
        tls_certificate=move.tls_certificate or old.tls_certificate,
        tls_key=move.tls_key or old.tls_key,
        api_key=read_key(old.api_key_file) if known else None,
    )


def _is_renewed(old: Deployment) -> bool:
    """Whether the file of its certificate holds another one than its front shows."""
    if old.tls_certificate is None or old.trusted_certificate is None:
        return False
    try:
        return certificates_in(old.tls_certificate) != certificates_in(old.trusted_certificate)
    except OSError:
        return False


def stop(workspace: Path, name: str, *, if_still: IfStill = whatever) -> Deployment:
    """Stops a deployment's server and front and destroys their keys; the record and the server's log stay. Raises Correctable, Changed."""
    folder = folder_of(workspace, name)
    if folder.is_dir() and read(folder) is None:
        with locked(folder):
            if read(folder) is None:  # a first start that was killed
                end_strays(folder, keep=None)
    get(workspace, name)
    with locked(folder):
        deployment = get(workspace, name)
        if not if_still(deployment):
            raise Changed(name)
        end_strays(folder, keep=deployment)
        cost = deployment.usd
        _end(deployment)
        if deployment.offer is not None:
            cost = deployment.usd  # as SkyPilot reports
        (server_folder(deployment) / KEY_FILE).unlink(missing_ok=True)
        deployment.api_key_file.unlink(missing_ok=True)  # of a record without a front
        stopped = deployment.model_copy(update={"status": "stopped", "usd_before": cost})
        write(folder, stopped)
        return stopped


def _end(deployment: Deployment) -> None:
    """The server first: it tells those whose answers it cuts."""
    end_server(deployment)
    if front := front_of(deployment):
        end_front(front)


def health_check(deployment: Deployment, prompt: str, *, max_tokens: int | None = None) -> str:
    """The deployment's answer to a real request through the `openai` client. Raises ToolFailed, Correctable."""
    return _chat(deployment, prompt, max_tokens=max_tokens)


def ask(
    workspace: Path, name: str, prompt: str, *, max_tokens: int | None = None, temperature: float | None = None
) -> str:
    """A deployment's answer. Raises Correctable (no such name, prompt refused), ToolFailed (not running)."""
    deployment = get(workspace, name)
    needs_to_run(deployment)
    return _chat(deployment, prompt, max_tokens=max_tokens, temperature=temperature)


def _chat(
    deployment: Deployment, prompt: str, *, max_tokens: int | None = None, temperature: float | None = None
) -> str:
    return chat(
        deployment.base_url,
        read_key(deployment.api_key_file),
        deployment.name,
        prompt,
        max_tokens=max_tokens,
        temperature=temperature,
        certificate=deployment.trusted_certificate,
    )
