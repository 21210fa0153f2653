"""Finds the limits in a request: money, size of the model, accelerators, regions, clouds; and what contradicts itself."""

import re

from ..tools.pricing.look_up import known_clouds
from .reading import NUMBER, Reading, scaled

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
REGIONS = {
    "eu": "europe|the eu|eu",
    "us": "the us|the usa|usa|the united states|america|us",
    "asia": "asia",
}
ACCELERATOR = r"\b(h100|h200|b200|a100|a10g?|l40s?|l4|t4|v100|rtx ?\d{4}|mi300x)s?\b"
_GPU = rf"(?:{ACCELERATOR}|gpus?\b|accelerators?\b|graphics cards?\b)"
_NO = r"(?:no|not|without|never|avoid\w*|except|excluding|exclude|outside|rather than|other than|out of|any\w*(?:\s+\w+)?\s+but|\w+n't)"
_NEAR = (
    r"(?:\s+(?:in|within|on|from|to|with|the|an?|any|use|using|run|running|hosted|servers?|have|want|need|be|allow\w*|located|deploy\w*))"
    r"{0,4}?\s+"
)
_GLUED = NUMBER.removeprefix(r"(?<!\w)")  # "us$20", where a letter or sign stands right before the figure
_OTHER_CLOUDS = "alibaba|aliyun|tencent|huawei|baidu|ovh|hetzner|digital ?ocean|linode|ibm cloud"
_EVERY = r"\s*(?:per|an?|/|each|every)\s*"


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
    scale = r"\s?(?P<scale{}>k|thousand|million)?(?!\w)"
    before = (
        rf"(?P<minus>-)?(?P<before>(?<![a-z])(?:{symbols})|(?<!\w)(?:us\$|(?:usd|eur|gbp|jpy|cny|rmb)\b))\s?{_GLUED}"
        rf"(?:{scale.format(1)})"
    )
    amounts = rf"{before}|{NUMBER}(?:\s?(?P<scale2>k|thousand|million))?\s?(?P<after>{symbols}|(?:{named})\b)"
    for match in reading.find(rf"(?:{amounts})(?P<month>(?:{_EVERY}mo(?:nth)?|\s+monthly)\b)?"):
        reading.refuse_direction(match, "≥", "a limit", "'at most'")
        clause = reading.clause_before(match)
        behind = re.match(
            rf"(?:{_EVERY}(?:hour|hr?|day|week|wk|year|yr|annum)|\s+(?:hourly|daily|weekly|yearly))\b",
            reading.text[match.end() :],
            re.I,
        )
        if behind or re.search(r"\b(?:per (?:hour|day|week|year)|hourly|daily|weekly|yearly)\b", clause):
            said = reading.quote(match.start(), match.end() + (behind.end() if behind else 0))
            reading.problems.append(f"{said!r} is no limit: give the money in all, or per month")
        unit = (match.group("before") or match.group("after")).lower()
        symbol = words.get(unit, unit)
        amount = scaled(match.group(3) or match.group(5), match.group("scale1") or match.group("scale2"))
        if symbol not in "$¢":
            reading.assumptions.append(f"1 {symbol} is taken as {USD_PER_UNIT[symbol]:g} US dollars, a round figure")
        per_month = match.group("month") or re.search(r"\b(?:monthly|(?:per|a|each|every) month)\b", clause)
        amount *= USD_PER_UNIT[symbol] * (-1 if match.group("minus") else 1)
        (monthly if per_month else once).append(round(amount, 4))
    if reading.says(r"\bfor free\b|\bno money\b|\bwithout (?:spending|paying)\b"):
        once.append(0.0)
    usd, usd_per_month = reading.one("the dollars", once), reading.one("the dollars per month", monthly)
    for value in (usd, usd_per_month):
        if value is not None and value < 0:
            reading.problems.append(f"a limit of {value:g} dollars is impossible: it must be 0 or more")
    return usd, usd_per_month


def refuse_negatives(reading: Reading, usd: float | None) -> None:
    """A brief names what may be used; what may not be used has no place in it."""
    places = "|".join(REGIONS.values())
    clouds = "|".join(map(re.escape, known_clouds()))
    only = "a brief names what may be used, not what may not: say which {} are allowed, or leave it out"
    reading.refuse_unheld(
        rf"\bcpus?[\s-]only\b|\bonly\s+(?:(?:on|a|the|use)\s+)*cpus?\b|\b{_NO}{_NEAR}{_GPU}",
        only.format("accelerators"),
    )
    reading.refuse_unheld(
        rf"\b{_NO}{_NEAR}(?:the us|the usa|the eu|europe|asia|america|the united states)\b|\bnon-(?:{places})\b",
        only.format("regions"),
    )
    reading.refuse_unheld(rf"\b{_NO}{_NEAR}(?:{clouds})\b", only.format("clouds"))
    reading.refuse_unheld(rf"\b(?:{_OTHER_CLOUDS})\b", f"prices are known for {', '.join(known_clouds())}")
    if usd:
        reading.refuse_unheld(
            rf"\b{_NO}{_NEAR}cloud\b",
            "servers of a cloud are left out only where nothing may be spent: say 'for free'",
        )


def accelerators(reading: Reading) -> tuple[str, ...]:
    """The accelerators named, by family."""
    return tuple(dict.fromkeys(m.group(1).upper().replace(" ", "") for m in reading.find(ACCELERATOR)))


def regions(reading: Reading) -> tuple[str, ...]:
    """The beginnings of the regions' names."""
    found: list[str] = []
    place = f"(?:{'|'.join(REGIONS.values())})"
    named = (
        rf"\b(?:in|within|from|regions?\s*[:=]?)\s*{place}\b(?:\s*(?:,|/|or|and)\s*(?:in\s+)?{place}\b)*"
        rf"|\b{place}(?:\s*(?:,|/|or|and)\s*{place})*[\s-](?:only|regions?|servers?|data\s?cent)"
    )
    for match in reading.find(named):
        found += [prefix for prefix, words in REGIONS.items() if re.search(rf"\b(?:{words})\b", match.group(0), re.I)]
    return tuple(dict.fromkeys(found))


def clouds(reading: Reading) -> tuple[str, ...]:
    """The clouds named."""
    names = "|".join(map(re.escape, known_clouds()))
    found = reading.find(
        rf"\b(?:on|from|at|with|only|use|using|cloud\s*[:=]?)\s+({names})\b|\b({names})\s+(?:only|cloud)\b"
    )
    return tuple(dict.fromkeys((match.group(1) or match.group(2)).lower() for match in found))


def contradictions(reading: Reading, usd: float | None) -> None:
    """Says what cannot go together."""
    wants_cloud = re.search(rf"(?<!\bno )\bcloud\b|{ACCELERATOR}", reading.text, re.I)
    if usd == 0 and wants_cloud:
        reading.problems.append(
            f"0 dollars and {reading.quote(*wants_cloud.span())!r} contradict each other: no cloud server is free; "
            "allow money or this machine"
        )
