"""Measuring this machine: plausible, quick, steady, and clear about what it could not find."""

import time
from pathlib import Path

import pytest
from stratos.tools.machine import Gpu, measure_machine, parse_nvidia_smi

ABSENT = "no-such-program-as-nvidia-smi"


def a_program(folder: Path, script: str) -> str:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_measuring_takes_under_a_second_and_gives_plausible_speeds():
    measure_machine(ABSENT)
    started = time.process_time()
    machine = measure_machine(ABSENT)
    assert time.process_time() - started < 1
    assert 1 < machine.single_thread_gflops < 1000
    assert 0.5 < machine.memory_bandwidth_gb_s < 1000
    assert machine.cores >= 1
    assert machine.memory_gib > 0.1


def test_all_but_the_two_speeds_are_the_same_each_time():
    speeds = {"single_thread_gflops", "memory_bandwidth_gb_s"}
    first, second = (measure_machine(ABSENT).model_dump(exclude=speeds) for _ in range(2))
    assert first == second
    assert first["gpus"] == ()
    assert first["notes"] == ()


def test_gpus_are_read_from_the_program(tmp_path: Path):
    program = a_program(tmp_path, "echo 'NVIDIA L4, 23034'; echo 'NVIDIA L4, 23034'")
    assert measure_machine(program).gpus == (Gpu(name="NVIDIA L4", memory_gib=22.49),) * 2


@pytest.mark.parametrize(
    ("script", "note"),
    [
        ("echo 'couldn'\"'\"'t communicate with the NVIDIA driver' >&2; exit 9", "failed with 9: couldn't communicate"),
        ("echo 'GRID, [N/A]'", "names no memory"),
    ],
)
def test_a_broken_driver_is_noted_and_not_fatal(tmp_path: Path, script: str, note: str):
    machine = measure_machine(a_program(tmp_path, script))
    assert machine.gpus == ()
    assert note in machine.notes[0]


def test_commas_in_a_gpus_name_stay_in_its_name():
    assert parse_nvidia_smi("Odd, Inc. GPU, 1024\n\n") == (Gpu(name="Odd, Inc. GPU", memory_gib=1.0),)
