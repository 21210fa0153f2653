"""Finds the targets in a request: accuracy, latency (and the time limit, which looks like one), throughput."""

import re

from ..state.numbers import AS_SAID, shown
from .reading import NUMBER, Reading, doubtful_dot, scaled, value_of

SECONDS = {"ms": 0.001, "micro": 1e-6, "milli": 0.001, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "s": 1.0}
"""Seconds by the beginning of a unit's name; the first that fits counts, so that "s" comes last."""

LEAST_ACCURACY = 20.0
"""Percent; below it an accuracy must be said with "at least". assumption: nobody aims lower but by mistake."""
MOST_ERRORS = 50.0
"""Percent; "at most" with a figure up to it may mean an error rate."""

TIME_UNIT = r"(?P<unit>microseconds?|ms|milliseconds?|s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?|days?|weeks?)\b"
_ERROR = (
    r"(?:error(?:s|\s+rate)?|wrong|mistakes?|mistaken|fail(?:s|ed|ures?)?|incorrect|inaccurate|bad|miss(?:es|ed)?|mis(?:classif\w+|read)"
    r"|false(?![\s-]+(?:positive|negative|alarm)))"
)
_ERRING = (
    r"(?:(?:\s*的|\s+(?:of|the|all|them|its|my|these|times?|cases|answers|hands|verdicts|predictions|requests|may|can|could|might|to|be"
    r"|are|is|being|get|given|answered|允许|可以))*\s*"
    r"|\s*of\b(?:(?!\b(?:right|correct\w*|exact\w*|not?|without|never)\b)[^\d,;.])*?\s)"
)
_ACCURACY = r"(?:accuracy|acc|exactness|exact(?:\s+match)?|correctness|right|correct)"
_TRAINING = (
    r"(?:train(?:ing|ed|s)?|deadline|time\s+limit|finish\w*|done|built|build(?:ing)?|ready|made|making|delivered)"
)
_TRAINING_AHEAD = (
    rf"\b{_TRAINING}(?:\s+(?:time|run|it|of|is|in|must|should|be|take\w*|the|model|for|only|about)|[\s:=≤])*$"
)
_TRAINING_BEHIND = rf"[\s-]*(?:(?:for|of|to|the|in|max|total)\s+)*(?:{_TRAINING}\b|(?:搞|做|训|造|建)(?:定|好|完|成))"
_ANSWERING = r"\b(?:latency|lat|respon\w*|p95|answers?|answered|repl\w+|verdict|result)\b"
_MEASURED = (
    r"\bas\s+(?:it\s+is\s+)?measured\b|\bmeasured\s+(?:value|accuracy|share|figure|result|rate|score|number)s?\b|%\s+measured\b"
    r"|\b(?:raw|observed)\s+(?:accuracy|share|figure|result|rate|score|number|value)s?\b"
)
_OTHER_TARGETS = r"(?:ms|seconds?|latency|response|p95|throughput|requests|dollars?|costs?|price)"
_REJECTED = r"(?:\b(?:not|no|never|than|instead\s+of)|n't)\s+(?:\w+\s+){0,3}$"
ASKED = r"(?:[a-z]+\s+)?(?:requests?|reqs?|queries|query|calls?|predictions?|inferences?|hands?|answers?)"


def accuracy(reading: Reading) -> tuple[float | None, str]:
    """The share that must be right, and by which rule: the interval's lower end, or the measured value.

    A bare figure behind "accuracy" is read last, so that it cannot be money or a time.
    """
    reading.find(
        rf"{NUMBER}\s*%\s*(?:confidence|interval|ci)\b|\b(?:confidence|interval)(?:\s+(?:level|of|is))*\s*{NUMBER}\s*%"
    )
    errors = reading.find(
        rf"\b{_ERROR}\b[^\d%$€£¥,;]{{0,24}}?{NUMBER}\s*%|{NUMBER}\s*%{_ERRING}\b{_ERROR}\b"
        rf"|\berrors?(?:\s+rate)?\s*(?:(?:of|is|be)\s+|[:=≤≥]\s*)*(?P<share>0?[.,]\d+)(?!\s*%)(?![\d.,]*\w)"
    )
    for match in errors:
        reading.refuse_direction(match, "≥", "an error rate", "'at most'")
    found = [
        100 - (100 * value_of(share) if (share := match["share"]) else value_of(match.group(1) or match.group(2)))
        for match in errors
    ]
    plain = reading.find(rf"{NUMBER}\s*%")
    bare = reading.find(
        rf"\b{_ACCURACY}\s*(?:(?:of|is|be|to|target|should\s+be|must\s+be)\s+|[:=≤≥]\s*)*{NUMBER}(?!\s*%)(?![\d.,]*\w)"
        rf"|{NUMBER}\s+(?:accuracy|acc)\b"
    )
    for match in (*plain, *bare):
        value = value_of(next(group for group in match.groups() if group))
        found.append(100 * value if match in bare and value <= 1 else value)
        _refuse_unlikely(reading, match, found[-1])
    return _judged(reading, reading.one("the accuracy in percent", [round(one, 9) for one in found]))


def _refuse_unlikely(reading: Reading, match: re.Match[str], percent: float) -> None:
    """An accuracy asked for from the wrong side, or one so low that it is more likely an error rate or a difference."""
    said = reading.compared(match)
    error_rate = f"for an error rate write 'error rate at most {shown(percent, AS_SAID)} %'"
    if "≤" in said:
        reading.refuse_direction(
            match, "≤", "an accuracy", "'at least'" if percent > MOST_ERRORS else f"'at least', or {error_rate}"
        )
    elif 0 < percent < LEAST_ACCURACY and ("≥" not in said or percent < 1):
        share = f", for a share of {shown(percent, AS_SAID)} {shown(100 * percent, AS_SAID)} %" if percent < 1 else ""
        reading.problems.append(
            f"an accuracy of {reading.quote(*match.span())!r} is hardly meant: {error_rate}, for an accuracy 'accuracy at least "
            f"{shown(percent, AS_SAID)} %'{share}"
        )


def _by_measured_value(reading: Reading) -> bool:
    """Whether the measured value is asked for, and asked for of the accuracy: "p95 as measured" says nothing of it."""
    if reading.says(r"\bon average\b"):
        return True
    for match in re.finditer(rf"\bpoint estimate\b|{_MEASURED}", reading.text, re.I):
        before = re.split(r"[,;.!?(]\s", reading.text[: match.start()])[-1]
        what = re.findall(rf"%|\b{_ACCURACY}|\b{_OTHER_TARGETS}\b", before, re.I)
        other = what and re.fullmatch(_OTHER_TARGETS, what[-1], re.I)
        behind = re.match(rf"\s*(?:of\s+)?(?:the\s+)?{_OTHER_TARGETS}\b", reading.text[match.end() :], re.I)
        if not (other or behind or re.search(_REJECTED, before, re.I)):
            return True
    return False


def _judged(reading: Reading, percent: float | None) -> tuple[float | None, str]:
    rule = "point_estimate" if _by_measured_value(reading) else "lower_bound"
    if percent is None:
        return None, rule
    if not 0 < percent <= 100:
        reading.problems.append(
            f"an accuracy of {shown(percent, AS_SAID)} % is impossible: valid is above 0 and at most 100 %"
        )
        return None, rule
    if percent == 100 and rule == "lower_bound":
        reading.problems.append(
            "no finite test can show 100 % with a 95 % interval: ask for less, or say 'point estimate' to judge the measured value"
        )
    return round(percent / 100, 12), rule


def _seconds(match: re.Match[str]) -> float:
    unit = match.group("unit").lower()
    return value_of(match.group(1)) * next(seconds for begin, seconds in SECONDS.items() if unit.startswith(begin))


def times(reading: Reading) -> tuple[float | None, float | None]:
    """The latency in milliseconds and the time limit in hours: a time under a minute is a latency where nothing says otherwise."""
    found = reading.find(rf"{NUMBER}\s*-?\s*{TIME_UNIT}")
    for match in found:
        reading.refuse_direction(match, "≥", "a time", "'under' or 'at most'")
    short = [match for match in found if _is_latency(reading, match)]
    latency = reading.one("the latency in milliseconds", [round(1000 * _seconds(match), 9) for match in short])
    hours = reading.one("the time limit in hours", [_seconds(match) / 3600 for match in found if match not in short])
    for value, what in ((latency, "a latency of {} ms"), (hours, "a time limit of {} hours")):
        if value is not None and value <= 0:
            reading.problems.append(f"{what.format(shown(value, AS_SAID))} is impossible: it must be above 0")
    if latency is not None and latency > 0 and not reading.says(r"\bp95\b"):
        reading.assumptions.append(
            f"{shown(latency, AS_SAID)} ms is taken as the 95th percentile of one request's time"
        )
    return latency, hours


def _is_latency(reading: Reading, match: re.Match[str]) -> bool:
    """By the words beside it; without any, a time is a latency when its unit is a second or less and it is under a minute."""
    before, unit = reading.clause_before(match), match.group("unit").lower()
    if re.search(_ANSWERING, before):
        return True
    if re.search(_TRAINING_AHEAD, before) or re.match(_TRAINING_BEHIND, reading.text[match.end() :], re.I):
        return False
    return _seconds(match) < 60 and not unit.startswith(("h", "d", "w", "min"))


def throughput(reading: Reading) -> float | None:
    """Requests a second; a rate per minute is divided by 60."""
    per = r"\s*(?:per|a|an|each|every|/)\s*(?P<unit>s|secs?|seconds?|min|minutes?)\b"
    found = reading.find(
        rf"(?<![$€£¥]){NUMBER}\s*(?P<scale>k|thousand)?\s*(?:rps|qps|(?:{ASKED})?{per})(?!\w)"
        rf"|\b(?:rps|qps)\s*(?:(?:of|is|be)\s+|[:=≤≥]\s*)*{NUMBER}(?![\d.,]*\w)"
    )
    found += reading.find(rf"\bthroughput\b[^\d,;.]{{0,24}}?{NUMBER}(?P<scale>)(?:{per})")
    values: list[float] = []
    for match in found:
        reading.refuse_direction(
            match, "≤", "a throughput", "'at least', for an upper limit of throughput is no target"
        )
        groups = match.groupdict()
        number = next(group for group in match.groups() if group and re.fullmatch(r"-?\d+(?:[.,]\d+)*", group))
        values.append(scaled(number, groups["scale"]) / (60 if (groups["unit"] or "").lower().startswith("min") else 1))
    value = reading.one("the requests per second", values)
    if value is not None and value <= 0:
        reading.problems.append(f"{shown(value, AS_SAID)} requests per second are impossible: it must be above 0")
    return value


_EVERY = r"\s*(?:per|an?|each|every|/)\s*"
_PERIODS = {"hour": 1 / 24, "hr": 1 / 24, "day": 1.0, "week": 7.0, "month": 730 / 24, "year": 365.0}
"""Days by the beginning of a period's name."""

_SERVED_UNIT = r"(?P<unit>min(?:ute)?s?|h|hrs?|hours?|days?|weeks?|months?|years?)\b"
_MONTHS = {"min": 1 / 43_800, "h": 1 / 730, "d": 24 / 730, "w": 168 / 730, "mo": 1.0, "y": 12.0}
"""Months of 730 hours by the beginning of a unit's name."""


def requests_per_day(reading: Reading) -> float | None:
    """The expected traffic, from a rate per hour, day, week, month or year."""
    found = reading.find(
        rf"(?<![$€£¥]){NUMBER}\s*(?P<scale>k|thousand|m|million|b|billion)?\s*{ASKED}{_EVERY}(?P<period>hour|hr|day|week|month|year)s?\b"
        rf"|(?<![$€£¥]){NUMBER}\s*(?P<scale2>k|thousand|m|million|b|billion)?\s*(?:daily|(?P<monthly>monthly))\s+{ASKED}\b"
        rf"|\b(?P<first>daily|monthly|weekly)[\s:=≤≥]+{NUMBER}\s*(?P<scale3>k|thousand|m|million|b|billion)?\s*{ASKED}(?!\w)"
    )
    values: list[float] = []
    for match in found:
        named = match.groupdict()
        number = next(group for group in match.groups() if group and re.fullmatch(r"-?\d+(?:[.,]\d+)*", group))
        if doubt := doubtful_dot(number):
            reading.problems.append(doubt)
        amount = scaled(number, named["scale"] or named["scale2"] or named["scale3"])
        period = named["period"] or {"monthly": "month", "weekly": "week"}.get(
            named["first"] or named["monthly"] or "", "day"
        )
        values.append(
            round(amount / next(days for begin, days in _PERIODS.items() if period.lower().startswith(begin)), 6)
        )
    return _above_nothing(reading, reading.one("the requests per day", values), "requests a day")


def serving_months(reading: Reading) -> float | None:
    """How long the model is to be served. Months and years mean serving wherever they stand; shorter times where it is said, or
    where traffic is named too."""
    shorter = "|weeks?|days?" if reading.says(rf"\d\s*\w*\s*{ASKED}{_EVERY}(?:hour|day|week|month|year)") else ""
    found = reading.find(
        rf"\b(?:serv|host|deploy|keep|kept|stay|run)\w*\b[^\d,;.]{{0,24}}\bfor\s+{NUMBER}\s*-?\s*{_SERVED_UNIT}"
        rf"|{NUMBER}\s*-?\s*{_SERVED_UNIT.replace('unit', 'unit2')}\s*(?:of\s+)?(?:the\s+)?serving\b"
        rf"|(?:\b(?:for|over|during)\s+|≥\s*)(?:the\s+)?(?:next\s+)?{NUMBER}\s*-?\s*(?P<unit3>months?|years?{shorter})\b"
    )
    values: list[float] = []
    for match in found:
        number = match.group(1) or match.group(3) or match.group(5)
        unit = (match.group("unit") or match.group("unit2") or match.group("unit3")).lower()
        values.append(value_of(number) * next(months for begin, months in _MONTHS.items() if unit.startswith(begin)))
    return _above_nothing(reading, reading.one("the months of serving", values), "months of serving")


def _above_nothing(reading: Reading, value: float | None, of: str) -> float | None:
    """The value; None, and told, where it is no positive one."""
    if value is not None and value <= 0:
        reading.problems.append(f"{shown(value, AS_SAID)} {of} are impossible: it must be above 0")
        return None
    return value
