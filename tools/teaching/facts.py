"""The questions that a teacher makes of a passage, read line by line, and what is wrong with each by its form and the passage's words."""

import json
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ...skills.given.mapping import text_of
from ...skills.protocol import SPECIAL_TOKENS
from .passages import Passage
from .teachers import Answer

MOST_ANSWER_WORDS = 15
LONGEST_QUESTION = 500
"""Characters."""

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_LEANS_ON_THE_PASSAGE = re.compile(
    r"\b(?:the|this|that) (?:\w+ )?(?:passage|text|author|document|article|paragraph|excerpt|writer)\b|\baccording to (?:the|this)\b"
    r"|(?:这段|本文|文中|上文|该文|作者)",
    re.IGNORECASE,
)


class Fact(BaseModel):
    """A question, its answer, and the words of the passage that say so; with single spaces."""

    model_config = ConfigDict(frozen=True)

    question: Annotated[str, AfterValidator(text_of)] = Field(max_length=LONGEST_QUESTION)
    answer: Annotated[str, AfterValidator(text_of)] = Field(max_length=200)
    quote: Annotated[str, AfterValidator(text_of)] = Field(max_length=1000)


def read_facts(answer: Answer, most: int) -> tuple[list[Fact], int]:
    """The facts in an answer, no more than were asked for, and how many lines hold none. A last line that was cut off is one of these."""
    found: list[Fact] = []
    unreadable = 0
    for line in answer.text.splitlines():
        bare = line.strip().strip("`[]").strip().rstrip(",")
        if bare in ("", "json"):  # what models put around lines of JSON
            continue
        try:
            fact = Fact.model_validate(json.loads(bare))
        except (ValueError, RecursionError):  # pydantic's ValidationError is a ValueError
            unreadable += 1
            continue
        found.append(fact)
    return found[:most], unreadable


def problem_of(fact: Fact, passage: Passage) -> str:
    """What is wrong with a fact before anybody is asked; empty where nothing is."""
    said = _words(passage.text)
    if not all(fact.model_dump().values()) or any(token in part for token in SPECIAL_TOKENS for _, part in fact):
        return "empty, or characters that frame a student's texts"
    if any(_NO_TEXT.search(part) for _, part in fact):
        return "a character that is no text"
    if _LEANS_ON_THE_PASSAGE.search(fact.question):
        return "the question cannot be understood without the passage"
    if _spaced(fact.quote) not in _spaced(passage.text):
        return "the quote is not in the passage"
    if not set(_words(fact.answer)) <= set(said):
        return "the answer is not in the passage"
    if len(_words(fact.answer)) > MOST_ANSWER_WORDS:
        return "the answer is too long"
    if f" {' '.join(_words(fact.answer))} " in f" {' '.join(_words(fact.question))} ":
        return "the question gives its answer away"
    return ""


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _spaced(text: str) -> str:
    return " ".join(text.casefold().split())
