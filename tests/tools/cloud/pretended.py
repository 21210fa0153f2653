"""A pretended SkyPilot: its clusters are folders here, and their jobs processes in a home of their own. Nothing of the real one is run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from stratos.state.errors import ToolFailed
from stratos.tools.cloud.sky import Cost, JobState, Queued, Sky


@dataclass
class Cluster:
    """A folder as a home, and what was started in it, the newest last."""

    home: Path
    jobs: list[tuple[str, list["subprocess.Popen[bytes]"]]] = field(default_factory=list[Any])
    """Each with a process for every server."""
    cancelled: set[int] = field(default_factory=set[int])


class PretendedSky(Sky):
    """As `Sky`. `refuses` is said when a cluster is asked for, `refusals` times; `unreached` ones answer nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, dict[str, Cluster]()
        self.refuses, self.refusals, self.unreached, self.spoils = "", 10**9, False, ""
        self.launched: list[dict[str, Any]] = []
        self.renewed: list[str] = []
        self.since, self.seconds = dict[str, float](), dict[str, float]()

    def launch(self, cluster: str, task: Path, *, idle_minutes: int, timeout_s: float) -> None:
        if self.refuses and self.refusals:
            self.refusals -= 1
            raise ToolFailed(self.refuses)
        told = yaml.safe_load(task.read_text(encoding="utf-8"))
        self.launched.append(told)
        if cluster not in self.made:
            self.made[cluster] = Cluster(home=self.folder / cluster)
            self.since[cluster] = time.time()
        at = self.made[cluster]
        nodes = told.get("num_nodes", 1)
        at.jobs.append((told["name"], [_started(told, at.home, rank, nodes) for rank in range(nodes)]))

    def renew(self, cloud: str) -> None:
        self.renewed.append(cloud)
        if self.refuses:
            raise ToolFailed(self.refuses)

    def queue(self, cluster: str) -> list[Queued]:
        at = self._reached(cluster)
        numbered = list(enumerate(at.jobs))[::-1]
        return [Queued(number=number, name=name, state=self._state(at, number)) for number, (name, _) in numbered]

    def clusters(self, *, refresh: bool = True) -> list[dict[str, Any]]:
        if self.unreached:
            raise ToolFailed("no connection")
        return [{"name": name, "status": "UP"} for name in self.made]

    def cancel(self, cluster: str, job: int | None = None, *, timeout_s: float = 300) -> None:
        at = self._reached(cluster)
        for number in range(len(at.jobs)) if job is None else [job]:
            at.cancelled.add(number)
            _end(*at.jobs[number][1])

    def down(self, cluster: str) -> None:
        if (at := self.made.pop(cluster, None)) is not None:
            for _, processes in at.jobs:
                _end(*processes)
            for home in at.home.parent.glob(f"{at.home.name}*"):
                shutil.rmtree(home)
            self.seconds[cluster] = self.seconds.get(cluster, 0.0) + time.time() - self.since[cluster]

    def costs(self) -> dict[str, Cost]:
        if self.unreached:
            raise ToolFailed("no connection")
        up = {name: time.time() - self.since[name] for name in self.made}
        return {
            name: Cost(seconds=self.seconds.get(name, 0.0) + up.get(name, 0.0), usd=0.0)
            for name in {*up, *self.seconds}
        }

    def bring(self, cluster: str, there: str, here: Path, *rules: str, timeout_s: float = 600) -> bool:
        if self.unreached or cluster not in self.made or not (source := self.made[cluster].home / there).is_dir():
            return False
        named = [rule.removeprefix("--include=/") for rule in rules if rule.startswith("--include=/")]
        without = {rule.removeprefix("--exclude=/") for rule in rules if rule.startswith("--exclude=/")}
        for path in source.iterdir():
            if path.name in without or ("--exclude=*" in rules and path.name not in named):
                continue
            try:
                if path.is_dir():
                    shutil.copytree(path, here / path.name, dirs_exist_ok=True)
                else:
                    shutil.copy2(path, here / path.name)
            except (FileNotFoundError, shutil.Error):  # as rsync: it vanished meanwhile
                return False
            if path.name == self.spoils:
                (here / path.name).write_bytes(b"spoiled")
        return True

    def shell(self, cluster: str) -> list[str]:
        return [sys.executable, str(Path(__file__).with_name("forward.py"))]

    def _reached(self, cluster: str) -> Cluster:
        if self.unreached:
            raise ToolFailed("no connection")
        return self.made[cluster]

    def _state(self, at: Cluster, number: int) -> JobState:
        codes = [process.poll() for process in at.jobs[number][1]]
        if None in codes:
            return "running"
        return "cancelled" if number in at.cancelled else "done" if not any(codes) else "failed"


def _started(told: dict[str, Any], home: Path, rank: int, nodes: int) -> "subprocess.Popen[bytes]":
    """What SkyPilot does on one of a cluster's servers, of which the first is asked what becomes of the job."""
    home = home if rank == 0 else home.with_name(f"{home.name}-{rank}")
    for there, here in told["file_mounts"].items():
        target = home / there.removeprefix("~/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(here).is_dir():
            shutil.copytree(here, target, dirs_exist_ok=True)
        else:
            shutil.copy2(here, target)
    which = {"SKYPILOT_NODE_RANK": str(rank), "SKYPILOT_NODE_IPS": "\n".join(["127.0.0.1"] * nodes)}
    environment = os.environ | which | {"HOME": str(home)}
    return subprocess.Popen(
        ["bash", "-c", told["run"]], env=environment, start_new_session=True, stdout=subprocess.DEVNULL
    )


def _end(*processes: "subprocess.Popen[bytes]") -> None:
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
