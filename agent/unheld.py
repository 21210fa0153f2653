"""Says what a request asks for and no brief can hold: ranges, differences, rates, other metrics, places, days, and what is ruled out.

Each is refused with what to write in its place. Words without a figure that are not listed here are passed over.
"""

import re

from .clouds import refuse_unknown
from .limits import ACCELERATOR, CURRENCY_WORDS, LICENCE, clouds_of
from .reading import NEAR, NO, Reading
from .regions import REGIONS
from .targets import ASKED, TIME_UNIT

_N = r"\d+(?:[.,]\d+)*"
_MONEY = rf"[$€£¥元¢]|(?:{'|'.join(word for words in CURRENCY_WORDS.values() for word in words if word.isalpha())})\b"
_TIME = TIME_UNIT.replace("?P<unit>", "?:")
_UNIT = rf"(?:%|{_TIME}|{_MONEY}|(?:parameters|params|rps|qps)\b)"
_FIGURE = rf"(?:[$€£]\s?)?(?<![\w.,]){_N}\s*-?\s*{_UNIT}?(?![\w%])"
_TO = r"\s*(?:-|~|\bto\b|\bor\b|到|至|或)\s*"
_RANGES = (
    rf"\bbetween\s+(?:[$€£]\s?)?{_N}\s*{_UNIT}?\s*and\s+(?:[$€£]\s?)?{_N}\s*{_UNIT}?"
    rf"|(?<![\w.,])[≤≥\s]*{_N}\s*({_UNIT}){_TO}{_N}\s*\1"
    rf"|(?<![\w.,$€£-])(?<![$€£]\s){_N}{_TO}{_N}\s*{_UNIT}"
    rf"|[$€£]\s?{_N}{_TO}(?:[$€£]\s?)?{_N}(?![\d\w.,]|\s*(?:{_UNIT}|requests))"
)
_CHANGED = (
    r"improv\w*|increas\w*|rais\w*|boost\w*|reduc\w*|cut\w*|lower\w*|shorten\w*|drop\w*|decreas\w*|speed\w*|beat\w*"
)
_MORE = r"more|less|better|higher|lower|faster|slower|cheaper|fewer|greater|smaller|shorter"
_THE_OTHER = r"the|my|our|your|chance|guessing|random|baseline|now|today|before|last|current\w*|previous|existing|what"
_DIFFERENCES = (
    rf"\b(?:another|an\s+extra|an\s+additional|extra|additional)\s+{_FIGURE}"
    rf"|\b(?:{_CHANGED})\b[^\d,;.]{{0,40}}\bby\b[^\d,;.$€£]{{0,20}}{_FIGURE}"
    rf"|{_FIGURE}\s*(?:(?:percentage\s+)?points?\s+)?(?:{_MORE})\b(?!\s+(?:than\s+[\d$]|or\b|bound|end\b|confidence|limit))"
    rf"|{_FIGURE}\s*[≤≥]\s*(?:{_THE_OTHER})\b|\b{_N}\s*(?:%\s*)?(?:percentage\s+points?\b|个?百分点)"
    rf"|比[^\d,;.]{{1,10}}[高低快慢多少准贵宜]出?\s*[≤≥]?\s*{_FIGURE}"
    rf"|(?:提高|提升|增加|降低|减少|缩短|加快|改善|下降|上升|再[高低快慢少多准]|便宜)了?(?!到|至|为|成)\s*[≤≥]?\s*{_FIGURE}"
)
_METRIC = r"(?<!i )(?:avg|average|mean|median|typical(?:ly)?|usual(?:ly)?|worst[\s-]case)\b\.?"
_LATENCY = rf"{_N}\s*-?\s*{_TIME}"
_GAP = r"(?:(?!\b(?:with|and|but)\b)[^\d,;.])"
_OTHER_LATENCIES = (
    rf"(?:\bp(?!95\b)\d\d(?:\.\d+)?\b|\b(?:ttft|time\s+to\s+first\s+\w+|first[\s-]token|cold[\s-]?start\w*)\b"
    rf"|\b{_METRIC}\s+(?:\w+\s+)?(?:latency|response|time|delay))(?:[^\d,;.]{{0,30}}{_LATENCY})?"
    rf"|\b{_METRIC}{_GAP}{{0,30}}{_LATENCY}|{_LATENCY}{_GAP}{{0,15}}\b(?:{_METRIC}|p(?!95\b)\d\d\b|ttft\b)"
)
_METRICS = (
    r"(?:precision|recall|f1|f-score|auc|bleu|perplexity|sensitivity|specificity|availab\w+|uptime|coverage|discount|win(?:ning)?\s+rate"
    r"|utili[sz]ation|(?:gpu|memory|cpu)\s+(?:load|memory|use|usage|utili[sz]ation))\b"
)
_FALSE_ALARMS = r"\bfalse[\s-]+(?:positives?|negatives?|alarms?)(?:\s+rate)?\b"
_HALF_OF_THEM = r"(?:the\s+|all\s+)?(?:winning|complete|losing|incomplete|ready)\s+hands\b"
_PLACES = (
    "germany|france|britain|england|the uk|uk|united kingdom|ireland|spain|italy|netherlands|sweden|norway|finland|denmark|poland"
    "|switzerland|austria|belgium|portugal|iceland|canada|mexico|brazil|argentina|chile|japan|korea|china|taiwan|hong kong"
    "|singapore|india|indonesia|malaysia|thailand|vietnam|australia|new zealand|israel|turkey|russia|ukraine|africa"
    "|south america|latin america|middle east|uae|dubai|frankfurt|berlin|munich|paris|london|dublin|amsterdam|stockholm|zurich"
    "|madrid|milan|toronto|montreal|virginia|oregon|ohio|california|texas|iowa|tokyo|osaka|seoul|mumbai|sydney|beijing|shanghai"
)
_CHINESE_PLACES = (
    "(?:德国|法国|英国|日本|韩国|新加坡|加拿大|澳大利亚|澳洲|印度|中国|国内|境内|香港|台湾|东京|首尔|法兰克福|伦敦|巴黎|柏林|北京|上海"
    "|深圳|广州|杭州|俄罗斯|巴西|非洲|瑞士|荷兰|爱尔兰)"
)
_KEPT = r"(?:host|stay|remain|kept|keep|locat|stor|server|data\s?cent|deploy|resid|leav)\w*"
_KNOWN = "|".join(REGIONS.values())
_NO_PLACE = "json|docker|kubernetes|python|english|chinese|onnx|mahjong"
_ELSEWHERE = (
    rf"(?<!rules of )(?<!play in )(?<!played in )(?:\b(?:only\s+)?in\s+|≤\s*)?\b(?<!played in )(?<!play in )(?:{_PLACES})\b"
    r"(?!\s+(?:mahjong|rules|style))"
    rf"|\b{_KEPT}\s+(?:(?:only|be|it|data)\s+)*(?:in|≤|at)\s+(?:the\s+)?(?!(?:{_KNOWN}|{_NO_PLACE})\b)(?:(?-i:[A-Z][a-z]+)|our\b|my\b|house\b)"
    r"|\bon[\s-]prem\w*|\bin-house\b"
    rf"|(?:在|于|限|留|只|用|出)\s*{_CHINESE_PLACES}(?!式|规则|[^,;.]{{0,3}}麻将)"
    rf"|{_CHINESE_PLACES}(?=的?\s*(?:机房|服务器|节点|境内|数据中心))"
)
_WEEKDAYS = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_DAYS = (
    rf"(?:(?:next|this|coming|the)\s+)?(?:{_WEEKDAYS}|weekend|tomorrow|tonight|today|noon|midnight|christmas|(?:end|close)\s+of\s+(?:the\s+)?\w+|eod|eow"
    r"|week|month|(?:january|february|march|april|may|june|july|august|september|october|november|december)\b(?:\s+\d{1,2}(?:st|nd|rd|th)?)?)\b"
)
_BY_DAY = (
    rf"\b(?:by|before|until|till|due|on|no\s+later\s+than|deadline)\s*:?\s*(?:is\s+|on\s+)?{_DAYS}"
    r"|\b(?:done|ready|finish\w*|trained|need|deliver\w*)\s+(?:it\s+)?(?:today|tonight|tomorrow|overnight|this\s+week(?:end)?)\b"
    r"|(?:今天|今晚|明[天早晚]|后天|(?:这|本|下)?个?(?:周|星期|礼拜)[一二三四五六日天末]|[本下这]周|[月年]底|下个?月)(?:之?前|以前|内|就?要|完成|交付?|搞定)"
)
_INSTANCES = (
    r"\b(?:spot|reserved|on-demand|dedicated|preemptible|interruptible)[\s-]+(?:instances?|servers?|machines?|vms?|gpus?|prices?|pricing|capacity)\b"
    r"|\b(?:preemptible|interruptible)\b|竞价实例|抢占式(?:实例)?|按需实例|预留实例"
)
_LIMIT = r"(?:limits?|cap|ceiling|constraints?|restrictions?)"
_NO_LIMIT = (
    rf"\b(?:unlimited|uncapped|infinite|limitless)\s+(?:budget|money|funds|dollars|spending)\b|\b(?:budget|money|cost)\s+(?:is\s+)?(?:unlimited|uncapped|open(?:-ended)?)\b"
    rf"|\b(?:no|without\s+(?:an?|any))\s+(?:dollar|budget|cost|spending|price|money)\s+{_LIMIT}\b|\bno\s+{_LIMIT}\s+(?:on|to|for)\s+(?:the\s+)?(?:budget|cost|money|spend\w*|price)\b"
    r"|\b(?:money|price|cost|budget)(?:'s|\s+is)?\s+(?:no|not\s+an?|isn't\s+an?)\s+(?:object|issue|problem|concern|matter)\b"
    r"|\b(?:money|price|cost|budget)\s+(?:does\s+not|doesn't)\s+matter\b|\bwhatever\s+it\s+(?:costs|takes)\b|\bspare\s+no\s+expense\b|\bat\s+any\s+(?:cost|price)\b"
)
_MEASURED = "what is measured is the share of answers that are exactly right: give an accuracy"
_UNHELD: tuple[tuple[str, str], ...] = (
    (_NO_LIMIT, "name a sum, such as $20"),
    (_DIFFERENCES, "give the new value, not the difference"),
    (_RANGES, "a range: give one figure"),
    (
        rf"(?:{_N}\s+)?(?:\b{ASKED}\s+)?(?:\b(?:every|each|per)\s+|每\s*){_N}\s*-?\s*{_TIME}",
        "a rate is given in requests per second or per minute",
    ),
    (_OTHER_LATENCIES, "p95 is what is measured against a target, and no mean or other percentile: give the p95"),
    (
        rf"\b{_METRICS}{_GAP}{{0,20}}{_N}\s*%|\b(?:precision|recall|f1|f-score|auc)\b{_GAP}{{0,12}}{_N}"
        rf"|(?<![\w.,]){_N}\s*%\s*(?:(?:of|the|for|in|a|的)\s*)*(?:{_METRICS}|(?:sure|certain|confident)\b)"
        rf"|(?<![\w.,]){_N}\s*%\s*of\s+(?:the\s+|my\s+)?(?:budget|money|memory|time\s+limit|gpu|cpu|load)\b",
        _MEASURED,
    ),
    (rf"(?<![\w.,]){_N}\s*%\s*(?:of\s+){_HALF_OF_THEM}", _MEASURED),
    (
        rf"{_FALSE_ALARMS}(?:[^\d,;%]{{0,20}}{_N}\s*%)?|(?<![\w.,]){_N}\s*%\s*(?:of\s+)?{_FALSE_ALARMS}",
        "one kind of error alone is not measured: write 'error rate at most 5 %' for all of them",
    ),
    (
        rf"(?<![\w.,])(?!95\s*%){_N}\s*%\s*(?:confidence|interval|ci)\b|\b(?:confidence|interval)(?:\s+(?:level|interval|of|is))*\s*(?!95\s*%){_N}\s*%",
        "the interval is always the 95 % one: leave it out",
    ),
    (_ELSEWHERE, "the regions known are Europe, the US and Asia: name one of them, or leave it out"),
    (_BY_DAY, "a day is no time limit: give the time for the work in minutes or hours"),
    (_INSTANCES, "kinds of instance cannot be chosen in words: leave it out (`--spot` has spot servers)"),
)

_GPU = rf"(?:{ACCELERATOR}|gpus?\b|accelerators?\b|graphics cards?\b)"


def refuse_unheld(reading: Reading) -> None:
    """What has no field in a brief; before any figure is read, so that none of these is taken for a target."""
    for pattern, why in _UNHELD:
        reading.refuse_unheld(pattern, why)


def refuse_negatives(reading: Reading, usd: float | None) -> None:
    """A brief names what may be used; what may not be used has no place in it."""
    clouds = "|".join(map(re.escape, clouds_of(reading)))
    only = "a brief names what may be used, not what may not: say which {} are allowed, or leave it out"
    for pattern, what in (
        (
            rf"\bcpus?[\s-]only\b|\bonly\s+(?:(?:on|a|the|use)\s+)*cpus?\b|\b{NO}{NEAR}{_GPU}",
            "accelerators",
        ),
        (
            rf"\b{NO}{NEAR}(?:the us|the usa|the eu|europe|asia|america|the united states)\b|\bnon-(?:{_KNOWN})\b",
            "regions",
        ),
        (rf"\b{NO}{NEAR}(?:{clouds})\b", "clouds"),
        (rf"\b{NO}{NEAR}(?:{LICENCE})\b|\bnon-(?:{LICENCE})\b", "licences"),
    ):
        reading.refuse_unheld(pattern, only.format(what))
    refuse_unknown(reading)
    if usd:
        reading.refuse_unheld(
            rf"\b{NO}{NEAR}cloud\b",
            "servers of a cloud are left out only where nothing may be spent: say 'for free'",
        )


def refuse_unnamed(reading: Reading) -> None:
    """What is left when every figure, place, cloud and licence was read: named in a way that nothing reads."""
    reading.refuse_unheld(
        r"\bdata\b[^,;.\d]{0,20}\b(?:stay|remain|leave|reside|kept|keep|stored)\b[^,;.\d]*",
        "the regions known are Europe, the US and Asia: name one of them, or leave it out",
    )
    reading.refuse_unheld(
        r"(?:≤|\bin)\s*(?:milliseconds|seconds|minutes|hours|days|weeks)\b", "name a figure, such as 200 ms or 2 hours"
    )
    reading.refuse_unheld(
        r"\b(?:europe|eu|asia|usa|united states)\b|\b(?-i:US)\b", "say 'in Europe', 'in the US' or 'in Asia'"
    )
    ordinary_words = ("lambda", "vast", "yotta", "mithril", "daytona")
    clouds = "|".join(re.escape(name) for name in clouds_of(reading) if name not in ordinary_words)
    reading.refuse_unheld(rf"\b(?:{clouds})\b", "say 'on AWS' where a cloud is meant")
    reading.refuse_unheld(
        r"\b(?:p95|latency|budget|costs?|price|spend|deadline)\b(?:[:=≤≥(\s]|\b(?:of|is|be|to|at|around|about|budget|latency|p95)\b)*"
        rf"{_N}(?=\s*(?:[,;.:!?)](?!\d)|$|(?:and|but|with|or|please|in|on|for)\b))",
        "name its unit, such as ms, s, $ or minutes",
    )
