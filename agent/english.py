"""Rewrites the many ways in which English writes figures and comparators into few: digits, "%", plain units, "≤" and "≥"."""

import re
from collections.abc import Callable

from .numerals import ENGLISH_NUMBER, english_value, plain
from .wording import UNREAD, Wording

_TIME = (
    r"(?:ms|microseconds?|milliseconds?|s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?|days?|weeks?|months?|years?)\b"
)
_MONEY = r"(?:(?:u\.?s\.?|american)\s+)?(?:dollars?|bucks?|cents?|euros?|pounds?|yen|yuan|usd|eur|gbp)\b"
_COUNTED = (
    rf"(?=[\s-]+(?:%|percent\b|per\s+cent\b|pct\b|and\s+a\s+half\b|parameters?\b|params?\b|(?:[a-z]+\s+)?(?:requests?|queries)\b"
    rf"|(?:third|quarter|fifth|tenth|twentieth|hundredth)s?\b|{_TIME}|{_MONEY}))"
)
_RANGE = rf"(?=\s+(?:to|or|and)\s+(?:\d[\d.,]*|{ENGLISH_NUMBER})[\s-]+(?:%|percent\b|{_TIME}|{_MONEY}))"
_NO_INTERVAL = (
    r"(?:\b(?:no|not|without|ignor\w+|skip|forget|rather\s+than|instead\s+of)|\w+n't)\s+"
    r"(?:(?:really|actually|even|strictly|need|needs|want|require|care|bother|about|for|with|by|on|at|to|use|using|look|looking|judged?|see)\s+)*"
    r"(?:(?:an?|any|the|its)\s+)?(?:\d+\s*%\s*)?"
    r"(?:lower\s+(?:confidence\s+)?bound(?:\s+of\s+(?:an?|the|its)\s+(?:\d+\s*%\s*)?(?:confidence\s+)?interval)?"
    r"|lower\s+end\s+of\s+(?:an?|the|its)\s+(?:\d+\s*%\s*)?(?:confidence\s+)?interval"
    r"|(?:confidence|error)\s+(?:intervals?|bounds?|bars?|margins?))(?:\s+(?:is|are))?(?:\s+(?:needed|required|necessary))?\b"
    r"(?!\s+(?:on|for|to)\b)"
    r"|(?:\d+\s*%\s*)?\b(?:confidence\s+intervals?|lower\s+bound)\s+(?:(?:(?:is|are)\s+)?not|isn't|aren't)\s+(?:needed|required|necessary)\b"
)
"""Asks for no interval: the measured value is what counts."""

_WHOLES = "(?:dollars?|bucks?|euros?|pounds?)"
_MISTAKES = (
    r"(?:mistakes?|errors?|miss(?:es)?|failures?|slips?|(?:wrong|bad|incorrect)(?:\s+(?:answers?|hands?|verdicts?))?)"
)
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "tenth": 10, "twentieth": 20, "hundredth": 100}
_RIGHT = r"(?=\s+(?:of\s+(?:the|all|them|it|my|its)\b|the\s+time\b|right\b|correct|accura|exact))"

_MORE = (
    r"(?:more\s+expensive|more|dearer|costlier|pricier|longer|greater|higher|bigger|larger|slower|later|over|above|beyond|past|exceed\w*"
    r"|(?:go|going|goes)\s+(?:over|above|beyond))"
)
_LESS = r"(?:less|fewer|lower|below|under|worse|smaller|(?:go|going|goes|fall|drop)\s+(?:below|under))"
_NOT = r"(?:not|no|never|cannot|without|\w+n't)"
_BETWEEN = r"(?P<between>(?:\s+(?!(?:and|but|or|in|with)\b)[a-z]+){0,4}?)"
_COMPARATORS = (
    (r"\1 ≤ ", rf"\b{_NOT}{_BETWEEN}\s+{_MORE}(?:\s+than)?\b"),
    (r"\1 ≥ ", rf"\b{_NOT}{_BETWEEN}\s+{_LESS}(?:\s+than)?\b"),
    (
        " ≥ ",
        r">=|=>|≧|⩾|>|\bat\s+(?:the\s+(?:very\s+)?)?least\b|\b(?:more|higher|greater|better|larger|longer|slower)\s+than(?:\s+or\s+equal\s+to)?\b|\b(?:over|above|exceeding)\b",
    ),
    (" ≥ ", r"\bminimum(?:\s+of)?\b|(?<!\d)(?<!\d[\s-])\bmin\b\.?"),
    (
        " ≤ ",
        r"<=|=<|≦|⩽|<|\bat\s+(?:the\s+(?:very\s+)?)?most\b|\b(?:less|fewer|lower|smaller|shorter|faster|quicker|cheaper)\s+than(?:\s+or\s+equal\s+to)?\b",
    ),
    (
        " ≤ ",
        r"\b(?:under|below|up\s+to|within|inside|maximum(?:\s+of)?|max|(?:limited|capped)\s+(?:to|at)|cap\s+of)\b|\bsub[\s-]?(?=\d)",
    ),
)
_BEHIND = (
    ("≥", "more|better|higher|above|greater|over", r"and\s+(?:up|above)|minimum|at\s+least|plus\b|\+"),
    (
        "≤",
        "less|fewer|lower|under|below|faster|better|cheaper|quicker",
        r"maximum|max\b|tops\b|at\s+(?:the\s+)?most",
    ),
)
"""What may follow a figure: words after "or", and words that must end what is said of it."""
_END = r"(?=\s*(?:[,;:.!?)]|$|(?:and|but|with|for|on|in|to|would|will|is)\b))"
_PHRASES = (
    ("%", r"(?<![a-z])(?:percent|per\s+cent|pct)\b"),
    ("ms", r"(?<=\d|\s)(?:mill?i?-?\s?sec(?:ond)?s?|m-?secs?)\b"),
    ("microseconds", r"(?<=\d|\s)μs\b"),
    (r"p\1", r"\b(\d\d(?:\.\d)?)(?:th|st|nd|rd)?[\s-]+percentile\b|\bp[\s-](?=\d\d\b)"),
    ("point estimate", _NO_INTERVAL),
    ("dollars", r"\b(?:u\.?s\.?|american)\s+dollars?\b|\bus\s?\$(?!\s?\d)"),
    (r"\1 ", r"\b(us\$|usd|eur|gbp|jpy|cny|rmb)(?=\d)"),
    ("no ", r"\b(?:not|never)\s+(?:an?|one)\s+(?:single\s+)?(?:cent|penny|dollar)\s+(?=more|over|above)"),
    (
        "for free",
        r"\b(?:for\s+nothing|spend(?:ing)?\s+nothing|free\s+of\s+charge|(?:at|with)?\s*(?:no|zero)\s+cost(?!\s+(?:limit|cap|ceiling|constraint)))\b"
        r"|(?:\w+n't|not|without|never)\s+(?:\w+\s+){0,3}?(?:spend|pay|cost)(?:ing)?\s+(?:me\s+)?(?:an?|one)\s+(?:single\s+)?(?:cent|penny|dime|dollar)(?!\s+(?:more|over|above))\b|\bnot\s+(?:an?|one)\s+(?:single\s+)?(?:cent|penny|dime)\b"
        r"|(?<=[,;:.]\s)free(?=\s*(?:[,;:.!]|$))",
    ),
    ("aws", r"\bamazon(?:\s+web\s+services)?\b"),
    ("gcp", r"\bgoogle(?:'s)?(?:\s+cloud(?:\s+platform)?)?\b"),
    ("azure", r"\bmicrosoft\s+azure\b"),
    ("oci", r"\boracle\s+cloud\b"),
)

_MONEY_ENDS = (
    r"\s*(?:[,;:.!?)]|$|(?:in\s+(?:all|total)|total|altogether|overall|please|per|an?|for|to\s+spend|budget|and)\b)"
)

_SHARE_OF_REQUESTS = (
    r"\b(\d\d(?:\.\d)?)\s*%\s+of\s+(?:the\s+|all\s+)?(?:requests|responses|calls|queries|replies)\b(?=[^,;.\d]{0,40}\d)"
)
"""95 % of requests under 200 ms is the 95th percentile, and no accuracy."""


def rewrite(wording: Wording) -> None:
    """Numbers, parts, compound times, comparators: each to one way of writing it."""
    wording.sub(r"(?<![\w.])\.(?=\d)", "0.")
    for english, words in _PHRASES:
        wording.sub(words, english)
    wording.sub(_SHARE_OF_REQUESTS, r"p\1 ")
    wording.sub(
        rf"\ban?\s+(?:{_TIME}|{_MONEY})\s+or\s+(?:so|two|three)\b|\b(?:a\s+couple\s+of|a\s+few|several|a\s+handful\s+of|an?\s+dozen|(?:tens|dozens|hundreds|thousands)\s+of)(?=\s+(?:{_TIME}|{_MONEY}|[habltv]\d|rtx|gpus?\b))",
        UNREAD,
    )
    wording.sub(r"\b(?:two|three|four|five|six)\s+nines\b", f"{UNREAD} nines")
    _write_shares(wording)
    wording.sub(r"\bhalf\s+an?\s+(?=thousand|million|billion)", "0.5 ")
    number = rf"(?<!\d\s){ENGLISH_NUMBER}"
    wording.sub(f"{number}(?:{_COUNTED}|{_RANGE})", _in_digits)
    wording.sub(number, lambda match: _in_digits(match) if (english_value(match[0]) or 0) > 12 else match[0])
    _write_parts(wording)
    wording.sub(r"(?<!false )\b(?:minus|negative)\s+(?=[$€£]?\d)", "-")
    _join_thousands(wording)
    join_times(wording)
    wording.sub(r"\bhalf\s+a\s+year\b", "6 months")
    wording.sub(r"\b(for|over|during)\s+(?:an?|one)\s+(?=(?:month|year)\b)", r"\1 1 ")
    wording.sub(r"\b(within|in)\s+(\d+)\s?(?-i:m)\b(?!\s*param)", r"\1 \2 minutes")
    _join_money(wording)
    unit = rf"(?:{_TIME}|{_MONEY})"
    behind = "|".join(rf"or\s+(?:{more})|{ends}" for _, more, ends in _BEHIND)
    wording.sub(rf"\ban?\s+(?={unit}\s+(?:{behind}))", "1 ")
    _move_comparators(wording)
    for sign, words in _COMPARATORS:
        wording.sub(words, sign)
    wording.sub(rf"(?<=[≤≥])\s+({ENGLISH_NUMBER})(?!\s+of\b)", lambda match: f" {_beyond_one(match[1])}")
    wording.sub(rf"(≤\s+|\bin\s+)an?\s+(?=(?:{_TIME}|{_MONEY}))", r"\g<1>1 ")
    wording.sub(rf"((?:^|[,;:.(]|\b(?:for|take|takes|cost|costs|is))\s*)an?\s+(?={unit}\s*(?:[,;.!)]|$))", r"\g<1>1 ")
    wording.sub(
        rf"((?:^|[,;:.(]|\b(?:for|cost|costs|is|with|and|just|only|(?<!n't\s)(?<!not\s)(?:have|got)))\s*)an?\s+(?={_MONEY}{_MONEY_ENDS})",
        r"\g<1>1 ",
    )


def _in_digits(match: re.Match[str]) -> str:
    value = english_value(match[0])
    return match[0] if value is None else plain(value)


def _beyond_one(words: str) -> str:
    """Number words behind a comparator are a figure; but "one" is a word like others."""
    value = english_value(words)
    return words if value is None or value == 1 else plain(value)


def _value(words: str) -> float:
    return float(words) if words[0].isdigit() else english_value(words) or 0.0


def _write_shares(wording: Wording) -> None:
    """ "nine out of ten", "95 in 100", "19/20 right": a percentage; "one mistake in ten": of mistakes."""
    number = rf"(?:(?<![\w.,$€£])\d+(?:\.\d+)?(?![\d.,]\d)|{ENGLISH_NUMBER})"
    some = rf"{number}|\bonce\b|\ban?(?=\s+{_MISTAKES}\b)"
    things = rf"(?:\s+(?:times?|cases?|hands?|answers?|tiles?|({_MISTAKES})))?"
    no_share = rf"(?!\s*(?:{_TIME}|{_MONEY}|%|[$€£]|(?:tiles|melds|groups|suits|pairs|tasks|models|steps)\b))"
    wording.sub(
        rf"({some}){things}\s+(?:out\s+of|in|(?:of|for|per)\s+every|per(?=\s+\w+\s+(?:hands|answers)\b)|of(?=\s+(?:10|20|50|100)\b))(?:\s+every)?"
        rf"\s+({number})(?:\s+times\b)?{no_share}",
        _share,
    )
    wording.sub(r"(?<![\w.,$€£/])(\d+)()/(10|20|50|100|200|1000)\b(?!/)(?!\s*" + f"(?:{_TIME}|{_MONEY}))", _share)


def _share(match: re.Match[str]) -> str:
    some, whole = 1.0 if match[1].lower() in ("once", "a", "an") else _value(match[1]), _value(match[3])
    if not 0 <= some <= whole or whole < 4:
        return match[0]
    return f"{plain(100 * some / whole)} % {match[2] or ''}".rstrip()


def _write_parts(wording: Wording) -> None:
    """Halves, quarters and tenths: of a unit a decimal, of "the time" a percentage."""
    names = "|".join(_PARTS)
    part = rf"\b(?:(\d+|an?|one)[\s-]+)?({names})s?"
    unit = rf"(?:of\s+)?(?:an?\s+)?(?={_TIME}|{_MONEY}|thousand\b|million\b|billion\b)"

    def decimal(scale: float) -> Callable[[re.Match[str]], str]:
        def write(match: re.Match[str]) -> str:
            count = float(match[1]) if match[1] and match[1].isdigit() else 1.0
            return plain(scale * count / _PARTS[match[2].lower()])

        return write

    quantity = (
        rf"(\d+)(?:\s+({_TIME}|{_MONEY}))?[\s-]+and[\s-]+a[\s-]+(half|quarter)\b(?!\s+of\b)(?:\s+(?={_TIME}|{_MONEY}))?"
    )
    wording.sub(rf"\ban?\s+(?=(?:{_TIME}|{_MONEY})\s+and\s+a\s+(?:half|quarter)\b)", "1 ")
    wording.sub(quantity, lambda match: f"{plain(float(match[1]) + 1 / _PARTS[match[3].lower()])} {match[2] or ''}")
    wording.sub(rf"{part}[\s-]+{unit}", lambda match: decimal(1)(match) + " ")
    wording.sub(part + _RIGHT, lambda match: decimal(100)(match) + " %")
    mixed = rf"(?<![\w.,/$€£])(?:(\d+)\s+)?(\d+)/(\d+)\s*(?:of\s+)?(?:an?\s+)?(?={_TIME}|{_MONEY})"
    wording.sub(
        mixed,
        lambda m: plain(float(m[1] or 0) + float(m[2]) / float(m[3])) + " " if float(m[3]) else UNREAD,
    )


def _join_money(wording: Wording) -> None:
    """ "1 dollar and 20 cents", "2 dollars 50", "a buck fifty": one figure."""
    wording.sub(rf"\ban?\s+(?={_WHOLES}\s+(?:and\s+)?\d\d?\b)", "1 ")
    wording.sub(
        rf"(?<![\w.,])(\d+)\s+({_WHOLES})\s+(?:(?:and\s+)?(\d\d?)\s+(?:cents?|pence)\b|(\d\d)(?=\s*(?:[,;.!)](?!\d)|$)))",
        lambda match: f"{int(match[1]) + int(match[3] or match[4]) / 100:.2f} {match[2]}",
    )


def _join_thousands(wording: Wording) -> None:
    """ "1 000 USD", "$1 000", "1 000 000 parameters": one figure, where it can be no two as in "accuracy 95 100 ms"."""
    grouped = r"(?<![\d.,-])\d{1,3}(?: \d{3})+(?![.,]?\d)"
    other = rf"(?!\s*(?:%|{_TIME}|rps|qps|req|k\b|[mpsz]\b|m?illi))"
    wording.sub(
        rf"(?<=[$€£])\s?{grouped}{other}|(?P<label>\b(?:acc\w*|lat\w*|p95)[\s:=]*(?:of\s+)?)?{grouped}(?=\s*(?:[$€£]|{_MONEY}|param))",
        lambda match: match[0] if match["label"] else match[0].replace(" ", ""),
    )


def join_times(wording: Wording) -> None:
    """ "1 hour 30 minutes", "1h30", "2 min 5 s": one figure in the smaller unit."""
    joined = r"\s*(?:,|and)?\s*"
    wording.sub(
        rf"(?<![\w.,])(\d+)\s*(?:h|hrs?|hours?){joined}(\d{{1,2}})\s*(?:mins?|minutes?|m)\b|(?<![\w.,])(\d+)h(\d\d)\b",
        lambda m: f"{60 * int(m[1] or m[3]) + int(m[2] or m[4])} minutes",
    )
    wording.sub(
        rf"(?<![\w.,])(\d+)\s*(?:mins?|minutes?){joined}(\d{{1,2}})\s*(?:s|secs?|seconds?)\b",
        lambda m: f"{60 * int(m[1]) + int(m[2])} seconds",
    )


def _move_comparators(wording: Wording) -> None:
    """Puts a comparator that stands behind its figure before it: "200 ms or less", "$15 max"."""
    figure = r"(?P<figure>(?:[$€£¥]\s?)?(?<![\d.,])\d[\d.,]*\s*(?:%|[$€£¥元]|[a-z]+(?:\s*(?:per|a|/)\s*[a-z]+)?)?)"
    for sign, more, ends in _BEHIND:
        words = rf"or\s+(?:{more})\b(?!\s+(?:than|bound|end|confidence))|(?:{ends}){_END}"
        wording.sub(rf"{figure}\s*(?:{words})", lambda match, sign=sign: f" {sign} {match['figure']} ")
