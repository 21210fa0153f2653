"""What was said in a chat about one run, kept in the run's folder for whoever comes back to it."""

import json
from pathlib import Path

from ..state.canonical import masked, secrets_from_environment
from ..state.migrations import utc_now

FILE = "chat.jsonl"
LINES_SHOWN = 40


class Transcript:
    """Lines of one run's chat; secrets of the environment are masked."""

    def __init__(self, run_folder: Path) -> None:
        self._path = run_folder / FILE

    def add(self, who: str, text: str) -> None:
        """Keeps one line."""
        said = masked({"at": utc_now(), "who": who, "text": text}, secrets_from_environment())
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(said, ensure_ascii=False) + "\n")

    def lines(self) -> list[str]:
        """The newest lines, as they are shown."""
        return [f"  {who}: {text}" for who, text in self.said()[-LINES_SHOWN:]]

    def said(self) -> list[tuple[str, str]]:
        """Who said what, oldest first; a line cut short by a kill is left out."""
        if not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")
        return [said for line in lines if (said := _read(line))]


def _read(line: str) -> tuple[str, str] | None:
    """Who said what in one line; None where it cannot be read."""
    try:
        said = json.loads(line)
        return str(said["who"]), str(said["text"])
    except (ValueError, KeyError, TypeError):
        return None
