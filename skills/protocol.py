"""What a skill is: the Protocol every domain pack implements, and the example it makes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

SPECIAL_TOKENS = ("<pad>", "<unk>", "<bos>", "<eos>", "<answer>")
"""The first tokens of every student: what fills up, what is not known, and what frames a prompt and its completion."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One training or test item as text; tokens are separated by single spaces."""

    prompt: str
    rationale: str
    answer: str
    family: str = field(default="", compare=False)
    """How the item was made, where a skill makes several kinds; an evaluation gives a figure for each."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What a verifier says of a completion."""

    answer_right: bool
    """The final answer is right, whatever the rationale says."""
    exact: bool
    """The final answer is right and, where the task asks for a proof, so is the proof."""
    parsed: bool
    """The completion had the expected form at all."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One thing a skill can be asked for."""

    name: str
    description: str
    keywords: tuple[str, ...]
    """Lower-case words or phrases in a plain request that mean this task."""
    max_prompt_tokens: int
    max_completion_tokens: int
    shortcuts: Mapping[str, Callable[[str], str]]
    """Cheap features of a prompt, by name, that could leak the answer; each is tried as a control model."""


@dataclass(frozen=True, kw_only=True)
class GivenData:
    """Examples that a user gave, kept apart before anything was learned from them: no two are the same item."""

    train: Sequence[Example]
    """What is learned."""
    labelled: Sequence[Example]
    """The examples as they were given, but for the splits; another sequence where a teacher wrote what is learned."""
    splits: Mapping[str, Sequence[Example]]
    """The development split and the sealed ones, by name."""
    unlabelled: Sequence[str] = ()
    """Further questions without an answer, none of them an item of the above."""


class Skill(Protocol):
    """A domain pack. Every method is deterministic in its arguments and needs no network."""

    name: str
    description: str
    keywords: tuple[str, ...]
    tasks: Mapping[str, Task]
    vocabulary: Sequence[str]
    """Every token that prompts and completions are made of, in a fixed order, without SPECIAL_TOKENS."""
    tokenizer: Path | None
    """A tokenizer.json with that vocabulary; None: every word is a token."""
    needs_data: bool
    """The examples are the user's: the skill knows nothing until it is opened over them (`skills.load` with a folder)."""
    given: GivenData | None
    """The user's examples; None where `make` makes as many as are wanted."""

    def make(self, task: str, *, seed: int, block: int, count: int) -> list[Example]:
        """Makes `count` examples in reverse, answer first. (seed, block) names the block; blocks are independent. Of given
        examples it draws at most `count` of those for training."""
        ...

    def completion(self, example: Example, *, rationale: bool) -> str:
        """The text a student is taught to write: rationale then answer, or the answer alone."""
        ...

    def check(self, task: str, example: Example) -> bool:
        """True when an independent verifier, not the generator, agrees with the example's rationale and answer."""
        ...

    def verify(self, task: str, prompt: str, completion: str) -> Check:
        """Judges a model's completion of a prompt with the independent verifier."""
        ...

    def canonical(self, task: str, prompt: str) -> str:
        """One name for all prompts that are the same item under the skill's symmetries."""
        ...

    def solve(self, task: str, prompt: str) -> Example:
        """The skill's own solver: the teacher where no teacher model is configured."""
        ...

    def parse_question(self, task: str, text: str) -> str:
        """A person's question as the canonical prompt; raises RequestError naming everything wrong."""
        ...
