"""A program in the place of SkyPilot's, for tests of what calls it as a process: it records its calls and answers as it is told."""

import json
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Program:
    """In a folder of its own; each command does what shell words say, or fails where nobody told it."""

    def __init__(self, folder: Path, name: str = "sky") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.path = folder, folder / name
        self.path.write_text(
            f'#!/bin/sh\ncd {shlex.quote(str(folder))}\necho "$*" >> calls\n. "./does-$1"\n', encoding="utf-8"
        )
        self.path.chmod(0o755)

    def does(self, command: str, shell: str) -> None:
        """From its next call on."""
        partial = self.folder / "partial"
        partial.write_text(shell + "\n", encoding="utf-8")
        partial.replace(self.folder / f"does-{command}")

    def says(self, command: str, text: str) -> None:
        """Prints a text and nothing else."""
        self.does(command, f"printf %s {shlex.quote(text)}")

    def answers(self, command: str, value: Any) -> None:
        """Prints JSON and nothing else."""
        self.says(command, json.dumps(value))

    @property
    def calls(self) -> list[str]:
        """The words of each so far."""
        file = self.folder / "calls"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def until(holds: Callable[[], object]) -> None:
    """Waits for it, at most a minute."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
