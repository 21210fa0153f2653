"""Finds the limits in a request: money, size, accelerators, clouds, licences; and what contradicts itself. Regions: regions.py."""

import re

from ..state.numbers import AS_SAID, shown
from ..tools.pricing.look_up import known_clouds
from .reading import ALONE, NUMBER, Reading, doubtful_dot, scaled

USD_PER_UNIT = {"$": 1.0, "¢": 0.01, "€": 1.05, "£": 1.25, "¥": 0.0065, "元": 0.14}
"""assumption: round figures, not market rates; every use is written into the brief so that the user can correct it."""

CURRENCY_WORDS = {
    "$": ("usd", "us$", "dollar", "dollars", "buck", "bucks"),
    "¢": ("cent", "cents"),
    "€": ("eur", "euro", "euros"),
    "£": ("gbp", "pound", "pounds"),
    "¥": ("jpy", "yen"),
    "元": ("cny", "rmb", "yuan"),
}
ACCELERATOR = r"\b(h100|h200|b200|a100|a10g?|l40s?|l4|t4|v100|rtx ?\d{4}|mi300x)s?\b"
CURRENCY = (
    "[$€£¥元]|(?<![^\\W\\d_])(?:"
    + "|".join(word for words in CURRENCY_WORDS.values() for word in words if word.isalpha())
    + r")\b"
)
"""A sign or word of money, which must not be left over unread."""
_GLUED = NUMBER.removeprefix(r"(?<!\w)")  # "us$20", where a letter or sign stands right before the figure
_EVERY = r"(?:\s*/\s*|\s*\b(?:per|an?|(?:for\s+)?(?:each|every))[\s-]+|\s*(?:每|一))"
_WHOLE = r"(?:run|model|training|train|project|job|build|total|experiment)s?\b|次?\s*(?:training|训练|模型|性)"
_EACH = (
    r"(?:[a-z]+[\s-])?(?:hour|hr|h|day|night|week|wk|quarter|year|yr|annum|min|minute|second|s|request|req|call|query|token|tok|answer|hand"
    r"|prediction|inference|gpu|user|seat|image|item|piece|epoch|k|m|thousand|million|billion)s?\b"
    r"|[千百万]*(?:次|条|个|笔|手|副|局|张|题|天|日|周|年|季|晚|人|小时|token)"
)
LICENCES = {
    "Apache-2.0": r"apache(?:[\s-]+licen[cs]e)?(?:[\s-]*v?(?:ersion)?\s*2(?:\.0)?)?",
    "MIT": r"(?-i:MIT)",
    "BSD-3-Clause": r"bsd(?:[\s-]*3(?:[\s-]*clause)?)?",
    "AGPL-3.0-only": r"agpl(?:[\s-]*v?3(?:\.0)?)?",
    "LGPL-3.0-only": r"lgpl(?:[\s-]*v?3(?:\.0)?)?",
    "GPL-2.0-only": r"gpl[\s-]*v?2(?:\.0)?",
    "GPL-3.0-only": r"gpl(?:[\s-]*v?3(?:\.0)?)?",
    "MPL-2.0": r"mpl(?:[\s-]*2(?:\.0)?)?",
    "CC-BY-SA-4.0": r"cc[\s-]by[\s-]sa(?:[\s-]*4(?:\.0)?)?",
    "CC-BY-NC-4.0": r"cc[\s-]by[\s-]nc(?:[\s-]*4(?:\.0)?)?",
    "CC-BY-4.0": r"cc[\s-]by(?:[\s-]*4(?:\.0)?)?",
    "CC0-1.0": r"cc0(?:[\s-]*1(?:\.0)?)?",
    "LicenseRef-Llama": r"llama(?:[\s-]*\d(?:\.\d)?)?(?:[\s-]+community)?(?=[\s-]+licen[cs])",
}
"""The words of a licence by its SPDX id, the first that fits; a name without a version is its usual one. SPDX has none for Llama."""

LICENCE = "|".join(LICENCES.values())


MOST_PARAMETERS = 1e15


def parameters(reading: Reading) -> int | None:
    """The largest student allowed."""
    scale = r"\s*(?P<scale{}>k|m|million|b|billion|thousand)?"
    found = reading.find(
        rf"{NUMBER}{scale.format(1)}\s*-?(?:parameters?|params?)\b"
        rf"|\b(?:parameters?|params?)(?:\s+count)?\s*(?:(?:of|is|be|to)\s+|[:=≤≥]\s*)*{NUMBER}{scale.format(2)}(?![\w%$€£元]|\s*[%$€£元])"
    )
    values: list[float] = []
    for match in found:
        reading.refuse_direction(match, "≥", "a size", "'at most'")
        values.append(scaled(match.group(1) or match.group(3), match.group("scale1") or match.group("scale2")))
    value = reading.one("the number of parameters", values)
    if value is not None and not 0 < value < MOST_PARAMETERS:
        reading.problems.append(
            f"a model of {shown(value, AS_SAID)} parameters is impossible: valid is above 0 and below {shown(MOST_PARAMETERS)}"
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
    scale = r"\s?(?P<scale{}>k|m|b|thousand|million|billion)?(?!\w)"
    before = (
        rf"(?P<minus>-)?(?P<before>(?<![a-z])(?:{symbols})|(?<!\w)(?:us\$|(?:usd|eur|gbp|jpy|cny|rmb)\b))\s?{_GLUED}"
        rf"(?:{scale.format(1)})(?:\s?(?:(?:{symbols})(?!\d)|(?:{named})\b))?"
    )
    amounts = rf"{before}|{NUMBER}(?:\s?(?P<scale2>k|thousand|million|billion))?\s?(?P<after>(?:{symbols})(?!\d)|(?:{named})\b)"
    for match in reading.find(rf"(?:{amounts})(?P<month>(?:{_EVERY}mo(?:nth)?|\s+monthly)\b)?"):
        reading.refuse_direction(match, "≥", "a limit", "'at most'")
        clause = reading.clause_before(match)
        if said := _per_unit(reading, match):
            reading.problems.append(f"{said!r} is no limit: give the money in all, or per month")
        unit = (match.group("before") or match.group("after")).lower()
        symbol = words.get(unit, unit)
        if doubt := doubtful_dot(match.group(3) or match.group(5)):
            reading.problems.append(doubt)
        amount = scaled(match.group(3) or match.group(5), match.group("scale1") or match.group("scale2"))
        if symbol not in "$¢":
            reading.assumptions.append(rate_assumed(symbol))
        per_month = match.group("month") or re.search(r"\b(?:monthly|(?:per|a|each|every) month)\b", clause)
        amount *= USD_PER_UNIT[symbol] * (-1 if match.group("minus") else 1)
        (monthly if per_month else once).append(round(amount, 4))
    if reading.says(r"\bfor free\b|\bno money\b|\bwithout (?:spending|paying)\b"):
        once.append(0.0)
    usd, usd_per_month = reading.one("the dollars", once), reading.one("the dollars per month", monthly)
    for value in (usd, usd_per_month):
        if value is not None and value < 0:
            reading.problems.append(f"a limit of {shown(value, AS_SAID)} dollars is impossible: it must be 0 or more")
    return usd, usd_per_month


def rate_assumed(symbol: str) -> str:
    """What a use of an exchange rate writes into the brief."""
    return f"1 {symbol} is taken as {USD_PER_UNIT[symbol]:g} US dollars, a round figure"


def _per_unit(reading: Reading, match: re.Match[str]) -> str | None:
    """The words of a sum that is for one hour, request or other unit, and not for all or for a month."""
    if match.group("month"):
        return None
    since = reading.read_until(match)
    after, before = reading.text[match.end() :], reading.text[since : match.start()]
    behind = re.match(
        rf"{_EVERY}(?!{_WHOLE})(?:[\d.,]+\s*)?(?:{_EACH})|\s*(?:\b(?:for\s+)?(?:each|every|per)|apiece)\b(?!\s+(?:{_WHOLE}))(?:[\s-]*\w+)?"
        r"|\s+(?:hourly|daily|weekly|quarterly|yearly)\b",
        after,
        re.I,
    )
    ahead = re.search(
        rf"(?:\bper[\s-]+(?!month|{_WHOLE})\w+|\b(?:each|every)\s+(?:hour|day|night|week|year|request|call|query|token|answer)\b"
        rf"|\b(?:hourly|daily|weekly|quarterly|yearly)\b|每\s*[\d百千万]*\s*(?!个?月|{_WHOLE})(?:{_EACH}))[^\d,;.]{{0,30}}$",
        before,
        re.I,
    )
    if not (ahead or behind):
        return None
    covered = (since + ahead.start() if ahead else match.start(), match.end() + (behind.end() if behind else 0))
    reading.cover(*covered)
    return reading.quote(*covered)


def licences(reading: Reading) -> tuple[str, ...]:
    """The licences named, by SPDX id; what a student built from scratch carries is none."""
    found = reading.find(rf"(?<!\w)(?:{LICENCE})(?!\w)(?:[\s-]+licen[cs]\w*)?")
    if not found:
        reading.refuse_unheld(
            r"(?:\b[\w-]+\s+)?\blicen[cs]\w*|\bopen[\s-]?(?:source|weights?)[\s-]+(?:only|base|models?)\b",
            "name the licences that are allowed, such as MIT or Apache 2.0",
        )
    return tuple(
        dict.fromkeys(
            next(name for name, words in LICENCES.items() if re.match(rf"(?:{words})(?!\w)", match.group(0), re.I))
            for match in found
        )
    )


def accelerators(reading: Reading) -> tuple[str, ...]:
    """The accelerators named, by family."""
    return tuple(dict.fromkeys(m.group(1).upper().replace(" ", "") for m in reading.find(ACCELERATOR)))


def clouds_of(reading: Reading) -> tuple[str, ...]:
    """The clouds that may be named: those of the built-in prices and of the user's own."""
    return tuple(sorted({*known_clouds(), *reading.own.clouds}))


def clouds(reading: Reading) -> tuple[str, ...]:
    """The clouds named."""
    name = rf"(?:{'|'.join(map(re.escape, clouds_of(reading)))})\b"
    names = rf"{name}(?:\s*(?:,|/|or|and)\s*(?:on\s+)?{name})*"
    found = reading.find(
        rf"\b(?:on|from|at|with|only|use|using|cloud\s*[:=]?)\s+{names}|\b{names}\s+(?:only|cloud)\b|{ALONE[0]}{names}{ALONE[1]}"
    )
    return tuple(dict.fromkeys(one.lower() for match in found for one in re.findall(name, match.group(0), re.I)))


def contradictions(reading: Reading, usd: float | None) -> None:
    """Says what cannot go together."""
    wants_cloud = re.search(rf"(?<!\bno )\bcloud\b|{ACCELERATOR}", reading.text, re.I)
    if usd == 0 and wants_cloud:
        reading.problems.append(
            f"0 dollars and {reading.quote(*wants_cloud.span())!r} contradict each other: no cloud server is free; "
            "allow money or this machine"
        )
