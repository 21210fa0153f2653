"""What a teacher wrote, taken apart into steps and a final answer; whatever else it may have written has a name to be counted under.

It knows a text by its form alone: whether steps are true is for the round trip to find out.
"""

import re
import zlib
from dataclasses import dataclass
from typing import Literal

from ...skills.given.folder import MARK
from ...skills.given.mapping import MAX_CHARACTERS, text_of
from ...skills.protocol import SPECIAL_TOKENS
from .teachers import Answer

Unusable = Literal[
    "not sent: the money limit",
    "no answer from the server",
    "refused by the server",
    "no text the server could send",
    "empty",
    "cut off",
    "too long",
    "repeats itself",
    "a refusal",
    "no marked answer",
    "no steps",
    "characters that frame a student's texts",
]
"""Why a text cannot be taken apart."""

REPEATS_FROM_CHARACTERS = 400
REPEATS_BELOW = 0.12
"""Compressed to whole: worked solutions of 400 to 4,000 characters have 0.3 to 0.6, a sentence said ten times 0.1."""

EMPTY_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "answer",
        "as",
        "be",
        "because",
        "correct",
        "final",
        "hence",
        "here",
        "is",
        "it",
        "must",
        "of",
        "right",
        "result",
        "so",
        "solution",
        "that",
        "the",
        "therefore",
        "this",
        "thus",
        "we",
    ]
)
"""What announces an answer and says nothing of the way to it: "so the answer is". A single other word may be a step, of a short way in
a notation of its own; whether it leads anywhere is for the round trip to find out."""

_REFUSAL = re.compile(
    r"\b(i'?m sorry|i apologi[sz]e|i (?:can(?:no|')t|am unable to|am not able to|won'?t)\b|as an ai\b)|抱歉|无法(?:回答|提供|帮助)",
    re.IGNORECASE,
)
_AROUND = " \t*_`\"'“”"
_BOXED = re.compile(r"^\$*\\boxed\{(.*)\}\$*$")


@dataclass(frozen=True, kw_only=True)
class Solution:
    """Steps and the final answer that stood behind the mark."""

    steps: str
    answer: str


def marked(steps: str, answer: str) -> str:
    """The form that every teacher is asked for: steps, and the final answer on a line of its own behind the mark."""
    return f"{steps}\n{MARK}{answer}"


def take_apart(answer: Answer | None, *, wants_steps: bool) -> Solution | Unusable:
    """The solution in an answer, or why there is none."""
    if answer is None:
        return "not sent: the money limit"
    if answer.fate != "answered":
        fates: dict[str, Unusable] = {
            "lost": "no answer from the server",
            "refused": "refused by the server",
            "unreadable": "no text the server could send",
        }
        return fates[answer.fate]
    if problem := _wrong_form(answer):
        return problem
    steps, mark, rest = answer.text.rpartition(MARK.strip())
    final = _bare(rest)
    if not mark or not final:
        return "a refusal" if _REFUSAL.search(answer.text) else "no marked answer"
    steps = "\n".join(line for line in map(_step, steps.splitlines()) if line)
    if wants_steps and not _says_more(steps, final):
        return "no steps"
    return Solution(steps=steps, answer=final)


def _wrong_form(answer: Answer) -> Unusable | None:
    text = answer.text
    if not text.strip():
        return "empty"
    if answer.finish_reason != "stop":
        return "cut off"
    if len(text) > MAX_CHARACTERS:
        return "too long"
    if repeats_itself(text):
        return "repeats itself"
    if any(token in text for token in SPECIAL_TOKENS) or "\0" in text:
        return "characters that frame a student's texts"
    return None


def repeats_itself(text: str) -> bool:
    """Whether a text says the same thing over and over."""
    whole = text.encode()
    return len(whole) >= REPEATS_FROM_CHARACTERS and len(zlib.compress(whole)) < REPEATS_BELOW * len(whole)


def _step(line: str) -> str:
    """A line of steps as it is kept: single spaces, no heading's marks, which are the answer's."""
    return text_of(line.lstrip().lstrip("#"))


def _bare(text: str) -> str:
    """The first line behind the mark, without what a model puts around an answer."""
    lines = [line for line in text.strip().splitlines() if line.strip(_AROUND)]
    first = text_of(lines[0]).strip(_AROUND) if lines else ""
    boxed = _BOXED.match(first)
    return boxed[1].strip() if boxed else first


def _says_more(steps: str, final: str) -> bool:
    """Whether steps say anything beside the answer."""
    nothing = EMPTY_WORDS | set(re.findall(r"\w+", final.casefold()))
    return any(word not in nothing for word in re.findall(r"\w+", steps.casefold()))
