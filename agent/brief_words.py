"""Parts of a run in words, for the terminal, the audit page and the model card: a brief row by row, money, a teacher's lessons."""

from collections.abc import Sequence

from ..state.canonical import Json
from ..state.numbers import AS_SAID, dollars, shown
from ..state.plan import FamilyWeight
from ..state.teaching import Lessons
from .audit_page.reading import at, listed, mapping, number, text, texts

CHOICE_RULES = {
    "cheapest": "the cheapest of what meets the targets",
    "weighted": "the best weighted score of what meets the targets",
    "knee": "the knee of the front of what meets the targets",
}
CHOICES = ("clouds", "regions", "accelerators", "licences")
NAMED = 4
"""Families of examples that are named each way."""


def brief_rows(brief: Json) -> tuple[tuple[str, str], ...]:
    """Label and text of each row of a brief's JSON, of whatever version; what it leaves open has none, but for the main targets."""
    targets, limits, weights = at(brief, "targets"), at(brief, "limits"), mapping(brief, "weights")
    accuracy, latency, rate = (number(targets, key) for key in ("accuracy", "latency_p95_ms", "throughput_rps"))
    daily, months = number(targets, "requests_per_day"), number(targets, "serving_months")
    usd, monthly, hours, size = (number(limits, key) for key in ("usd", "usd_per_month", "hours", "max_parameters"))
    rule = text(targets, "accuracy_rule").replace("_", " ")
    rows = (
        ("skill, task", f"{text(brief, 'skill')}, {text(brief, 'task')}"),
        ("sites", _sites_words(brief)),
        (
            "accuracy",
            "no target" if accuracy is None else f"at least {shown(100 * accuracy, AS_SAID)} % exact ({rule})",
        ),
        ("latency", "no target" if latency is None else f"p95 at most {shown(latency, AS_SAID)} ms"),
        ("throughput", "" if rate is None else f"at least {shown(rate, AS_SAID)} requests a second"),
        ("traffic", "" if daily is None else f"{shown(daily, AS_SAID)} requests a day"),
        (
            "served for",
            ""
            if months is None
            else f"{shown(months, 4)} months"
            if months >= 0.1
            else f"{shown(730 * months, 4)} hours",
        ),
        ("money", f"at most {dollars(usd or 0)}"),
        ("serving", "" if monthly is None else f"at most {dollars(monthly)} a month"),
        ("time", "" if hours is None else f"at most {shown(60 * hours, AS_SAID)} minutes"),
        *((what, f"only {', '.join(texts(limits, what))}") for what in CHOICES if texts(limits, what)),
        ("size", "" if size is None else f"at most {size:,.0f} parameters"),
        ("choice", CHOICE_RULES.get(text(brief, "choose"), "")),
        (
            "weights",
            ", ".join(f"{aim} {shown(weight, AS_SAID)}" for aim in weights if (weight := number(weights, aim))),
        ),
    )
    return tuple((label, words) for label, words in rows if words)


def _sites_words(brief: Json) -> str:
    """How many sites, what they answer with, and what each box allows; empty without sites."""
    said: list[str] = []
    for site in listed(brief, "sites", "each"):
        mib, ms = number(site, "max_mib"), number(site, "max_latency_ms")
        box = [f"{shown(mib)} MiB" if mib is not None else "", f"{shown(ms)} ms" if ms is not None else ""]
        limits = ", ".join(filter(None, box))
        said.append(f"{text(site, 'name')} ({limits})" if limits else text(site, "name"))
    what = ", which answer with texts" if text(brief, "sites", "answers") == "texts" else ""
    return f"{len(said)}, whose data stay there{what}: {_few(said)}" if said else ""


def lessons_words(lessons: Lessons) -> str:
    """What a teacher wrote, and how much of it was kept."""
    what = "ways to the given answers" if lessons.way == "ways" else "ways and answers of its own"
    share = ""
    if lessons.disagreement is not None:
        part = f"{lessons.disagreement.value:.1%}"
        checked, wrong = (
            f"an independent check disagreed with {part}",
            f"{part} of its first answers to them were wrong",
        )
        share = f"; {checked if lessons.way == 'ways' else f'where the right answer is known, {wrong}'}"
    left = "; the money for more was at its end" if lessons.stopped_by == "money" else ""
    return (
        f"{lessons.teacher} wrote {what}: {lessons.kept:,} of {lessons.asked:,} texts were kept, for {lessons.questions:,} questions"
        f"{share}{left}"
    )


def emphasis_words(emphasis: Sequence[FamilyWeight]) -> str:
    """Such as "more of what was weak: 3 waits (60 % right) x 2.1; less of 1 wait x 0.7"."""
    more = [f"{one.family} ({one.exact:.0%} right) x {one.weight:.1f}" for one in emphasis if one.weight > 1]
    less = [f"{one.family} x {one.weight:.1f}" for one in emphasis if one.weight < 1]
    return f"more of what was weak: {_few(more)}; less of {_few(less)}; a student on examples as they come beside it"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
