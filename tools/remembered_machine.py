"""This machine, measured once and remembered in the workspace; measured again when it is another machine, or when asked.

What the machine is (processor, cores, memory, GPUs) is looked at every time and is the key; only its speeds are remembered. A workspace
shared by several machines remembers each.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..state.brief import Record
from ..state.canonical import canonical
from ..state.plan import Machine
from .jobs import write_atomic
from .machine import Parts, measured, parts_of_machine

MACHINES_FILE = "machines.json"
METHOD = 1
"""Counted up when speeds are measured in another way, so that older ones are measured again."""


class Remembered(Record):
    """A measured machine and when that was."""

    machine: Machine
    measured_at: str


def remembered_machine(
    workspace: Path,
    *,
    refresh: bool = False,
    parts: Callable[[], Parts] = parts_of_machine,
    measure: Callable[[Parts], Machine] = measured,
) -> Remembered:
    """This machine as it was measured last, or measured now where it was not, changed, or `refresh` asks for it.

    A workspace that cannot be written is no error: the machine is measured each time then.
    """
    now = parts()
    key = hashlib.sha256(canonical({"method": METHOD, **now.model_dump(mode="json")}).encode()).hexdigest()[:16]
    path = workspace / MACHINES_FILE
    held = _held(path)
    if not refresh and (known := held.get(key)) is not None:
        return known
    machine = measure(now)
    found = Remembered(machine=machine, measured_at=datetime.now(tz=UTC).isoformat(timespec="seconds"))
    held[key] = found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps({key: one.model_dump(mode="json") for key, one in held.items()}, indent=2))
    except OSError:
        pass
    return found


def _held(path: Path) -> dict[str, Remembered]:
    """What is remembered; a file that cannot be read is measured over, for it holds nothing that cannot be had again."""
    try:
        held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {key: Remembered.model_validate(one) for key, one in held.items()}
    except (OSError, ValueError, ValidationError, AttributeError):
        return {}
