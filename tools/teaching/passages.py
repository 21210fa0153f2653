"""Reads a user's documents, whole or not at all, and cuts them into passages a teacher can be asked about one at a time."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...state.errors import RequestError

SUFFIXES = (".txt", ".md")
PASSAGE_CHARACTERS = 2000
"""assumption: about 500 tokens, room for several facts and small beside any model's context."""

MAX_BYTES = 64 * 2**20
FEWEST_CHARACTERS = 80
"""Shorter pieces are headings and page numbers."""

_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s*")


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A piece of a document."""

    document: str
    """Its path below the folder that all of those given share."""
    number: int
    """From 1, in the document."""
    text: str


def read_passages(paths: Sequence[Path]) -> list[Passage]:
    """The passages of files and of all documents in folders, in the order of their names. Raises RequestError with all that is wrong."""
    files, problems = _files(paths)
    shared = _shared_folder(paths) if files else Path()
    found: list[Passage] = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except OSError as error:
            problems.append(f"{file}: cannot be opened: {error.strerror}")
        except UnicodeDecodeError as error:
            problems.append(f"{file}: no UTF-8 text ({error.reason}, byte {error.start}): save it as UTF-8")
        else:
            name = file.relative_to(shared).as_posix()
            found += [
                Passage(document=name, number=number, text=passage) for number, passage in enumerate(cut(text), 1)
            ]
    if not problems and not found:
        problems.append(f"no passage of {FEWEST_CHARACTERS} characters or more in {', '.join(map(str, paths))}")
    if problems:
        raise RequestError(problems)
    return found


def _shared_folder(paths: Sequence[Path]) -> Path:
    """The deepest folder that holds all files and folders given; a folder given alone is that itself."""
    return Path(os.path.commonpath([path if path.is_dir() else path.parent for path in paths]))


def _files(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    files: list[Path] = []
    problems: list[str] = []
    for path in paths:
        if path.is_dir():
            files += sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        elif not path.is_file():
            problems.append(f"{path}: there is no such file or folder")
        elif path.suffix.lower() not in SUFFIXES:
            problems.append(f"{path}: a document of kind {path.suffix!r} is not read; valid: {', '.join(SUFFIXES)}")
        else:
            files.append(path)
    if (size := sum(file.stat().st_size for file in files)) > MAX_BYTES:
        problems.append(f"the documents have {size / 2**20:.0f} MiB together, the limit is {MAX_BYTES / 2**20:g} MiB")
        return [], problems
    return files, problems


def cut(text: str) -> list[str]:
    """Passages of whole paragraphs, or of whole sentences where a paragraph is too long; only a sentence too long is cut itself."""
    passages: list[str] = []
    now = ""
    for piece, border in _pieces(text):
        if now and len(now) + len(border) + len(piece) > PASSAGE_CHARACTERS:
            passages.append(now)
            now = piece
        else:
            now = f"{now}{border}{piece}" if now else piece
    return [passage for passage in (*passages, now) if len(passage) >= FEWEST_CHARACTERS]


def _pieces(text: str) -> list[tuple[str, str]]:
    """Pieces that are not cut further, each with what stands between it and the one before."""
    found: list[tuple[str, str]] = []
    for paragraph in re.split(r"\n\s*\n", text):
        whole = " ".join(paragraph.split())
        if len(whole) <= PASSAGE_CHARACTERS:
            found += [(whole, "\n\n")] if whole else []
            continue
        border = "\n\n"
        for sentence in _SENTENCE_END.split(whole):
            for at in range(0, len(sentence), PASSAGE_CHARACTERS):
                found.append((sentence[at : at + PASSAGE_CHARACTERS], border))
                border = " "
    return found
