"""A site on a machine of its own: its SuperNode is kept running there, and what the site did is told as it happens."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..loop.site_folder import ABOUT_FILE, ERROR_FILE, FITTED, MODEL
from .flower import Trust, start_node, stop
from .flower_app import Node

LOOK_EVERY_S, RETRY_S = 0.5, 5.0
LASTING_S, TOLD_AFTER = 20.0, 3
"""A SuperNode that ran so long was let in. So many that were not, one after the other, are told: a server knows keys a moment after it is
there, and a new one does not know the node of the one before."""
SAID_OF_LOG = 300
"""Characters of its end that are told."""

Step = Literal["waiting", "not let in", "fitted", "model", "failed"]
"""waiting: the SuperNode runs. not let in: it ended, and is started again and again. fitted, model: of the site's work. failed: an
answer could not be given."""
Told = Callable[[Step, Mapping[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class Joining:
    """One site's process, which goes on until it is interrupted: a server may ask again, in another attempt or another run."""

    site: Node
    server: str
    """HOST:PORT."""
    trust: Trust
    told: Told

    def run(self, over: threading.Event | None = None) -> None:
        """Keeps the site there until it is interrupted, or `over` is set."""
        over = over or threading.Event()
        seen = self._stamps()
        logs = self.site.folder / "flower"
        logs.mkdir(parents=True, exist_ok=True)
        self.told("waiting", {"server": self.server})
        failures = 0
        while not over.is_set():
            node, began = start_node(logs, self.server, self.site, self.trust), time.monotonic()
            try:
                while node.poll() is None:
                    seen = self._look(seen)
                    if over.wait(LOOK_EVERY_S):
                        return
            finally:
                stop([node])
            seen = self._look(seen)
            # The SuperNode ends where the server does not know its key, and where it is not the server of before.
            log = logs / f"site-{self.site.name}.log"
            end = log.read_text(encoding="utf-8", errors="replace")[-SAID_OF_LOG:]
            failures = 0 if time.monotonic() - began > LASTING_S else failures + 1
            if failures == TOLD_AFTER:
                self.told("not let in", {"again_every_s": RETRY_S, "log": str(log), "end": end})
            over.wait(RETRY_S)

    def _stamps(self) -> dict[Step, int]:
        """When each step was last done; 0: never."""
        files: dict[Step, Path] = {
            "fitted": self.site.folder / FITTED / ABOUT_FILE,
            "model": self.site.folder / MODEL / ABOUT_FILE,
            "failed": self.site.folder / ERROR_FILE,
        }
        return {step: file.stat().st_mtime_ns if file.exists() else 0 for step, file in files.items()}

    def _look(self, seen: Mapping[Step, int]) -> dict[Step, int]:
        now = self._stamps()
        for step, stamp in now.items():
            if stamp != seen[step]:
                self.told(step, self._facts(step))
        return now

    def _facts(self, step: Step) -> dict[str, Any]:
        if step == "failed":
            lines = (self.site.folder / ERROR_FILE).read_text(encoding="utf-8").strip().splitlines()
            return {"error": lines[-1] if lines else "", "file": str(self.site.folder / ERROR_FILE)}
        if step == "fitted":
            return {}
        folder = self.site.folder / MODEL
        facts = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
        names = ("validation_right", "validation_items", "test_right", "test_items")
        return {"folder": str(folder), **{name: facts[name] for name in names}}
