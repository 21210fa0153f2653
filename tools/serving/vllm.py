"""vLLM as a program of its own environment: when to use it, its command line, and its life as the serve job's child."""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from ...state.errors import NotAvailable, ToolFailed
from ..jobs import process_environment
from .engine import EngineName

EngineChoice = Literal["auto", "ctranslate2", "vllm"]
PROGRAM_VARIABLE = "STRATOS_VLLM"
"""Of the environment: the program `vllm`, or the Python of the environment it is installed in; unset: `vllm` on the path."""
CPU_CACHE_GIB = "1"
"""Of keys and values, where vLLM runs on a CPU: its own default is half of the machine's memory."""
PR_SET_PDEATHSIG = 1
READY_TIMEOUT_S = 900
"""Assumption: weights of tens of GiB from a cold disk, then CUDA graph capture."""
STOP_TIMEOUT_S = 1.5


def gpu_present() -> bool:
    """Whether a GPU's device file is there (NVIDIA or ROCm); asks no driver, so it costs nothing."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists()


def program() -> str | None:
    """The path of vLLM's program, or of a Python that has it; None where there is none."""
    return shutil.which(os.environ.get(PROGRAM_VARIABLE) or "vllm")


def choose_engine(wanted: EngineChoice, gpu: Callable[[], bool] = gpu_present) -> EngineName:
    """vLLM where it is asked for, or where it is installed and a GPU is there. Raises NotAvailable."""
    if wanted == "vllm" and program() is None:
        raise NotAvailable(
            "no program 'vllm' on PATH: install vllm into an environment of its own and link it there, or name it, or that "
            f"environment's Python, in {PROGRAM_VARIABLE}"
        )
    if wanted == "auto":
        return "vllm" if program() and gpu() else "ctranslate2"
    return wanted


def vllm_command(
    model_dir: Path,
    served_name: str,
    host: str,
    port: int,
    max_model_len: int | None,
    default_temperature: float,
    gpu_memory_share: float | None = None,
) -> list[str]:
    """The command line; the key is not on it, because every user of the machine can read command lines."""
    command = [*_opening(), str(model_dir), "--served-model-name", served_name, "--host", host, "--port", str(port)]
    command += ["--override-generation-config", f'{{"temperature": {default_temperature}}}']
    # vLLM's "auto" makes bfloat16 of float32, which is what was measured: other answers would be served.
    command += ["--dtype", "float32"] if _stored_in_float32(model_dir) else []
    command += ["--gpu-memory-utilization", str(gpu_memory_share)] if gpu_memory_share else []
    return command + (["--max-model-len", str(max_model_len)] if max_model_len else [])


def _opening() -> list[str]:
    """The words before the model's folder. A Python is asked for the module: builds under another name than `vllm` have a
    program that looks for that name and ends."""
    found = program() or "vllm"
    if Path(found).name.startswith("python"):
        return [found, "-P", "-m", "vllm.entrypoints.openai.api_server", "--model"]
    return [found if os.environ.get(PROGRAM_VARIABLE) else "vllm", "serve"]


def _stored_in_float32(model_dir: Path) -> bool:
    """Whether the checkpoint's weights are, by its config; not so where it says nothing."""
    path = model_dir / "config.json"
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return (config.get("dtype") or config.get("torch_dtype")) == "float32"


def vllm_environment(api_key: str, gpu: Callable[[], bool] = gpu_present) -> dict[str, str]:
    """vLLM reads the key from VLLM_API_KEY; a process's environment is readable by its owner alone. On a CPU its threads are
    left where the system puts them: cores of its own it would take from whatever else runs."""
    cpu = {} if gpu() else {"VLLM_CPU_KVCACHE_SPACE": CPU_CACHE_GIB, "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    given = {name: os.environ[name] for name in cpu if name in os.environ}
    quiet = {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    return process_environment(VLLM_API_KEY=api_key, **quiet, **{**cpu, **given})


def free_port(host: str) -> int:
    """A port nobody listens on now; vLLM cannot be given an open socket."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def run_vllm(command: list[str], api_key: str, health_url: str, on_ready: Callable[[], None]) -> int:
    """Runs vLLM until it ends or this process is told to; returns its exit code. Raises ToolFailed.

    Must be called on the main thread: signals arrive there, and the child's parent-death signal is tied to it.
    """
    child = subprocess.Popen(command, env=vllm_environment(api_key), preexec_fn=die_with_parent)
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        child.terminate()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        if _wait_until_healthy(child, health_url):
            on_ready()
        while child.poll() is None and not stopping:
            time.sleep(0.2)
        with suppress(subprocess.TimeoutExpired):
            child.wait(STOP_TIMEOUT_S)
        if not stopping:
            raise ToolFailed(f"vllm ended by itself with exit code {child.returncode}")
        return child.returncode or 0
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait_until_healthy(child: "subprocess.Popen[bytes]", health_url: str) -> bool:
    import httpx

    until = time.monotonic() + READY_TIMEOUT_S
    with httpx.Client(trust_env=False, timeout=2) as client:
        while child.poll() is None and time.monotonic() < until:
            with suppress(httpx.TransportError):
                if client.get(health_url).status_code == 200:
                    return True
            time.sleep(0.1)
    return False


def die_with_parent() -> None:
    """Linux ends the child when the parent dies, also by kill -9; elsewhere `stop` finds it as the parent's child."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
