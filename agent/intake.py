"""Turns a request in plain words into a brief, by rules alone: the same words always give the same brief.

It never invents a target: what is missing is left open and recorded as an assumption. It reads English; other languages
are left to a language-model planner.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..skills import load as load_skill
from ..skills import names as skill_names
from ..state.brief import Brief, Limits, Targets
from ..state.errors import RequestError

NUMBER = r"(-?\d+(?:[.,]\d+)*)"
USD_PER_UNIT = {"$": 1.0, "€": 1.05, "£": 1.25, "¥": 0.0065, "元": 0.14}
"""assumption: round figures, not market rates; every use is written into the brief so that the user can correct it."""

CURRENCY_WORDS = {
    "$": ("usd", "us$", "dollar", "dollars", "bucks"),
    "€": ("eur", "euro", "euros"),
    "£": ("gbp", "pound", "pounds"),
    "¥": ("jpy", "yen"),
    "元": ("cny", "rmb", "yuan"),
}
SECONDS = {"ms": 0.001, "milli": 0.001, "min": 60.0, "h": 3600.0, "d": 86400.0, "s": 1.0}
"""Seconds by the beginning of a unit's name; the first that fits counts, so that "s" comes last."""

TIME_UNIT = (
    r"(?P<unit>ms|msec|millisecond|milliseconds|s|sec|secs|second|seconds|min|mins|minute|minutes|h|hr|hrs|hour|hours"
    r"|day|days)\b"
)
REGIONS = {"europe": "eu", "the eu": "eu", "the us": "us", "the usa": "us", "asia": "asia"}
ACCELERATOR = re.compile(r"\b(h100|h200|b200|a100|a10g?|l40s?|l4|t4|v100|rtx ?\d{4}|mi300x)\b", re.IGNORECASE)


@dataclass
class _Reading:
    """What was found so far, and everything that is wrong with it."""

    text: str
    problems: list[str] = field(default_factory=list[str])
    assumptions: list[str] = field(default_factory=list[str])

    def one(self, what: str, found: Iterable[float]) -> float | None:
        """The only value found; two different ones contradict each other."""
        values = sorted(set(found))
        if len(values) > 1:
            listed = " and ".join(f"{value:g}" for value in values)
            self.problems.append(f"the request names {listed} for {what}: give one")
        return values[0] if values else None


def read_request(request: str, *, max_usd: float | None = None, max_hours: float | None = None) -> Brief:
    """The brief of a request, under the tighter of its own limits and those given beside it.

    Raises RequestError with every problem found.
    """
    reading = _Reading(" ".join(request.split()))
    if not reading.text:
        raise RequestError(["the request is empty: say what the model should do, how well, how fast and for how much"])
    skill, task = _skill_and_task(reading)
    accuracy, rule = _accuracy(reading)
    latency = _latency_ms(reading)
    usd, usd_per_month = _dollars(reading)
    targets: dict[str, Any] = {
        "accuracy": accuracy,
        "accuracy_rule": rule,
        "latency_p95_ms": latency,
        "throughput_rps": _throughput(reading),
    }
    limits: dict[str, Any] = {
        "usd": _tighter(usd, max_usd),
        "usd_per_month": usd_per_month,
        "hours": _tighter(_hours(reading), max_hours),
        "accelerators": tuple(
            dict.fromkeys(m.group(1).upper().replace(" ", "") for m in ACCELERATOR.finditer(reading.text))
        ),
        "regions": tuple(prefix for words, prefix in REGIONS.items() if f"in {words}" in reading.text.lower()),
        "licences": (),
        "max_parameters": _parameters(reading),
    }
    _contradictions(reading, usd)
    if reading.problems:
        raise RequestError(reading.problems)
    _fill_gaps(reading, limits, targets)
    return Brief(
        request=request,
        skill=skill,
        task=task,
        targets=Targets(**targets),
        limits=Limits(**limits),
        assumptions=tuple(reading.assumptions),
    )


def _tighter(one: float | None, other: float | None) -> float | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)


def read_brief_file(path: Path, *, max_usd: float | None = None, max_hours: float | None = None) -> Brief:
    """A brief in YAML, under the tighter limits; raises RequestError with every problem of the file, by field."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RequestError([f"{path} cannot be read as YAML: {error}"]) from error
    if not isinstance(document, dict):
        raise RequestError([f"{path} must hold a mapping with skill, task, targets and limits"])
    fields: dict[str, Any] = {"request": f"brief {path.name}", "targets": {}, "limits": {}, **document}
    try:
        brief = Brief.model_validate(fields)
    except ValidationError as error:
        raise RequestError(
            [f"{'.'.join(map(str, item['loc']))}: {item['msg']} (given: {item['input']!r})" for item in error.errors()]
        ) from error
    problems = _unknown_skill(brief.skill, brief.task)
    if problems:
        raise RequestError(problems)
    reading = _Reading("", assumptions=list(brief.assumptions))
    limits = brief.limits.model_dump()
    limits["usd"] = _tighter(brief.limits.usd, max_usd)
    limits["hours"] = _tighter(brief.limits.hours, max_hours)
    _fill_gaps(reading, limits, brief.targets.model_dump())
    return brief.model_copy(update={"limits": Limits(**limits), "assumptions": tuple(reading.assumptions)})


def _fill_gaps(reading: _Reading, limits: dict[str, Any], targets: dict[str, Any]) -> None:
    if targets["accuracy"] is None:
        reading.assumptions.append("no accuracy target was given: accuracy is measured and reported, not judged")
    elif targets["accuracy_rule"] == "lower_bound":
        reading.assumptions.append("the accuracy target must be reached by the lower end of the 95 % interval")
    if targets["latency_p95_ms"] is None:
        reading.assumptions.append("no latency target was given: latency is measured and reported, not judged")
    if limits["usd"] is None:
        limits["usd"] = 0.0
        reading.assumptions.append("no dollar limit was given: nothing may be spent")


def _skill_and_task(reading: _Reading) -> tuple[str, str]:
    text = reading.text.lower()
    scored = {name: _hits(text, (name, *load_skill(name).keywords)) for name in skill_names()}
    for name in skill_names():
        scored[name] += sum(_hits(text, task.keywords) for task in load_skill(name).tasks.values())
    best = max(scored, key=lambda name: scored[name])
    if not scored[best]:
        reading.problems.append(f"no skill fits this request; valid skills: {_catalogue()}")
        return "", ""
    skill = load_skill(best)
    tasks = {name: _hits(text, (name, *task.keywords)) for name, task in skill.tasks.items()}
    top = [name for name, hits in tasks.items() if hits == max(tasks.values())]
    if max(tasks.values()) == 0:
        reading.assumptions.append(f"no task of {best} was named: {top[0]} is assumed (valid: {', '.join(tasks)})")
    elif len(top) > 1:
        reading.problems.append(f"the request fits several tasks of {best} equally: {', '.join(top)}; name one")
    return best, top[0]


def _hits(text: str, words: Iterable[str]) -> int:
    """Letters of the distinct words and phrases found: a longer, more specific phrase counts for more."""
    found = {word.lower() for word in words if re.search(rf"(?<!\w){re.escape(word.lower())}(?!\w)", text)}
    return sum(len(word) for word in found)


def _catalogue() -> str:
    return "; ".join(f"{name} (tasks {', '.join(load_skill(name).tasks)})" for name in skill_names())


def _unknown_skill(skill: str, task: str) -> list[str]:
    if skill not in skill_names():
        return [f"skill: {skill!r} is unknown; valid skills: {_catalogue()}"]
    if task not in load_skill(skill).tasks:
        return [f"task: {task!r} is not a task of {skill}; valid: {', '.join(load_skill(skill).tasks)}"]
    return []


def _value(text: str) -> float:
    """Reads 1,000 and 1,000.5 as thousands, and 0,5 or 97,5 as a decimal comma."""
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", text):
        return float(text.replace(",", ""))
    return (
        float(text.replace(",", ".")) if text.count(",") <= 1 and text.count(".") == 0 else float(text.replace(",", ""))
    )


def _accuracy(reading: _Reading) -> tuple[float | None, str]:
    percents = [_value(m.group(1)) for m in re.finditer(rf"{NUMBER}\s*(?:%|percent\b|per cent\b)", reading.text, re.I)]
    shares = [
        100 * _value(m.group(1))
        for m in re.finditer(
            rf"accuracy\s*(?:of|>=|≥|at least|above|over)?\s*{NUMBER}(?!\s*(?:%|percent|per cent)|[\d.,])",
            reading.text,
            re.I,
        )
    ]
    percent = reading.one("the accuracy in percent", [*percents, *shares])
    rule = "lower_bound"
    if re.search(r"\bpoint estimate\b|\bon average\b", reading.text, re.I):
        rule = "point_estimate"
    if percent is None:
        return None, rule
    if not 0 < percent <= 100:
        reading.problems.append(f"an accuracy of {percent:g} % is impossible: valid is above 0 and at most 100 %")
        return None, rule
    if percent == 100 and rule == "lower_bound":
        reading.problems.append(
            "no finite test can show 100 % with a 95 % interval: ask for less, or say 'point estimate' to judge the measured value"
        )
    return percent / 100, rule


def _seconds(match: re.Match[str]) -> float:
    unit = match.group("unit").lower()
    return _value(match.group(1)) * next(seconds for begin, seconds in SECONDS.items() if unit.startswith(begin))


def _times(reading: _Reading) -> list[re.Match[str]]:
    return list(re.finditer(rf"{NUMBER}\s*-?{TIME_UNIT}", reading.text, re.I))


def _latency_ms(reading: _Reading) -> float | None:
    if other := re.search(r"\bp(50|90|99|99\.9)\b", reading.text, re.I):
        reading.problems.append(
            f"latency at {other.group(0)} cannot be judged: p95 is what is measured against a target"
        )
    found = [1000 * _seconds(match) for match in _times(reading) if _seconds(match) < 60]
    latency = reading.one("the latency in milliseconds", found)
    if latency is not None and latency <= 0:
        reading.problems.append(f"a latency of {latency:g} ms is impossible: it must be above 0")
        return None
    if latency is not None and not re.search(r"\bp95\b", reading.text, re.I):
        reading.assumptions.append(f"{latency:g} ms is taken as the 95th percentile of one request's time")
    return latency


def _hours(reading: _Reading) -> float | None:
    return reading.one(
        "the time limit in hours", [_seconds(match) / 3600 for match in _times(reading) if _seconds(match) >= 60]
    )


def _throughput(reading: _Reading) -> float | None:
    pattern = rf"{NUMBER}\s*(?:rps|qps|(?:requests?|queries)\s*(?:per|a|/)\s*(?:s|sec|second)\b)"
    return reading.one(
        "the requests per second", [_value(m.group(1)) for m in re.finditer(pattern, reading.text, re.I)]
    )


def _parameters(reading: _Reading) -> int | None:
    scale = {"k": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9}
    pattern = rf"{NUMBER}\s*(k|m|million|b|billion)\s*-?(?:parameters?|params?)\b"
    found = [_value(m.group(1)) * scale[m.group(2).lower()] for m in re.finditer(pattern, reading.text, re.I)]
    value = reading.one("the number of parameters", found)
    if value is not None and value <= 0:
        reading.problems.append(f"a model of {value:g} parameters is impossible: it must be above 0")
        return None
    return None if value is None else int(value)


def _dollars(reading: _Reading) -> tuple[float | None, float | None]:
    """The run's limit and the monthly one, US dollars."""
    once: list[float] = []
    monthly: list[float] = []
    words = {word: symbol for symbol, names in CURRENCY_WORDS.items() for word in names}
    symbols = "|".join(re.escape(symbol) for symbol in USD_PER_UNIT)
    named = "|".join(sorted((re.escape(word) for word in words), key=len, reverse=True))
    amounts = rf"(?P<minus>-)?(?P<before>{symbols})\s?{NUMBER}|{NUMBER}\s?(?P<after>{symbols}|(?:{named})\b)"
    pattern = rf"(?:{amounts})(?P<month>\s*(?:per|a|/|each)\s*month\b)?"
    for match in re.finditer(pattern, reading.text, re.I):
        unit = (match.group("before") or match.group("after")).lower()
        symbol = words.get(unit, unit)
        amount = _value(match.group(3) or match.group(4)) * (-1 if match.group("minus") else 1)
        if symbol != "$":
            reading.assumptions.append(f"1 {symbol} is taken as {USD_PER_UNIT[symbol]:g} US dollars, a round figure")
        (monthly if match.group("month") else once).append(round(amount * USD_PER_UNIT[symbol], 4))
    if re.search(r"\bfor free\b|\bno money\b|\bwithout (?:spending|paying)\b", reading.text, re.I):
        once.append(0.0)
    usd, usd_per_month = reading.one("the dollars", once), reading.one("the dollars per month", monthly)
    for value in (usd, usd_per_month):
        if value is not None and value < 0:
            reading.problems.append(f"a limit of {value:g} dollars is impossible: it must be 0 or more")
    return usd, usd_per_month


def _contradictions(reading: _Reading, usd: float | None) -> None:
    wants_cloud = re.search(r"\bcloud\b", reading.text, re.I) or ACCELERATOR.search(reading.text)
    if usd == 0 and wants_cloud:
        reading.problems.append(
            f"0 dollars and {wants_cloud.group(0)!r} contradict each other: no cloud server is free; allow money or this machine"
        )
