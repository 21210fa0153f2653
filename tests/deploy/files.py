"""The files under test, read."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "deploy" / "kubernetes"


def documents(path: Path) -> list[Any]:
    """The YAML documents of a file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def compose() -> dict[str, Any]:
    """The services by name."""
    return documents(ROOT / "compose.yaml")[0]["services"]


def manifest(path: str) -> dict[str, Any]:
    """The one manifest in a file."""
    (found,) = documents(MANIFESTS / path)
    return found


def container(path: str) -> dict[str, Any]:
    """The one container of a job or deployment."""
    (found,) = manifest(path)["spec"]["template"]["spec"]["containers"]
    return found


def instructions() -> list[tuple[str, str]]:
    """Of the Dockerfile: each instruction with what follows it, continued lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    joined = "\n".join(lines).replace("\\\n", "").splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined) if name]
