"""What was found in a request so far, and what is wrong with it: no figure is passed over in silence.

The same words always give the same figures. Which words those are, targets.py and limits.py say.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ..skills import load as load_skill
from ..skills import names as skill_names
from ..skills import skill_folder
from ..state.errors import RequestError
from ..state.numbers import AS_SAID, shown
from ..state.run import OwnNames
from .wording import UNREAD, Wording

NUMBER = r"(?<!\w)(?<!\d[.,])(-?\d+(?:[.,]\d+)*)"
NO = r"(?:no|not|without|never|avoid\w*|except|excluding|exclude|outside|rather than|other than|out of|any\w*(?:\s+\w+)?\s+but|\w+n't)"
NEAR = (
    r"(?:\s+(?:in|within|on|from|to|with|the|an?|any|use|using|run|running|hosted|servers?|have|want|need|be|allow\w*|located|deploy\w*))"
    r"{0,4}?\s+"
)
"""A word that rules out what follows, and what may stand between the two."""
ALONE = (r"(?:^|[,;:.]\s)\s*", r"(?=\s*(?:[,;.!]|$))")
"""Around a name that is all there is of a clause."""
SCALE = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9}
_FILLERS = (
    r"of|is|be|are|a|an|the|to|at|for|about|around|only|just|approximately|roughly|p95|accuracy|acc|latency|response|time|budget|cost|"
    r"total|price|throughput|parameters|params|within|do|spend|pay"
)


@dataclass
class Reading:
    """What was found so far, everything that is wrong with it, and which parts of the text were understood."""

    wording: Wording
    own: OwnNames = field(default_factory=OwnNames)
    """What may be named beside the built-in tables."""
    problems: list[str] = field(default_factory=list[str])
    assumptions: list[str] = field(default_factory=list[str])
    _understood: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    @property
    def text(self) -> str:
        """The request in the plain English of languages.py."""
        return self.wording.text

    def quote(self, start: int, end: int) -> str:
        """The user's own words for a stretch of the text."""
        return self.wording.words(start, end).strip(" ,.;:，。；：、\n")

    def find(self, pattern: str) -> list[re.Match[str]]:
        """All places that a pattern fits and nothing read before covers; they count as understood."""
        found = [match for match in re.finditer(pattern, self.text, re.I) if not self._covered(*match.span())]
        self._understood += [match.span() for match in found]
        return found

    def cover(self, start: int, end: int) -> None:
        """Counts a stretch as understood."""
        self._understood.append((start, end))

    def says(self, pattern: str) -> bool:
        """Whether the text has such words anywhere."""
        return re.search(pattern, self.text, re.I) is not None

    def one(self, what: str, found: Iterable[float]) -> float | None:
        """The only value found; two different ones contradict each other."""
        values = sorted(set(found))
        if len(values) > 1:
            listed = " and ".join(shown(value, AS_SAID) for value in values)
            self.problems.append(f"the request names {listed} for {what}: give one")
        return values[0] if values else None

    def refuse_direction(self, match: re.Match[str], wrong: str, what: str, right: str) -> None:
        """Says so when a figure, or the comparators before it, ask for the wrong side of it ("≤" or "≥")."""
        said = self.compared(match)
        if wrong in said:
            self.problems.append(
                f"{what} of {self.quote(match.end() - len(said), match.end())!r} cannot be aimed at: say {right}"
            )

    def compared(self, match: re.Match[str]) -> str:
        """A figure with the comparators before it."""
        chain = re.search(rf"[≤≥](?:[\s:=≤≥]|(?<!\w)(?:{_FILLERS})(?!\w))*$", self.text[: match.start()], re.I)
        return self.text[chain.start() if chain else match.start() : match.end()]

    def clause_before(self, match: re.Match[str]) -> str:
        """The words since the last separator or figure."""
        figures = re.finditer(r"(?<![a-z\d])\d[\d.,]*", self.text[: match.start()])
        since = max([self.read_until(match), *(figure.end() for figure in figures)])
        return re.split(r"[,;.!?(]\s", self.text[since : match.start()])[-1].lower()

    def read_until(self, match: re.Match[str]) -> int:
        """Where what was understood before a match ends."""
        return max((until for _, until in self._understood if until <= match.start()), default=0)

    def skip_tiles(self) -> None:
        """Sets aside hands as a skill writes them, 123m456p789s11z or 123m 456p 789s: no figure in them is asked for."""
        tile, word = r"(?-i:\d[mpsz])", r"(?:tiles?|pairs?|melds?|triplets?|sequences?|牌)"
        self.find(
            r"(?<!\w)(?:\d+[mpsz][\s,]*(?:and\s+|or\s+)?){3,}(?!\w)|(?<!\w)(?:\d+[mpsz])*\d{3,}[mpsz](?:\d+[mpsz])+(?!\w)"
            rf"|(?<![\w$€£.,])(?!\dm\s?\ds){tile}\s?{tile}(?!\w)|(?<![\w$€£.,]){tile}[\s-]{word}(?!\w)"
            rf"|\b(?:tile|(?:pair|triplet|meld|sequence)\s+of)\s+(?:a\s+|the\s+)?{tile}(?!\w)"
        )

    def refuse_unheld(self, pattern: str, why: str) -> None:
        """Says that what the user rules out, or asks for, has no place in a brief."""
        for match in self.find(pattern):
            self.problems.append(f"{self.quote(*match.span())!r} cannot be held: {why}")

    def refuse_left_over(self, unit: str) -> None:
        """Names every figure and `unit` that nothing read: a target that is passed over would be missed without a word."""
        nouns = "|".join(map(re.escape, _nouns()))
        self.find(rf"(?<![≤≥.,\d])(?<![≤≥]\s)\b\d+[\s-]*(?:[^\W\d]+\s+)?(?:{nouns})(?![A-Za-z0-9])")
        self.find(r"\bp95\b")
        self.find(rf"\b(?:{'|'.join(_names_with_digits())})\b")
        left: list[tuple[int, int]] = []
        for match in re.finditer(rf"\d[\d.,]*|{UNREAD}|%|{unit}", self.text, re.I):
            if self._covered(*match.span()) or (left and match.start() < left[-1][1]):
                continue
            before = re.search(r"\S*$", self.text[: match.start()])
            after = re.match(r"\S*(?:\s+[^\W\d]\w*){0,2}", self.text[match.end() :])
            left.append((before.start() if before else match.start(), match.end() + (after.end() if after else 0)))
        if left:
            listed = ", ".join(repr(self.quote(*span)) for span in left)
            self.problems.append(
                f"not understood: {listed}; valid are an accuracy in percent, a latency (p95) in ms or s, money in $, €, £, ¥ or 元, "
                "a time limit in minutes or hours, requests per second, a number of parameters"
            )

    def _covered(self, start: int, end: int) -> bool:
        return any(start < until and since < end for since, until in self._understood)


def _nouns() -> tuple[str, ...]:
    """Words that a number may stand before without being a target, such as "14 mahjong tiles"."""
    return _nouns_of(tuple(skill_folder(name) for name in skill_names()))


@cache
def _nouns_of(skills: tuple[Path, ...]) -> tuple[str, ...]:
    words = [word for folder in skills for word in load_skill(folder.name).keywords]
    return tuple(sorted({*words, *(word.removesuffix("s") for word in words)}, key=len, reverse=True))


def _names_with_digits() -> tuple[str, ...]:
    """What skills are called by that holds a figure, such as gsm8k."""
    return tuple(re.escape(noun) for noun in _nouns() if any(letter.isdigit() for letter in noun))


def value_of(text: str) -> float:
    """Reads 1,000, 1,000.5 and 1.000,5 as thousands, and 0,5 or 97,5 as a decimal comma."""
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", text):
        return float(text.replace(",", ""))
    if re.fullmatch(r"-?\d{1,3}(\.\d{3})+,\d+", text):
        return float(text.replace(".", "").replace(",", "."))
    if re.fullmatch(r"-?\d{1,3}(\.\d{3}){2,}", text):
        return float(text.replace(".", ""))
    try:
        return float(text.replace(",", ".") if text.count(",") <= 1 and "." not in text else text.replace(",", ""))
    except ValueError:
        raise RequestError([f"{text!r} is no number: write 1,000 for a thousand and 0.5 for a half"]) from None


def doubtful_dot(text: str) -> str | None:
    """What is wrong with a figure such as 50.000, which is fifty to some and fifty thousand to others; None where nothing is."""
    if re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", text):
        whole, _, rest = text.partition(".")
        return f"{text!r} may be {whole} or {whole},{rest}: write it without the dot"
    return None


def scaled(text: str, scale: str | None) -> float:
    """A number with "k", "million" or nothing behind it."""
    return value_of(text) * SCALE.get((scale or "").lower(), 1)
