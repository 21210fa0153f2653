"""Tests of the local executor, with real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from stratos.state.errors import Cancelled, OutOfTime, ToolFailed
from stratos.tests.tools.tiny_job import TinyJob, TinyTimedJob
from stratos.tools.executor import Event, JobHandle, LocalExecutor
from stratos.tools.jobs import CLOCK_FILE, JOB_FILE, Job
from stratos.tools.waiting import JobRequest, run, run_all

from ..building import offer

MODULE = "stratos.tests.tools.tiny_job"


@pytest.fixture
def executor() -> LocalExecutor:
    return LocalExecutor(grace_s=2.0)


@pytest.fixture
def folder(tmp_path: Path, executor: LocalExecutor) -> Iterator[Path]:
    path = tmp_path / "job"
    yield path
    if path.exists():
        executor.cancel(JobHandle(folder=path, module=MODULE, how="attached"))


def until(condition: Callable[[], object], patience_s: float = 20.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wanted(job: Job, folder: Path, *, module: str = MODULE, threads: int | None = None) -> JobRequest:
    return JobRequest(module=module, job=job, folder=folder, threads=threads)


def told(events: Sequence[Event]) -> list[Event]:
    """What a job said, without the signs of life that stand in for a silent one: on a busy machine it may be silent for long."""
    return [event for event in events if event["event"] != "progress"]


def starts(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "starts").read_text().split()]


def test_a_job_runs_and_its_events_and_result_come_back(executor: LocalExecutor, folder: Path) -> None:
    events: list[Event] = []
    request = wanted(TinyJob(say='{"event": "note", "text": "hello"}\n'), folder, threads=3)
    result = run(executor, request, events.append)
    assert result == {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "3", "HOME": os.environ.get("HOME")}
    assert told(events) == [{"event": "note", "text": "hello"}]
    assert executor.poll(executor.submit(MODULE, request.job, folder)).exit_code in (0, None)


def test_a_job_inherits_no_secret(executor: LocalExecutor, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "openai_api_key", "PASSWORD", "KEYBOARD"):
        monkeypatch.setenv(name, "a-value-of-the-test")
    executor.submit(MODULE, TinyJob(sleep_s=30), folder)
    until((folder / "ready").exists)
    environment = psutil.Process(starts(folder)[0]).environ()
    assert [name for name, value in environment.items() if value == "a-value-of-the-test"] == ["KEYBOARD"]


def test_a_line_of_deep_brackets_is_a_note(executor: LocalExecutor, folder: Path) -> None:
    events: list[Event] = []
    run(executor, wanted(TinyJob(say="[" * 50_000 + "\n"), folder), events.append)
    assert [event["event"] for event in told(events)] == ["note"]


def test_a_complete_job_is_not_started_again(executor: LocalExecutor, folder: Path) -> None:
    first = run(executor, wanted(TinyJob(), folder))
    again = executor.submit(MODULE, TinyJob(), folder)
    assert again.how == "complete"
    assert executor.fetch(again) == first
    assert len(starts(folder)) == 1


def test_a_folder_keeps_to_one_job(executor: LocalExecutor, folder: Path) -> None:
    run(executor, wanted(TinyJob(say="a"), folder))
    with pytest.raises(ToolFailed, match="say is 'a' there, 'b' here"):
        executor.submit(MODULE, TinyJob(say="b"), folder)


def test_a_job_of_an_older_version_that_knew_less_is_the_same_job(executor: LocalExecutor, folder: Path) -> None:
    folder.mkdir()
    (folder / JOB_FILE).write_text('{"say": ""}')
    assert run(executor, wanted(TinyJob(), folder))
    assert len(starts(folder)) == 1


def test_a_running_job_is_attached_by_another_executor(executor: LocalExecutor, folder: Path) -> None:
    handle = executor.submit(MODULE, TinyJob(sleep_s=30), folder)
    until((folder / "ready").exists)
    other = LocalExecutor().submit(MODULE, TinyJob(sleep_s=30), folder)
    assert (handle.how, other.how) == ("started", "attached")
    assert len(starts(folder)) == 1


def test_a_job_survives_kill_9_of_its_starter_and_is_attached(executor: LocalExecutor, folder: Path) -> None:
    code = f"""
import os, pathlib, signal
from stratos.tools.executor import LocalExecutor
from stratos.tests.tools.tiny_job import TinyJob
LocalExecutor().submit({MODULE!r}, TinyJob(sleep_s=2), pathlib.Path({str(folder)!r}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    handle = executor.submit(MODULE, TinyJob(sleep_s=2), folder)
    assert handle.how == "attached"
    assert run(executor, wanted(TinyJob(sleep_s=2), folder))["HF_HUB_OFFLINE"] == "1"
    assert len(starts(folder)) == 1


def test_a_job_whose_starter_died_before_noting_it_is_found(executor: LocalExecutor, folder: Path) -> None:
    executor.submit(MODULE, TinyJob(sleep_s=30), folder)
    until((folder / "ready").exists)
    (folder / "process.json").unlink()
    assert executor.submit(MODULE, TinyJob(sleep_s=30), folder).how == "attached"
    assert len(starts(folder)) == 1


def test_two_processes_submitting_at_once_start_one_job(executor: LocalExecutor, folder: Path) -> None:
    code = f"""
import pathlib
from stratos.tools.executor import LocalExecutor
from stratos.tests.tools.tiny_job import TinyJob
print(LocalExecutor().submit({MODULE!r}, TinyJob(sleep_s=30), pathlib.Path({str(folder)!r})).how)
"""
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = sorted(process.communicate()[0].strip() for process in both)
    assert answers == ["attached", "started"]
    until((folder / "ready").exists)
    assert len(starts(folder)) == 1


def test_a_killed_job_is_failed_and_can_be_continued(executor: LocalExecutor, folder: Path) -> None:
    job = TinyJob(sleep_s=1.5, say="torn")
    handle = executor.submit(MODULE, job, folder)
    until((folder / "ready").exists)
    os.kill(starts(folder)[0], signal.SIGKILL)
    until(lambda: executor.poll(handle).state != "running")
    status = executor.poll(handle)
    assert (status.state, status.exit_code) == ("failed", -9)
    assert "SIGKILL" in status.message
    handle = executor.submit(MODULE, job, folder)
    assert handle.how == "started"
    run(executor, wanted(job, folder))
    assert executor.logs(handle)[0] == [{"event": "note", "text": "torn"}]
    assert len(starts(folder)) == 2


def test_a_failure_carries_its_message(executor: LocalExecutor, folder: Path) -> None:
    with pytest.raises(ToolFailed, match="ValueError: no tiles left"):
        run(executor, wanted(TinyJob(fail="no tiles left"), folder))


def test_a_job_that_dies_without_a_word_leaves_its_exit_code_and_stderr(executor: LocalExecutor, folder: Path) -> None:
    with pytest.raises(ToolFailed, match="ended with 7; its last words: last words"):
        run(executor, wanted(TinyJob(exit_code=7), folder))


def test_an_old_failure_is_not_taken_for_a_new_one(executor: LocalExecutor, folder: Path) -> None:
    with pytest.raises(ToolFailed, match="No module named"):
        run(executor, wanted(TinyJob(exit_code=3), folder, module="stratos.no_such_module"))
    (folder / "error.json").write_text('{"error": "Old", "message": "old"}')
    with pytest.raises(ToolFailed, match="ended with 3; its last words: last words") as caught:
        run(executor, wanted(TinyJob(exit_code=3), folder))
    assert "No module" not in str(caught.value)


def test_cancel_ends_children_in_other_sessions_too(executor: LocalExecutor, folder: Path) -> None:
    handle = executor.submit(MODULE, TinyJob(sleep_s=60, children=True), folder)
    until((folder / "ready").exists)
    family = [*starts(folder), *map(int, (folder / "children").read_text().split())]
    assert not any(map(gone, family))
    executor.cancel(handle)
    assert all(map(gone, family))
    assert executor.poll(handle).state == "cancelled"


def test_a_job_cancelled_from_elsewhere_ends_the_wait(executor: LocalExecutor, folder: Path) -> None:
    def elsewhere(event: Event) -> None:
        executor.cancel(JobHandle(folder=folder, module=MODULE, how="attached"))

    with pytest.raises(Cancelled):
        run(executor, wanted(TinyJob(sleep_s=60, say="started\n"), folder), elsewhere)


def test_what_a_killed_job_left_running_is_ended_before_it_is_continued(executor: LocalExecutor, folder: Path) -> None:
    executor.submit(MODULE, TinyJob(sleep_s=30, children=True), folder)
    until((folder / "ready").exists)
    left_behind = int((folder / "children").read_text().split()[0])
    os.kill(starts(folder)[0], signal.SIGKILL)
    until(lambda: gone(starts(folder)[0]))
    assert not gone(left_behind)
    executor.submit(MODULE, TinyJob(sleep_s=30, children=True), folder)
    assert gone(left_behind)
    until(lambda: len(starts(folder)) == 2)
    for pid in (folder / "children").read_text().split()[1:]:
        os.kill(int(pid), signal.SIGKILL)


def test_a_job_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "(pathlib.Path(sys.argv[1]).parent / 'ready').touch()\n"
        "time.sleep(60)\n"
    )
    executor = LocalExecutor(grace_s=0.3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        handle = executor.submit("stubborn", TinyJob(), tmp_path / "job")
    until((handle.folder / "ready").exists)
    executor.cancel(handle)
    status = executor.poll(handle)
    assert (status.state, status.exit_code) == ("cancelled", -9)


def test_a_job_whose_time_is_up_ends_by_itself_and_says_what_it_cost(executor: LocalExecutor, folder: Path) -> None:
    job = TinyTimedJob(sleep_s=60, wall_clock_s=0.5)
    with pytest.raises(OutOfTime, match="reserved for it were over") as caught:
        run(executor, replace(wanted(job, folder), offer=offer(3600.0)))
    assert caught.value.seconds == pytest.approx(0.5, abs=0.2)
    assert caught.value.usd == pytest.approx(caught.value.seconds)
    assert executor.submit(MODULE, job, folder).how == "complete"


def test_the_clock_goes_on_where_a_killed_job_left_it(executor: LocalExecutor, folder: Path) -> None:
    folder.mkdir()
    (folder / CLOCK_FILE).write_text("100.0")
    with pytest.raises(OutOfTime) as caught:
        run(executor, wanted(TinyTimedJob(sleep_s=60, wall_clock_s=100.3), folder))
    assert caught.value.seconds == pytest.approx(100.3, abs=0.2)


def test_a_job_without_a_limit_says_how_long_it_took(executor: LocalExecutor, folder: Path) -> None:
    assert run(executor, wanted(TinyTimedJob(sleep_s=0.3), folder))["seconds"] == pytest.approx(0.3, abs=0.2)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Cancelled, ZeroDivisionError])
@pytest.mark.parametrize("say", ["started\n", ""])
def test_stopping_the_wait_stops_the_job_also_one_that_is_silent(
    executor: LocalExecutor, folder: Path, stop: type[BaseException], say: str
) -> None:
    def on_event(event: Event) -> None:
        raise stop

    with pytest.raises(stop):
        run(executor, wanted(TinyJob(sleep_s=60, say=say), folder), on_event)
    handle = JobHandle(folder=folder, module=MODULE, how="attached")
    assert executor.poll(handle).state == "cancelled"


def test_a_silent_job_shows_its_last_progress_again(executor: LocalExecutor, folder: Path) -> None:
    events: list[Event] = []
    said = '{"event": "progress", "done": 3, "total": 9, "unit": "items"}\n{"event": "note", "text": "on"}\n'
    run(executor, wanted(TinyJob(sleep_s=2.5, say=said), folder), events.append)
    assert [event.get("done") for event in events[:2]] == [3, None]
    assert {event.get("done") for event in events[2:]} == {3}


def test_torn_lines_wait_and_other_text_becomes_a_note(executor: LocalExecutor, tmp_path: Path) -> None:
    handle = JobHandle(folder=tmp_path, module=MODULE, how="attached")
    log = tmp_path / "log.jsonl"
    assert executor.logs(handle) == ([], 0)
    log.write_bytes(b'{"event": "progress", "done": 1}\n\nplain words \xff\n[1]\n{"event": "pro')
    events, offset = executor.logs(handle)
    assert [event["event"] for event in events] == ["progress", "note", "note"]
    assert events[2]["text"] == "[1]"
    assert executor.logs(handle, offset) == ([], offset)
    log.write_bytes(log.read_bytes() + b'gress", "done": 2}\n')
    assert executor.logs(handle, offset) == ([{"event": "progress", "done": 2}], log.stat().st_size)


def test_a_folder_without_a_job_is_failed_and_cancelling_it_does_nothing(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    handle = JobHandle(folder=tmp_path, module=MODULE, how="attached")
    assert executor.poll(handle).state == "failed"
    executor.cancel(handle)
    with pytest.raises(ToolFailed, match="cannot be read"):
        executor.fetch(handle)


def test_a_process_number_given_away_again_is_left_alone(executor: LocalExecutor, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as other:
        (tmp_path / "process.json").write_text(
            f'{{"pid": {other.pid}, "created_at": {time.time() - 1000}, "stderr_from": 0}}'
        )
        (tmp_path / "stderr.log").touch()
        handle = JobHandle(folder=tmp_path, module=MODULE, how="attached")
        assert executor.poll(handle).state == "failed"
        executor.cancel(handle)
        assert other.poll() is None
        other.kill()


def test_jobs_side_by_side_give_their_results_by_name_and_say_which_they_are(
    executor: LocalExecutor, folder: Path
) -> None:
    jobs = {name: TinyJob(say='{"event": "note"}\n') for name in ("one", "two")}
    events: list[Event] = []
    results = run_all(executor, {name: wanted(job, folder / name) for name, job in jobs.items()}, events.append)
    assert sorted(results) == ["one", "two"]
    assert sorted(event["job"] for event in told(events)) == ["one", "two"]


def test_when_one_job_fails_the_others_are_stopped(executor: LocalExecutor, folder: Path) -> None:
    jobs = {"slow": TinyJob(sleep_s=60), "broken": TinyJob(fail="on purpose")}
    with pytest.raises(ToolFailed, match="on purpose"):
        run_all(executor, {name: wanted(job, folder / name) for name, job in jobs.items()})
    assert executor.poll(JobHandle(folder=folder / "slow", module=MODULE, how="attached")).state == "cancelled"
