"""An evaluation as people read it: the table of student and controls, families, and who beats whom on the same items."""

from rich.table import Table
from rich.text import Text

from ..state.evidence import Evaluation, Interval, Score
from ..state.numbers import dollars, shown
from ..state.paired import paired_words
from ..state.run import RunState


def share(interval: Interval) -> str:
    """A share with its 95 % interval."""
    return f"{interval.value:.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def by_family(evaluation: Evaluation) -> str:
    """The student's exact share of each family of items, worst first."""
    worst_first = sorted(evaluation.families, key=lambda score: score.exact.value)
    return "exact by family: " + "; ".join(
        f"{score.family} {score.exact.value:.1%} of {score.exact.n}" for score in worst_first
    )


def pairs(evaluation: Evaluation) -> list[str]:
    """The student against each control on the same items, against the attempt before, and what tuning did to texts of other kinds."""
    lines = [paired_words(control.name, control.paired) for control in evaluation.controls if control.paired]
    if (before := evaluation.before) is not None:
        lines.append(paired_words(f"the student of attempt {before.attempt}", before.paired))
    if evaluation.regression is not None:
        lines.append(evaluation.regression.words)
    if evaluation.sampled is not None:
        lines.append(evaluation.sampled.words)
    return lines


def closest_control(run: RunState) -> str:
    """What the newest evaluation says of the control that the student leads by least; empty where nothing was paired."""
    measured = [item for attempt in run.attempts for item in attempt.evaluations]
    paired = [(control.name, control.paired) for control in measured[-1].controls if control.paired] if measured else []
    if not paired:
        return ""
    name, closest = min(paired, key=lambda one: one[1].difference)
    return f"{paired_words(name, closest)}, on {measured[-1].split}"


def tried_words(run: RunState) -> list[str]:
    """A line for each attempt that was measured, and one for what all of them took: what a plan after a miss starts from."""
    lines: list[str] = []
    for attempt in run.attempts:
        if attempt.evaluations:
            newest = attempt.evaluations[-1]
            exact, latency = newest.student.exact, newest.latency
            p95 = f", p95 {shown(latency.p95_ms)} ms" if latency else ""
            lines.append(f"tried: attempt {attempt.number}, {attempt.words}: {share(exact)} on {newest.split}{p95}")
    limit = run.known_brief.limits.usd
    spent = f"{dollars(run.spent_usd)} of {dollars(limit or 0.0)} spent, {shown(60 * run.hours_used)} minutes used"
    return [*lines, spent] if lines else []


def score_table(evaluation: Evaluation) -> Table:
    """The student and its controls, a row each."""
    table = Table(box=None, pad_edge=False)
    for column in ("", "exact, 95 % interval", "answer alone, 95 % interval", "n"):
        table.add_column(column)
    rows: list[tuple[Score, str]] = [
        (evaluation.student, "bold"),
        *((control, "dim") for control in evaluation.controls),
    ]
    for score, style in rows:
        name = score.name if style == "bold" else f"control: {score.name}"
        table.add_row(Text(name), share(score.exact), share(score.answer), str(score.exact.n), style=style)
    return table
