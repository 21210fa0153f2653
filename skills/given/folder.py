"""A folder of given examples: what `freezing` writes once and skills, jobs and runs read; and the same after a teacher wrote to it."""

import hashlib
import json
import math
import shutil
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import Field

from ...state.brief import Metric, Record
from ..protocol import Example
from .tokens import TOKENIZER_FILE, learn_pieces, shared_words, token_counts

MANIFEST = "manifest.json"
"""Written last: its presence means complete."""

TRAIN, LABELLED, UNLABELLED = "train", "labelled", "unlabelled"
"""What is learned; where a teacher wrote that, the examples as they were given; and questions without an answer."""

ROOM = 1.5
"""Times the longest given text that a student has room for: questions asked later may be longer."""

MARK = "#### "
"""Before the final answer of a completion with a rationale, as GSM8K has it."""


class Manifest(Record):
    """What a folder of given examples holds beside them."""

    metric: Metric
    verifier: str | None
    vocabulary: tuple[str, ...]
    pieces: bool = Field(description="the vocabulary is of tokenizer.json, not of whole words")
    splits: tuple[str, ...]
    worked: bool = Field(description="what is learned has rationales: an answer then stands behind a mark")
    max_prompt_tokens: int
    max_completion_tokens: int


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Everything that a folder is written from."""

    learned: Sequence[Example]
    labelled: Sequence[Example]
    """The examples as they were given; those learned, but where a teacher wrote these."""
    splits: Mapping[str, Sequence[Example]]
    unlabelled: Sequence[str]
    metric: Metric
    verifier: str | None


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written."""

    sha256: Mapping[str, str]
    """Of each file of examples by its name."""
    choices: int
    worked: bool
    vocabulary: int


def canonical_question(text: str) -> str:
    """One text for all that count as the same question."""
    return " ".join(text.casefold().split()).rstrip(" .?!")


def completion_text(example: Example, *, rationale: bool) -> str:
    """What a student is taught to write for an example."""
    return f"{example.rationale} {MARK}{example.answer}" if rationale and example.rationale else example.answer


def read_manifest(folder: Path) -> Manifest:
    """What a folder of given examples holds. Raises FileNotFoundError where it is not complete."""
    return Manifest.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))


def read_examples(path: Path) -> list[Example]:
    """The examples of a file in such a folder."""
    with path.open(encoding="utf-8") as lines:
        return [Example(**json.loads(line)) for line in lines]


def read_folder(folder: Path) -> Contents:
    """Everything that a folder was written from."""
    manifest = read_manifest(folder)
    learned = read_examples(folder / f"{TRAIN}.jsonl")
    labelled, unlabelled = folder / f"{LABELLED}.jsonl", folder / f"{UNLABELLED}.jsonl"
    return Contents(
        learned=learned,
        labelled=read_examples(labelled) if labelled.exists() else learned,
        splits={name: read_examples(folder / f"{name}.jsonl") for name in manifest.splits},
        unlabelled=[example.prompt for example in read_examples(unlabelled)] if unlabelled.exists() else [],
        metric=manifest.metric,
        verifier=manifest.verifier,
    )


def write_folder(contents: Contents, folder: Path, verifier_from: Path | None) -> Written:
    """Writes a folder in the place of what an earlier try left; `verifier_from` is the user's file of the metric python."""
    with _replaced(folder) as partial:
        if verifier_from is not None:
            shutil.copy(verifier_from, partial)
        choices = sorted({example.answer for example in contents.labelled}) if contents.metric == "choice" else []
        asked = [Example(prompt=prompt, rationale="", answer="") for prompt in contents.unlabelled]
        of_training = _texts([*contents.learned, *contents.labelled])
        of_others = _texts([*(example for part in contents.splits.values() for example in part), *asked])
        words = shared_words(of_training, of_others)
        vocabulary = words if words is not None else learn_pieces([*filter(None, of_training)], choices, partial)
        files = {TRAIN: contents.learned, **contents.splits}
        files |= {LABELLED: contents.labelled} if contents.labelled is not contents.learned else {}
        files |= {UNLABELLED: asked} if asked else {}
        hashes = {name: _write(partial / f"{name}.jsonl", part) for name, part in files.items()}
        lengths = token_counts([*of_training, *of_others], partial / TOKENIZER_FILE if words is None else None)
        worked = any(example.rationale for example in contents.learned)
        manifest = Manifest(
            metric=contents.metric,
            verifier=contents.verifier,
            vocabulary=tuple(vocabulary),
            pieces=words is None,
            splits=tuple(contents.splits),
            worked=worked,
            max_prompt_tokens=math.ceil(ROOM * max(lengths[::2])),
            max_completion_tokens=math.ceil(ROOM * max(lengths[1::2])),
        )
        (partial / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    return Written(sha256=hashes, choices=len(choices), worked=worked, vocabulary=len(vocabulary))


def with_lessons(given: Path, lessons: Sequence[Example], folder: Path) -> Written:
    """Writes the folder of the same examples and splits whose students learn what a teacher wrote, in tokens for that too."""
    before = read_folder(given)
    verifier = given / Path(before.verifier.rpartition(":")[0]).name if before.verifier else None
    contents = Contents(
        learned=lessons,
        labelled=before.labelled,
        splits=before.splits,
        unlabelled=before.unlabelled,
        metric=before.metric,
        verifier=before.verifier,
    )
    return write_folder(contents, folder, verifier)


@contextmanager
def _replaced(folder: Path) -> Generator[Path]:
    """A folder beside the one that is wanted, which takes its place when everything is written."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _texts(examples: Iterable[Example]) -> list[str]:
    """Question and answer by turns."""
    return [text for one in examples for text in (one.prompt, completion_text(one, rationale=True))]


def _write(path: Path, examples: Sequence[Example]) -> str:
    text = "".join(json.dumps(asdict(example)) + "\n" for example in examples)
    path.write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()
