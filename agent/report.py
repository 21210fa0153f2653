"""How a run ended, in the words and figures the user gets."""

from ..state.evidence import Outcome, OutcomeStatus
from ..state.numbers import shown
from ..state.plan import Candidate
from ..state.run import RunState
from ..tools.pareto import NO_EXECUTOR


def outcome(run: RunState, status: OutcomeStatus, reason: str) -> Outcome:
    """The outcome of a state that goes no further."""
    return Outcome(
        run_id=run.run_id,
        status=status,
        reason=reason,
        spent_usd=round(run.spent_usd, 6),
        verdict=run.verdicts[-1] if run.verdicts else None,
        deployment=run.deployment.name if run.deployment and not run.deployment.withdrawn else None,
        nearest=_nearest(run) if status in ("missed", "infeasible") else None,
        brief=run.brief,
        plan=run.known_plan if run.has_plan else None,
    )


def _nearest(run: RunState) -> str | None:
    """The best that was measured, or else the best that is predicted."""
    measured = [(attempt, item) for attempt in run.attempts for item in attempt.evaluations]
    if measured:
        attempt, item = max(measured, key=lambda pair: (pair[1].student.exact.low, pair[1].split))
        share = item.student.exact
        latency = f", p95 {item.latency.p95_ms:,.0f} ms" if item.latency else ""
        return (
            f"attempt {attempt.number}, {attempt.words}: {share.value:.1%} exact "
            f"on {item.split} (95 % interval {share.low:.1%} to {share.high:.1%}){latency}"
        )
    nearest = run.choice.nearest if run.choice else None
    if nearest is None:
        return None
    return describe(nearest) if nearest.executable else f"{describe(nearest)}; but {NO_EXECUTOR}"


def describe(candidate: Candidate) -> str:
    """One candidate with its predictions, in one line."""
    accuracy = candidate.accuracy
    exact = (
        f"{accuracy.value:.1%} exact ({accuracy.low:.1%} to {accuracy.high:.1%})" if accuracy else "accuracy unknown"
    )
    trained = f"for {candidate.train_tokens:,} tokens" if candidate.trains else "as it is"
    return (
        f"{candidate.student} {trained} on {candidate.offer_id}: {exact}, "
        f"p95 {shown(candidate.latency_p95_ms.value)} ms, {shown(60 * candidate.hours.value)} min, ${candidate.total_usd:,.4f}"
    )
