"""What this machine is and how fast one of its cores runs, measured in well under a second without torch.

It does not cover GPU speed: that comes from the datasheet of the GPU's model.
"""

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ..state.brief import Record
from ..state.plan import Gpu, Machine

GIB = 2**30
# OpenBLAS keeps a product on the calling thread up to m*n*k = 65536 * 4 (SMP_THRESHOLD_MIN * GEMM_MULTITHREAD_THRESHOLD
# in its interface/gemm.c), which is 64^3; a stack of such products stays there too. 16 of them (256 KiB) fit a level-2
# cache.
MATMUL_SIZE, MATMUL_STACK = 64, 16
COPY_BYTES = 48 * 2**20  # larger than the last-level cache share of one core on the servers priced here
REPETITIONS = 24
NVIDIA_SMI_TIMEOUT_S = 10
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})  # names in Linux's /proc/cpuinfo; the last one is Arm's


class Parts(Record):
    """What a machine is, without its speeds: found out in the time nvidia-smi takes to answer."""

    cpu_model: str
    cores: int
    memory_gib: float
    has_bf16: bool
    gpus: tuple[Gpu, ...]
    notes: tuple[str, ...] = ()


def parts_of_machine(nvidia_smi: str = "nvidia-smi") -> Parts:
    """What this machine is."""
    flags, model = _cpu_info()
    gpus, notes = _gpus(nvidia_smi)
    return Parts(
        cpu_model=model,
        cores=_cores(),
        memory_gib=round(_memory_bytes() / GIB, 2),
        has_bf16=bool(flags & BF16_FLAGS),
        gpus=gpus,
        notes=notes,
    )


def measured(parts: Parts) -> Machine:
    """The machine with its speeds, measured on one thread, in CPU time, so that a busy neighbour does not make it look slow."""
    return Machine(
        **dict(parts),
        single_thread_gflops=round(_single_thread_gflops(), 2),
        memory_bandwidth_gb_s=round(_memory_bandwidth_gb_s(), 2),
    )


def measure_machine(nvidia_smi: str = "nvidia-smi") -> Machine:
    """This machine, measured now."""
    return measured(parts_of_machine(nvidia_smi))


def _fastest_cpu_seconds(work: Callable[[], object]) -> float:
    """CPU-seconds of the fastest repetition, over all threads: extra BLAS threads cannot flatter it."""
    work()
    best = float("inf")
    for _ in range(REPETITIONS):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def _single_thread_gflops() -> float:
    import numpy as np

    # About 2 ms a repetition: far above the clock's resolution, short enough to fall between two interruptions.
    products = 16
    stack = np.full((MATMUL_STACK, MATMUL_SIZE, MATMUL_SIZE), 0.5, dtype=np.float32)
    right, out = stack[0].copy(), np.empty_like(stack)

    def work() -> None:
        for _ in range(products):
            np.matmul(stack, right, out=out)

    return 2 * MATMUL_SIZE**3 * MATMUL_STACK * products / _fastest_cpu_seconds(work) / 1e9


def _memory_bandwidth_gb_s() -> float:
    import numpy as np

    source = np.ones(COPY_BYTES // 4, dtype=np.float32)
    target = np.empty_like(source)
    return 2 * COPY_BYTES / _fastest_cpu_seconds(lambda: np.copyto(target, source)) / 1e9


def _cpu_info(path: Path = Path("/proc/cpuinfo")) -> tuple[frozenset[str], str]:
    """Instruction flags and model name of the first core; without /proc, no flags and the platform's own name."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    flags = frozenset((fields.get("flags") or fields.get("Features") or "").split())
    return flags, fields.get("model name") or platform.processor() or platform.machine()


def _cgroup_value(name: str) -> list[str]:
    path = Path("/sys/fs/cgroup") / name
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def _cores() -> int:
    import psutil

    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1
    quota = _cgroup_value("cpu.max")
    limited = len(quota) == 2 and quota[0].isdigit()
    return max(1, min(affinity, int(quota[0]) // int(quota[1]))) if limited else affinity


def _memory_bytes() -> int:
    import psutil

    total = int(psutil.virtual_memory().total)
    limit = _cgroup_value("memory.max")
    return min(total, int(limit[0])) if limit and limit[0].isdigit() else total


def parse_nvidia_smi(text: str) -> tuple[Gpu, ...]:
    """GPUs from `nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits`, which prints MiB."""
    rows = [line.rpartition(",") for line in text.splitlines() if line.strip()]
    return tuple(Gpu(name=name.strip(), memory_gib=round(float(mib) / 1024, 2)) for name, _, mib in rows)


def _gpus(nvidia_smi: str) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    program = shutil.which(nvidia_smi)
    if program is None:
        return (), ()
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=NVIDIA_SMI_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return (), (f"{nvidia_smi} gave no answer within {NVIDIA_SMI_TIMEOUT_S} s: GPUs are not counted",)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        return (), (
            f"{nvidia_smi} failed with {done.returncode}: {said[0] if said else 'no message'}: GPUs are not counted",
        )
    try:
        return parse_nvidia_smi(done.stdout), ()
    except ValueError:
        return (), (f"{nvidia_smi} printed {done.stdout.strip()[:80]!r}, which names no memory: GPUs are not counted",)
