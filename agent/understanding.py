"""What a line typed in a chat means, by rules: the words a run is steered with, in English and Chinese."""

import re
from typing import Literal

from pydantic import Field

from ..state.brief import Record
from ..state.errors import RequestError
from ..state.talk import Word
from .intake import read_changes

Does = Literal[
    "approve", "decline", "stop", "go_on", "quit", "better", "why_not", "what_if", "change", "use_data", "pick", "status",
    "plan", "help", "unknown",
]  # fmt: skip
Aim = Literal["usd", "hours", "accuracy", "latency"]


class Intent(Record):
    """What to do with a line."""

    does: Does
    text: str = Field(description="the line, as it was typed")
    about: str = Field(default="", description="of why_not: the server or student; of use_data: the file")
    aim: Aim = "usd"
    number: int = Field(default=0, description="of pick: which of the options, counted from 1")
    word: Word | None = None
    problem: str = Field(default="", description="why a change or what-if could not be read")


_EXACT: tuple[tuple[Does, str], ...] = (
    (
        "approve",
        r"y|yes|yep|ok|okay|approved?|approve it|go|go ahead|do it|sure|fine|yes,? please|好|好的|可以|同意|批准|行|开始吧?|是",
    ),
    ("decline", r"n|no|nope|cancel|reject|decline|do not|don'?t|不|不要|不行|取消|拒绝|否"),
    ("stop", r"stop|stop it|halt|pause|wait|stop now|please stop|停|停止|停下|暂停"),
    ("go_on", r"continue|go on|resume|carry on|proceed|继续"),
    ("quit", r"quit|exit|bye|leave|:q|退出|再见"),
    ("status", r"status|progress|how far( is it)?|where are we|how is it going|进度|状态|怎么样了"),
    ("plan", r"plan|(show|what is)( me)? the plan|the plan|方案|计划"),
    ("help", r"help|\?|what can i (say|do)|帮助|help me"),
)
_BETTER: tuple[tuple[Aim, str], ...] = (
    ("usd", r"\bcheaper\b|\bless expensive\b|\blower cost\b|\bcosts? less\b|\btoo (?:expensive|dear)\b|便宜|太贵"),
    ("hours", r"\b(?:faster|quicker) (?:training|to (?:train|have))\b|\bsooner\b|\btoo long\b|快点|更快(?:完成|训练)"),
    ("latency", r"\bfaster\b|\bquicker\b|\blower latency\b|更快|延迟更低"),
    ("accuracy", r"\bmore accurate\b|\bmore accuracy\b|\bbetter accuracy\b|更准|更精确|准确率更高"),
)
_WHY_NOT = (
    r"why\s+(?:not|don'?t (?:you|we) (?:use|take|choose)|didn'?t (?:you|we) (?:use|take|choose)|isn'?t it)\s+(?:use\s+|take\s+|on\s+)?"
    r"(?:the\s+|an?\s+)?(?P<about>.+?)\s*\??$"
)
_WHY_NOT_CHINESE = r"为(?:什么|何|啥)(?:不用|不选|不是|没用|没选)\s*(?P<about>.+?)\s*[?？吗呢]*$"
_WHAT_IF = r"(?:(?:and\s+)?what\s+if|suppose|如果|假如|要是)\s*(?P<rest>.+?)\s*[?？]?$"
_USE_DATA = r"(?:use|take|train (?:it )?(?:on|with)|with|用|使用)\b?.*?(?P<about>[^\s'\"“”]+\.jsonl?)\b"
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3}
_PICK = r"(?:option\s*|the\s+|take\s+|第)*(?P<number>[1-9]|first|second|third|fourth|1st|2nd|3rd)(?:\s+one|\s+option|个)?[.!]?"


def understand(text: str) -> Intent:
    """The intent of a line; "unknown" where the rules see none."""
    line = " ".join(text.split())
    plain = line.rstrip(".!。！").strip().lower()
    for does, words in _EXACT:
        if re.fullmatch(words, plain, re.I):
            return Intent(does=does, text=line)
    if found := re.fullmatch(_PICK, plain, re.I):
        number = found.group("number").lower()
        return Intent(does="pick", text=line, number=_ORDINALS.get(number) or int(number))
    if found := re.search(_WHY_NOT, line, re.I) or re.search(_WHY_NOT_CHINESE, line):
        return Intent(does="why_not", text=line, about=found.group("about"))
    if found := re.search(_USE_DATA, line, re.I):
        return Intent(
            does="use_data", text=line, about=found.group("about"), word=Word(text=line, data=found.group("about"))
        )
    if found := re.match(_WHAT_IF, line, re.I):
        return _changing("what_if", line, found.group("rest"))
    changed = _changing("change", line, line)
    if changed.word is not None or changed.problem:
        return changed
    for aim, words in _BETTER:
        if re.search(words, line, re.I):
            return Intent(does="better", text=line, aim=aim)
    return Intent(does="unknown", text=line)


def _changing(does: Does, line: str, said: str) -> Intent:
    """A change of the brief, or what is wrong with it."""
    try:
        word = read_changes(said)
    except RequestError as error:
        return Intent(does=does, text=line, problem="; ".join(error.problems))
    word = word.model_copy(update={"text": line})
    return Intent(does=does, text=line, word=word if word.targets or word.limits else None)
