"""The skeleton skill: names the largest of eight numbers, with the largest so far behind each as its way there."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

from ...state.errors import RequestError
from ..protocol import Check, Example, GivenData, Task

NUMBERS = tuple(map(str, range(50)))
COUNT = 8
MARK = "="
"""Stands between the way and the answer."""

SHORTCUTS: Mapping[str, Callable[[str], str]] = {
    "first number": lambda prompt: prompt.split()[1],
    "last number": lambda prompt: prompt.split()[-1],
}
"""Cheap features that could give the answer away: if one of them does, a small model proves nothing."""


class SkeletonSkill:
    """Implements `stratos.skills.protocol.Skill`, which says what each part is for."""

    name: str = "skeleton"
    description: str = "Names the largest of eight numbers from 0 to 49."
    keywords: tuple[str, ...] = ("largest number",)
    tasks: Mapping[str, Task] = {
        "largest": Task(
            name="largest",
            description="Names the largest of eight numbers.",
            keywords=("largest", "biggest"),
            max_prompt_tokens=1 + COUNT,
            max_completion_tokens=COUNT + 2,
            shortcuts=SHORTCUTS,
        )
    }
    vocabulary: Sequence[str] = ("largest", MARK, *NUMBERS)
    tokenizer: Path | None = None
    needs_data: bool = False
    given: GivenData | None = None

    def make(self, task: str, *, seed: int, block: int, count: int) -> list[Example]:
        """In reverse: the answer first, then seven numbers that leave it the largest, in any order."""
        rng = Random(f"{seed}:{task}:{block}")
        return [_made(rng) for _ in range(count)]

    def completion(self, example: Example, *, rationale: bool) -> str:
        """The way, the mark and the answer; or the mark and the answer alone."""
        return " ".join([*(example.rationale.split() if rationale else []), MARK, example.answer])

    def check(self, task: str, example: Example) -> bool:
        """Whether the verifier agrees with the example."""
        return self.verify(task, example.prompt, self.completion(example, rationale=True)).exact

    def verify(self, task: str, prompt: str, completion: str) -> Check:
        """Judges a completion without looking at how examples are made: nothing given exceeds the answer, and each number of the way
        is one that was given and no smaller than those before. Exact without a way, too."""
        given = _read(prompt)
        way, mark, answer = completion.partition(MARK)
        steps, found = way.split(), answer.strip()
        if not mark or not all(word in NUMBERS for word in (*steps, found)):
            return Check(answer_right=False, exact=False, parsed=False)
        right = int(found) in given and all(int(found) >= number for number in given)
        sound = not steps or (
            len(steps) == len(given)
            and all(int(step) in given[: place + 1] for place, step in enumerate(steps))
            and all(int(step) >= number for place, step in enumerate(steps) for number in given[: place + 1])
        )
        return Check(answer_right=right, exact=right and sound, parsed=True)

    def canonical(self, task: str, prompt: str) -> str:
        """The order does not matter: two prompts of the same numbers are one item, and never both taught and tested."""
        return " ".join(map(str, sorted(_read(prompt))))

    def solve(self, task: str, prompt: str) -> Example:
        """The example of a prompt; raises RequestError where it is none."""
        return _example(_read(prompt))

    def parse_question(self, task: str, text: str) -> str:
        """The numbers of a person's question as a prompt; raises RequestError where they are not eight from 0 to 49."""
        return _prompt(_read("largest " + " ".join(word for word in text.replace(",", " ").split() if word.isdigit())))


def _made(rng: Random) -> Example:
    answer = rng.randrange(len(NUMBERS))
    given = [answer, *(rng.randrange(answer + 1) for _ in range(COUNT - 1))]
    rng.shuffle(given)
    return _example(given)


def _example(given: Sequence[int]) -> Example:
    way = [str(max(given[: place + 1])) for place in range(len(given))]
    return Example(prompt=_prompt(given), rationale=" ".join(way), answer=str(max(given)))


def _prompt(given: Sequence[int]) -> str:
    return " ".join(["largest", *map(str, given)])


def _read(prompt: str) -> list[int]:
    word, *given = prompt.split()
    if word != "largest" or len(given) != COUNT or not all(number in NUMBERS for number in given):
        raise RequestError([f"{prompt[:80]!r} is no question: give {COUNT} numbers from 0 to {NUMBERS[-1]}"])
    return [int(number) for number in given]


SKILL = SkeletonSkill()
