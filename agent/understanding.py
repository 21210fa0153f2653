"""What a line typed in a chat means, by rules: the words a run is steered with, in English and Chinese."""

import re
from typing import Literal

from pydantic import Field

from ..state.brief import Record
from ..state.errors import RequestError
from ..state.run import OwnNames
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
        r"(?:(?:y|yes|yep|ok|okay|approved?|approve it|go|go ahead|do it|sure|fine)(?: |$))+|好|好的|可以|同意|批准|行|开始|是|是的",
    ),
    (
        "decline",
        r"(?:(?:n|no|nope|cancel|cancel it|reject|decline|do not|don'?t)(?: |$))+|不|不要|不行|取消|拒绝|否|不是",
    ),
    (
        "stop",
        r"(?:stop|halt|pause|wait)(?: it| now| here| (?:the )?(?:training|run|work))?|停|停止|停下|暂停|停止训练|暂停训练",
    ),
    ("go_on", r"(?:continue|go on|resume|carry on|proceed|keep going)(?: now| with it)?|继续|继续训练"),
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
_WHY = r"why\b|how come\b|为(?:什么|何|啥)"
_COURTESY = r"^(?:(?:please|then|so|well)\b[,\s]*|[请麻]烦?您?)|[,，\s]*(?:\b(?:please|thanks|thank you|thx)|谢谢|吧)$"
_ASKING = (
    r"(?:is|are|does|do (?:i|you|we|they)|did|can|could|would|will|should|how|what|which|when|where)\b|.*[?？]$"
    r"|.*吗[?？。]?$|.*多少|能不能|可不可以"
)
_WHY_NOT_CHINESE = r"为(?:什么|何|啥)(?:不用|不选|不是|没用|没选)\s*(?P<about>.+?)\s*[?？吗呢]*$"
_WHAT_IF = r"(?:(?:and\s+)?what\s+if|suppose|如果|假如|要是)\s*(?P<rest>.+?)\s*[?？]?$"
_USE_DATA = (
    r"(?:\b(?:use|take|train|with)\b|用|使用).*?"
    r"(?:\"(?P<quoted>[^\"]+\.\w{2,8})\"|'(?P<single>[^']+\.\w{2,8})'|“(?P<curly>[^”]+\.\w{2,8})”"
    r"|(?P<bare>[^\s'\"“”]+\.(?:jsonl?|csv|tsv|txt|xlsx?|parquet)))(?!\w)"
)
_NOT = r"\b(?:don'?t|do not|not|never|no longer|stop using|without)\b|不要|别|不用"
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "一": 1, "二": 2, "三": 3, "四": 4,
}  # fmt: skip
_PICK = r"(?:option\s*|the\s+|take\s+|第)*(?P<number>[1-9]|first|second|third|fourth|1st|2nd|3rd|(?<=第)[一二三四])(?:\s+one|\s+option|个)?"


def understand(text: str, own: OwnNames | None = None) -> Intent:
    """The intent of a line; "unknown" where the rules see none. `own` may be named beside the built-in tables."""
    line = " ".join(text.split())
    plain = re.sub(_COURTESY, "", line.rstrip(".!。！").strip().lower()).replace(",", "").replace("，", "").strip()
    for does, words in _EXACT:
        if re.fullmatch(words, plain, re.I):
            return Intent(does=does, text=line)
    if found := re.fullmatch(_PICK, plain, re.I):
        number = found.group("number").lower()
        return Intent(does="pick", text=line, number=_ORDINALS.get(number) or int(number))
    if found := re.search(_WHY_NOT, line, re.I) or re.search(_WHY_NOT_CHINESE, line):
        about = found.group("about")
        return _better(line, about) or Intent(does="why_not", text=line, about=about)
    if re.match(_WHY, line, re.I):
        return Intent(does="plan", text=line)
    if found := re.search(_USE_DATA, line, re.I):
        return _using(line, found)
    if found := re.match(_WHAT_IF, line, re.I):
        return _changing("what_if", line, found.group("rest"), own)
    asking = re.match(_ASKING, line, re.I) is not None
    changed = _changing("what_if" if asking else "change", line, line, own)
    if changed.word is not None or (changed.problem and not asking):
        return changed
    return _better(line, line) or Intent(does="unknown", text=line)


def _better(line: str, said: str) -> Intent | None:
    """A wish for more of one aim."""
    aim: Aim | None = next((aim for aim, words in _BETTER if re.search(words, said, re.I)), None)
    return Intent(does="better", text=line, aim=aim) if aim else None


def _using(line: str, found: re.Match[str]) -> Intent:
    """Own data to be used, or why it cannot be."""
    path = next(name for name in found.groups() if name is not None)
    if re.search(_NOT, line, re.I):
        problem = "what a run has taken it keeps; a new run starts without it"
    elif not path.lower().endswith((".json", ".jsonl")):
        problem = f"{path}: own data must be JSONL, an object with a question on each line"
    else:
        return Intent(does="use_data", text=line, about=path, word=Word(text=line, data=path))
    return Intent(does="change", text=line, problem=problem)


def _changing(does: Does, line: str, said: str, own: OwnNames | None) -> Intent:
    """A change of the brief, or what is wrong with it."""
    try:
        word = read_changes(said, own)
    except RequestError as error:
        return Intent(does=does, text=line, problem="; ".join(error.problems))
    word = word.model_copy(update={"text": line})
    return Intent(does=does, text=line, word=word if word.targets or word.limits else None)
