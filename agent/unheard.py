"""Words said to a run that it has not heeded yet: kept in its folder, so that stopping and coming back loses none."""

import json
import threading
from pathlib import Path

from pydantic import TypeAdapter

from ..state.talk import Word
from ..tools.jobs import write_atomic

FILE = "unheard.json"
_WORDS = TypeAdapter(tuple[Word, ...])


class Unheard:
    """A run's words in the order they were said; from any thread."""

    def __init__(self, run_folder: Path) -> None:
        self._path = run_folder / FILE
        self._lock = threading.Lock()
        self._words = _WORDS.validate_json(self._path.read_bytes()) if self._path.exists() else ()

    @property
    def words(self) -> tuple[Word, ...]:
        """All of them."""
        return self._words

    @property
    def usd(self) -> float:
        """What a model took to understand them, not yet on the bill, US dollars."""
        return sum(word.usd for word in self._words)

    def add(self, word: Word) -> None:
        """Keeps one more."""
        with self._lock:
            self._keep((*self._words, word))

    def heeded(self, text: str) -> None:
        """Drops the first one, where it was typed so."""
        with self._lock:
            if self._words and self._words[0].text == text:
                self._keep(self._words[1:])

    def clear(self) -> None:
        """Drops all: there is no run any more that could heed them."""
        with self._lock:
            self._keep(())

    def _keep(self, words: tuple[Word, ...]) -> None:
        self._words = words
        if words:
            write_atomic(self._path, json.dumps([word.model_dump(mode="json") for word in words]))
        else:
            self._path.unlink(missing_ok=True)
