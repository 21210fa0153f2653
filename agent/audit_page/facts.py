"""Gathers what a page shows of one run from its rows alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...state.canonical import Json, Row
from ...state.evidence import busy_words
from ...state.journal import Verification, verification
from ...state.numbers import shown
from ...state.paired import in_words
from ...state.tables import VIEWS, tables, view_rows
from ..brief_words import brief_rows
from ..recorded import judged_brief, last_reading
from .reading import at, listed, mapping, number, parsed, printed, text, texts
from .records import (
    Attempt,
    Band,
    Brief,
    Candidate,
    Decision,
    Facts,
    Measured,
    Miss,
    Offer,
    Plan,
    PlannerUse,
    Said,
    Score,
    Verdict,
)
from .sites import sites_facts

OFFERS_SHOWN = 8
UNFINISHED = "unfinished"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One row, its JSON read."""

    seq: int
    name: str
    given: Json
    gave: Json
    row: Row


def gather(rows: Sequence[Row]) -> Facts:
    """The facts of one run's rows, at least one, whether or not they are what was written."""
    steps = [
        Step(seq=row.seq, name=row.name, given=parsed(row.input_json), gave=parsed(row.output_json), row=row)
        for row in rows
    ]
    found = verification(rows)
    with tables(rows) as connection:
        views = {name: view_rows(connection, name) for name in VIEWS}
    header = next((step.given for step in steps if step.row.kind == "run"), None)
    end = next((step for step in steps if step.row.kind == "outcome"), None)
    brief, read = judged_brief(rows), last_reading(rows)
    first_request = text(header, "request")
    prices = _first(steps, "tool look_up_prices")
    attempts = _attempts(steps)
    made = [
        step.gave for step in steps if step.name == "tool generate_data" and number(step.gave, "seconds") is not None
    ]
    work = sum(number(one, "seconds") or 0.0 for one in made)
    work += sum(one.seconds + sum(item.seconds for item in one.measured) for one in attempts)
    work += sum(
        number(step.gave, part, "seconds") or 0.0
        for step in steps
        for name, part in (("tool build_family", "family"), ("tool customize", "attempt"))
        if step.name == name
    )
    return Facts(
        run_id=found.run_id,
        request=(text(parsed(read.input_json), "request") if read else "") or first_request or text(brief, "request"),
        verification=found,
        unreadable=tuple(step.seq for step in steps if _unreadable(step)),
        started_at=rows[0].recorded_at,
        last_at=rows[-1].recorded_at,
        status=end.name if end else UNFINISHED,
        reason=text(end.gave, "reason") if end else "",
        nearest=text(end.gave, "nearest") if end else "",
        deployment=text(end.gave, "deployment") if end else "",
        first_request=first_request,
        said=tuple(_said(step) for step in steps if step.name == "user"),
        brief=_brief(brief),
        problems=()
        if brief
        else texts(next((step.gave for step in steps[::-1] if step.name == "intake"), None), "problems"),
        settings=tuple((key.replace("_", " "), text(value)) for key, value in mapping(header, "settings").items()),
        versions=tuple((name, text(header, name)) for name in ("version", "python") if text(header, name)),
        machine=_machine(at(prices, "machine")),
        complexity=_complexity(_first(steps, "tool classify_complexity")),
        prices_note=text(prices, "note"),
        offers=tuple(_offer(one) for one in listed(prices, "offers")[:OFFERS_SHOWN]),
        prices=tuple(views["prices_used"]),
        plans=tuple(_plan(step) for step in steps if step.name == "tool solve_pareto" and text(step.gave, "reason")),
        data=tuple(_data(one) for one in made),
        attempts=attempts,
        sites=sites_facts(rows),
        predictions=tuple(views["predictions"]),
        verdicts=tuple(_verdict(step) for step in steps if step.name == "judge"),
        spend=tuple(views["spend"]),
        planners=_planners(steps),
        decisions=_decisions(views["decisions"], steps, found),
        work_seconds=work,
    )


def _first(steps: Sequence[Step], name: str) -> Json:
    return next((step.gave for step in steps if step.name == name), None)


def _unreadable(step: Step) -> bool:
    recorded = (step.given, step.row.input_json), (step.gave, step.row.output_json)
    return any(value is None and written != "null" for value, written in recorded)


def _brief(brief: Json) -> Brief | None:
    if not isinstance(brief, dict):
        return None
    targets, limits = at(brief, "targets"), at(brief, "limits")
    return Brief(
        lines=brief_rows(brief),
        assumptions=texts(brief, "assumptions"),
        accuracy=number(targets, "accuracy"),
        accuracy_rule=text(targets, "accuracy_rule").replace("_", " "),
        latency_p95_ms=number(targets, "latency_p95_ms"),
        usd=number(limits, "usd"),
    )


def _said(step: Step) -> Said:
    asked = "; ".join((*texts(step.given, "problems"), *texts(step.given, "missing")))
    return Said(
        seq=step.seq,
        asked=asked,
        text=text(step.gave, "word", "text") or text(step.gave, "text"),
        problem=text(step.gave, "problem"),
    )


def _offer(offer: Json) -> Offer:
    return Offer(
        server=text(offer, "id"),
        accelerator=text(offer, "accelerator"),
        usd_per_hour=number(offer, "usd_per_hour"),
        source=text(offer, "source"),
        as_of=text(offer, "as_of"),
    )


def _with_serving(training: Band | None, serving_usd: float) -> Band | None:
    """What is compared: the training's dollars and the serving's, which have no band."""
    if training is None or not serving_usd:
        return training
    ends = {name: getattr(training, name) + serving_usd for name in ("value", "low", "high")}
    return replace(training, **ends)


def _band(value: Json, *path: str) -> Band | None:
    found = at(value, *path)
    middle, low, high = (number(found, key) for key in ("value", "low", "high"))
    if middle is None:
        return None
    return Band(
        value=middle, low=middle if low is None else low, high=middle if high is None else high, n=number(found, "n")
    )


def _plan(step: Step) -> Plan:
    chosen = at(step.gave, "plan", "candidate")
    others = listed(step.gave, "plan", "runners_up")
    places = {text(one, "id"): number for number, one in reversed([*enumerate(others, 1)])}
    front = [
        _candidate(one, one == chosen, 0 if one == chosen else places.get(text(one, "id"), 0))
        for one in listed(step.gave, "front")
    ]
    if chosen is not None and not any(one.chosen for one in front):
        front.append(_candidate(chosen, True))
    return Plan(
        seq=step.seq,
        reason=text(step.gave, "reason"),
        considered=number(step.gave, "candidates"),
        pilot=at(step.gave, "pilot") is True,
        front=tuple(front),
        excluded=texts(step.gave, "excluded"),
        front_size=number(step.gave, "front_size"),
    )


def _candidate(value: Json, chosen: bool, runner_up: int = 0) -> Candidate:
    return Candidate(
        server=text(value, "offer_id"),
        student=text(value, "student"),
        tokens=number(value, "train_tokens"),
        here=at(value, "executable") is True,
        chosen=chosen,
        accuracy=_band(value, "accuracy"),
        latency_p95_ms=_band(value, "latency_p95_ms"),
        hours=_band(value, "hours"),
        usd=_with_serving(_band(value, "usd"), number(value, "serving_usd") or 0.0),
        runner_up=runner_up,
    )


def _attempts(steps: Sequence[Step]) -> tuple[Attempt, ...]:
    trained = [step for step in steps if step.name == "tool distill" and isinstance(at(step.gave, "attempt"), dict)]
    ends = [*(step.seq for step in trained), steps[-1].seq + 1][1:]
    return tuple(
        _attempt(step, [one for one in steps if one.name == "tool evaluate" and step.seq < one.seq < end])
        for step, end in zip(trained, ends, strict=True)
    )


def _attempt(step: Step, evaluations: Sequence[Step]) -> Attempt:
    attempt = at(step.gave, "attempt")
    return Attempt(
        seq=step.seq,
        number=number(attempt, "number"),
        student=text(attempt, "candidate", "student"),
        parameters=number(attempt, "candidate", "parameters"),
        server=text(attempt, "candidate", "offer_id"),
        tokens=number(attempt, "tokens"),
        seconds=number(attempt, "seconds") or 0.0,
        stopped_by=text(attempt, "stopped_by"),
        loss=number(attempt, "loss"),
        curve=_curve(listed(attempt, "curve")),
        measured=tuple(_measured(one) for one in evaluations if isinstance(at(one.gave, "evaluation"), dict)),
    )


def _curve(points: Sequence[Json]) -> tuple[tuple[float, float], ...]:
    """Tokens and loss of each point that holds both."""
    pairs = [tuple(number(value) for value in listed(point)) for point in points]
    return tuple((pair[0], pair[1]) for pair in pairs if len(pair) == 2 and pair[0] is not None and pair[1] is not None)


def _measured(step: Step) -> Measured:
    found = at(step.gave, "evaluation")
    latency = at(found, "latency")
    return Measured(
        seq=step.seq,
        split=text(found, "split"),
        sha256=text(found, "split_sha256"),
        scores=(_score(at(found, "student"), False), *(_score(one, True) for one in listed(found, "controls"))),
        p50_ms=number(latency, "p50_ms"),
        p95_ms=number(latency, "p95_ms"),
        p99_ms=number(latency, "p99_ms"),
        throughput_rps=number(latency, "throughput_rps"),
        requests=number(latency, "n"),
        clients=number(latency, "clients"),
        busy=busy_words(number(latency, "load"), number(latency, "cores")),
        seconds=number(found, "seconds") or 0.0,
        before=_paired(at(found, "before", "paired"), f"the student of attempt {text(found, 'before', 'attempt')}"),
        regression=_regression(at(found, "regression")),
    )


def _regression(value: Json) -> tuple[float, float] | None:
    before, after = number(value, "perplexity_before"), number(value, "perplexity_after")
    return None if before is None or after is None else (before, after)


def _score(value: Json, control: bool) -> Score:
    return Score(
        name=text(value, "name"),
        control=control,
        exact=_band(value, "exact"),
        answer=_band(value, "answer"),
        paired=_paired(at(value, "paired"), text(value, "name")),
    )


def _paired(value: Json, other: str) -> str:
    difference, low, high, p_value = (number(value, key) for key in ("difference", "low", "high", "p_value"))
    if difference is None or low is None or high is None or p_value is None:
        return ""
    return in_words(other, difference, low, high, p_value)


def _verdict(step: Step) -> Verdict:
    return Verdict(
        seq=step.seq,
        attempt=text(step.gave, "attempt"),
        split=text(step.gave, "split"),
        met=at(step.gave, "met") is True,
        rule=text(step.gave, "rule").replace("_", " "),
        next=text(step.gave, "next").replace("_", " "),
        reason=text(step.gave, "reason"),
        cheaper_control=text(step.gave, "cheaper_control"),
        misses=tuple(
            Miss(constraint=text(one, "constraint"), arithmetic=text(one, "arithmetic"), levers=text(one, "levers"))
            for one in listed(step.gave, "misses")
        ),
    )


def _planners(steps: Sequence[Step]) -> tuple[PlannerUse, ...]:
    by_name: dict[str, list[Json]] = {}
    for step in steps:
        if step.name == "plan":
            by_name.setdefault(text(step.gave, "by") or "unknown", []).append(step.gave)
    return tuple(
        PlannerUse(
            name=name,
            decisions=len(found),
            input_tokens=sum(number(one, "input_tokens") or 0.0 for one in found),
            output_tokens=sum(number(one, "output_tokens") or 0.0 for one in found),
            longest_prompt=max(number(one, "largest_input_tokens") or 0.0 for one in found),
            usd=sum(number(one, "usd") or 0.0 for one in found),
            corrections=sum(len(listed(one, "corrections")) for one in found),
        )
        for name, found in by_name.items()
    )


def _decisions(decided: Sequence[dict[str, Any]], steps: Sequence[Step], found: Verification) -> tuple[Decision, ...]:
    by_seq = {step.seq: step.row for step in steps}
    return tuple(
        Decision(
            seq=one["seq"],
            at=one["recorded_at"],
            given=printed(by_seq[one["seq"]].input_json),
            gave=printed(by_seq[one["seq"]].output_json),
            proven=found.bad_seq is None or one["seq"] < found.bad_seq,
            **{key: one[key] or "" for key in ("who", "what", "tool", "arguments", "why", "problem")},
        )
        for one in decided
    )


def _machine(machine: Json) -> str:
    if not isinstance(machine, dict):
        return ""
    memory = number(machine, "memory_gib")
    return f"{text(machine, 'cpu_model')}, {text(machine, 'cores')} cores" + (
        f", {shown(memory)} GiB" if memory else ""
    )


def _complexity(found: Json) -> tuple[str, ...]:
    if not text(found, "verdict"):
        return ()
    return (f"{text(found, 'verdict')} (probability {text(found, 'probability')})", *texts(found, "evidence"))


def _data(found: Json) -> str:
    splits = ", ".join(f"{text(one, 'name')} {text(one, 'n')}" for one in listed(found, "splits"))
    return (
        f"{number(found, 'examples') or 0:,.0f} verified training examples; {text(found, 'rejected_by_verifier')} rejected, "
        f"{text(found, 'dropped_as_leaks')} dropped because a held-out item equals them; held out: {splits}; sha256 "
        f"{text(found, 'sha256')[:16]}"
    )
