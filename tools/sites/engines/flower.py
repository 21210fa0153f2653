"""Real Flower on one machine: a SuperLink, a SuperNode for each site, and the app that is run on them.

Flower (flwr) is an optional part; its programs are run, not its internals. Sites on machines of their own start their SuperNodes there
(`joining`) and come in by a `Door`.
"""

import ipaddress
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ....state.brief import Record
from ....state.errors import NotAvailable, ToolFailed
from ...jobs import process_environment, write_atomic
from .flower_app import (
    APPEAR_SETTING,
    AT_ONCE_SETTING,
    DATA_SETTING,
    FOLDER_SETTING,
    NODES_SETTING,
    ORDERS_SETTING,
    SITE_SETTING,
    TIMEOUT_SETTING,
    Node,
)
from .keys import CA_FILE, CERTIFICATE_FILE, KEY_FILE, make_certificates, make_site_key

START_WITHIN_S = 60.0
STOP_WITHIN_S = 10.0
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
APP_MODULE = "stratos_sites_app"
CONNECTION = "stratos"
DATABASE = "superlink.db"
NODES_FILE = "nodes.json"
"""The number that Flower gave each site's key."""

PYPROJECT = f"""\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "stratos-sites"
version = "1.0.0"
description = "Stratos: models for many sites"
license = "Apache-2.0"
dependencies = ["flwr>=1.41"]

[tool.flwr.app]
publisher = "stratos"

[tool.flwr.app.components]
serverapp = "{APP_MODULE}:server"
clientapp = "{APP_MODULE}:client"

[tool.flwr.app.config]
{ORDERS_SETTING} = ""
{APPEAR_SETTING} = 60.0
{TIMEOUT_SETTING} = 600.0
{AT_ONCE_SETTING} = 0
{NODES_SETTING} = ""
"""
APP = '''\
"""The apps of Stratos, made where they run from the package that is installed there."""

from stratos.tools.sites.engines.flower_app import client_app, server_app

client = client_app()
server = server_app()
'''


class Door(Record):
    """Where sites come in from machines of their own: over TLS, with keys that are registered."""

    address: str
    """HOST:PORT, as they reach this machine."""
    certificates: Path
    """Folder of the server's certificates, named as `keys` names them."""
    keys: Mapping[str, Path]
    """The public key of each site that may come in."""

    @property
    def listens_on(self) -> str:
        """A host of this machine: a name that others know may not be one of its own addresses."""
        host = self.address.rpartition(":")[0]
        try:
            return host if ipaddress.ip_address(host).is_loopback else "0.0.0.0"
        except ValueError:
            return "0.0.0.0"


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Whom a site believes, and how it is known."""

    authority: Path
    """The certificate that the server's was signed with."""
    key: Path
    """The site's private one."""


@dataclass
class Federation:
    """Processes that are running. Each has a log in the folder."""

    folder: Path
    address: str
    superlink: subprocess.Popen[bytes]
    nodes: dict[str, subprocess.Popen[bytes]]
    known: Path | None
    """NODES_FILE, where keys are registered."""

    def run(self, orders_file: Path, *, appear_s: float, answer_s: float, timeout_s: float, at_once: int = 0) -> None:
        """Submits the app and waits for its end; sites have so long to be there and to answer, `at_once` of them at the same time (0:
        all). Raises ToolFailed where it fails, with
        the end of its log."""
        waits = f"{APPEAR_SETTING}={float(appear_s)} {TIMEOUT_SETTING}={float(answer_s)} {AT_ONCE_SETTING}={at_once}"
        command = [
            _program("flwr"),
            "run",
            str(self.folder / "app"),
            CONNECTION,
            "--stream",
            "--run-config",
            f'{ORDERS_SETTING}="{orders_file}" {NODES_SETTING}="{self.known or ""}" {waits}',
        ]
        log = self.folder / "run.log"
        with log.open("wb") as out:
            done = subprocess.run(
                command,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=_environment(self.folder),
                timeout=timeout_s,
                check=False,
            )
        said = log.read_text(encoding="utf-8", errors="replace")
        if done.returncode or "ERROR" in said:
            raise ToolFailed(f"the run on Flower failed; the end of {log}:\n{said[-2000:]}")


@contextmanager
def federation(
    folder: Path, sites: Sequence[Node], *, secure: bool = False, door: Door | None = None
) -> Generator[Federation]:
    """A SuperLink on this machine and a SuperNode for each of the sites, ended with the block.

    `secure`: everything is sent over TLS, and only the sites' own keys are let in, by Flower's own means. `door`: so it is, and other
    sites may join. Raises NotAvailable without Flower, ToolFailed where the SuperLink does not start or takes no key.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_app(folder)
    host, port = "127.0.0.1", free_port()
    keys = folder / "keys"
    certificates = keys if door is None else door.certificates
    address = f"{host}:{port}"
    if door is not None:
        address, host, port, secure = door.address, door.listens_on, int(door.address.rpartition(":")[2]), True
    elif secure:
        make_certificates(keys)
    (folder / "home").mkdir(exist_ok=True)
    trust = f'root-certificates = "{certificates / CA_FILE}"' if secure else "insecure = true"
    (folder / "home" / "config.toml").write_text(f'[superlink.{CONNECTION}]\naddress = "{address}"\n{trust}\n')
    for before in folder.glob(f"{DATABASE}*"):  # of an earlier start: what it knew of keys and runs is said anew
        before.unlink()
    link = start(
        folder,
        "superlink",
        [
            _program("flower-superlink"),
            *(_secured(certificates) if secure else ["--insecure"]),
            "--disable-runtime-dependency-installation",
            *("--host", host, "--port", str(port)),
            *("--database", str(folder / DATABASE)),
        ],
    )
    running = Federation(folder, address, link, {}, folder / NODES_FILE if secure else None)
    known: dict[str, int] = {}
    try:
        _wait_for(port, link, folder / "superlink.log")
        if door is not None:
            for name, key in door.keys.items():
                known[name] = _register(folder, name, key)
        for site in sites:
            own = None
            if secure:
                private, public = make_site_key(keys, site.name)
                known[site.name] = _register(folder, site.name, public)
                own = Trust(authority=certificates / CA_FILE, key=private)
            running.nodes[site.name] = start_node(folder, address, site, own)
        if running.known is not None:
            write_atomic(running.known, json.dumps(known))
        yield running
    finally:
        stop([*running.nodes.values(), link])


def _secured(certificates: Path) -> list[str]:
    return [
        *("--ssl-ca-certfile", str(certificates / CA_FILE)),
        *("--ssl-certfile", str(certificates / CERTIFICATE_FILE)),
        *("--ssl-keyfile", str(certificates / KEY_FILE)),
        "--enable-supernode-auth",
    ]


def _register(folder: Path, site: str, public: Path) -> int:
    """Lets a site's key in; the number that its node has. Raises ToolFailed where Flower does not take it."""
    command = [_program("flwr"), "supernode", "register", str(public), CONNECTION, "--name", site, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(folder), check=False)
    said = done.stdout + done.stderr
    try:
        return int(json.loads(done.stdout)["node-id"])
    except (ValueError, KeyError):
        raise ToolFailed(f"Flower did not register the key of {site!r}: {said[-1000:]}") from None


def start_node(folder: Path, address: str, site: Node, trust: Trust | None = None) -> "subprocess.Popen[bytes]":
    """Starts a site's SuperNode with its log in the folder; `trust` where the federation is secure."""
    said = {SITE_SETTING: site.name, DATA_SETTING: str(site.data), FOLDER_SETTING: str(site.folder)}
    words = " ".join(f'{name}="{value}"' for name, value in said.items())
    secured = ["--insecure"]
    if trust is not None:
        secured = ["--root-certificates", str(trust.authority), "--auth-supernode-private-key", str(trust.key)]
    command = [_program("flower-supernode"), *secured, "--superlink", address, "--port", str(free_port())]
    return start(folder, f"site-{site.name}", [*command, "--node-config", words])


def start(folder: Path, name: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Starts a program in a group of its own, with its log in the folder; of the same session, so that whoever started the job finds it
    when the job was killed."""
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=_environment(folder), process_group=0
        )


def _environment(folder: Path) -> Mapping[str, str]:
    """Without secrets, with the programs of this Python first, and Flower's home in the folder."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    quiet = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return process_environment(**QUIET, **quiet, PATH=path, FLWR_HOME=str(folder / "home"))


def _program(name: str) -> str:
    """The path of one of Flower's programs, beside this Python or on the path."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise NotAvailable(f"Flower's {name} is not installed: pip install 'stratos-slm[sites]'")
    return found


def _write_app(folder: Path) -> None:
    app = folder / "app"
    app.mkdir(exist_ok=True)
    (app / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (app / f"{APP_MODULE}.py").write_text(APP, encoding="utf-8")


def free_port() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_WITHIN_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with socket.socket() as tried:
            tried.settimeout(1)
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise ToolFailed(f"Flower's SuperLink did not start; the end of {log}:\n{log.read_text(errors='replace')[-2000:]}")


def stop(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Asks every process to end, its children with it, and ends what does not."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + STOP_WITHIN_S
    for process in processes:
        try:
            process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _end_group(process.pid)


def _end_group(group: int) -> None:
    """What a program started and left behind."""
    try:
        os.killpg(group, 9)
    except ProcessLookupError:
        return
