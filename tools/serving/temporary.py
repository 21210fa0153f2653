"""A server of this process alone, for measuring: no front, no record, and it ends with its starter."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from . import processes
from .engine import EngineName
from .job import Endpoint, ServeJob, read_key
from .starting import CPU_READY_TIMEOUT_S
from .vllm import READY_TIMEOUT_S, EngineChoice, choose_engine


class TemporaryServer(BaseModel):
    """A server that lives as long as a `with` block; `ready_s` is how long its start took."""

    model_config = ConfigDict(frozen=True)
    base_url: str
    api_key: str
    model: str
    engine: EngineName
    pid: int
    ready_s: float


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
        timeout_s = READY_TIMEOUT_S if job.engine == "vllm" else CPU_READY_TIMEOUT_S
        endpoint = processes.wait_until_ready(process, folder, timeout_s, Endpoint)
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
