"""An example of what a student is asked and how it answers, for its model card: of the skill's making, or one that it learned from."""

import re
from dataclasses import dataclass
from pathlib import Path

from ..skills import load as load_skill
from ..skills.given.folder import TRAIN
from ..skills.protocol import Example, Skill
from ..state.errors import RequestError
from ..tools.deploy import SMOKE_BLOCK
from ..tools.distill import answers_only
from ..tools.evaluate import UNTUNED
from ..tools.generation import file_sha256
from .model_facts import StudentFacts

READABLE = 600
"""Characters of question and answer: a longer example is shown where there is no shorter one."""

LONGEST = 2000
"""Characters of either that are shown."""


@dataclass(frozen=True, kw_only=True)
class CardExample:
    """A question as the student takes it, and what it was taught to write to such."""

    prompt: str
    completion: str
    is_taught_form: bool
    """Whether its answers have this form: else they are its own, and only what is right is known."""
    is_the_users: bool


def card_example(facts: StudentFacts, run_folder: Path) -> CardExample | None:
    """An example of the run; None where the skill or the examples that it learned from are not there any more."""
    learned = facts.learned
    folder = run_folder / learned.folder if learned else None
    try:
        if learned and folder and file_sha256(folder / f"{TRAIN}.jsonl") != learned.train_sha256:
            return None
        skill = load_skill(facts.brief.skill, folder)
        example = _example(skill, facts)
    except (RequestError, OSError):
        return None
    taught = facts.attempt.candidate.trains and facts.stand_in != UNTUNED
    with_way = facts.attempt.candidate.strategy == "rationale" and facts.stand_in != answers_only(facts.attempt)
    return CardExample(
        prompt=example.prompt,
        completion=skill.completion(example, rationale=with_way) if taught else example.answer,
        is_taught_form=taught,
        is_the_users=skill.given is not None,
    )


def _example(skill: Skill, facts: StudentFacts) -> Example:
    """The first that is easily read of those it learned from, or the question that deployments are checked with."""
    if skill.given is None:
        return skill.make(facts.brief.task, seed=facts.settings["seed"], block=SMOKE_BLOCK, count=1)[0]
    train = skill.given.train
    return next((one for one in train if len(one.prompt + one.rationale + one.answer) <= READABLE), train[0])


def example_words(example: CardExample | None) -> str:
    """The card's part about it."""
    how = "A question is one message of the user, in this form; the chat template puts around it what else the model needs."
    if example is None:
        return f"## How to ask\n\n{how[:-1]} (No example: what the run learned from is not there any more.)"
    whose = (
        "It is one of the user's own examples that it learned from: take it out of this card where it is nobody else's business."
        if example.is_the_users
        else "It was made by the skill and is in none of the splits."
    )
    form = (
        "It was taught to answer in this form:"
        if example.is_taught_form
        else "It was taught no form of answers: its words are its own, and right is:"
    )
    return f"## How to ask\n\n{how}\n\n{_fenced(example.prompt)}\n\n{form}\n\n{_fenced(example.completion)}\n\n{whose}"


def _fenced(text: str) -> str:
    """The text as it is, in a block that nothing in it ends."""
    ticks = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}\n... ({len(text) - LONGEST:,} characters more)"
    return f"{ticks}text\n{shown}\n{ticks}"
