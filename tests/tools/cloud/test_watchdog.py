"""The watchdog as the process that it is, with programs in the place of SkyPilot's and rsync's."""

import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from filelock import FileLock
from stratos.tools.cloud.account import ACCOUNT_FILE, SERVERS_FOLDER, Account, Rented, account_of, changing
from stratos.tools.cloud.carrying import ENDED_FILE
from stratos.tools.cloud.watchdog import LOCK_FILE, LOG_FILE, is_watched, watched
from stratos.tools.cloud.whereabouts import Where, note
from stratos.tools.executor import locked

from .program import Program, until

QUICK = """
import sys
from stratos.tools.cloud import watchdog
watchdog.LOOK_EVERY_S = watchdog.ASK_EVERY_S = watchdog.AGAIN_S = watchdog.CHECKPOINT_S = 0.05
watchdog.PATIENCE_S, watchdog.LOG_BYTES = float(sys.argv[2]), 20_000
print("starts", flush=True)
watchdog.main()
"""
CLUSTER = "stratos-one"
HOUR = 3600.0
COMES = 'for here; do :; done; echo it >"$here/$file"'
"""What rsync does: a file lands in the folder that is named last."""


class World:
    """A run with a server, whose job's folder is there, and the programs that are asked about it."""

    def __init__(self, folder: Path) -> None:
        self.run_folder = folder / "runs" / "r1"
        self.job_folder = self.run_folder / "003-distill" / "student"
        self.job_folder.mkdir(parents=True)
        where = Where(cluster=CLUSTER, name="student-1", offer="slurm/x/cpu", start="s", files={})
        note(self.job_folder, where)
        self.sky, self.rsync = Program(folder / "sky"), Program(folder / "rsync", "rsync")
        self.reached()
        self.sky.does("cancel", "exit 0")
        self.sky.does("cost-report", "echo '[]'")
        self.comes(small="exit 0", all_else="exit 0")

    def reached(self) -> None:
        """SkyPilot can be asked, and has the cluster until it is told to end it."""
        self.sky.does("status", f'test -e ended && echo "[]" || echo \'[{{"name": "{CLUSTER}", "status": "UP"}}]\'')
        self.sky.does("down", "touch ended")

    def comes(self, small: str, all_else: str) -> None:
        """What fetching small files does, and then fetching the rest."""
        at = f"echo rsync $where >> {self.sky.folder}/calls"
        self.rsync.does(
            "--archive",
            f'case "$*" in *--max-size=*) where=small; {at}; {small};; *) where=all; {at}; {all_else};; esac',
        )

    def lasts(self, seconds: float) -> None:
        """What is reserved is used up then, at a cent a second."""
        server = Rented(offer="slurm/x/cpu", usd_per_hour=36.0, asked_at=time.time() - HOUR + seconds, launched=True)
        with changing(self.run_folder) as book:
            book.account = Account(reserved_usd=36.0, servers={CLUSTER: server})

    def ends(self) -> None:
        """By somebody else."""
        with changing(self.run_folder) as book:
            book.account = Account()

    def log(self) -> str:
        """Of the watchdog."""
        file = self.run_folder / SERVERS_FOLDER / LOG_FILE
        return file.read_text(encoding="utf-8") if file.exists() else ""

    @contextmanager
    def watchdog(self, patience_s: float = 10.0) -> Generator["subprocess.Popen[str]"]:
        """One that looks often, and has begun."""
        path = f"{self.rsync.folder}{os.pathsep}{os.environ['PATH']}"
        with subprocess.Popen(
            [sys.executable, "-P", "-c", QUICK, str(self.run_folder), str(patience_s)],
            env={**os.environ, "STRATOS_SKY": str(self.sky.path), "PATH": path},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "starts\n"
                yield process
            finally:
                process.kill()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_it_tells_jobs_first_and_fetches_before_it_ends_the_cluster(world: World) -> None:
    world.comes(small=f"file=log.jsonl; {COMES}", all_else=f"file=checkpoint.pt; {COMES}")
    over = world.job_folder.with_name("over")
    over.mkdir()
    note(over, Where(cluster=CLUSTER, name="over-1", offer="slurm/x/cpu", start="s", files={}))
    (over / ENDED_FILE).write_text("{}", encoding="utf-8")
    world.lasts(HOUR)
    with world.watchdog() as process:
        until(lambda: "watching stratos-one" in world.log())
        time.sleep(0.3)
        assert world.sky.calls == []  # nothing is due for most of the hour
        world.lasts(150)  # less than what is kept for ending it
        assert process.wait(60) == 0
    told = [call for call in world.sky.calls if not call.startswith(("status", "cost-report"))]
    assert told == [f"cancel --yes {CLUSTER} --all", "rsync small", "rsync all", f"down --yes {CLUSTER}"]
    assert {path.name for path in world.job_folder.iterdir()} == {"cloud.json", "log.jsonl", "checkpoint.pt"}
    assert [path.name for path in over.iterdir() if path.name != "cloud.json"] == [ENDED_FILE]
    account = account_of(world.run_folder)
    assert (account.up, "nearly used" in account.stopped) == ({}, True)


def test_ending_the_cluster_in_time_waits_for_no_fetch(world: World) -> None:
    world.comes(small=f"file=log.jsonl; {COMES}", all_else="exec sleep 300")
    world.lasts(HOUR)
    with world.watchdog() as process:
        until(lambda: "watching" in world.log())
        world.lasts(66)  # of which a minute is for ending it
        assert process.wait(50) == 0
    assert f"down --yes {CLUSTER}" in world.sky.calls
    assert (world.job_folder / "log.jsonl").exists()
    assert f"not all that the job of {world.job_folder} wrote could be fetched" in world.log()


def test_ending_the_cluster_in_time_waits_for_no_job(world: World) -> None:
    world.sky.does("cancel", "exec sleep 300")
    world.lasts(HOUR)
    with world.watchdog() as process:
        until(lambda: "watching" in world.log())
        world.lasts(62)
        assert process.wait(50) == 0
    assert f"down --yes {CLUSTER}" in world.sky.calls


def test_what_goes_wrong_with_fetching_keeps_no_cluster(world: World) -> None:
    (world.job_folder / "cloud.json").write_text("{", encoding="utf-8")
    world.sky.does("cancel", "exit 1")
    world.lasts(150)
    with world.watchdog() as process:
        assert process.wait(60) == 0
    assert f"down --yes {CLUSTER}" in world.sky.calls
    assert "ended with 1" in world.log()
    assert "Invalid JSON" in world.log()


def test_too_late_for_a_fetch_it_ends_the_cluster_at_once(world: World) -> None:
    world.lasts(-HOUR)
    with world.watchdog() as process:
        assert process.wait(60) == 0
    assert not [call for call in world.sky.calls if call.startswith(("cancel", "rsync"))]
    assert f"down --yes {CLUSTER}" in world.sky.calls


def test_it_goes_on_whatever_goes_wrong(world: World) -> None:
    account, program = world.run_folder / SERVERS_FOLDER / ACCOUNT_FILE, world.sky.path
    away = program.with_name("away")
    world.sky.does("status", "echo no connection >&2; exit 1")
    world.lasts(-HOUR)
    with world.watchdog() as process:
        until(lambda: "no connection" in world.log())
        world.sky.says("status", "[notice] a newer one is there")
        until(lambda: "answered no JSON" in world.log())
        program.rename(away)
        until(lambda: "NotAvailable" in world.log())
        away.rename(program)
        with locked(account.parent):
            known = account.read_text(encoding="utf-8")
            account.write_text("{", encoding="utf-8")
        until(lambda: "ValidationError" in world.log())
        account.write_text(known, encoding="utf-8")
        assert process.poll() is None
        assert is_watched(world.run_folder)
        world.reached()
        assert process.wait(60) == 0
    assert account_of(world.run_folder).up == {}


def test_one_that_fails_for_long_keeps_a_short_log(world: World) -> None:
    world.sky.does("status", "seq 1 1000; exit 1")
    world.lasts(-HOUR)
    log = world.run_folder / SERVERS_FOLDER / LOG_FILE
    with world.watchdog() as process:
        until(log.with_name(f"{LOG_FILE}.1").exists)
        assert process.poll() is None
    assert all(0 < path.stat().st_size <= 20_000 for path in log.parent.glob(f"{LOG_FILE}*"))


def test_a_second_one_does_not_run_beside_the_first_which_ends_with_the_last_server(world: World) -> None:
    assert not is_watched(world.run_folder)
    world.lasts(HOUR)
    with world.watchdog() as first:
        until(lambda: is_watched(world.run_folder))
        with world.watchdog(patience_s=0.2) as second:
            assert second.wait(60) == 0
        assert first.poll() is None
        world.ends()
        assert first.wait(60) == 0
    assert not is_watched(world.run_folder)
    assert world.log().count("watching stratos-one") == 1
    assert world.sky.calls == []


def test_one_that_begins_while_somebody_looks_whether_it_is_there_watches(world: World) -> None:
    world.lasts(HOUR)
    looking = FileLock(world.run_folder / SERVERS_FOLDER / LOCK_FILE)
    with looking, world.watchdog(patience_s=60) as process:
        time.sleep(1)
        looking.release()
        until(lambda: "watching" in world.log())
        assert process.poll() is None


def test_where_nothing_is_up_it_ends_by_itself(world: World) -> None:
    with world.watchdog() as process:
        assert process.wait(60) == 0
    assert (world.log(), world.sky.calls) == ("", [])


def words_of(process: psutil.Process) -> list[str]:
    """Of its command; none of one that has ended, which other tests may have left."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_it_is_a_process_that_outlives_who_started_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATOS_SKY", str(world.sky.path))
    world.lasts(HOUR)
    watched(world.run_folder)
    (process,) = [one for one in psutil.Process().children() if str(world.run_folder) in words_of(one)]
    try:
        until(lambda: is_watched(world.run_folder))
        assert os.getsid(process.pid) == process.pid
    finally:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            process.wait()
    assert not is_watched(world.run_folder)
