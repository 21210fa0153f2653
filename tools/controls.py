"""Controls that need no training: the most frequent answer, and the best answer by one cheap feature of the prompt."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from ..skills.protocol import Example, Skill

MOST_FREQUENT = "most frequent answer"
WORD_COUNTS = "bag of words (naive Bayes)"
MOST_ANSWERS, FEWEST_AN_ANSWER = 1000, 3
"""Answers that are labels: no more different ones, and so many examples of each on average."""


class Guess(Protocol):
    """A control that answers without a language model."""

    @property
    def name(self) -> str:
        """What it is called in an evaluation."""
        ...

    def answer(self, prompt: str) -> str:
        """The answer to a prompt."""
        ...


class WordCounts:
    """Complement naive Bayes over words and pairs of neighbours (Rennie et al., ICML 2003, without its length weights)."""

    name: str = WORD_COUNTS

    def __init__(self, examples: Sequence[Example], smoothing: float = 0.1) -> None:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for example in examples:
            counts[example.answer].update(_features(example.prompt))
        everything = Counter[str]()
        for counted in counts.values():
            everything.update(counted)
        self._answers = sorted(counts)
        # A word's weight against an answer is the log of how often it is met outside it: the same for all answers that never
        # met it, so that only the others' differences are kept.
        self._outside = [
            math.log(everything.total() - counts[answer].total() + smoothing * len(everything))
            for answer in self._answers
        ]
        self._less: dict[str, dict[int, float]] = defaultdict(dict)
        for index, answer in enumerate(self._answers):
            for word, met in counts[answer].items():
                elsewhere = everything[word] - met + smoothing
                self._less[word][index] = math.log(elsewhere) - math.log(everything[word] + smoothing)

    def answer(self, prompt: str) -> str:
        """The answer whose complement the prompt's words fit least; of equals the first in the alphabet."""
        against = self.against(prompt)
        return self._answers[min(range(len(against)), key=lambda index: against[index])]

    def against(self, prompt: str) -> list[float]:
        """The log probability of the prompt's words outside each answer, in the order of the alphabet, but for what is the same for
        all answers."""
        known = [self._less[word] for word in _features(prompt) if word in self._less]
        against = [-len(known) * outside for outside in self._outside]
        for differences in known:
            for index, less in differences.items():
                against[index] += less
        return against


def _features(prompt: str) -> list[str]:
    words = re.findall(r"\w+", prompt.casefold())
    return [*words, *(f"{one} {other}" for one, other in pairwise(words))]


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


def guesses_of(skill: Skill, task: str, examples: Sequence[Example]) -> list[Guess]:
    """Everything that needs no model: the most frequent answer, each shortcut, and the words of the prompt together."""
    return [most_frequent(examples), *fit_shortcuts(skill, task, examples), *fit_word_counts(skill, examples)]


def fit_word_counts(skill: Skill, examples: Sequence[Example]) -> list[Guess]:
    """A bag of words, where the skill's examples are given and their answers are few; else nothing."""
    answers = Counter(_answers(examples))
    few = len(answers) <= MOST_ANSWERS and len(answers) * FEWEST_AN_ANSWER <= len(examples)
    return [WordCounts(examples)] if skill.given and few and len(answers) > 1 else []


def right_answers(skill: Skill, task: str, control: Guess, examples: Sequence[Example]) -> int:
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
