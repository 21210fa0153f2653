"""SkyPilot's program: what Stratos asks of it, and what it answers in JSON. Its messages to people are read only to be shown."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter

from ...state.errors import NotAvailable, ToolFailed
from ..serving.vllm import die_with_parent

PROGRAM_VARIABLE = "STRATOS_SKY"
"""Of the environment: the program `sky`; unset: the one on the path."""
QUIET = {"SKYPILOT_DISABLE_USAGE_COLLECTION": "1", "NO_COLOR": "1"}
ALIVE = [
    word
    for option in ("ConnectTimeout=20", "ServerAliveInterval=15", "ServerAliveCountMax=4")
    for word in ("-o", option)
]
"""Of secure shell: a connection that is lost ends within a minute or so."""
SAID = 2000
"""Characters of the end of a message that are shown."""

WAIT_BETWEEN_S = 5.0
"""Between two looks at whether a cluster is gone."""

JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
STATES: Mapping[str, JobState] = {
    "INIT": "waiting",
    "PENDING": "waiting",
    "SETTING_UP": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "FAILED": "failed",
    "FAILED_SETUP": "failed",
    "FAILED_DRIVER": "failed",
    "CANCELLED": "cancelled",
}


@dataclass(frozen=True, kw_only=True)
class Queued:
    """A job as a cluster's queue has it."""

    number: int
    name: str
    state: JobState


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What SkyPilot reports of all clusters of one name, those that ended included."""

    seconds: float
    """That they were up."""
    usd: float
    """By its own catalogue; 0 where that has no price."""


class _Cluster(BaseModel):
    """A row of `sky status`."""

    model_config = ConfigDict(extra="allow")

    name: str
    status: str


class _Job(BaseModel):
    """A row of `sky queue`."""

    job_id: int
    job_name: str | None
    status: str


class _Reported(BaseModel):
    """A row of `sky cost-report`."""

    name: str
    duration: float | None
    total_cost: float | None


CLUSTERS, COSTS = TypeAdapter(list[_Cluster]), TypeAdapter(list[_Reported])
QUEUES = TypeAdapter(dict[str, list[_Job]])
ENABLED = TypeAdapter(dict[str, dict[str, Any]])
ShapeT = TypeVar("ShapeT")


class Sky:
    """The program, in an environment of its own."""

    def __init__(self, program: str | None = None) -> None:
        """Raises NotAvailable where there is none."""
        found = shutil.which(program or os.environ.get(PROGRAM_VARIABLE, "sky"))
        if found is None:
            raise NotAvailable(
                "SkyPilot's program `sky` is not there: install it in an environment of its own "
                f"(python -m venv sky && sky/bin/pip install 'skypilot[CLOUD]') and set {PROGRAM_VARIABLE} to sky/bin/sky"
            )
        self._program = found

    def launch(self, cluster: str, task: Path, *, idle_minutes: int, timeout_s: float) -> None:
        """Starts a cluster where it is not there, and the task on it; the cluster ends itself when it was idle so long."""
        words = [
            "--yes",
            "--detach-run",
            "--cluster",
            cluster,
            "--idle-minutes-to-autostop",
            str(idle_minutes),
            "--down",
        ]
        self._run("launch", *words, str(task), timeout_s=timeout_s)

    def queue(self, cluster: str) -> list[Queued]:
        """The cluster's jobs, the newest first."""
        said = self._json(QUEUES, "queue", cluster)
        return [
            Queued(number=row.job_id, name=str(row.job_name), state=STATES.get(row.status, "running"))
            for row in said.get(cluster, ())
        ]

    def clusters(self, *, refresh: bool = True) -> list[dict[str, Any]]:
        """All that there are, with `name`, `status` and more; refreshed, which takes seconds, as their clouds say."""
        rows = self._json(CLUSTERS, "status", *(["--refresh"] if refresh else []))
        return [row.model_dump() for row in rows]

    def names(self, *, refresh: bool) -> set[str]:
        """Of all clusters that there are."""
        return {one["name"] for one in self.clusters(refresh=refresh)}

    def costs(self) -> dict[str, Cost]:
        """What clusters were up for and cost, by name; of the last month."""
        found: dict[str, Cost] = {}
        for row in self._json(COSTS, "cost-report", "--all"):
            so_far = found.get(row.name, Cost(seconds=0, usd=0))
            seconds, usd = row.duration or 0, row.total_cost or 0
            found[row.name] = Cost(seconds=so_far.seconds + seconds, usd=so_far.usd + usd)
        return found

    def version(self) -> str:
        """Such as 0.14.1."""
        return self._run("--version").strip().rpartition(" ")[2]

    def enabled(self) -> list[str]:
        """The clouds that may be used with what is set up, as prices name them; asks each cloud."""
        said = self._json(ENABLED, "check")
        return sorted({cloud.lower() for clouds in said.values() for cloud in clouds})

    def renew(self, cloud: str) -> None:
        """Has SkyPilot fetch its catalogue of a cloud where it has none or an old one, as everything does that asks it for prices."""
        self._run("gpus", "list", "--infra", cloud)

    def cancel(self, cluster: str, job: int | None = None, *, timeout_s: float = 300) -> None:
        """Ends one job, or all."""
        self._run("cancel", "--yes", cluster, "--all" if job is None else str(job), timeout_s=timeout_s)

    def down(self, cluster: str) -> None:
        """Ends a cluster and all on it; nothing where it is gone."""
        try:  # before anything else is asked: it costs money meanwhile
            self._run("down", "--yes", cluster)
        except ToolFailed:
            if cluster in self.names(refresh=False):
                raise

    def shell(self, cluster: str) -> list[str]:
        """The words of a secure shell to a cluster, as SkyPilot set it up."""
        generated = Path.home() / ".sky" / "generated"
        # The key by its path: the settings name it with ~, which secure shell takes from the system and not from HOME.
        key = f"IdentityFile={generated / 'ssh-keys' / cluster}.key"
        return ["ssh", "-F", str(generated / "ssh" / cluster), "-o", key, "-o", "LogLevel=ERROR", *ALIVE]

    def bring(self, cluster: str, there: str, here: Path, *rules: str, timeout_s: float = 600) -> bool:
        """Copies a folder of the cluster's home by rsync, by its own rules of what to include and exclude; whether that went well."""
        command = ["rsync", "--archive", *rules, "-e", " ".join(self.shell(cluster)), f"{cluster}:{there}/", f"{here}/"]
        try:
            done = subprocess.run(command, capture_output=True, env=self._environment, check=False, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    @property
    def _environment(self) -> dict[str, str]:
        """This process's, secrets too: some clouds' credentials are there."""
        return {**os.environ, **QUIET}

    def _json(self, shape: TypeAdapter[ShapeT], *words: str) -> ShapeT:
        """What it answers, between lines to people, which may begin with a bracket too."""
        said = self._run(*words, "--output", "json")
        for start in re.finditer(r"^[\[{]", said, re.MULTILINE):
            try:
                return shape.validate_python(json.JSONDecoder().raw_decode(said, start.start())[0])
            except ValueError:
                continue
        raise ToolFailed(f"`sky {' '.join(words)}` answered no JSON that was expected: {said[-SAID:]}")

    def _run(self, *words: str, timeout_s: float = 300) -> str:
        command = [self._program, *words]
        try:
            # What was asked goes on at SkyPilot's server; a program that waits for it is of no use to anybody without the agent.
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                env=self._environment,
                check=False,
                timeout=timeout_s,
                preexec_fn=die_with_parent,
            )
        except subprocess.TimeoutExpired:
            raise ToolFailed(f"`sky {' '.join(words)}` did not end within {timeout_s:g} s") from None
        except (OSError, subprocess.SubprocessError) as error:
            raise ToolFailed(f"`sky {' '.join(words)}` could not be run: {error}") from error
        if done.returncode:
            end = (done.stdout + done.stderr)[-SAID:].strip()
            raise ToolFailed(f"`sky {' '.join(words)}` ended with {done.returncode}: {end}")
        return done.stdout
