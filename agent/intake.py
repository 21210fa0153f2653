"""Turns a request in plain words, or a YAML file, into a brief, by rules alone.

It never invents a target: what is missing is left open and recorded as an assumption. It reads English and Chinese; another
language is refused (a YAML brief's fields are the same in every language).
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError

from ..skills import load as load_skill
from ..skills import names as skill_names
from ..state.brief import (
    PEAK_OVER_MEAN,
    SECONDS_PER_DAY,
    Brief,
    DataSource,
    Limits,
    Record,
    Sites,
    SiteSource,
    Targets,
    TeacherSource,
    Weights,
)
from ..state.canonical import odd_part
from ..state.errors import RequestError
from ..state.numbers import shown
from ..state.run import OwnNames
from ..state.talk import Word
from . import limits as limit_words
from . import regions as region_words
from . import site_words, unheld
from . import targets as target_words
from .languages import in_plain_english
from .names import Own, no_own_names, unknown_names
from .reading import Reading
from .skill_words import hits, set_aside

_ALSO = (
    r"\b(?:and|plus)\s+(?:(?:also|then|too|it|should|must|to)\s+)*(?:also|tell|which|what|whether|name|list|say|recommend|suggest|pick|choose|show)s?\b"
    r"|\b(?:also|as\s+well\s+as|additionally|in\s+addition|besides)\b|并且?|还[要能会]|同时|另外|以及|顺便|[也都]要"
)
"""Between two things that are asked for."""

INTENTS = "intents"
"""The skill over the public examples of many sites that answer with labels, where no other is named."""
TABLE = "table"
"""The skill over the user's examples where no other is named."""

BRING_DATA = "bring examples of yours with --data FILE, or `data: {path: FILE}` in a brief"

NO_DOLLARS = "no dollar limit was given: nothing may be spent"


def read_request(
    request: str,
    *,
    data: DataSource | None = None,
    sites: Sites | None = None,
    max_usd: float | None = None,
    max_hours: float | None = None,
    own: OwnNames | None = None,
) -> Brief:
    """The brief of a request, over the examples, for the sites where there are any, under the tighter of its own limits and those given
    beside it; `own` names may be said too.

    Raises RequestError with every problem found.
    """
    refuse_unwritable(request)
    if not request.strip():
        raise RequestError(["the request is empty: say what the model should do, how well, how fast and for how much"])
    reading = Reading(in_plain_english(request), own or OwnNames())
    words = site_words.read_sites(reading)
    skill, task = _skill_and_task(reading, data is not None)
    if skill == TABLE and sites is not None and sites.answers == "labels":
        skill = INTENTS
    targets, limits = figures(reading)
    sites = site_words.applied(words, sites, reading.problems)
    limit_words.contradictions(reading, limits["usd"])
    _refuse_the_rest(reading)
    if reading.problems:
        raise RequestError(reading.problems)
    found = as_brief(
        request, skill, task, targets, limits, max_usd=max_usd, max_hours=max_hours, own=lambda: reading.own
    )
    assumptions = (*reading.assumptions, *found.assumptions)
    return found.model_copy(update={"data": data, "sites": sites, "assumptions": assumptions})


def read_changes(text: str, own: OwnNames | None = None) -> Word:
    """What a few words in the middle of a run change of its brief, such as "at most $2, under 100 ms, only on H100".

    Absent fields stay as they are. Raises RequestError for a figure that cannot be placed; nothing found is an empty Word.
    """
    refuse_unwritable(text)
    reading = Reading(in_plain_english(text), own or OwnNames())
    targets, limits = figures(reading)
    _refuse_the_rest(reading)
    if reading.problems:
        raise RequestError(reading.problems)
    if targets["accuracy_rule"] == "lower_bound":  # said or not, it is the rule already
        del targets["accuracy_rule"]
    found, bounds = (
        {name: value for name, value in part.items() if value not in (None, ())} for part in (targets, limits)
    )
    return Word(text=text, targets=found, limits=bounds)


def _refuse_the_rest(reading: Reading) -> None:
    unheld.refuse_unnamed(reading)
    reading.refuse_left_over(limit_words.CURRENCY)


def refuse_unwritable_brief(brief: Brief) -> None:
    """As `refuse_unwritable`, for every text of a brief."""
    refuse_unwritable(json.dumps(brief.model_dump(), ensure_ascii=False), "the brief")


def refuse_unwritable(text: str, what: str = "the request") -> None:
    """Raises RequestError for a text that no UTF-8 file can hold: half a surrogate pair, or a byte that was no UTF-8."""
    broken = [at for at, letter in enumerate(text, 1) if "\ud800" <= letter <= "\udfff"]
    if broken:
        raise RequestError(
            [
                f"{what} is not valid Unicode: its character {broken[0]} is half a surrogate pair or a byte that is no UTF-8 "
                f"({len(broken)} in all); write it again in UTF-8"
            ]
        )


def figures(reading: Reading) -> tuple[dict[str, Any], dict[str, Any]]:
    """Targets and limits, every field of them; null where nothing was said."""
    reading.skip_tiles()
    regions = region_words.named_regions(reading)
    unheld.refuse_unheld(reading)
    months = target_words.serving_months(reading)
    throughput, per_day = target_words.throughput(reading), target_words.requests_per_day(reading)
    usd, usd_per_month = limit_words.dollars(reading)
    unheld.refuse_negatives(reading, usd)
    parameters = limit_words.parameters(reading)
    latency, hours = target_words.times(reading)
    accuracy, rule = target_words.accuracy(reading)
    targets: dict[str, Any] = {
        "accuracy": accuracy,
        "accuracy_rule": rule,
        "latency_p95_ms": latency,
        "throughput_rps": throughput,
        "requests_per_day": per_day,
        "serving_months": months,
    }
    limits: dict[str, Any] = {
        "usd": usd,
        "usd_per_month": usd_per_month,
        "hours": hours,
        "accelerators": limit_words.accelerators(reading),
        "regions": (*regions, *region_words.continents(reading)),
        "clouds": limit_words.clouds(reading),
        "licences": limit_words.licences(reading),
        "max_parameters": parameters,
    }
    return targets, limits


def as_brief(
    request: str,
    skill: str,
    task: str,
    targets: dict[str, Any],
    limits: dict[str, Any],
    *,
    max_usd: float | None = None,
    max_hours: float | None = None,
    own: Own = no_own_names,
) -> Brief:
    """What was read of a request as a brief, under the tighter limits, each gap with its assumption. Raises RequestError."""
    if odd := odd_part([request, targets, limits]):
        raise RequestError([odd])
    problems = unknown_names(limits, own)
    tight = {**limits, "usd": tighter(limits["usd"], max_usd), "hours": tighter(limits["hours"], max_hours)}
    assumptions: list[str] = []
    _fill_gaps(assumptions, tight, targets)
    fields = {"skill": skill, "task": task, "targets": targets, "limits": tight, "assumptions": assumptions}
    try:
        found = Brief.model_validate({"request": request, **fields})
    except ValidationError as error:
        raise RequestError([*problems, *map(field_problem, error.errors())]) from error
    if problems:
        raise RequestError(problems)
    return found


def tighter(one: float | None, other: float | None) -> float | None:
    """The smaller of two limits; None where there is none."""
    return min((limit for limit in (one, other) if limit is not None), default=None)


class OneOfEach(yaml.SafeLoader):
    """A loader that refuses a key given twice: of two limits on money the last would count without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As YAML's own, of distinct keys."""
        keys = [str(key.value) for key, _ in node.value]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.YAMLError(f"{', '.join(twice)} given twice in one mapping{node.start_mark}")
        return super().construct_mapping(node, deep)


def read_brief_file(
    path: Path, *, max_usd: float | None = None, max_hours: float | None = None, own: Own = no_own_names
) -> Brief:
    """A brief in YAML, under the tighter limits; raises RequestError with every problem of the file, by field.

    `own` gives what may be named beside the built-in tables.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), OneOfEach)
    except OSError as error:
        raise RequestError([f"{path} cannot be opened: {error.strerror}"]) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise RequestError([f"{path} is not valid YAML: {error}"]) from error
    if not isinstance(document, dict):
        raise RequestError([f"{path} must hold a mapping with skill, task, targets and limits"])
    fields: dict[str, Any] = {"request": f"brief {path.name}", "targets": {}, "limits": {}, **document}
    if fields.get("data") is not None or fields.get("sites") is not None:
        fields = {"skill": INTENTS if _of_labels(fields.get("sites")) else TABLE, **fields}
    problems = _unknown_skill(fields) if "skill" in fields else []
    fields = {**_only_task(fields), **fields}
    given, own = fields["limits"], cache(own)
    problems += unknown_names(cast("dict[str, Any]", given), own) if isinstance(given, dict) else []
    try:
        brief = Brief.model_validate(fields)
    except ValidationError as error:
        raise RequestError([*problems, *map(field_problem, error.errors())]) from error
    if odd := odd_part(brief.assumptions):
        problems.append(f"assumptions: {odd}")
    if problems:
        raise RequestError(problems)
    refuse_unwritable_brief(brief)
    limits, targets = brief.limits.model_dump(), brief.targets.model_dump()
    found = as_brief(
        brief.request, brief.skill, brief.task, targets, limits, max_usd=max_usd, max_hours=max_hours, own=own
    )
    assumptions = (*brief.assumptions, *found.assumptions)
    kept = {
        "data": brief.data,
        "teacher": brief.teacher,
        "student": brief.student,
        "weights": brief.weights,
        "choose": brief.choose,
        "sites": brief.sites,
        "assumptions": assumptions,
    }
    return found.model_copy(update=kept)


_PARTS: Mapping[str, type[Record]] = {
    "targets": Targets,
    "limits": Limits,
    "weights": Weights,
    "data": DataSource,
    "teacher": TeacherSource,
    "sites": Sites,
}


def field_problem(error: Any) -> str:
    """One wrong field of a brief, with what is valid."""
    where = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        of_site = error["loc"][:2] == ("sites", "each") and len(error["loc"]) > 3
        known: Any = SiteSource if of_site else _PARTS.get(str(error["loc"][0]), Brief)
        return f"{where}: no such field; valid: {', '.join(known.model_fields)}"
    hint = "; 95 % is written 0.95" if where == "targets.accuracy" else ""
    said = error["msg"].removeprefix("Value error, ")
    return f"{where}: {said} (given: {error['input']!r}){hint}"


def _fill_gaps(assumptions: list[str], limits: dict[str, Any], targets: dict[str, Any]) -> None:
    if targets["accuracy"] is None:
        assumptions.append(
            "no accuracy target was given: what is planned comes close to the most accurate within the limits, and is not judged by it"
        )
    elif targets["accuracy_rule"] == "lower_bound":
        assumptions.append("the accuracy target must be reached by the lower end of the 95 % interval")
    if targets["latency_p95_ms"] is None:
        assumptions.append("no latency target was given: latency is measured and reported, not judged")
    if per_day := targets.get("requests_per_day"):
        assumptions.append(
            f"{per_day:,.10g} requests a day are taken as up to {PEAK_OVER_MEAN:g} times their mean in the busiest second: "
            f"{shown(per_day / SECONDS_PER_DAY * PEAK_OVER_MEAN)} a second, which one server must carry"
        )
        if not targets.get("serving_months"):
            assumptions.append("how long it is served was not said: serving is no part of the plan's dollars")
    if limits["usd"] is None:
        limits["usd"] = 0.0
        assumptions.append(NO_DOLLARS)


def names_a_skill(request: str) -> bool:
    """Whether a skill fits these words: they ask for a model, and do not only speak of one."""
    text = Reading(in_plain_english(request)).text.lower()
    skills = [load_skill(name) for name in skill_names()]
    tasks = [word for skill in skills for task in skill.tasks.values() for word in task.keywords]
    return hits(text, (*skill_names(), *tasks, *(word for skill in skills for word in skill.keywords))) > 0


def _skill_and_task(reading: Reading, has_data: bool) -> tuple[str, str]:
    """The skill and task that the words fit best; over the user's examples one that needs such, `table` where none is named."""
    text = reading.text.lower()
    names = [name for name in skill_names() if load_skill(name).needs_data or not has_data]
    scored = {name: hits(text, (name, *load_skill(name).keywords)) for name in names}
    for name in names:
        scored[name] += sum(hits(text, task.keywords) for task in load_skill(name).tasks.values())
    best = max(scored, key=lambda name: scored[name])
    if has_data:
        best = best if scored[best] else TABLE
        contradicting, passed_over = set_aside(text, best)
        reading.problems += contradicting
        reading.assumptions += passed_over
        return best, next(iter(load_skill(best).tasks))
    if not scored[best]:
        reading.problems.append(f"no skill fits this request; valid skills: {_catalogue()}; {BRING_DATA}")
        return "", ""
    skill = load_skill(best)
    if skill.needs_data:
        reading.problems.append(f"{best} has no examples of its own: {BRING_DATA}")
        return best, next(iter(skill.tasks))
    tasks = {name: hits(text, (name, *task.keywords)) for name, task in skill.tasks.items()}
    top = _best(tasks)
    if max(tasks.values()) == 0:
        reading.assumptions.append(f"no task of {best} was named: {top[0]} is assumed (valid: {', '.join(tasks)})")
    elif len(named := _asked_for(text, best)) > 1:
        reading.problems.append(
            f"the request names several tasks of {best}: {', '.join(named)}; one model does one task"
        )
    elif len(top) > 1:
        reading.problems.append(f"the request fits several tasks of {best} equally: {', '.join(top)}; name one")
    return best, top[0]


def _asked_for(text: str, skill: str) -> list[str]:
    """The tasks that a request calls by name, or that are fitted best by what it says before and after an "and also"."""
    tasks = load_skill(skill).tasks
    parts = [
        {name: hits(part, (name, *task.keywords)) for name, task in tasks.items()} for part in re.split(_ALSO, text)
    ]
    clear = {top[0] for hits in parts if max(hits.values()) and len(top := _best(hits)) == 1}
    return [name for name in tasks if name in clear or re.search(rf"\b{name}\b", text)]


def _best(hits: dict[str, int]) -> list[str]:
    return [name for name, count in hits.items() if count == max(hits.values())]


def _catalogue() -> str:
    return "; ".join(f"{name} (tasks {', '.join(load_skill(name).tasks)})" for name in skill_names())


def _only_task(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The task of a skill that has one alone."""
    name = str(fields.get("skill"))
    tasks = list(load_skill(name).tasks) if name in skill_names() else []
    return {"task": tasks[0]} if len(tasks) == 1 else {}


def _of_labels(sites: object) -> bool:
    """Whether what a brief says of sites, not yet checked, means labels for answers."""
    return bool(sites) and not (isinstance(sites, dict) and cast("dict[str, object]", sites).get("answers") == "texts")


def _unknown_skill(fields: Mapping[str, Any]) -> list[str]:
    """What of a brief's skill, task and data does not go together."""
    name = str(fields["skill"])
    if name not in skill_names():
        return [f"skill: {name!r} is unknown; valid skills: {_catalogue()}"]
    skill, problems = load_skill(name), list[str]()
    task = str(fields.get("task", next(iter(skill.tasks)) if len(skill.tasks) == 1 else None))
    if task not in skill.tasks:
        problems.append(f"task: {task!r} is not a task of {name}; valid: {', '.join(skill.tasks)}")
    if skill.needs_data and fields.get("data") is None:
        problems.append(f"data: {name} has no examples of its own; name yours: data: {{path: FILE}}")
    if not skill.needs_data and fields.get("data") is not None:
        needing = ", ".join(other for other in skill_names() if load_skill(other).needs_data)
        problems.append(f"data: {name} makes its own examples; skills over yours: {needing}")
    return problems
