"""What teachers are asked about a skill's examples: with the answer told, with steps, with neither; and in what form to answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

from ...skills.given.metrics import number_in, told_metric
from ...skills.protocol import Example, Skill
from .hiding import BLANK, without_answer
from .teachers import Request, Sampling

MOST_CHOICES_NAMED = 100
FORMS_SHOWN = 3
LONGEST_FORM = 60
"""Characters of an answer that is shown for its form."""

Judge = Callable[[Example, str], bool]
"""Whether an answer to an example's question is the one that was told."""


@cache
def prompt_template(name: str) -> Template:
    """A prompt by its file's name."""
    path = Path(__file__).with_name("prompts") / f"{name}.md"
    return Template(path.read_text(encoding="utf-8").strip())


def answer_form(answers: Sequence[str]) -> str:
    """In words, the form of the final answers of a task, told from right ones. It helps nobody to the answer of one question."""
    different = list(dict.fromkeys(answers))
    if told_metric(answers) == "choice" and len(different) <= MOST_CHOICES_NAMED:
        return f"exactly one of: {' | '.join(sorted(different))}"
    if all(number_in(answer) is not None for answer in different):
        return "a number without a unit"
    shown = [answer for answer in different if "\n" not in answer and len(answer) <= LONGEST_FORM][:FORMS_SHOWN]
    if not shown:
        return "as short as it can be"
    return f"in the form of these answers to other questions: {' | '.join(shown)}"


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Prompts about one task's examples, and the judge of what is answered."""

    skill: Skill
    task: str
    form: str

    def hinted(self, example: Example, answer: str, sampling: Sampling, sample: int) -> Request:
        """Asks for steps to an answer that is told."""
        return self._request("hinted", example, sampling, sample, answer=answer)

    def plain(self, example: Example, sampling: Sampling, sample: int = 0) -> Request:
        """Asks with nothing told."""
        return self._request("plain", example, sampling, sample)

    def with_steps(self, example: Example, steps: str, answer: str, sampling: Sampling, sample: int = 0) -> Request:
        """Asks with steps from which their answer was taken out."""
        return self._request(
            "steps", example, sampling, sample, steps=without_answer(steps, answer) or BLANK, blank=BLANK
        )

    def right(self, example: Example, answer: str) -> bool:
        """Judges by the skill's verifier."""
        alone = Example(prompt=example.prompt, rationale="", answer=answer)
        return self.skill.verify(self.task, example.prompt, self.skill.completion(alone, rationale=False)).answer_right

    def _request(self, name: str, example: Example, sampling: Sampling, sample: int, **rest: str) -> Request:
        text = prompt_template(name).substitute(
            task=self.skill.tasks[self.task].description, question=example.prompt, form=self.form, **rest
        )
        return Request(prompt=text, sampling=sampling, sample=sample, question=example.prompt)


def same_answer(one: str, other: str) -> bool:
    """Whether two answers are the same by themselves: letter case, spaces and a number's notation aside."""
    first, second = number_in(one), number_in(other)
    if first is not None and second is not None:
        return first == second
    return " ".join(one.casefold().split()).rstrip(".") == " ".join(other.casefold().split()).rstrip(".")
