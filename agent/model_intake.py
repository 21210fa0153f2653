"""Reads a request, in any language, with the planner's model; code checks every figure against the request's own text.

A model may read words better than rules do, but it may not invent: a figure that the request does not hold is a
correction. Where the rules understand every figure the model's must be theirs; where they do not, no limit may be looser
than one they find, and money must be the one sum that the request names. It does not know every currency's name: what it
does not know is no money.
"""

# pyright: reportUnknownMemberType=false

import json
import re
from collections.abc import Collection, Sequence
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from pydantic import Field, ValidationError

from ..skills import load as load_skill
from ..skills import names as skill_names
from ..state.brief import AccuracyRule, Brief, DataSource, Figure, Limits, Record, Sites, Targets
from ..state.canonical import odd_part
from ..state.errors import RequestError
from ..state.numbers import AS_SAID, shown
from ..state.run import OwnNames
from .intake import NO_DOLLARS, as_brief, figures, read_request, refuse_unwritable
from .languages import rewritten
from .limits import CURRENCY_WORDS, USD_PER_UNIT, rate_assumed
from .model_planner import ask_until_usable, prompt_text
from .planners import Decision, Planner
from .reading import Reading
from .skill_words import set_aside

WRITE_BRIEF = "write_brief"
SAME = 0.005
"""Two figures this near, as a share, are the same: a rate was rounded."""

FACTORS: dict[str, tuple[float, ...]] = {
    "accuracy": (0.01, 1.0, 0.1),
    "latency_p95_ms": (1.0, 1000.0, 60_000.0, 0.001),
    "throughput_rps": (1.0, 1 / 60, 1 / 3600),
    "requests_per_day": (1.0, 24.0, 1 / 7, 24 / 730, 1 / 365),
    "serving_months": (1.0, 12.0, 168 / 730, 24 / 730, 1 / 730, 1 / 43_800),
    "hours": (1.0, 1 / 60, 1 / 3600, 24.0, 0.5, 0.25),
    "usd": (1.0, 0.01),
    "usd_per_month": (1.0, 0.01),
    "max_parameters": (1.0,),
}
"""What a number of the request may be multiplied with to become a field: units, in any language."""

MONEY = ("usd", "usd_per_month")
CHOICES = ("accelerators", "regions", "clouds", "licences")

SCALES: dict[str, float] = {
    r"\d\s?k\b|thousand|tausend|mil\b|mille|千": 1e3,
    r"万|萬": 1e4,
    r"\d\s?m\b|million|millón|millones|百万|百萬": 1e6,
    r"亿|億": 1e8,
    r"\d\s?b\b|billion": 1e9,
}
"""Words for a scale; one counts for money and parameters where the request holds it."""

_SUM = r"(?P<{0}number>\d+(?:[.,]\d+)*)"
_SCALE = (
    r"\s?(?P<{0}scale>(?:k|thousand|tausend|mil|mille|m|million|millón|millones|billion)\b|[千万萬亿億]|百万|百萬)?"
)
_CURRENCY = (
    r"(?:[$€£¥¢]|(?:us\$|usd|eur|gbp|jpy|cny|rmb)\b|(?:dollar|bucks|dólar|dolar|долл|euro|евро|pound|libra|фунт|yen|иен|yuan|юан"
    r"|cent)\w*|美元|美金|欧元|歐元|英镑|日元|日圆|人民币|块|元|円|ドル|ユーロ|달러|유로|엔|위안)"
)
_SUMS = re.compile(
    rf"{_CURRENCY}\s?{_SUM.format('b')}{_SCALE.format('b')}|{_SUM.format('a')}{_SCALE.format('a')}\s?{_CURRENCY}", re.I
)
_MONTHLY_AFTER = re.compile(r"[^\d,;.]{0,12}?(?:month|monat|mois|mes|mês|mese|месяц|月|달|월)", re.I)
_MONTHLY_BEFORE = re.compile(r"(?:每月|每个月|月額|毎月|monthly)\D{0,4}$", re.I)


class WriteBrief(Record):
    """Writes the request down as a brief."""

    skill: str = Field(description="name of the skill that fits, empty when none does")
    task: str = Field(description="one of that skill's tasks, empty when none was named")
    accuracy: Figure | None = Field(default=None, description="share of items answered exactly right, 0 to 1")
    accuracy_rule: AccuracyRule = "lower_bound"
    latency_p95_ms: Figure | None = None
    throughput_rps: Figure | None = None
    requests_per_day: Figure | None = Field(default=None, description="expected traffic")
    serving_months: Figure | None = Field(default=None, description="how long it is to be served, months of 730 hours")
    usd: Figure | None = Field(default=None, description="all the money, US dollars")
    usd_per_month: Figure | None = None
    hours: Figure | None = Field(default=None, description="time for the making, hours")
    accelerators: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    clouds: tuple[str, ...] = ()
    licences: tuple[str, ...] = Field(default=(), description="SPDX identifiers")
    max_parameters: int | None = None
    problems: tuple[str, ...] = Field(default=(), description="what the user must mend, one sentence each")


def read_with_model(
    planner: Planner,
    request: str,
    *,
    data: DataSource | None = None,
    sites: Sites | None = None,
    max_usd: float | None,
    max_hours: float | None,
    spent_usd: float = 0.0,
    own: OwnNames | None = None,
) -> tuple[dict[str, Any], Decision]:
    """{"brief": ...} or {"problems": [...]}, and what the asking took; the rules read where the model cannot be used.

    `spent_usd` is what reading took before. The asking stays within the smaller of `max_usd` and what the rules read as the limit.
    """
    try:
        refuse_unwritable(request)
    except RequestError as error:  # no endpoint can be sent it
        return {"problems": error.problems}, Decision(call=None, by=planner.name)
    messages = [SystemMessage(prompt_text("intake")), HumanMessage(_question(request, data))]
    schema = WriteBrief.model_json_schema()
    tool = {"name": WRITE_BRIEF, "description": schema.pop("description", ""), "parameters": schema}
    limits = {"max_usd": max_usd, "max_hours": max_hours}
    own = own or OwnNames()
    by_rules = _by_rules(request, data, sites, own, max_usd, max_hours)
    asked = ask_until_usable(
        planner,
        messages,
        [{"type": "function", "function": tool}],
        lambda reply: _read(reply, request, data, sites, own),
        usd_left=_limit(by_rules, max_usd) - spent_usd,
    )
    decision = asked.decision(planner.name)
    written: WriteBrief | None = asked.found
    if written is None:
        return by_rules, decision
    if written.problems:
        return {"problems": [f"{problem} (as {planner.name} reads it)" for problem in written.problems]}, decision
    problems, passed_over = set_aside(rewritten(request).text.lower(), written.skill) if data else ([], [])
    if problems:
        return {"problems": problems}, decision
    try:
        found = _brief(written, request, planner.name, own, **limits)
        found = found.model_copy(update={"data": data, "assumptions": (*found.assumptions, *passed_over)})
        return {"brief": found.model_dump(mode="json")}, decision
    except RequestError as error:
        return {"problems": error.problems}, decision


def _limit(by_rules: dict[str, Any], max_usd: float | None) -> float:
    """Dollars that the request allows as far as the rules can read it."""
    brief = by_rules.get("brief")
    if (
        brief is None or NO_DOLLARS in brief["assumptions"]
    ):  # silence forbids spending, but not the asking what was meant
        return max_usd if max_usd is not None else float("inf")
    return brief["limits"]["usd"]


def _by_rules(
    request: str,
    data: DataSource | None,
    sites: Sites | None,
    own: OwnNames,
    max_usd: float | None = None,
    max_hours: float | None = None,
) -> dict[str, Any]:
    try:
        found = read_request(request, data=data, sites=sites, own=own, max_usd=max_usd, max_hours=max_hours)
        return {"brief": found.model_dump(mode="json")}
    except RequestError as error:
        return {"problems": error.problems}


def _question(request: str, data: DataSource | None) -> str:
    skills = {name: {task.name: task.description for task in load_skill(name).tasks.values()} for name in _skills(data)}
    return json.dumps(
        {"request": request, "skills": skills, "assumed": {"usd_per_unit": USD_PER_UNIT}}, ensure_ascii=False
    )


def _skills(data: DataSource | None) -> list[str]:
    """The skills that may be chosen: those over the user's examples where there are such, else the others."""
    return [name for name in skill_names() if load_skill(name).needs_data == (data is not None)]


def _read(
    reply: AIMessage, request: str, data: DataSource | None, sites: Sites | None, own: OwnNames
) -> tuple[WriteBrief | None, str | None]:
    """The brief a reply holds, or what is wrong with it."""
    calls = [call for call in reply.tool_calls if call["name"] == WRITE_BRIEF]
    if len(reply.tool_calls) != 1 or not calls:
        return None, f"call {WRITE_BRIEF} once, and nothing else"
    try:
        written = WriteBrief.model_validate(calls[0]["args"])
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        return None, f"wrong arguments for {WRITE_BRIEF}: {wrong}"
    if odd := odd_part(written.model_dump()):
        return None, f"wrong arguments for {WRITE_BRIEF}: {odd}"
    if written.problems:
        return written, None
    by_rules = _by_rules(request, data, sites, own).get("brief")
    otherwise = _otherwise(written, by_rules) if by_rules else [*_looser(written, request), *_sums(written, request)]
    wrong = [*_unknown(written, _skills(data)), *_invented(written, request), *otherwise]
    return (None, "; ".join(wrong)) if wrong else (written, None)


def _unknown(written: WriteBrief, skills: Sequence[str]) -> list[str]:
    if written.skill not in skills:
        return [f"skill {written.skill!r} does not fit; valid: {', '.join(skills)}; or say in problems that none fits"]
    tasks = load_skill(written.skill).tasks
    return [] if written.task in tasks else [f"task {written.task!r} is unknown; valid: {', '.join(tasks)}"]


def _invented(written: WriteBrief, request: str, names: Collection[str] = FACTORS) -> list[str]:
    """Figures of the brief that no number of the request, in any unit, amounts to."""
    numbers = numbers_in(request)
    scales = [1.0, *(scale for words, scale in SCALES.items() if re.search(words, request, re.I))]
    rates = [1.0, *(rate for symbol, rate in USD_PER_UNIT.items() if _names_currency(request, symbol))]
    wrong: list[str] = []
    for name, factors in FACTORS.items():
        value = getattr(written, name)
        if name not in names or value is None or (name in MONEY and value == 0):
            continue
        means = {number * factor for number in numbers for factor in factors}
        if name in (*MONEY, "max_parameters", "requests_per_day"):
            means = {mean * scale for mean in means for scale in scales}
        if name in MONEY:
            means = {mean * rate for mean in means for rate in rates}
        if name == "accuracy":
            means |= {1 - share for share in means}
        if not any(abs(value - one) <= SAME * max(abs(value), 1e-12) for one in means):
            wrong.append(f"{name} is {shown(value, AS_SAID)}, and the request holds no such figure")
    return wrong


def _names_currency(request: str, symbol: str) -> bool:
    words = [
        word for word in CURRENCY_WORDS.get(symbol, ()) if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", request, re.I)
    ]
    return symbol in request or bool(words)


def _otherwise(written: WriteBrief, by_rules: dict[str, Any]) -> list[str]:
    """Where a brief is not what the rules read, who understood every figure of the request."""
    found = {**by_rules["targets"], **by_rules["limits"]}
    wrong: list[str] = []
    for name in FACTORS:
        wants, value = getattr(written, name), found[name]
        if (wants or 0.0) == (value or 0.0):  # no money and no word of money are the same
            continue
        if wants is None:
            wrong.append(f"the request seems to name {shown(value, AS_SAID)} for {name}")
        elif value is None or abs(wants - value) > SAME * value:
            named = "none" if value is None else shown(value, AS_SAID)
            wrong.append(f"{name} is {shown(wants, AS_SAID)}, and the request seems to name {named}")
    for name in CHOICES:
        wants, value = ({one.lower() for one in given} for given in (getattr(written, name), found[name]))
        if value and wants != value:
            wrong.append(f"the request seems to name {', '.join(sorted(value))} for {name}")
    if written.accuracy_rule != found["accuracy_rule"]:
        wrong.append(f"the request seems to ask for the accuracy rule {found['accuracy_rule']}")
    return wrong


def _looser(written: WriteBrief, request: str) -> list[str]:
    """Limits above the smallest, and an accuracy rule other than the one, that the rules find in a request of which they do
    not understand all."""
    targets, limits = figures(Reading(rewritten(request)))
    rule = targets["accuracy_rule"]
    least = {name: limits[name] for name in (*MONEY, "hours", "max_parameters")}
    wrong = [
        f"{name} is {shown(value, AS_SAID)}, and the request names {shown(bound, AS_SAID)} for it"
        for name, bound in least.items()
        if (value := getattr(written, name)) is not None and bound is not None and value > bound * (1 + SAME)
    ]
    if written.accuracy_rule != rule:
        wrong.append(f"the accuracy rule is {rule}: any other must be named in English, as 'point estimate'")
    return wrong


def _sums(written: WriteBrief, request: str) -> list[str]:
    """Money that is not the one sum the request names, once or for a month."""
    once: set[str] = set()
    monthly: set[str] = set()
    text = rewritten(request).text
    for found in _SUMS.finditer(text):
        month = _MONTHLY_AFTER.match(text, found.end()) or _MONTHLY_BEFORE.search(text[: found.start()])
        number = found.group("anumber") or found.group("bnumber")
        scale = found.group("ascale") or found.group("bscale") or ""
        (monthly if month else once).add(f"{number}{scale.lower()}")
    wrong: list[str] = []
    for name, sums in zip(MONEY, (once, monthly), strict=True):
        if not getattr(written, name):
            continue
        if len(sums) > 1:
            wrong.append(
                f"the request names {' and '.join(sorted(sums))} for {name}: say in problems that it must name one"
            )
        elif not sums or _invented(written, " ".join([*sums, *_currencies(request)]), (name,)):
            wrong.append(
                f"{name} is {shown(getattr(written, name), AS_SAID)}, and the request names no such sum of money"
            )
    return wrong


def _currencies(request: str) -> list[str]:
    return [symbol for symbol in USD_PER_UNIT if _names_currency(request, symbol)]


def numbers_in(request: str) -> set[float]:
    """Every number of a text, in digits or in words that the rules know."""
    found: set[float] = set()
    without_percentiles = re.sub(r"\bp\d+", " ", f"{request} {rewritten(request).text}", flags=re.I)
    for text in re.findall(r"\d+(?:[.,]\d+)*", without_percentiles):
        for plain in {text.replace(",", ""), text.replace(",", "."), text.replace(".", "").replace(",", ".")}:
            try:
                found.add(float(plain))
            except ValueError:
                continue
    return found


def _brief(
    written: WriteBrief, request: str, by: str, own: OwnNames, *, max_usd: float | None, max_hours: float | None
) -> Brief:
    targets = {name: getattr(written, name) for name in Targets.model_fields}
    limits = {name: getattr(written, name) for name in Limits.model_fields}
    found = as_brief(
        request, written.skill, written.task, targets, limits, max_usd=max_usd, max_hours=max_hours, own=lambda: own
    )
    paid = written.usd or written.usd_per_month
    rates = [rate_assumed(symbol) for symbol in _currencies(request) if paid and symbol not in "$¢"]
    return found.model_copy(update={"assumptions": (f"the request was read by {by}", *rates, *found.assumptions)})
