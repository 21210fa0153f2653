"""Finds targets and limits in plain words: numbers, units, currencies, comparators; what it cannot place it says.

Rules alone, English alone: the same words always give the same figures, and no figure is passed over in silence.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from ..skills import load as load_skill
from ..skills import names as skill_names
from ..tools.pricing.look_up import known_clouds

NUMBER = r"(-?\d+(?:[.,]\d+)*)"
USD_PER_UNIT = {"$": 1.0, "¢": 0.01, "€": 1.05, "£": 1.25, "¥": 0.0065, "元": 0.14}
"""assumption: round figures, not market rates; every use is written into the brief so that the user can correct it."""

CURRENCY_WORDS = {
    "$": ("usd", "us$", "dollar", "dollars", "bucks"),
    "¢": ("cent", "cents"),
    "€": ("eur", "euro", "euros"),
    "£": ("gbp", "pound", "pounds"),
    "¥": ("jpy", "yen"),
    "元": ("cny", "rmb", "yuan"),
}
SECONDS = {"ms": 0.001, "micro": 1e-6, "µ": 1e-6, "milli": 0.001, "min": 60.0, "h": 3600.0, "d": 86400.0, "s": 1.0}
"""Seconds by the beginning of a unit's name; the first that fits counts, so that "s" comes last."""

TIME_UNIT = (
    r"(?P<unit>µs|microseconds?|ms|msec|millisecond|milliseconds|s|sec|secs|second|seconds|min|mins|minute|minutes|h|hr|hrs|hour|hours"
    r"|day|days)\b"
)
REGIONS = {"europe": "eu", "the eu": "eu", "the us": "us", "the usa": "us", "asia": "asia"}
ACCELERATOR = re.compile(r"\b(h100|h200|b200|a100|a10g?|l40s?|l4|t4|v100|rtx ?\d{4}|mi300x)\b", re.IGNORECASE)


SCALE = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9}
MOST_PARAMETERS = 1e15
AT_MOST = (
    "at most",
    "under",
    "below",
    "less than",
    "up to",
    "no more than",
    "not more than",
    "maximum",
    "max",
    "<",
    "<=",
    "≤",
)
AT_LEAST = ("at least", "over", "above", "more than", "no less than", "minimum", "min", ">", ">=", "≥")

_UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_TENS = {
    name: 10 * at
    for at, name in enumerate(["ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 1)
}
_COUNTED = r"(?=[\s-]+(?:%|percent|per cent|dollars?|bucks|euros?|pounds?|yen|yuan|cents?|milliseconds?|ms|seconds?|minutes?|hours?|days?))"


def in_digits(text: str) -> str:
    """The text with number words before units as digits: "ninety-five percent", "half an hour", "five minutes"."""
    text = re.sub(r"\bhalf an? (?=(?:hour|minute|second|day|dollar)\b)", "0.5 ", text, flags=re.I)
    # "a second" is a number behind a limit, and a rate in "50 requests a second" or "$2 an hour".
    limit = "|".join(map(re.escape, (*AT_MOST, "within", "in")))
    text = re.sub(rf"(?<!\w)({limit})\s+an?\s+(?=(?:hour|minute|second|day|dollar)\b)", r"\1 1 ", text, flags=re.I)
    tens, units = "|".join(_TENS), "|".join(_UNITS[1:10])
    pattern = rf"\b(?:({tens})(?:[\s-]({units}))?|({'|'.join(_UNITS)})|((?:one |a )?hundred)){_COUNTED}"

    def digits(match: re.Match[str]) -> str:
        ten, unit, alone, hundred = (part.lower() if part else "" for part in match.groups())
        if hundred:
            return "100"
        if alone:
            return str(_UNITS.index(alone))
        return str(_TENS[ten] + (_UNITS.index(unit) if unit else 0))

    return re.sub(pattern, digits, text, flags=re.I)


@dataclass
class Reading:
    """What was found so far, everything that is wrong with it, and which parts of the text were understood."""

    text: str
    problems: list[str] = field(default_factory=list[str])
    assumptions: list[str] = field(default_factory=list[str])
    _understood: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def find(self, pattern: str) -> list[re.Match[str]]:
        """All places that a pattern fits and nothing read before covers; they count as understood."""
        found = [match for match in re.finditer(pattern, self.text, re.I) if not self._covered(*match.span())]
        self._understood += [match.span() for match in found]
        return found

    def one(self, what: str, found: Iterable[float]) -> float | None:
        """The only value found; two different ones contradict each other."""
        values = sorted(set(found))
        if len(values) > 1:
            listed = " and ".join(f"{value:g}" for value in values)
            self.problems.append(f"the request names {listed} for {what}: give one")
        return values[0] if values else None

    def refuse_direction(self, match: re.Match[str], wrong: tuple[str, ...], what: str, right: str) -> None:
        """Says so when the words before a figure ask for the wrong side of it."""
        before = self.text[: match.start()].rstrip().lower()
        said = next((word for word in wrong if re.search(rf"(?<!\w){re.escape(word)}$", before)), None)
        if said:
            self.problems.append(f"{what} of '{said} {match.group(0).strip()}' cannot be aimed at: say {right}")

    def refuse_left_over(self) -> None:
        """Names every figure that nothing read: a target that is passed over would be missed without a word."""
        self.find(rf"\d+[\s-]*(?:\w+\s+)?(?:{'|'.join(map(re.escape, _nouns()))})\b")
        self.find(r"(?<!\w)(?:\d+[mpsz])+(?!\w)")  # tiles, as a skill writes them
        self.find(r"\bp\d\d(?:\.\d+)?\b")
        left = [
            match for match in re.finditer(r"\S*\d\S*(?:\s+[^\W\d]+)?", self.text) if not self._covered(*match.span())
        ]
        if left:
            listed = ", ".join(repr(match.group(0).strip(" ,.;:")) for match in left)
            self.problems.append(
                f"not understood: {listed}; valid are an accuracy in percent, a latency (p95) in ms or s, money in $, €, £, ¥ or 元, "
                "a time limit in minutes or hours, requests per second, a number of parameters"
            )

    def _covered(self, start: int, end: int) -> bool:
        return any(start < until and since < end for since, until in self._understood)


@cache
def _nouns() -> tuple[str, ...]:
    """Words that a number may stand before without being a target, such as "14 mahjong tiles"."""
    words = [word for name in skill_names() for word in load_skill(name).keywords]
    return tuple(sorted({*words, *(word.removesuffix("s") for word in words)}, key=len, reverse=True))


def _value(text: str) -> float:
    """Reads 1,000 and 1,000.5 as thousands, and 0,5 or 97,5 as a decimal comma."""
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", text):
        return float(text.replace(",", ""))
    return (
        float(text.replace(",", ".")) if text.count(",") <= 1 and text.count(".") == 0 else float(text.replace(",", ""))
    )


def accuracy(reading: Reading) -> tuple[float | None, str]:
    """The share that must be right, and by which rule: the interval's lower end, or the measured value."""
    percent = r"\s*(?:%|percent\b|per cent\b)"
    reading.find(rf"{NUMBER}{percent}\s*(?:confidence|interval|ci)\b")
    wrong = r"(?:error(?:s|\s+rate)?|wrong|mistakes?|failures?|incorrect)"
    errors = reading.find(rf"\b{wrong}\b[^\d%$€£¥]{{0,24}}?{NUMBER}{percent}|{NUMBER}{percent}\s*(?:of\s+)?{wrong}\b")
    found = [100 - _value(match.group(1) or match.group(2)) for match in errors]
    plain = reading.find(rf"{NUMBER}{percent}")
    shares = reading.find(
        rf"accuracy\s*(?:of|>=|≥|at least|above|over)?\s*{NUMBER}(?![\d.,])|(?<![\w.]){NUMBER}\s+accuracy\b"
    )
    for match in (*plain, *shares):
        reading.refuse_direction(match, AT_MOST, "an accuracy", "'at least'")
    found += [_value(match.group(1)) for match in plain]
    found += [100 * _value(match.group(1) or match.group(2)) for match in shares]
    value = reading.one("the accuracy in percent", [round(one, 9) for one in found])
    rule = "lower_bound"
    if re.search(r"\bpoint estimate\b|\bon average\b", reading.text, re.I):
        rule = "point_estimate"
    if value is None:
        return None, rule
    if not 0 < value <= 100:
        reading.problems.append(f"an accuracy of {value:g} % is impossible: valid is above 0 and at most 100 %")
        return None, rule
    if value == 100 and rule == "lower_bound":
        reading.problems.append(
            "no finite test can show 100 % with a 95 % interval: ask for less, or say 'point estimate' to judge the measured value"
        )
    return value / 100, rule


def _seconds(match: re.Match[str]) -> float:
    unit = match.group("unit").lower()
    return _value(match.group(1)) * next(seconds for begin, seconds in SECONDS.items() if unit.startswith(begin))


def times(reading: Reading) -> tuple[float | None, float | None]:
    """The latency in milliseconds and the time limit in hours: a time under a minute is a latency."""
    if other := re.search(r"\bp(50|90|99|99\.9)\b", reading.text, re.I):
        reading.problems.append(
            f"latency at {other.group(0)} cannot be judged: p95 is what is measured against a target"
        )
    found = reading.find(rf"{NUMBER}\s*-?{TIME_UNIT}")
    for match in found:
        reading.refuse_direction(match, AT_LEAST, "a time", "'under' or 'at most'")
    short = [match for match in found if _seconds(match) < 60 and not _is_long(match)]
    latency = reading.one("the latency in milliseconds", [1000 * _seconds(match) for match in short])
    hours = reading.one("the time limit in hours", [_seconds(match) / 3600 for match in found if match not in short])
    for value, what in ((latency, "a latency of {:g} ms"), (hours, "a time limit of {:g} hours")):
        if value is not None and value <= 0:
            reading.problems.append(f"{what.format(value)} is impossible: it must be above 0")
    if latency is not None and latency > 0 and not re.search(r"\bp95\b", reading.text, re.I):
        reading.assumptions.append(f"{latency:g} ms is taken as the 95th percentile of one request's time")
    return latency, hours


def _is_long(match: re.Match[str]) -> bool:
    """Whether it is given in minutes or more, such as 0 minutes or half a minute."""
    return match.group("unit").lower()[:1] in ("h", "d") or match.group("unit").lower().startswith("min")


def throughput(reading: Reading) -> float | None:
    """Requests a second."""
    pattern = rf"{NUMBER}\s*(?:rps|qps|(?:requests?|queries)\s*(?:per|a|/)\s*(?:s|sec|second)\b)"
    return reading.one("the requests per second", [_value(match.group(1)) for match in reading.find(pattern)])


def parameters(reading: Reading) -> int | None:
    """The largest student allowed."""
    pattern = rf"{NUMBER}\s*(?P<scale>k|m|million|b|billion|thousand)?\s*-?(?:parameters?|params?)\b"
    found = [
        _value(match.group(1)) * SCALE.get((match.group("scale") or "").lower(), 1) for match in reading.find(pattern)
    ]
    value = reading.one("the number of parameters", found)
    if value is not None and not 0 < value < MOST_PARAMETERS:
        reading.problems.append(
            f"a model of {value:g} parameters is impossible: valid is above 0 and below {MOST_PARAMETERS:g}"
        )
        return None
    return None if value is None else int(value)


def dollars(reading: Reading) -> tuple[float | None, float | None]:
    """The run's limit and the monthly one, US dollars."""
    once: list[float] = []
    monthly: list[float] = []
    words = {word: symbol for symbol, names in CURRENCY_WORDS.items() for word in names}
    symbols = "|".join(re.escape(symbol) for symbol in USD_PER_UNIT)
    named = "|".join(sorted((re.escape(word) for word in words), key=len, reverse=True))
    scale = r"\s?(?P<scale{}>k|thousand|million)?\b"
    before = rf"(?P<minus>-)?(?P<before>{symbols}|(?:us\$|usd|eur|gbp|jpy|cny|rmb)\b)\s?{NUMBER}(?:{scale.format(1)})"
    amounts = rf"{before}|{NUMBER}(?:{scale.format(2)})?\s?(?P<after>{symbols}|(?:{named})\b)"
    for match in reading.find(rf"(?:{amounts})(?P<month>\s*(?:per|a|/|each)\s*month\b)?"):
        reading.refuse_direction(match, AT_LEAST, "a limit", "'at most'")
        if rate := re.match(r"\s*(?:per|an?|/|each)\s*(?:hour|hr?|day|week|year)\b", reading.text[match.end() :], re.I):
            reading.problems.append(
                f"{match.group(0).strip()}{rate.group(0)!r} is no limit: give the money in all, or per month"
            )
        unit = (match.group("before") or match.group("after")).lower()
        symbol = words.get(unit, unit)
        amount = _value(match.group(3) or match.group(5)) * (-1 if match.group("minus") else 1)
        amount *= SCALE.get((match.group("scale1") or match.group("scale2") or "").lower(), 1)
        if symbol not in "$¢":
            reading.assumptions.append(f"1 {symbol} is taken as {USD_PER_UNIT[symbol]:g} US dollars, a round figure")
        (monthly if match.group("month") else once).append(round(amount * USD_PER_UNIT[symbol], 4))
    if re.search(r"\bfor free\b|\bno money\b|\bwithout (?:spending|paying)\b", reading.text, re.I):
        once.append(0.0)
    usd, usd_per_month = reading.one("the dollars", once), reading.one("the dollars per month", monthly)
    for value in (usd, usd_per_month):
        if value is not None and value < 0:
            reading.problems.append(f"a limit of {value:g} dollars is impossible: it must be 0 or more")
    return usd, usd_per_month


def accelerators(reading: Reading) -> tuple[str, ...]:
    """The accelerators named, by family."""
    return tuple(dict.fromkeys(m.group(1).upper().replace(" ", "") for m in reading.find(ACCELERATOR.pattern)))


def regions(reading: Reading) -> tuple[str, ...]:
    """The beginnings of the regions' names."""
    return tuple(prefix for words, prefix in REGIONS.items() if re.search(rf"\bin {words}\b", reading.text, re.I))


def clouds(reading: Reading) -> tuple[str, ...]:
    """The clouds named."""
    names = "|".join(map(re.escape, known_clouds()))
    found = reading.find(rf"\b(?:on|from|at|with|only)\s+({names})\b|\b({names})\s+(?:only|cloud)\b")
    return tuple(dict.fromkeys((match.group(1) or match.group(2)).lower() for match in found))


def contradictions(reading: Reading, usd: float | None) -> None:
    """Says what cannot go together."""
    wants_cloud = re.search(r"\bcloud\b", reading.text, re.I) or ACCELERATOR.search(reading.text)
    if usd == 0 and wants_cloud:
        reading.problems.append(
            f"0 dollars and {wants_cloud.group(0)!r} contradict each other: no cloud server is free; allow money or this machine"
        )
