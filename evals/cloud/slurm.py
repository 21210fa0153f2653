"""A Slurm cluster on this machine, for tests and for trying: `up` sets it up, `down` takes all of it away.

Two nodes on loopback with accelerators that are plain files, a login server of its own for SkyPilot to come in by, and a home folder
with SkyPilot's settings, so that nothing of the user's is touched. Needs root, and Debian's slurm-wlm, munge, openssh-server, rsync.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

USER = "stratos-cloud"
CLUSTER = "loopback"
NODES = ("n1", "n2")
ACCELERATOR, ACCELERATORS = "H100", 2
"""Of each node; plain files, so that a request for them can be scheduled."""
NODE_MIB = 6000
HOSTS, HOSTS_MARK = Path("/etc/hosts"), "# stratos-cloud"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sinfo", "sshd", "rsync", "useradd", "python3")
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
"""Of the cluster's programs, whatever the path of who sets it up: its user may not enter the folders of a virtual environment."""
WAIT_S = 60.0

SLURM = """\
ClusterName={cluster}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/pid/slurmctld
SlurmdPidFile={folder}/pid/%n
SlurmctldLogFile={folder}/log/slurmctld
SlurmdLogFile={folder}/log/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
GresTypes=gpu
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=60
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
LOGIN = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/login/host
PidFile {folder}/pid/sshd
AuthorizedKeysFile {folder}/login/authorized
StrictModes no
PasswordAuthentication no
UsePAM no
AllowUsers {user}
SetEnv SLURM_CONF={folder}/slurm.conf BASH_ENV={folder}/programs/first
Subsystem sftp internal-sftp
MaxStartups 100:30:200
MaxSessions 100
"""
CURL = """\
#!/bin/sh
# SkyPilot fetches uv's installer from the web, which may not be reached from here: the installer copies the uv that is here.
case "$*" in
  *astral.sh/uv/install.sh*) echo 'mkdir -p "$UV_INSTALL_DIR" && cp {folder}/programs/uv "$UV_INSTALL_DIR/uv"' ;;
  *) exec {curl} "$@" ;;
esac
"""
UV = """\
#!/bin/sh
# SkyPilot asks for a Python that may not be here and cannot be fetched: what is here will do.
for word; do
  shift
  [ "$word" = 3.10 ] && word={python}
  set -- "$@" "$word"
done
# Certificates that this machine trusts.
UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 exec {uv} "$@"
"""


def up(folder: Path, uv: Path) -> dict[str, str]:
    """Sets the cluster up; the environment in which SkyPilot finds it. `uv` is the program that SkyPilot installs with."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=SYSTEM_PATH) is None]
    if missing or os.geteuid():
        wanted = (
            f"no {', '.join(missing)}: apt-get install slurm-wlm munge openssh-server rsync"
            if missing
            else "root alone may"
        )
        raise SystemExit(f"a Slurm cluster cannot be set up here: {wanted}")
    for name in ("munge", "state", "spool", "pid", "log", "login", "accelerators", "home", "programs", "client/.slurm"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _user(folder / "home")
    _programs(folder, uv)
    _hosts({node: "127.0.0.1" for node in NODES})
    _authenticate(folder)
    _configure(folder)
    _log_in(folder)
    environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": SYSTEM_PATH}
    _start([_program("slurmctld")], environment)
    for node in NODES:
        _start([_program("slurmd"), "-N", node], environment)
    until = time.monotonic() + WAIT_S
    while (states := _states(environment)) != ["idle"] * len(NODES):
        if time.monotonic() > until:
            raise SystemExit(
                f"the nodes are {', '.join(states) or 'not there'} after {WAIT_S:g} s; see {folder / 'log'}"
            )
        time.sleep(1)
    return {"HOME": str(folder / "client"), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}


def down(folder: Path) -> None:
    """Ends every process of the cluster, and undoes what was set up outside of the folder."""
    for pid in _processes(folder):
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + WAIT_S
    while (left := _processes(folder)) and time.monotonic() < until:
        time.sleep(0.2)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    subprocess.run(["pkill", "-KILL", "-u", USER], check=False)
    subprocess.run(["userdel", "--force", USER], check=False, capture_output=True)
    _hosts({})


def _user(home: Path) -> None:
    """A user of its own, whose home is the cluster's: SkyPilot keeps things in it as it does in the client's."""
    if subprocess.run(["id", USER], capture_output=True, check=False).returncode:
        subprocess.run(["useradd", "--home-dir", str(home), "--shell", "/bin/bash", USER], check=True)
    subprocess.run(["usermod", "--password", "*", USER], check=True)  # no password, and not locked
    subprocess.run(["chown", "-R", f"{USER}:{USER}", str(home)], check=True)


def _programs(folder: Path, uv: Path) -> None:
    """What every shell at the cluster finds first, login shells too, which set the path anew. Copies: the programs' own folder may be
    one that only root can enter."""
    at = folder / "programs"
    real = shutil.copy(uv, at / "uv-itself")
    texts = {
        "first": f'PATH="{at}:$PATH"\n',
        "uv": UV.format(uv=real, python=_program("python3")),
        "curl": CURL.format(folder=folder, curl=shutil.which("curl", path=SYSTEM_PATH) or "false"),
    }
    for name, text in texts.items():
        (at / name).write_text(text, encoding="utf-8")
        (at / name).chmod(0o755)


def _hosts(names: dict[str, str]) -> None:
    kept = [line for line in HOSTS.read_text(encoding="utf-8").splitlines() if not line.endswith(HOSTS_MARK)]
    lines = [*kept, *(f"{address} {name} {HOSTS_MARK}" for name, address in names.items())]
    HOSTS.write_text("\n".join(lines) + "\n", encoding="utf-8")  # in place: it may be a mount


def _authenticate(folder: Path) -> None:
    at = folder / "munge"
    if not (key := at / "key").exists():
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
    names = {"key-file": key, "socket": at / "socket", "pid-file": folder / "pid" / "munged", "seed-file": at / "seed"}
    words = [f"--{name}={path}" for name, path in names.items()]
    _start([_program("munged"), "--force", f"--log-file={folder / 'log' / 'munged'}", *words])


def _configure(folder: Path) -> None:
    host = socket.gethostname()
    nodes: list[str] = []
    devices: list[str] = []
    for number, node in enumerate(NODES, 1):
        nodes.append(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={_port()} CPUs={os.cpu_count()} "
            f"RealMemory={NODE_MIB} Gres=gpu:{ACCELERATOR}:{ACCELERATORS}"
        )
        for device in range(ACCELERATORS):
            (folder / "accelerators" / f"{number}-{device}").touch()
        files = f"{folder}/accelerators/{number}-[0-{ACCELERATORS - 1}]"
        devices.append(f"NodeName={node} Name=gpu Type={ACCELERATOR} File={files}")
    text = SLURM.format(cluster=CLUSTER, host=host, port=_port(), folder=folder, nodes="\n".join(nodes))
    (folder / "slurm.conf").write_text(text, encoding="utf-8")
    (folder / "gres.conf").write_text("\n".join(devices) + "\n", encoding="utf-8")


def _log_in(folder: Path) -> None:
    """The login server, and the client's settings for it."""
    at, client, port = folder / "login", folder / "client", _port()
    for key in (at / "host", client / "key"):
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    shutil.copy(client / "key.pub", at / "authorized")
    (at / "config").write_text(LOGIN.format(port=port, folder=folder, user=USER), encoding="utf-8")
    Path("/run/sshd").mkdir(exist_ok=True)
    _start([_program("sshd"), "-f", str(at / "config"), "-E", str(folder / "log" / "sshd")])
    (client / ".slurm" / "config").write_text(
        f"Host {CLUSTER}\n  HostName 127.0.0.1\n  Port {port}\n  User {USER}\n  IdentityFile {client / 'key'}\n"
        "  IdentitiesOnly yes\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n",
        encoding="utf-8",
    )


def _states(environment: dict[str, str]) -> list[str]:
    said = subprocess.run(
        [_program("sinfo"), "--noheader", "--Node", "--format=%t"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.split()


def _processes(folder: Path) -> list[int]:
    """The cluster's own that are alive, by the numbers they wrote down."""
    found: list[int] = []
    for file in (folder / "pid").glob("*"):
        with suppress(FileNotFoundError):  # it ends, and takes its file with it
            number = file.read_text(encoding="utf-8").strip()
            if number.isdigit() and "State:\tZ" not in Path(f"/proc/{number}/status").read_text(encoding="utf-8"):
                found.append(int(number))
    return found


def _start(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Starts a program that goes to the background by itself."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=WAIT_S)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")


def _program(name: str) -> str:
    found = shutil.which(name, path=SYSTEM_PATH)
    assert found is not None
    return found


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def main() -> None:
    """`up FOLDER --uv PROGRAM` prints the environment to give SkyPilot; `down FOLDER`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("up", "down"))
    parser.add_argument("folder", type=Path, help="of its own; others must be able to enter the folders above it")
    parser.add_argument(
        "--uv", type=Path, default=None, help="the program uv that SkyPilot installs with; default: on the path"
    )
    options = parser.parse_args()
    folder = options.folder.absolute()
    if options.what == "down":
        down(folder)
        return
    uv = options.uv or Path(shutil.which("uv") or "uv")
    for name, value in up(folder, uv).items():
        print(f"export {name}={value}")


if __name__ == "__main__":
    main()
