"""Deployments: started, found again, replaced, stopped, and never somebody else's process."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import openai
import psutil
import pytest
from stratos.state.errors import Correctable, ToolFailed
from stratos.tools.jobs import RESULT_FILE, write_atomic
from stratos.tools.serving import processes
from stratos.tools.serving.deployments import (
    RECORD_FILE,
    Deployment,
    ask,
    get,
    health_check,
    listing,
    start,
    start_again,
    stop,
)
from stratos.tools.serving.engine import Engine, Settings
from stratos.tools.serving.job import ENDPOINT_FILE, Endpoint, ServeJob, read_key, run
from stratos.tools.serving.starting import Place, Terms


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def deployment(workspace: Path, model_dir: Path) -> Generator[Deployment]:
    made = start(workspace, "first", model_dir, "run-1", probe="w1 w2")
    yield made
    stop(workspace, "first")


def alive(pid: int) -> bool:
    return processes.find(pid) is not None


def test_a_deployment_answers_as_its_engine_does(workspace: Path, deployment: Deployment, engine: Engine) -> None:
    prompt = engine.encode_chat([{"role": "user", "content": "w1 w2"}])
    wanted = engine.generate([prompt], Settings(max_tokens=8))[0].text
    assert health_check(deployment, "w1 w2", max_tokens=8) == wanted
    assert ask(workspace, "first", "w1 w2", max_tokens=8) == wanted
    assert deployment in listing(workspace)
    assert deployment.base_url.startswith("http://127.0.0.1:")


def test_a_server_inherits_no_secret(tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "a-value-of-the-test")
    job = ServeJob(model_dir=model_dir, served_name="m", api_key_file=processes.write_key(tmp_path))
    process = processes.launch(job, tmp_path)
    try:
        assert "HF_TOKEN" not in psutil.Process(process.pid).environ()
    finally:
        processes.end(processes.find(process.pid))


def test_the_key_is_in_one_file_that_only_the_owner_reads(workspace: Path, deployment: Deployment) -> None:
    key = read_key(deployment.api_key_file)
    assert stat.S_IMODE(deployment.api_key_file.stat().st_mode) == 0o600
    assert key not in " ".join(psutil.Process(deployment.pid).cmdline())
    files = [path for path in workspace.rglob("*") if path.is_file() and key in path.read_text(errors="replace")]
    assert files == [deployment.api_key_file]


def test_the_server_outlives_its_starters_terminal(deployment: Deployment) -> None:
    assert os.getsid(deployment.pid) == deployment.pid != os.getsid(0)


def test_the_same_run_and_model_is_not_started_twice(workspace: Path, deployment: Deployment, model_dir: Path) -> None:
    assert start(workspace, "first", model_dir, "run-1") == deployment
    for kind in ("servers", "fronts"):
        assert len(list(processes.strays(workspace / "deployments" / "first" / kind))) == 1


def test_refusals_of_the_server_are_told(workspace: Path, deployment: Deployment) -> None:
    with pytest.raises(Correctable, match="limit is 20000 tokens"):
        ask(workspace, deployment.name, "w1 " * 20_000)
    with pytest.raises(Correctable, match=r"no deployment 'none'; there are: .*first"):
        get(workspace, "none")
    with pytest.raises(Correctable, match="is no deployment name"):
        get(workspace, "../first")


@pytest.mark.usefixtures("fake_vllm")
def test_another_run_replaces_the_old_server(workspace: Path, model_dir: Path) -> None:
    old = start(workspace, "replaced", model_dir, "run-1", engine="vllm")
    new = start(workspace, "replaced", model_dir, "run-2", engine="vllm")
    assert not alive(old.pid)
    assert old.server_folder is not None
    assert not old.server_folder.exists()
    assert (new.base_url, new.api_key_file) == (old.base_url, old.api_key_file)
    assert get(workspace, "replaced") == new
    assert new.status == "ready"
    stop(workspace, "replaced")


@pytest.mark.usefixtures("fake_vllm")
def test_a_stopped_deployment_stays_listed_without_its_key(workspace: Path, model_dir: Path) -> None:
    made = start(workspace, "stopped", model_dir, "run-1", engine="vllm")
    begun = time.monotonic()
    stop(workspace, "stopped")
    assert time.monotonic() - begun < 2
    assert not alive(made.pid)
    assert get(workspace, "stopped").status == "stopped"
    assert not made.api_key_file.exists()
    assert stop(workspace, "stopped").status == "stopped"
    with pytest.raises(ToolFailed, match="is stopped, it cannot answer"):
        ask(workspace, "stopped", "w1")


def test_a_stopped_deployment_is_started_again_with_a_new_key(workspace: Path, model_dir: Path) -> None:
    made = start(workspace, "again", model_dir, "run-1")
    key = read_key(made.api_key_file)
    stop(workspace, "again")
    with pytest.raises(ToolFailed, match="stratos deployments start again"):
        ask(workspace, "again", "w1")
    started = start_again(workspace, "again")
    assert (started.status, started.model_dir, started.run_id) == ("ready", made.model_dir, "run-1")
    assert read_key(started.api_key_file) != key
    assert ask(workspace, "again", "w1 w2", max_tokens=4)
    stop(workspace, "again")


def test_what_is_started_again_is_served_no_longer_than_was_paid_for(workspace: Path, model_dir: Path) -> None:
    made = start(workspace, "paid", model_dir, "run-1", terms=Terms(hours=0.5))
    stopped = stop(workspace, "paid")
    again = start_again(workspace, "paid")
    assert made.until is not None
    assert again.until == pytest.approx(made.until, abs=30)
    stop(workspace, "paid")
    over = stopped.model_copy(update={"until": time.time() - 1})
    write_atomic(workspace / "deployments" / "paid" / RECORD_FILE, over.model_dump_json())
    with pytest.raises(Correctable, match="as long as was paid for"):
        start_again(workspace, "paid")
    more = start_again(workspace, "paid", hours=0.2)
    assert more.until == pytest.approx(time.time() + 0.2 * 3600, abs=60)
    stop(workspace, "paid")


@pytest.mark.usefixtures("fake_vllm")
def test_a_server_whose_paid_time_is_over_has_ended_and_is_not_called_dead(workspace: Path, model_dir: Path) -> None:
    made = start(workspace, "over", model_dir, "run-1", engine="vllm", terms=Terms(hours=1))
    processes.end(processes.find(made.pid))
    assert get(workspace, "over").status == "dead"
    folder = workspace / "deployments" / "over"
    write_atomic(folder / RECORD_FILE, made.model_copy(update={"until": time.time() - 1}).model_dump_json())
    assert get(workspace, "over").status == "ended"
    with pytest.raises(ToolFailed, match="as long as was paid for"):
        ask(workspace, "over", "win 1m")
    stop(workspace, "over")


@pytest.mark.usefixtures("fake_vllm")
def test_a_killed_server_is_dead_and_is_started_again(workspace: Path, model_dir: Path) -> None:
    made = start(workspace, "killed", model_dir, "run-1", engine="vllm")
    os.kill(made.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(made.pid)] if psutil.pid_exists(made.pid) else [], timeout=5)
    assert get(workspace, "killed").status == "dead"
    again = start(workspace, "killed", model_dir, "run-1", engine="vllm")
    assert (again.status, again.pid != made.pid) == ("ready", True)
    stop(workspace, "killed")


@pytest.mark.parametrize("killed", [("server",), ("front",), ("server", "front")], ids=" and ".join)
def test_what_died_is_started_again_where_its_clients_ask_and_with_their_key(
    tmp_path: Path, model_dir: Path, killed: tuple[str, ...]
) -> None:
    made = start(tmp_path, "killed", model_dir, "run-1")
    key, pids = read_key(made.api_key_file), {"server": made.pid, "front": made.front_pid}
    answer = ask(tmp_path, "killed", "w1 w2", max_tokens=4)
    dying = [psutil.Process(pids[what]) for what in killed]
    for process in dying:
        process.kill()
    psutil.wait_procs(dying, timeout=5)  # a port is free when its holder is gone
    assert get(tmp_path, "killed").status == "dead"
    with pytest.raises(ToolFailed, match="is dead, it cannot answer: `stratos deployments start killed`"):
        ask(tmp_path, "killed", "w1 w2")
    again = start_again(tmp_path, "killed")
    assert (again.status, again.base_url, read_key(again.api_key_file)) == ("ready", made.base_url, key)
    assert ask(tmp_path, "killed", "w1 w2", max_tokens=4) == answer
    assert (again.front_pid == made.front_pid) is ("front" not in killed)
    stop(tmp_path, "killed")
    assert not any(alive(pid) for pid in (again.pid, again.front_pid, made.pid, made.front_pid) if pid)


def test_a_recycled_process_number_is_not_killed(workspace: Path, deployment: Deployment) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    folder = workspace / "deployments" / "recycled"
    folder.mkdir()
    record = deployment.model_copy(update={"name": "recycled", "pid": bystander.pid})
    (folder / RECORD_FILE).write_text(record.model_copy(update={"api_key_file": folder / "key"}).model_dump_json())
    try:
        assert get(workspace, "recycled").status == "dead"
        stop(workspace, "recycled")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
        shutil.rmtree(folder)


@pytest.mark.usefixtures("fake_vllm")
def test_a_server_whose_starter_died_is_found_and_ended(workspace: Path, model_dir: Path) -> None:
    made = start(workspace, "stray", model_dir, "run-1", engine="vllm")
    (workspace / "deployments" / "stray" / RECORD_FILE).unlink()
    again = start(workspace, "stray", model_dir, "run-1", engine="vllm")
    assert not alive(made.pid)
    assert alive(again.pid)
    stop(workspace, "stray")


def test_an_address_that_cannot_be_had_is_told_and_nothing_is_left(
    workspace: Path, deployment: Deployment, model_dir: Path
) -> None:
    port = int(deployment.base_url.removesuffix("/v1").rpartition(":")[2])
    with pytest.raises(
        Correctable, match=rf"cannot listen on '127.0.0.1' port {port}: .*; without a port a free one is"
    ):
        start(workspace, "second", model_dir, "run-1", place=Place(port=port))
    with pytest.raises(Correctable, match=r"cannot listen on 'no.such.host' port 0"):
        start(workspace, "second", model_dir, "run-1", place=Place(host="no.such.host"))
    for kind in ("servers", "fronts"):
        assert not (workspace / "deployments" / "second" / kind).exists()  # nothing was started for it
    with pytest.raises(Correctable, match="no deployment 'second'"):
        get(workspace, "second")


def serve(model_dir: Path, folder: Path) -> "subprocess.Popen[bytes]":
    key_file = processes.write_key(folder)
    job = ServeJob(model_dir=model_dir, served_name="student", api_key_file=key_file)
    process = processes.launch(job, folder)
    processes.wait_until_ready(process, folder, 60, Endpoint)
    return process


def test_sigterm_ends_a_busy_server_quickly_and_cleanly(endless_dir: Path, tmp_path: Path) -> None:
    process = serve(endless_dir, tmp_path)
    base_url = json.loads((tmp_path / ENDPOINT_FILE).read_text())["base_url"]
    with openai.OpenAI(base_url=base_url, api_key=read_key(tmp_path / "api_key"), max_retries=0) as client:
        stream = client.chat.completions.create(
            model="student", messages=[{"role": "user", "content": "w1"}], stream=True
        )
        next(stream)
        begun = time.monotonic()
        process.terminate()
        assert process.wait(5) == 0
        assert time.monotonic() - begun < 2
        with pytest.raises(openai.APIError, match="the server is stopping"):
            list(stream)
    assert not (tmp_path / ENDPOINT_FILE).exists()
    assert (tmp_path / RESULT_FILE).is_file()
    assert "Traceback" not in processes.log_tail(tmp_path)


def test_a_temporary_server_dies_with_its_starter(model_dir: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from stratos.tools.serving.deployments import temporary_server\n"
        f"with temporary_server(Path({str(model_dir)!r}), Path({str(tmp_path / 's')!r})) as server:\n"
        "    print(server.pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    server = psutil.Process(int(starter.stdout.readline()))
    starter.kill()
    starter.wait()
    starter.stdout.close()
    assert psutil.wait_procs([server], timeout=5)[1] == []


def test_a_key_file_others_can_read_is_refused(model_dir: Path, tmp_path: Path) -> None:
    key_file = processes.write_key(tmp_path)
    key_file.chmod(0o644)
    with pytest.raises(Correctable, match="has mode 0644, others can read the key"):
        run(ServeJob(model_dir=model_dir, served_name="s", api_key_file=key_file), tmp_path)
