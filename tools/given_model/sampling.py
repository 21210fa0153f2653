"""Sampled answers of a model to a few training questions: what a reward for right ones could strengthen in it.

GRPO compares a question's answers with each other (arXiv 2402.03300): where all are right or all are wrong, it learns nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from ...skills.protocol import Example, Skill
from ...state.evidence import Sampled
from ..answering import Writing, write_answers

QUESTIONS, SAMPLES = 32, 8
TEMPERATURE = 1.0
"""As GRPO samples."""


def chosen(examples: Sequence[Example], seed: int) -> list[Example]:
    """The questions that are asked, each once."""
    different = list({one.prompt: one for one in examples}.values())
    return Random(f"sampled:{seed}").sample(different, min(QUESTIONS, len(different)))


def sampled_answers(
    model: Path,
    skill: Skill,
    task: str,
    questions: Sequence[Example],
    writing: Writing,
    on_progress: Callable[[int, int], None],
) -> Sampled:
    """Answers each question SAMPLES times and counts, by the skill's verifier, where some are right and some wrong."""
    prompts = [one.prompt for one in questions for _ in range(SAMPLES)]
    texts = write_answers(model, prompts, replace(writing, temperature=TEMPERATURE), on_progress)
    exact = [skill.verify(task, prompt, text).exact for prompt, text in zip(prompts, texts, strict=True)]
    return counted([sum(exact[at : at + SAMPLES]) for at in range(0, len(exact), SAMPLES)])


def counted(right: Sequence[int]) -> Sampled:
    """From the number of right answers to each question, of SAMPLES."""
    return Sampled(
        questions=len(right),
        samples=SAMPLES,
        right=sum(right),
        solved=sum(count > 0 for count in right),
        mixed=sum(0 < count < SAMPLES for count in right),
    )
