"""Reads a request, in any language, with the planner's model; code checks every figure against the request's own text.

A model may read words better than rules do, but it may not invent: a figure that the request does not hold is a
correction, and so is one that the rules find and the model left out.
"""

# pyright: reportUnknownMemberType=false

import json
import re
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from pydantic import Field, ValidationError

from ..skills import load as load_skill
from ..skills import names as skill_names
from ..state.brief import AccuracyRule, Brief, Figure, Limits, Record, Targets
from ..state.errors import RequestError
from .chat_planner import ask_until_usable, prompt_text
from .intake import as_brief, read_request, refuse_unwritable
from .languages import rewritten
from .limits import CURRENCY_WORDS, USD_PER_UNIT
from .planners import Decision, Planner

WRITE_BRIEF = "write_brief"
SAME = 0.005
"""Two figures this near, as a share, are the same: a rate was rounded."""

FACTORS: dict[str, tuple[float, ...]] = {
    "accuracy": (0.01, 1.0, 0.1),
    "latency_p95_ms": (1.0, 1000.0, 60_000.0, 0.001),
    "throughput_rps": (1.0, 1 / 60, 1 / 3600),
    "hours": (1.0, 1 / 60, 1 / 3600, 24.0, 0.5, 0.25),
    "usd": (1.0, 0.01),
    "usd_per_month": (1.0, 0.01),
    "max_parameters": (1.0,),
}
"""What a number of the request may be multiplied with to become a field: units, in any language."""

SCALES: dict[str, float] = {
    r"\d\s?k\b|thousand|tausend|mil\b|mille|千": 1e3,
    r"万|萬": 1e4,
    r"\d\s?m\b|million|millón|millones|百万|百萬": 1e6,
    r"亿|億": 1e8,
    r"\d\s?b\b|billion": 1e9,
}
"""Words for a scale; one counts for money and parameters where the request holds it."""


class WriteBrief(Record):
    """Writes the request down as a brief."""

    skill: str = Field(description="name of the skill that fits, empty when none does")
    task: str = Field(description="one of that skill's tasks, empty when none was named")
    accuracy: Figure | None = Field(default=None, description="share of items answered exactly right, 0 to 1")
    accuracy_rule: AccuracyRule = "lower_bound"
    latency_p95_ms: Figure | None = None
    throughput_rps: Figure | None = None
    usd: Figure | None = Field(default=None, description="all the money, US dollars")
    usd_per_month: Figure | None = None
    hours: Figure | None = Field(default=None, description="time for the making, hours")
    accelerators: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    clouds: tuple[str, ...] = ()
    max_parameters: int | None = None
    problems: tuple[str, ...] = Field(default=(), description="what the user must mend, one sentence each")


def read_with_model(
    planner: Planner, request: str, *, max_usd: float | None, max_hours: float | None
) -> tuple[dict[str, Any], Decision]:
    """{"brief": ...} or {"problems": [...]}, and what the asking took; the rules read where the model cannot be used."""
    try:
        refuse_unwritable(request)
    except RequestError as error:  # no endpoint can be sent it
        return {"problems": error.problems}, Decision(call=None, by=planner.name)
    messages = [SystemMessage(prompt_text("intake")), HumanMessage(_question(request))]
    schema = WriteBrief.model_json_schema()
    tool = {"name": WRITE_BRIEF, "description": schema.pop("description", ""), "parameters": schema}
    limits = {"max_usd": max_usd, "max_hours": max_hours}
    by_rules = _by_rules(request, **limits)
    asked = ask_until_usable(
        planner,
        messages,
        [{"type": "function", "function": tool}],
        lambda reply: _read(reply, request, by_rules.get("brief")),
        usd_left=max_usd if max_usd is not None else float("inf"),
    )
    decision = asked.decision(planner.name)
    written: WriteBrief | None = asked.found
    if written is None:
        return by_rules, decision
    if written.problems:
        return {"problems": [f"{problem} (as {planner.name} reads it)" for problem in written.problems]}, decision
    try:
        return {"brief": _brief(written, request, planner.name, **limits).model_dump(mode="json")}, decision
    except RequestError as error:
        return {"problems": error.problems}, decision


def _by_rules(request: str, **limits: float | None) -> dict[str, Any]:
    try:
        return {"brief": read_request(request, **limits).model_dump(mode="json")}
    except RequestError as error:
        return {"problems": error.problems}


def _question(request: str) -> str:
    skills = {name: {task.name: task.description for task in load_skill(name).tasks.values()} for name in skill_names()}
    return json.dumps(
        {"request": request, "skills": skills, "assumed": {"usd_per_unit": USD_PER_UNIT}}, ensure_ascii=False
    )


def _read(reply: AIMessage, request: str, by_rules: dict[str, Any] | None) -> tuple[WriteBrief | None, str | None]:
    """The brief a reply holds, or what is wrong with it."""
    calls = [call for call in reply.tool_calls if call["name"] == WRITE_BRIEF]
    if len(reply.tool_calls) != 1 or not calls:
        return None, f"call {WRITE_BRIEF} once, and nothing else"
    try:
        written = WriteBrief.model_validate(calls[0]["args"])
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        return None, f"wrong arguments for {WRITE_BRIEF}: {wrong}"
    if written.problems:
        return written, None
    wrong = [*_unknown(written), *_invented(written, request), *_left_out(written, by_rules)]
    return (None, "; ".join(wrong)) if wrong else (written, None)


def _unknown(written: WriteBrief) -> list[str]:
    if written.skill not in skill_names():
        return [
            f"skill {written.skill!r} is unknown; valid: {', '.join(skill_names())}; or say in problems that none fits"
        ]
    tasks = load_skill(written.skill).tasks
    return [] if written.task in tasks else [f"task {written.task!r} is unknown; valid: {', '.join(tasks)}"]


def _invented(written: WriteBrief, request: str) -> list[str]:
    """Figures of the brief that no number of the request, in any unit, amounts to."""
    numbers = numbers_in(request)
    scales = [1.0, *(scale for words, scale in SCALES.items() if re.search(words, request, re.I))]
    rates = [1.0, *(rate for symbol, rate in USD_PER_UNIT.items() if _names_currency(request, symbol))]
    wrong: list[str] = []
    for name, factors in FACTORS.items():
        value = getattr(written, name)
        if value is None or (name in ("usd", "usd_per_month") and value == 0):
            continue
        means = {number * factor for number in numbers for factor in factors}
        if name in ("usd", "usd_per_month", "max_parameters"):
            means = {mean * scale for mean in means for scale in scales}
        if name in ("usd", "usd_per_month"):
            means = {mean * rate for mean in means for rate in rates}
        if name == "accuracy":
            means |= {1 - share for share in means}
        if not any(abs(value - one) <= SAME * max(abs(value), 1e-12) for one in means):
            wrong.append(f"{name} is {value:g}, and the request holds no such figure")
    return wrong


def _names_currency(request: str, symbol: str) -> bool:
    words = [
        word for word in CURRENCY_WORDS.get(symbol, ()) if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", request, re.I)
    ]
    return symbol in request or bool(words)


def _left_out(written: WriteBrief, by_rules: dict[str, Any] | None) -> list[str]:
    """Figures that the rules read in the request and the model passed over."""
    if by_rules is None:
        return []
    found = {**by_rules["targets"], **by_rules["limits"]}
    silent = {"usd": 0.0}  # the rules' "nothing may be spent" where no limit was named
    return [
        f"the request seems to name {found[name]:g} for {name}"
        for name in FACTORS
        if getattr(written, name) is None and found.get(name) is not None and found[name] != silent.get(name)
    ]


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


def _brief(written: WriteBrief, request: str, by: str, *, max_usd: float | None, max_hours: float | None) -> Brief:
    targets = {name: getattr(written, name) for name in Targets.model_fields}
    limits = {name: getattr(written, name, ()) for name in Limits.model_fields}
    found = as_brief(request, written.skill, written.task, targets, limits, max_usd=max_usd, max_hours=max_hours)
    return found.model_copy(update={"assumptions": (f"the request was read by {by}", *found.assumptions)})
