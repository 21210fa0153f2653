"""A skill over examples that a user gave: its knowledge is the folder it was opened over."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from types import MappingProxyType

from ...state.errors import RequestError
from ..protocol import Check, Example, GivenData, Task
from .folder import MARK, canonical_question, completion_text, read_folder, read_manifest
from .form import Form
from .mapping import text_of
from .metrics import Judge, judge_of
from .tokens import TOKENIZER_FILE

TASK = "answer"

SHORTCUTS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "first word": lambda prompt: (prompt.casefold().split() or [""])[0],
        "last word": lambda prompt: (prompt.casefold().split() or [""])[-1],
        "longest word": lambda prompt: max(prompt.casefold().split(), key=len, default=""),
        "number of words": lambda prompt: str(len(prompt.split())),
    }
)


class GivenSkill:
    """Implements `Skill` for one task, `answer`; without a folder it only says what it is for."""

    needs_data: bool = True

    def __init__(
        self,
        *,
        name: str,
        description: str,
        keywords: tuple[str, ...],
        form: Form | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name, self.description, self.keywords = name, description, keywords
        self.form, self.folder = form or Form(), folder
        manifest = read_manifest(folder) if folder else None
        self._worked = manifest is not None and manifest.worked
        self.vocabulary: Sequence[str] = manifest.vocabulary if manifest else ()
        self.tokenizer: Path | None = folder / TOKENIZER_FILE if folder and manifest and manifest.pieces else None
        self.tasks: Mapping[str, Task] = {
            TASK: Task(
                name=TASK,
                description=description,
                keywords=keywords,
                max_prompt_tokens=manifest.max_prompt_tokens if manifest else 0,
                max_completion_tokens=manifest.max_completion_tokens if manifest else 0,
                shortcuts=SHORTCUTS,
            )
        }

    def opened(self, folder: Path) -> "GivenSkill":
        """The same skill over a folder of examples."""
        return GivenSkill(
            name=self.name, description=self.description, keywords=self.keywords, form=self.form, folder=folder
        )

    @cached_property
    def given(self) -> GivenData | None:
        """The examples; None before it is opened."""
        if self.folder is None:
            return None
        found = read_folder(self.folder)
        return GivenData(train=found.learned, labelled=found.labelled, splits=found.splits, unlabelled=found.unlabelled)

    def make(self, task: str, *, seed: int, block: int, count: int) -> list[Example]:
        """A sample of the examples for training, as they were given; the same for the same (seed, block)."""
        labelled = self._data.labelled
        return Random(f"{seed}:{task}:{block}").sample(labelled, min(count, len(labelled)))

    def completion(self, example: Example, *, rationale: bool) -> str:
        """The rationale, where there is one, `####` and the answer; or the answer alone."""
        return completion_text(example, rationale=rationale)

    def check(self, task: str, example: Example) -> bool:
        """True for the examples that were given: nothing but their own answers tells what is right."""
        return self._known.get(canonical_question(example.prompt)) == example

    def verify(self, task: str, prompt: str, completion: str) -> Check:
        """Judges the final answer against the given one. Raises RequestError for a question that was not given."""
        example = self.solve(task, prompt)
        _, mark, last = completion.rpartition(MARK.strip()) if self._worked else ("", "", completion)
        answer = last.strip()
        right = bool(answer) and self._judge(example.prompt, example.answer, answer)
        return Check(answer_right=right, exact=right, parsed=bool(answer) and bool(mark) == self._worked)

    def canonical(self, task: str, prompt: str) -> str:
        """The question without its letter case, spaces and punctuation at the end."""
        return canonical_question(prompt)

    def solve(self, task: str, prompt: str) -> Example:
        """The given example of a question; raises RequestError for any other."""
        found = self._known.get(canonical_question(prompt))
        if found is None:
            raise RequestError([f"{prompt[:60]!r} is not among the given examples: its right answer is not known"])
        return found

    def parse_question(self, task: str, text: str) -> str:
        """The text with single spaces; raises RequestError where a student could not read it."""
        prompt = text_of(text)
        if not prompt:
            raise RequestError(["the question is empty"])
        known = set(self.vocabulary)
        unknown = (
            [word for word in dict.fromkeys(prompt.split()) if word not in known] if self.tokenizer is None else []
        )
        if unknown:
            raise RequestError([f"words that are in none of the examples: {', '.join(map(repr, unknown[:10]))}"])
        return prompt

    @property
    def _data(self) -> GivenData:
        if self.given is None:
            raise RequestError([f"{self.name} needs examples: name them with --data FILE, or under `data:` in a brief"])
        return self.given

    @cached_property
    def _known(self) -> Mapping[str, Example]:
        everything = (*self._data.labelled, *(example for part in self._data.splits.values() for example in part))
        return {canonical_question(example.prompt): example for example in everything}

    @cached_property
    def _judge(self) -> Judge:
        assert self.folder is not None
        manifest = read_manifest(self.folder)
        return judge_of(manifest.metric, manifest.verifier, self.folder)
