"""Controls that need no training: the most frequent answer, and the best answer by one cheap feature of the prompt."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..skills.protocol import Example, Skill

MOST_FREQUENT = "most frequent answer"


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """Answers by the value of one feature; what was never seen gets the most frequent answer of all."""

    name: str
    feature: Callable[[str], str]
    by_value: dict[str, str]
    otherwise: str

    def answer(self, prompt: str) -> str:
        """The answer to a prompt."""
        return self.by_value.get(self.feature(prompt), self.otherwise)


def most_frequent(examples: Sequence[Example]) -> Lookup:
    """Always the answer that is most frequent among the examples; ties go to the first in the alphabet."""
    return Lookup(
        name=MOST_FREQUENT, feature=lambda prompt: "", by_value={}, otherwise=_top(Counter(_answers(examples)))
    )


def fit_shortcuts(skill: Skill, task: str, examples: Sequence[Example]) -> list[Lookup]:
    """One look-up for every feature the skill declares as a possible leak, fitted on training examples."""
    otherwise = most_frequent(examples).otherwise
    lookups: list[Lookup] = []
    for name, feature in skill.tasks[task].shortcuts.items():
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for example in examples:
            counts[feature(example.prompt)][example.answer] += 1
        by_value = {value: _top(answers) for value, answers in counts.items()}
        lookups.append(Lookup(name=f"shortcut: {name}", feature=feature, by_value=by_value, otherwise=otherwise))
    return lookups


def right_answers(skill: Skill, task: str, control: Lookup, examples: Sequence[Example]) -> int:
    """How many final answers of the control the verifier accepts; it is never asked for a proof."""
    return sum(
        skill.verify(task, example.prompt, _bare(skill, example.prompt, control.answer(example.prompt))).answer_right
        for example in examples
    )


def _bare(skill: Skill, prompt: str, answer: str) -> str:
    return skill.completion(Example(prompt=prompt, rationale="", answer=answer), rationale=False)


def _answers(examples: Sequence[Example]) -> list[str]:
    return [example.answer for example in examples]


def _top(counts: Counter[str]) -> str:
    return min(counts, key=lambda answer: (-counts[answer], answer))
