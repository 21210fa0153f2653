"""What the mahjong eval claims of the points it measured, and the goals they are held against."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..skills.mahjong.examples import IN_PLAY
from ..state.evidence import Interval
from ..state.plan import Strategy
from .reporting import Claim

IN_REVERSE = "made in reverse"
EXACT_GOALS = {"waits": 0.85, "discard": 0.75}
"""Shares of hands made in reverse, within `CPU_SECONDS_GOAL`; hands as in play may fall `IN_PLAY_LOSS` short of them."""
CPU_SECONDS_GOAL = 3000
IN_PLAY_LOSS = 0.05
RATIONALE_GAIN = 0.2
"""Goal of *win*: how much more often rationale training ends in the right answer than answers alone."""


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """A part of the held-out hands."""

    name: str
    exact: Interval


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One point of a curve."""

    task: str
    strategy: Strategy
    parameters: int
    tokens: int
    exact: Interval
    answer: Interval
    seed: int
    cpu_seconds: float
    """Of this and all shorter lengths, their decays included: more than the student alone takes."""
    strata: tuple[Stratum, ...]
    """Of *waits* and *discard*: hands made in reverse, hands as in play, then the families of both."""


def claim_of(point: Measured) -> Claim:
    """A student without rationales writes no decomposition, so that only its final answers can be right."""
    with_proof = point.strategy == "rationale"
    share = point.exact if with_proof else point.answer
    what = "exact" if with_proof else "final answer right"
    demanding = point.task == "win" and with_proof and point.tokens >= 2_400_000
    return Claim(
        name=f"{point.task}, {point.parameters:,} parameters, {point.tokens:,} tokens, {point.strategy}: {what}",
        value=share.value,
        unit="share",
        n=share.n,
        interval=(share.low, share.high),
        goal=">= 0.90" if demanding else "none",
        met=share.value >= 0.9 if demanding else None,
    )


def claims_of_strata(point: Measured) -> list[Claim]:
    """Of *waits* and *discard* with rationales: what training took, both kinds of hands, and every family."""
    if point.strategy != "rationale" or not point.strata:
        return []
    shares = {stratum.name: stratum.exact for stratum in point.strata}
    goal, short = EXACT_GOALS[point.task], shares[IN_PLAY].value - shares[IN_REVERSE].value
    claims = [_share(point, name, share, goal if name == IN_REVERSE else None) for name, share in shares.items()]
    about = f"{point.task}, {point.parameters:,} parameters"
    return [
        *claims,
        Claim(
            name=f"{about}: {IN_PLAY} less {IN_REVERSE}, exact",
            value=short,
            unit="share",
            n=shares[IN_PLAY].n,
            goal=f">= -{IN_PLAY_LOSS}",
            met=short >= -IN_PLAY_LOSS,
        ),
        Claim(
            name=f"{about}: training, all lengths",
            value=point.cpu_seconds,
            unit="CPU-seconds",
            n=1,
            goal=f"<= {CPU_SECONDS_GOAL:,}",
            met=point.cpu_seconds <= CPU_SECONDS_GOAL,
        ),
    ]


def claims_of_gain(points: Sequence[Measured]) -> list[Claim]:
    """What rationales gain over answers alone at equal tokens, once the control of the last point's student is measured."""
    last = points[-1]
    with_rationales = [
        point.exact.value
        for point in points
        if (point.task, point.parameters, point.strategy) == (last.task, last.parameters, "rationale")
    ]
    if last.strategy == "rationale" or not with_rationales:
        return []
    gain, demanding = with_rationales[-1] - last.answer.value, last.task == "win"
    return [
        Claim(
            name=f"{last.task}, {last.parameters:,} parameters: rationale, exact, less answers alone, final answer",
            value=gain,
            unit="share",
            n=last.answer.n,
            goal=f">= {RATIONALE_GAIN}" if demanding else "none",
            met=gain >= RATIONALE_GAIN if demanding else None,
        )
    ]


def _share(point: Measured, name: str, share: Interval, goal: float | None) -> Claim:
    return Claim(
        name=f"{point.task}, {point.parameters:,} parameters, {point.tokens:,} tokens, {name}: exact",
        value=share.value,
        unit="share",
        n=share.n,
        interval=(share.low, share.high),
        goal=f">= {goal}" if goal else "none",
        met=share.value >= goal if goal else None,
    )
