"""Deployments: named servers of students on this machine that outlive the agent, one folder each in the workspace.

`<workspace>/deployments/<name>/` holds `deployment.json`, the record, and `servers/<id>/`, the job folder of the server
that runs (two while one replaces the other). Importing this is cheap: no engine, server or client is imported.
"""

import re
import secrets
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ...state.errors import Correctable, ToolError, ToolFailed
from ..jobs import write_atomic
from . import processes
from .client import api_alive, chat, healthy
from .conversion import fingerprint
from .engine import EngineName
from .job import Endpoint, ServeJob, read_key
from .measuring import LatencyReport, ThroughputReport, measure_latency, measure_throughput
from .vllm import READY_TIMEOUT_S, choose_engine

__all__ = [
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

RECORD_FILE = "deployment.json"
FAILED_LOG_FILE = "failed.log"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
CPU_READY_TIMEOUT_S = 600
"""A start takes 2 s, 6 s with the first conversion; of a model of half a billion weights 115 s, on a machine that trained meanwhile
(all measured). The rest is room."""

PROBE_TOKENS = 64
"""A model that never ends its answers can still be served."""

Status = Literal["ready", "dead", "ended", "stopped"]
"""dead: its server is gone before its time; ended: it was served for as long as was paid for."""
EngineChoice = Literal["auto", "ctranslate2", "vllm"]


class Deployment(BaseModel):
    """A named server; `status` is as of when this was read, `model_sha256` says which weights it serves."""

    model_config = ConfigDict(frozen=True)
    name: str
    base_url: str
    api_key_file: Path
    model_dir: Path
    model_sha256: str
    engine: EngineName
    pid: int
    process_created_at: float
    started_at: float
    status: Status
    run_id: str
    until: float | None = None
    """When it stops by itself, seconds since 1970: where serving costs money, it is served as long as was paid for."""


class TemporaryServer(BaseModel):
    """A server that lives as long as a `with` block; `ready_s` is how long its start took."""

    model_config = ConfigDict(frozen=True)
    base_url: str
    api_key: str
    model: str
    engine: EngineName
    pid: int
    ready_s: float


def start(
    workspace: Path,
    name: str,
    model_dir: Path,
    run_id: str,
    *,
    port: int = 0,
    engine: EngineChoice = "auto",
    threads: int = 1,
    probe: str | None = None,
    hours: float | None = None,
) -> Deployment:
    """Serves a model under a name and returns when it answers; `probe` is a prompt it must answer to be accepted.
    After `hours` it stops by itself; null: never.

    The same run and model, already running under that name, is returned as it is. Another one is replaced: it is
    stopped after the new one has been checked, or before, where both were to have one fixed port.
    Raises Correctable (name, folder, port), ToolFailed (with the end of the server's log), NotAvailable (no vllm).
    """
    folder, model_dir = _folder(workspace, name), model_dir.resolve()
    model_sha256 = fingerprint(model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        old = _read(folder)
        _end_strays(folder, keep=old)
        if old and old.status == "ready":
            if (old.run_id, old.model_dir, old.model_sha256) == (run_id, model_dir, model_sha256):
                return old
            if port and old.base_url.endswith(f":{port}/v1"):
                _end(old)
        server_folder = _new_server_folder(folder)
        job = ServeJob(
            model_dir=model_dir,
            served_name=name,
            api_key_file=processes.write_key(server_folder),
            port=port,
            engine=choose_engine(engine),
            threads=threads,
            stop_after_s=None if hours is None else 3600 * hours,
        )
        new = _started(job, server_folder, name, run_id, model_sha256, probe)
        _write(folder, new)
        if old:
            _end(old)
            shutil.rmtree(_server_folder(old), ignore_errors=True)
        return new


def get(workspace: Path, name: str) -> Deployment:
    """A deployment by name, its status as of now. Raises Correctable naming those there are."""
    found = _read(_folder(workspace, name))
    if found is None:
        names = [deployment.name for deployment in listing(workspace)]
        raise Correctable(f"no deployment {name!r}; there are: {', '.join(names) or 'none'}")
    return found


def listing(workspace: Path) -> list[Deployment]:
    """All deployments by name, their status as of now."""
    folders = sorted((workspace.resolve() / "deployments").glob(f"*/{RECORD_FILE}"))
    return [deployment for path in folders if (deployment := _read(path.parent))]


def start_again(workspace: Path, name: str) -> Deployment:
    """Serves a deployment's model under its name again, no longer than was paid for; one that runs is returned as it is.

    Raises as `start` does, and Correctable when that time is over.
    """
    recorded = get(workspace, name)
    hours = None if recorded.until is None else (recorded.until - time.time()) / 3600
    if hours is not None and hours <= 0:
        raise Correctable(_over(name))
    return start(workspace, name, recorded.model_dir, recorded.run_id, hours=hours)


def _over(name: str) -> str:
    return (
        f"{name!r} was served for as long as was paid for: another run of its request pays for more, and `stratos export` takes the "
        "model away"
    )


def stop(workspace: Path, name: str) -> Deployment:
    """Stops a deployment's server and destroys its key; the record and the log stay. Raises Correctable."""
    folder = _folder(workspace, name)
    get(workspace, name)
    with _locked(folder):
        deployment = get(workspace, name)
        _end_strays(folder, keep=deployment)
        _end(deployment)
        deployment.api_key_file.unlink(missing_ok=True)
        stopped = deployment.model_copy(update={"status": "stopped"})
        _write(folder, stopped)
        return stopped


def health_check(deployment: Deployment, prompt: str, *, max_tokens: int | None = None) -> str:
    """The deployment's answer to a real request through the `openai` client. Raises ToolFailed, Correctable."""
    key = read_key(deployment.api_key_file)
    return chat(deployment.base_url, key, deployment.name, prompt, max_tokens=max_tokens)


def ask(
    workspace: Path, name: str, prompt: str, *, max_tokens: int | None = None, temperature: float | None = None
) -> str:
    """A deployment's answer. Raises Correctable (no such name, prompt refused), ToolFailed (not running)."""
    deployment = get(workspace, name)
    if deployment.status == "ended":
        raise ToolFailed(_over(name))
    if deployment.status != "ready":
        raise ToolFailed(
            f"deployment {name!r} is {deployment.status}, it cannot answer: `stratos deployments start {name}`"
        )
    key = read_key(deployment.api_key_file)
    return chat(deployment.base_url, key, name, prompt, max_tokens=max_tokens, temperature=temperature)


@contextmanager
def temporary_server(
    model_dir: Path,
    folder: Path,
    *,
    engine: EngineChoice = "auto",
    threads: int = 1,
    served_name: str = "student",
    max_model_len: int | None = None,
    gpu_memory_share: float | None = None,
) -> Generator[TemporaryServer]:
    """A server of this process alone, in a job folder of its own; it ends with the block, or with this process if that dies.

    Raises Correctable, ToolFailed, NotAvailable as `start` does.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    key_file = processes.write_key(folder)
    job = ServeJob(
        model_dir=model_dir.resolve(),
        served_name=served_name,
        api_key_file=key_file,
        engine=choose_engine(engine),
        threads=threads,
        max_model_len=max_model_len,
        gpu_memory_share=gpu_memory_share,
        stop_with_stdin=True,
    )
    begun = time.monotonic()
    process = processes.launch(job, folder)
    try:
        endpoint = processes.wait_until_ready(process, folder, _timeout_s(job))
        yield TemporaryServer(
            base_url=endpoint.base_url,
            api_key=read_key(key_file),
            model=served_name,
            engine=endpoint.engine,
            pid=endpoint.pid,
            ready_s=time.monotonic() - begun,
        )
    finally:
        processes.end(processes.find(process.pid))
        processes.let_go(process)  # one that has ended by itself is found no more
        key_file.unlink(missing_ok=True)


def _started(
    job: ServeJob, server_folder: Path, name: str, run_id: str, model_sha256: str, probe: str | None
) -> Deployment:
    """Starts and checks; what fails the check is ended, and its log kept beside the record."""
    process = processes.launch(job, server_folder)
    try:
        endpoint = processes.wait_until_ready(process, server_folder, _timeout_s(job))
        deployment = _deployment(job, endpoint, name, run_id, model_sha256)
        if probe is not None:
            health_check(deployment, probe, max_tokens=PROBE_TOKENS)
        elif not api_alive(endpoint.base_url, read_key(job.api_key_file)):
            raise ToolFailed(f"the server refuses its own key; its log ends:\n{processes.log_tail(server_folder)}")
    except BaseException:  # Ctrl-C too: what was started here is not left behind
        processes.end(processes.find(process.pid))
        (server_folder / processes.SERVER_LOG_FILE).replace(server_folder.parents[1] / FAILED_LOG_FILE)
        shutil.rmtree(server_folder, ignore_errors=True)
        raise
    return deployment


def _deployment(job: ServeJob, endpoint: Endpoint, name: str, run_id: str, model_sha256: str) -> Deployment:
    process = processes.find(endpoint.pid)
    if process is None:
        raise ToolFailed("the server ended as soon as it was ready")
    return Deployment(
        name=name,
        base_url=endpoint.base_url,
        api_key_file=job.api_key_file,
        model_dir=job.model_dir,
        model_sha256=model_sha256,
        engine=endpoint.engine,
        pid=endpoint.pid,
        process_created_at=process.create_time(),
        started_at=endpoint.started_at,
        status="ready",
        run_id=run_id,
        until=None if job.stop_after_s is None else endpoint.started_at + job.stop_after_s,
    )


def _timeout_s(job: ServeJob) -> float:
    return READY_TIMEOUT_S if job.engine == "vllm" else CPU_READY_TIMEOUT_S


def _folder(workspace: Path, name: str) -> Path:
    if not NAME.fullmatch(name):
        rule = "lower-case letters, digits, '.', '_' and '-', at most 63, beginning with a letter or digit"
        raise Correctable(f"{name!r} is no deployment name: {rule}")
    return workspace.resolve() / "deployments" / name


def _new_server_folder(folder: Path) -> Path:
    server_folder = folder / "servers" / f"{int(time.time())}-{secrets.token_hex(4)}"
    server_folder.mkdir(parents=True)
    return server_folder


def _server_folder(deployment: Deployment) -> Path:
    return deployment.api_key_file.parent


def _read(folder: Path) -> Deployment | None:
    path = folder / RECORD_FILE
    if not path.is_file():
        return None
    recorded = Deployment.model_validate_json(path.read_text(encoding="utf-8"))
    if recorded.status == "stopped":
        return recorded
    process = processes.find(recorded.pid, _server_folder(recorded), recorded.process_created_at)
    alive = process is not None and healthy(recorded.base_url)
    is_over = recorded.until is not None and time.time() >= recorded.until
    return recorded.model_copy(update={"status": "ready" if alive else "ended" if is_over else "dead"})


def _write(folder: Path, deployment: Deployment) -> None:
    write_atomic(folder / RECORD_FILE, deployment.model_dump_json(indent=1))


def _end(deployment: Deployment) -> None:
    processes.end(processes.find(deployment.pid, _server_folder(deployment), deployment.process_created_at))


def _end_strays(folder: Path, keep: Deployment | None) -> None:
    """Servers of this name that no record names: their starter died in between."""
    for process in processes.strays(folder / "servers"):
        if keep is None or process.pid != keep.pid:
            processes.end(process)
    for server_folder in (folder / "servers").glob("*"):
        if keep is None or server_folder != _server_folder(keep):
            shutil.rmtree(server_folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / ".lock", timeout=READY_TIMEOUT_S):
            yield
    except Timeout as error:
        raise ToolError(f"another process has held {str(folder)!r} for {READY_TIMEOUT_S} s") from error
