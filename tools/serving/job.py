"""The serve job: a model behind an OpenAI-compatible endpoint until it is told to stop."""

import errno
import json
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ...state.errors import Correctable
from ..jobs import Job, report, write_atomic
from .engine import Engine, EngineName, PromptError, Settings, open_engine
from .vllm import choose_engine, free_port, run_vllm, vllm_command

ENDPOINT_FILE = "endpoint.json"


class ServerJob(Job):
    """What every server is told; the key itself is only ever in the file `api_key_file`, of mode 0600."""

    api_key_file: Path
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535, description="0 picks a free one")
    threads: int = Field(default=1, ge=1)
    stop_with_stdin: bool = Field(
        default=False, description="stop when standard input closes: its writer's death ends this"
    )


class ServeJob(ServerJob):
    """Which model to serve and how."""

    model_dir: Path
    served_name: str
    engine: Literal["auto", "ctranslate2", "vllm"] = "auto"
    max_batch: int = Field(default=32, ge=1)
    max_wait_ms: float = Field(default=4.0, ge=0)
    max_queue: int = Field(default=256, ge=1)
    max_model_len: int | None = Field(
        default=None, ge=1, description="only ever lowers what the model's config.json gives"
    )
    gpu_memory_share: float | None = Field(default=None, gt=0, le=1, description="of vLLM; null: its own default")
    # Greedy unless a client asks otherwise: those are the answers the evaluation measured.
    default_temperature: float = Field(default=0.0, ge=0, le=2)
    stop_after_s: float | None = Field(
        default=None, gt=0, description="stop by itself when it was ready for so long; null: never"
    )


class Address(BaseModel):
    """`endpoint.json`: where a ready server answers."""

    model_config = ConfigDict(frozen=True)
    base_url: str
    pid: int
    started_at: float


class Endpoint(Address):
    """That of a model's server."""

    engine: EngineName
    model: str


def run(job: ServeJob, folder: Path) -> Mapping[str, object]:
    """Serves until SIGTERM or SIGINT; `endpoint.json` is there exactly while the server is ready."""
    (folder / ENDPOINT_FILE).unlink(missing_ok=True)
    if job.stop_with_stdin:
        stop_with_stdin()
    key = read_key(job.api_key_file)
    started_at = time.time()
    try:
        if choose_engine(job.engine) == "vllm":
            _run_vllm(job, key, folder)
        else:
            _run_cpu(job, key, folder)
    finally:
        (folder / ENDPOINT_FILE).unlink(missing_ok=True)
    return {"stopped_at": time.time(), "seconds": round(time.time() - started_at, 3)}


def read_key(path: Path) -> str:
    """The API key in a file that only its owner can read. Raises Correctable."""
    if not path.is_file():
        raise Correctable(f"no API key at {str(path)!r}")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise Correctable(f"{str(path)!r} has mode {mode:04o}, others can read the key in it; chmod it to 0600")
    if not (key := path.read_text(encoding="utf-8").strip()):
        raise Correctable(f"{str(path)!r} is empty")
    return key


def _run_cpu(job: ServeJob, key: str, folder: Path) -> None:
    from .asgi import serve
    from .batcher import Batcher
    from .server import Service, create_app

    listener = listen(job.host, job.port)
    engine = open_engine(job.model_dir, threads=job.threads, max_model_len=job.max_model_len)
    _warm_up(engine)
    batcher = Batcher(
        engine,
        workers=job.threads,
        max_batch=job.max_batch,
        max_wait_ms=job.max_wait_ms,
        max_queue=job.max_queue,
    )
    app = create_app(
        Service(
            engine=engine,
            batcher=batcher,
            served_name=job.served_name,
            api_key=key,
            default_temperature=job.default_temperature,
        )
    )
    port = listener.getsockname()[1]
    serve(app, listener, lambda: _write_endpoint(job, folder, port, "ctranslate2"), batcher.close)


def _warm_up(engine: Engine) -> None:
    """What the first request would wait for: the first batch, and compiling the chat template."""
    engine.generate([[0]], Settings(max_tokens=1))
    with suppress(PromptError):  # a tokenizer without <unk> may know no "1"
        engine.encode_chat([{"role": "user", "content": "1"}])


def _run_vllm(job: ServeJob, key: str, folder: Path) -> None:
    port = job.port or free_port(job.host)
    command = vllm_command(
        job.model_dir,
        job.served_name,
        job.host,
        port,
        job.max_model_len,
        job.default_temperature,
        job.gpu_memory_share,
    )
    run_vllm(
        command, key, f"http://{url_host(job.host)}:{port}/health", lambda: _write_endpoint(job, folder, port, "vllm")
    )


def _write_endpoint(job: ServeJob, folder: Path, port: int, engine: EngineName) -> None:
    """It is ready: from now on its hours count."""
    if job.stop_after_s is not None:
        timer = threading.Timer(job.stop_after_s, os.kill, (os.getpid(), signal.SIGTERM))
        timer.daemon = True
        timer.start()
    endpoint = Endpoint(
        base_url=f"http://{url_host(job.host)}:{port}/v1",
        pid=os.getpid(),
        started_at=time.time(),
        engine=engine,
        model=job.served_name,
    )
    write_atomic(folder / ENDPOINT_FILE, json.dumps(endpoint.model_dump(mode="json")))
    report("note", text="serving", base_url=endpoint.base_url, model=job.served_name, engine=engine)


def listen(host: str, port: int) -> socket.socket:
    """An open socket. Bound before the model is loaded, so that a port in use is told at once. Raises Correctable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named TCP, not left to 0: asyncio switches Nagle's delay off only for sockets that say so, and with it on every answer
    # on a kept connection waits 40 ms for an acknowledgement (48 ms against 7 ms at the median, measured).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        free = "; without a port a free one is taken" if error.errno == errno.EADDRINUSE else ""
        raise Correctable(f"cannot listen on {host!r} port {port}: {error.strerror}{free}") from error
    return listener


def url_host(host: str) -> str:
    """A host as URLs want it; a server that listens on every address is reached here by loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def stop_with_stdin() -> None:
    """Ends this process, as SIGTERM does, when its standard input closes."""

    def wait() -> None:
        # Not sys.stdin: its lock, held by a waiting thread, is a fatal error at the interpreter's end.
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="stdin", daemon=True).start()
