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
        """Who said what, oldest first."""
        if not self._path.exists():
            return []
        lines = [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]
        return [(line["who"], line["text"]) for line in lines]
