"""This machine is measured once, and again when it is another one or when asked."""

from pathlib import Path

from stratos.state.plan import Gpu, Machine
from stratos.tools.executor import LocalExecutor
from stratos.tools.machine import Parts
from stratos.tools.remembered_machine import MACHINES_FILE, remembered_machine

SMALL = Parts(cpu_model="small", cores=2, memory_gib=8.0, has_bf16=False, gpus=())
LARGE = SMALL.model_copy(update={"gpus": (Gpu(name="NVIDIA L4", memory_gib=22.5),)})


class Bench:
    """Counts measurements."""

    def __init__(self) -> None:
        self.measured = 0

    def __call__(self, parts: Parts) -> Machine:
        self.measured += 1
        return Machine(**dict(parts), single_thread_gflops=float(self.measured), memory_bandwidth_gb_s=10.0)


def test_a_machine_is_measured_once_and_anew_when_asked(tmp_path: Path) -> None:
    bench = Bench()
    first, second = (remembered_machine(tmp_path, parts=lambda: SMALL, measure=bench) for _ in range(2))
    assert (first, bench.measured) == (second, 1)
    again = remembered_machine(tmp_path, refresh=True, parts=lambda: SMALL, measure=bench)
    assert (again.machine.single_thread_gflops, bench.measured) == (2.0, 2)


def test_another_machine_is_measured_and_both_are_remembered(tmp_path: Path) -> None:
    bench = Bench()
    for parts in (SMALL, LARGE, SMALL, LARGE):
        found = remembered_machine(tmp_path, parts=lambda parts=parts: parts, measure=bench)
        assert found.machine.gpus == parts.gpus
    assert bench.measured == 2


def test_a_damaged_file_is_measured_over(tmp_path: Path) -> None:
    bench = Bench()
    for text in ("{", "[]", '{"key": {"machine": 3}}'):
        (tmp_path / MACHINES_FILE).write_text(text, encoding="utf-8")
        remembered_machine(tmp_path, parts=lambda: SMALL, measure=bench)
    assert bench.measured == 3


def test_the_executor_gives_the_same_figures_again(tmp_path: Path) -> None:
    executor = LocalExecutor(workspace=tmp_path)
    assert executor.machine() == executor.machine()
    assert (tmp_path / MACHINES_FILE).exists()
