"""vLLM as a program: when it is chosen, how it is called, and that it never outlives its job. No vLLM is needed."""

import json
import sys
from pathlib import Path

import psutil
import pytest
from stratos.state.errors import NotAvailable
from stratos.tools.serving import processes
from stratos.tools.serving.deployments import Deployment, start, stop
from stratos.tools.serving.job import read_key
from stratos.tools.serving.vllm import PROGRAM_VARIABLE, choose_engine, vllm_command, vllm_environment


def test_the_command_line_says_everything_but_the_key() -> None:
    command = vllm_command(Path("/models/m"), "student", "127.0.0.1", 8123, 512, 0.0)
    assert command[:3] == ["vllm", "serve", "/models/m"]
    options = dict(zip(command[3::2], command[4::2], strict=True))
    assert options == {
        "--served-model-name": "student",
        "--host": "127.0.0.1",
        "--port": "8123",
        "--override-generation-config": '{"temperature": 0.0}',
        "--max-model-len": "512",
    }
    shared = vllm_command(Path("/models/m"), "student", "127.0.0.1", 8123, None, 0.0, 0.45)
    assert shared[-2:] == ["--gpu-memory-utilization", "0.45"]
    assert vllm_environment("secret")["VLLM_API_KEY"] == "secret"


def test_the_python_of_an_environment_may_stand_for_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROGRAM_VARIABLE, sys.executable)
    assert choose_engine("vllm", gpu=lambda: False) == "vllm"
    command = vllm_command(Path("/models/m"), "student", "127.0.0.1", 8123, None, 0.0)
    assert command[:6] == [sys.executable, "-P", "-m", "vllm.entrypoints.openai.api_server", "--model", "/models/m"]


def test_weights_measured_in_float32_are_served_in_it(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    for stored, wanted in (
        ({"dtype": "float32"}, True),
        ({"torch_dtype": "float32"}, True),
        ({"dtype": "bfloat16"}, False),
    ):
        config.write_text(json.dumps(stored))
        command = vllm_command(tmp_path, "student", "127.0.0.1", 8123, None, 0.0)
        assert ("--dtype" in command) is wanted


def test_on_a_cpu_it_takes_neither_half_of_the_memory_nor_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "VLLM_CPU_KVCACHE_SPACE" not in vllm_environment("secret", gpu=lambda: True)
    assert vllm_environment("secret", gpu=lambda: False)["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "8")
    assert vllm_environment("secret", gpu=lambda: False)["VLLM_CPU_KVCACHE_SPACE"] == "8"


def test_the_environment_holds_no_other_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "another secret")
    assert "OPENAI_API_KEY" not in vllm_environment("secret")


@pytest.mark.usefixtures("fake_vllm")
def test_auto_wants_both_the_program_and_a_gpu() -> None:
    assert choose_engine("auto", gpu=lambda: True) == "vllm"
    assert choose_engine("auto", gpu=lambda: False) == "ctranslate2"
    assert choose_engine("vllm", gpu=lambda: False) == "vllm"


def test_without_the_program_it_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose_engine("auto", gpu=lambda: True) == "ctranslate2"
    with pytest.raises(NotAvailable, match="no program 'vllm' on PATH"):
        choose_engine("vllm")


def child_of(deployment: Deployment) -> psutil.Process:
    (child,) = psutil.Process(deployment.pid).children()
    return child


def test_vllm_is_served_and_stopped_as_a_child(fake_vllm: Path, model_dir: Path, tmp_path: Path) -> None:
    made = start(tmp_path / "workspace", "big", model_dir, "run-1", engine="vllm")
    assert made.server_folder is not None
    child, key = child_of(made), read_key(made.server_folder / processes.KEY_FILE)
    assert made.engine == "vllm"
    assert key in fake_vllm.read_text()
    assert key not in " ".join(child.cmdline())
    assert str(model_dir) in child.cmdline()
    stop(tmp_path / "workspace", "big")
    assert psutil.wait_procs([child], timeout=3)[1] == []


@pytest.mark.usefixtures("fake_vllm")
@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
def test_vllm_dies_with_a_killed_job(model_dir: Path, tmp_path: Path) -> None:
    made = start(tmp_path / "workspace", "big", model_dir, "run-1", engine="vllm")
    child = child_of(made)
    psutil.Process(made.pid).kill()
    assert psutil.wait_procs([child], timeout=3)[1] == []
    assert processes.find(made.pid) is None
    stop(tmp_path / "workspace", "big")  # its front
