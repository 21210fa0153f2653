"""Answers kept on disk under the SHA-256 of what was asked, so that none is paid for twice.

One file, appended to under a file lock, a line an answer: several processes may share it, and a process killed at any moment leaves
at most a piece of a line, which readers skip and the next writer closes off. Two that ask the same at the same moment both pay.
"""

import hashlib
import json
import os
import threading
from pathlib import Path

from ...state.canonical import canonical
from .teachers import Answer, Request

ANSWERS_FILE = "answers.jsonl"
READ_BYTES = 2**20


def answer_key(identity: str, request: Request) -> str:
    """What an answer is kept under: who was asked, what, how, and for which sample."""
    asked = {
        "model": identity,
        "messages": [{"role": "user", "content": request.prompt}],
        "temperature": request.sampling.temperature,
        "max_tokens": request.sampling.max_tokens,
        "seed": request.sampling.seed,
        "sample": request.sample,
    }
    return hashlib.sha256(canonical(asked).encode()).hexdigest()


class AnswerCache:
    """The answers of a folder. Only their places are held in memory."""

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock

        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(folder / ANSWERS_FILE, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        self._between_processes = FileLock(folder / f"{ANSWERS_FILE}.lock", thread_local=False)
        self._between_threads = threading.Lock()
        self._places: dict[str, tuple[int, int]] = {}
        self._read_to = 0

    def close(self) -> None:
        """Lets the file go."""
        os.close(self._file)

    def get(self, key: str) -> Answer | None:
        """The answer, also one that another process wrote since; None where there is none that can be read."""
        with self._between_threads:
            if key not in self._places:
                self._look()
            place = self._places.get(key)
        if place is None:
            return None
        return Answer.model_validate(json.loads(os.pread(self._file, place[1], place[0]))["answer"])

    def put(self, key: str, answer: Answer) -> None:
        """Keeps an answer; it is on disk when this returns."""
        line = json.dumps({"key": key, "answer": answer.model_dump()}).encode() + b"\n"
        with self._between_threads, self._between_processes:
            end = os.fstat(self._file).st_size
            if end and os.pread(self._file, 1, end - 1) != b"\n":  # a killed writer's piece of a line
                line = b"\n" + line
            written = os.write(self._file, line)
            if written < len(line):
                raise OSError(f"the disk took {written} of {len(line)} bytes of an answer")
            os.fsync(self._file)

    def _look(self) -> None:
        """Notes the places of whole lines that were written since the last look."""
        rest = b""
        at = self._read_to
        while chunk := os.pread(self._file, READ_BYTES, at):
            at += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if key := _key(line):
                    self._places.setdefault(key, (self._read_to, len(line)))
                self._read_to += len(line) + 1


def _key(line: bytes) -> str | None:
    """The key of a line that holds an answer; None for a killed writer's piece of one, or another version's."""
    try:
        found = json.loads(line)
        Answer.model_validate(found["answer"])
        return str(found["key"])
    except (ValueError, KeyError, TypeError):  # pydantic's ValidationError is a ValueError
        return None
