"""The tool `look_closer`: what the digest leaves out, for a planner that wants to know more. It reads the state and changes nothing."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from ..state.brief import Record
from ..state.numbers import AS_SAID, shown
from ..state.run import RunState
from .base import Context, Tool
from .candidates import build_candidates

CHARACTERS = 6000
"""About 2,000 tokens: a look must not crowd out the state."""

_FOR_PEOPLE: Any = {
    "curve": True,
    "evaluations": {
        "__all__": {
            "verdicts": True,
            "weights_sha256": True,
            "before": True,
            "regression": True,
            "student": {"paired"},
            "controls": {"__all__": {"paired"}},
        }
    },
}
"""Of an attempt: what a plan is not made from."""

Part = Literal["servers", "candidates", "attempts", "verdicts", "data", "complexity"]


class LookCloser(Record):
    """Shows more of one part of the state than the digest does. It costs nothing and changes nothing; the answer is in
    `looked_up` of the next message, and only there."""

    part: Part
    containing: str = Field(
        default="", max_length=80, description="only lines that contain this, such as H100 or a student"
    )


class Look(Record):
    """What was found."""

    text: str


def _run(context: Context, args: LookCloser) -> Look:
    lines = [line for line in _lines(context, args.part) if args.containing.lower() in line.lower()]
    text = "\n".join(lines) or f"nothing of {args.part} contains {args.containing!r}"
    if len(text) > CHARACTERS:
        shown = text[:CHARACTERS].rpartition("\n")[0] or text[:CHARACTERS]
        text = f"{shown}\n({len(lines) - shown.count(chr(10)) - 1} more lines: ask for a narrower part)"
    return Look(text=text)


def _lines(context: Context, part: Part) -> Sequence[str]:
    state = context.state
    match part:
        case "servers":
            return [
                f"{offer.id}: ${shown(offer.usd_per_hour, AS_SAID)} an hour, {'can' if offer.executable else 'cannot'} be used"
                for offer in state.offers or ()
            ]
        case "candidates":
            if None in (state.offers, state.match, state.complexity):
                return []
            return [
                f"{one.id}: {f'{one.accuracy.value:.3f}' if one.accuracy else 'unknown'} exact, p95 "
                f"{one.latency_p95_ms.value:.0f} ms, {60 * one.hours.value:.1f} min, ${one.usd.value:.4f}"
                for one in build_candidates(context)
                if one.executable
            ]
        case "attempts":
            return [attempt.model_dump_json(exclude=_FOR_PEOPLE) for attempt in state.attempts]
        case "verdicts":
            return [verdict.model_dump_json() for verdict in state.verdicts]
        case "data":
            return [state.data.model_dump_json(exclude={"shards", "splits"})] if state.data else []
        case "complexity":
            return [state.complexity.model_dump_json(exclude={"curve"})] if state.complexity else []


def _apply(state: RunState, result: Look) -> RunState:
    return state.model_copy(update={"looked_up": result.text})


LOOK_CLOSER = Tool(
    name="look_closer",
    args=LookCloser,
    result=Look,
    kind="decision",
    needs=lambda state, args: None,
    run=_run,
    apply=_apply,
)
