"""Deployments: named endpoints of students on this machine that outlive the agent; `replacing` changes what one serves.

A client always speaks with the deployment's front, which stays at its address while servers come and go.
"""

import shutil
import time
from pathlib import Path

from ...state.errors import Correctable
from .client import chat
from .conversion import fingerprint
from .job import ServeJob, read_key
from .measuring import LatencyReport, ThroughputReport, measure_latency, measure_throughput
from .processes import KEY_FILE
from .records import (
    RECORD_FILE,
    Deployment,
    folder_of,
    get,
    listing,
    locked,
    needs_to_run,
    over,
    read,
    route_to,
    server_folder,
    write,
)
from .starting import (
    LOCALLY,
    Place,
    RunningFront,
    RunningServer,
    Terms,
    ask_server,
    discard,
    end_front,
    end_server,
    end_strays,
    front_of,
    living_front,
    new_server_folder,
    port_again,
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
) -> Deployment:
    """Serves a model under a name and returns when it answers; `probe` is a prompt it must answer to be accepted. `place` is where
    clients find it; null: where they do, or any free port.

    The same run and model, already running under that name, is returned as it is. Another one is replaced: it is
    stopped after the new one has been checked, or before, where both were to have one fixed port.
    Raises Correctable (name, folder, port), ToolFailed (with the end of the server's log), NotAvailable (no vllm).
    """
    folder, model_dir = folder_of(workspace, name), model_dir.resolve()
    model_sha256 = fingerprint(model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        old = read(folder)
        end_strays(folder, keep=old)
        kept = None
        if old and old.status == "dead" and place is None:
            kept = living_front(old)
        if old and old.status == "ready":
            if (old.run_id, old.model_dir, old.model_sha256) == (run_id, model_dir, model_sha256) and place is None:
                return old
            kept = front_of(old) if place is None else None
            if place and place.port and old.base_url.endswith(f":{place.port}/v1"):
                _end(old)
        server_at = new_server_folder(folder)
        job = ServeJob(
            model_dir=model_dir,
            served_name=name,
            api_key_file=server_at / KEY_FILE,
            engine=engine if terms.host else choose_engine(engine),
            threads=terms.threads,
            stop_after_s=terms.stop_after_s,
        )
        server, begun = start_server(folder, job, front=None if kept else place or Place(), host=terms.host)
        front = begun or kept
        assert front is not None
        try:
            if probe is not None:
                ask_server(server, name, probe)
            new = recorded(name, front, server, job, run_id, model_sha256, old, terms)
            route_to(new)
        except BaseException:
            discard(server.pid, server.folder)
            if begun is not None:
                end_front(begun)
            raise
        write(folder, new)
        if old:
            end_server(old)
            shutil.rmtree(server_folder(old), ignore_errors=True)
            if kept is None and (front_before := front_of(old)):
                end_front(front_before)
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
        until=None if job.stop_after_s is None else server.endpoint.started_at + job.stop_after_s,
        version=1 if old is None else old.version if same else old.version + 1,
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


def start_again(workspace: Path, name: str, place: Place | None = None, *, hours: float | None = None) -> Deployment:
    """Serves a deployment's model under its name again, at the port it had where that is free, and no longer than was paid for, or for
    so many hours from now; one that runs is returned as it is, unless it is to have another place. One that died has its key again too;
    one that was stopped, a new one.

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
        place=place or _place_again(old),
        engine=old.engine,
        terms=terms_of(workspace, old, hours),
    )


def _place_again(old: Deployment) -> Place | None:
    """Where a new front is to be; null where the one there was still runs."""
    if old.status == "ready" or (old.status == "dead" and living_front(old)):
        return None
    known = old.status == "dead" and old.api_key_file.is_file()
    return Place(
        host=old.host,
        port=port_again(old),
        tls_certificate=old.tls_certificate,
        tls_key=old.tls_key,
        api_key=read_key(old.api_key_file) if known else None,
    )


def stop(workspace: Path, name: str) -> Deployment:
    """Stops a deployment's server and front and destroys their keys; the record and the server's log stay. Raises Correctable."""
    folder = folder_of(workspace, name)
    get(workspace, name)
    with locked(folder):
        deployment = get(workspace, name)
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
        certificate=deployment.tls_certificate,
    )
