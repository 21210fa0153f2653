"""Hides an answer in the steps that lead to it, and finds steps that tell of having been told it.

It finds the answer as it is written, its words in any case and its numbers in any notation; a number in words, or another phrase
for the same thing, it does not find.
"""

import re

from ...skills.given.metrics import number_in

BLANK = "[...]"
_NUMBERS = re.compile(r"(?<![\w.,])[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\w|[.,]\d)")
_TOLD = re.compile(
    r"""
    \bas\ (?:is\ )?given\b(?!\ (?:in|by)\ the\ (?:question|problem|text|passage|task))
    | \b(?:the|this|that)\ (?:\w+\ ){0,2}answer\ (?:is|was|has\ been)\ (?:already\ )?(?:given|provided|known|stated|supplied|told)\b
    | \b(?:given|provided|supplied|known|stated|expected|reference|target|gold|hinted)\ (?:\w+\ )?(?:answer|solution|label|result)\b
    | \b(?:answer|solution|label|result)\ (?:that\ (?:is|was)\ )?(?:i|we)\ (?:was|were|am|are|have\ been)\ (?:given|told)\b
    | \b(?:i|we)\ (?:was|were|am|are|have\ been)\ (?:given|told)\ (?:that\ )?the\ (?:\w+\ )?(?:answer|solution|label|result)\b
    | \b(?:the|a|this|your)\ hint\b
    | \b(?:since|because|knowing|given\ that)\ the\ (?:right|correct|final)?\ ?answer\ (?:is|must\ be|should\ be)\b
    | \bto\ (?:reach|match|get|arrive\ at|agree\ with|fit)\ the\ (?:right|correct|final)\ answer\b
    | \bwork(?:ing)?\ backwards?\ from\ the\ (?:\w+\ )?answer\b
    | (?:已知|给定|提供|所给|参考|标准)的?(?:正确)?答案 | 答案(?:已经?)?(?:给出|提供|已知|告诉) | (?:根据|按照)提示
    """,
    re.IGNORECASE | re.VERBOSE,
)


def without_answer(steps: str, answer: str) -> str:
    """The steps with a blank wherever the answer stands."""
    wanted = number_in(answer)
    if wanted is not None:
        steps = _NUMBERS.sub(lambda found: BLANK if number_in(found[0]) == wanted else found[0], steps)
        if _NUMBERS.fullmatch(answer):
            return steps  # as words, 72 would also be found in 72,000
    words = r"\s+".join(map(re.escape, answer.split()))
    start = r"(?<!\w)" if answer[:1].isascii() else ""  # scripts without spaces have no borders between words
    end = r"(?!\w)" if answer[-1:].isascii() else ""
    return re.sub(f"{start}{words}{end}", BLANK, steps, flags=re.IGNORECASE)


def tells_of_the_hint(steps: str, question: str) -> bool:
    """Whether steps say that the answer was known before them, in words that the question itself does not use."""
    asked = question.casefold()
    return any(found[0].casefold() not in asked for found in _TOLD.finditer(steps))
