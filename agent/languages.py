"""Brings a request, in English or Chinese, into the plain English that the rules read; another language is refused.

What it covers is words for figures, units, comparators and the things they belong to; the rest of a sentence stays as it is.
"""

import re
import unicodedata

from ..state.errors import RequestError
from . import chinese, english
from .wording import Wording

_FOREIGN = {
    "German": "der das und mit für ein eine einen oder nicht mindestens höchstens soll ob ist auf von zu im sekunden stunden",
    "Spanish": "el los las una para con menos que por del como más segundos horas sea es y modelo",
    "French": "le la les des une pour avec moins qui dans et ou du au plus secondes heures est modèle",
    "Italian": "il gli una per con meno che di della più secondi ore almeno modello",
    "Portuguese": "os um uma para com menos que de do da mais segundos horas pelo modelo",
    "Dutch": "de het een voor met minder dan of niet minstens hoogstens uur seconden en",
}
_ENGLISH = (
    "the a an and of to in for is that with at least most under than or on my be it model which hand hands win waits by accuracy "
    "latency budget train within right"
)


def in_plain_english(request: str) -> Wording:
    """The request as the rules read it. Raises RequestError where it is in a language they do not know."""
    if found := _foreign(Wording(request).text):
        raise RequestError(
            [
                f"the request seems to be in {found}: the rules read English and Chinese (simplified or traditional); write it in one "
                "of them, plan with a language model (--planner openai:MODEL), which reads any, or give a YAML brief"
            ]
        )
    return rewritten(request)


def rewritten(request: str) -> Wording:
    """The request with whatever is known of its figures in plain English, in whatever language it is."""
    wording = Wording(request)
    _unfold_lines(wording)
    if chinese.is_chinese(wording.text):
        chinese.rewrite(wording)
    english.rewrite(wording)
    wording.sub(r"\s+", " ")
    return wording


def _unfold_lines(wording: Wording) -> None:
    """Makes one line of several: bullets and line numbers are no part of what is asked."""
    if "\n" in wording.text.strip():
        wording.sub(r"(?m)^\s*\d{1,2}[.),]\s+", "; ")
        wording.sub(r"(?m)^\s*\d{1,2}[.),](?=\s*[^\W\d])", "; ")
    if re.search(r"(?:^|\s)1\)\s.*\s2\)\s", wording.text, re.S):
        wording.sub(r"(?:^|\s)\d\)\s", "; ")
    wording.sub(r"(?m)^\s*[-*•]\s+", "; ")
    wording.sub(r"\s*\n\s*", "; ")
    wording.sub(r"\s+", " ")


def _foreign(text: str) -> str | None:
    """The language of a text that is neither English nor Chinese, by its script or its smallest words."""
    for letter in text:
        script = unicodedata.name(letter, "").partition(" ")[0] if letter.isalpha() else "LATIN"
        if script in ("HIRAGANA", "KATAKANA"):
            return "Japanese"
        if script not in ("LATIN", "CJK", "MICRO") and letter not in "μ〇":
            return {"HANGUL": "Korean"}.get(script, f"{script.title()} script")
    words = set(re.findall(r"[^\W\d_]+", text.lower()))
    counts = {language: len(words & set(smallest.split())) for language, smallest in _FOREIGN.items()}
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] >= 2 and counts[best] > len(words & set(_ENGLISH.split())) else None
