"""Says so where a request names a cloud that no price is known for: a word passed over would leave the limit out.

It knows other providers by name, words near a known cloud's name, and what stands where only a cloud can. A name that none of these
fits is passed over as any other word is.
"""

import difflib
import re

from .limits import ACCELERATOR, clouds_of
from .names import valid_names
from .reading import Reading

_OTHERS = (
    "alibaba|aliyun|tencent|huawei|baidu|ovh(?:cloud)?|hetzner|digital ?ocean|linode|akamai|ibm cloud|scaleway|fluidstack|paperspace"
    "|vultr|upcloud|exoscale|leaseweb|contabo|tensordock|massed ?compute|genesis ?cloud|latitude\\.sh|oblivus|denvr|gcore|ionos"
)
_BEFORE = r"(?:on|from|using|only)\s+(?:the\s+)?"
_ALIKE = 0.85
"""Likeness, of 1, from which a word is taken for a misspelt cloud: "azur" is 0.89 like azure, "cruise" 0.83 like crusoe."""
_LEAST_LETTERS = 4


def refuse_unknown(reading: Reading) -> None:
    """A problem for each cloud without prices, before the known ones are read."""
    known = clouds_of(reading)
    own = "|".join(map(re.escape, reading.own.clouds))
    kept = rf"(?!(?:{own})\b)" if own else ""
    _refuse(reading, rf"\b{kept}(?:{_OTHERS})\b")
    name = rf"(?:{'|'.join(map(re.escape, known))})\b"
    other = rf"(?!{name})(?!{ACCELERATOR})(?!any\b|all\b|no\b|the\b|local)[a-z][\w.-]*"
    _refuse(reading, rf"\bclouds?\s*[:=]\s*{other}")
    _refuse(reading, rf"\b(?:on|from)\s+{other}(?=\s*(?:/|\bor\b)\s*(?:on\s+)?{name})")
    _refuse(reading, rf"\b(?:on|from|in|use)\s+(?!(?:the|any|a|my|our|your)\b)(?!{name})(?-i:[A-Z]\w+)\s+cloud\b")
    for match in re.finditer(rf"\b{_BEFORE}(?P<name>[a-z][\w-]*)", reading.text, re.I):
        word = match["name"].lower()
        if len(word) >= _LEAST_LETTERS and word not in known and _misspelt(word, known):
            _refuse(reading, rf"\b{_BEFORE}{re.escape(match['name'])}(?![\w-])")


def _refuse(reading: Reading, pattern: str) -> None:
    """A problem for each match; known clouds named along with it are understood."""
    known = clouds_of(reading)
    also = rf"(?P<also>(?:\s*(?:,|/|\bor\b|\band\b)\s*(?:on\s+)?(?:{'|'.join(map(re.escape, known))})\b)*)"
    for match in reading.find(rf"(?:{pattern}){also}"):
        said = reading.quote(match.start(), match.start("also"))
        reading.problems.append(
            f"{said!r} cannot be held: no prices are known of that cloud; {valid_names((said,), known)}"
        )


def _misspelt(word: str, known: tuple[str, ...]) -> bool:
    long_enough = [name for name in known if len(name) >= _LEAST_LETTERS]
    return bool(difflib.get_close_matches(word, long_enough, n=1, cutoff=_ALIKE))
