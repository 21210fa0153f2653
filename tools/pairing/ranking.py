"""Which teacher to try first for a student, and in one line each why the others were not taken.

The rule, in order. (1) What the pre-flight refused is out. (2) A teacher whose accuracy is surely below the student's own is
out. (3) GRACE is computed for a shortlist alone: the most accurate on the probe set, and who cannot be told from the
last of them. (4) Within it, levels of accuracy and of GRACE are added, equal weights: teacher accuracy alone predicted the gain of
pre-trained students badly (arXiv 2511.02833: rank correlation 0.11 against 0.86), and GRACE cannot see a wrong answer. Figures
whose intervals overlap share a level. Ties go to the better level of GRACE, then of accuracy, then to the method that carries
more of the teacher, then to the figures as they stand, GRACE first. (5) GRACE of answers less than half as long as the median
of all scored does not count: short answers have small gradients whatever they teach. (6) Evidence that is missing is never made
up: a pair with both figures goes before one with a single figure, and that before one with none.

`python -m stratos.evals.pairing` measures the rule on students from scratch, where accuracy told more than GRACE did; there an answers-only
teacher had the best GRACE by far and the third worst student, which is what (5) is for.
"""

from collections.abc import Callable, Iterator, Sequence
from math import inf
from statistics import median

from pydantic import Field

from ...state.brief import Record
from ...state.evidence import Interval
from .evidence import GraceScore, PairEvidence

SHORTLIST = 4
SHORTEST = 0.5
"""Share of the median length that an answer must have for its GRACE to count."""

METHOD_ORDER = ("ok", "cross_tokenizer", "sequence_level")


class RankedPair(Record):
    """One pair in its place, with its evidence in a line."""

    rank: int = Field(description="1 is to be tried first")
    evidence: PairEvidence
    why: str


class Ranking(Record):
    """The pairs to try, best first, and one line for each that is not the first."""

    student: str
    ranked: tuple[RankedPair, ...]
    rejected: tuple[str, ...]


def rank_pairs(
    pairs: Sequence[PairEvidence],
    score: Callable[[str], GraceScore | None] | None = None,
    *,
    shortlist_size: int = SHORTLIST,
) -> Ranking:
    """Ranks the teachers of one student; `score` gives GRACE of a teacher by name and is asked for the shortlist alone.

    Raises ValueError without pairs, or when they are of several students: GRACE does not compare across students.
    """
    students = {pair.check.student for pair in pairs}
    if len(students) != 1:
        raise ValueError(f"one student's pairs are ranked at a time, these are of {sorted(students) or 'none'}")
    rejected: list[str] = []
    kept: list[PairEvidence] = []
    for pair in pairs:
        if reason := _out(pair):
            rejected.append(f"{pair.check.teacher}: {reason}")
        else:
            kept.append(pair)
    chosen = set(shortlist(kept, shortlist_size))
    if score is not None:
        kept = [_scored(pair, score) if pair.check.teacher in chosen else pair for pair in kept]
    ordered, too_short = _ordered(kept, chosen), _too_short(kept)
    figures = {pair.check.teacher: ", ".join(_figures(pair, chosen, too_short)) for pair in ordered}
    ranked = tuple(
        RankedPair(rank=rank, evidence=pair, why=f"{pair.check.teacher}: {figures[pair.check.teacher]}")
        for rank, pair in enumerate(ordered, 1)
    )
    names = [pair.check.teacher for pair in ordered]
    first = ordered[0] if ordered else None
    known = first is not None and (first.teacher_accuracy is not None or first.grace is not None)
    why = (
        f"behind {names[0]} ({figures[names[0]]})"
        if known
        else "no evidence tells the teachers apart: give their answers"
    )
    behind = (f"{name}: {figures[name]}; {why}" for name in names[1:])
    return Ranking(student=students.pop(), ranked=ranked, rejected=(*behind, *rejected))


def shortlist(pairs: Sequence[PairEvidence], size: int = SHORTLIST) -> list[str]:
    """Teachers that GRACE is worth computing for: the most accurate, and who cannot be told from the last of those.

    At most twice `size`; teachers of unknown accuracy fill places that are left. What the pre-flight refused is never on it.
    """
    pairs = [pair for pair in pairs if not _out(pair)]
    known = sorted(
        ((pair.teacher_accuracy, pair.check.teacher) for pair in pairs if pair.teacher_accuracy),
        key=lambda one: (-one[0].value, one[1]),
    )
    unknown = [pair.check.teacher for pair in pairs if pair.teacher_accuracy is None]
    if len(known) <= size:
        return [name for _, name in known] + unknown[: size - len(known)]
    last = known[size - 1][0]
    tied = [name for accuracy, name in known[size:] if accuracy.high >= last.low]
    return [name for _, name in known[:size]] + tied[:size]


def _out(pair: PairEvidence) -> str:
    if pair.check.verdict == "refused":
        return f"refused: {'; '.join(pair.check.problems)}"
    teacher, student = pair.teacher_accuracy, pair.student_accuracy
    if teacher and student and teacher.high < student.low:
        return f"less accurate than the student itself: {_share(teacher)} against {_share(student)}"
    return ""


def _scored(pair: PairEvidence, score: Callable[[str], GraceScore | None]) -> PairEvidence:
    return pair if pair.grace else pair.model_copy(update={"grace": score(pair.check.teacher)})


def _ordered(pairs: Sequence[PairEvidence], chosen: set[str]) -> list[PairEvidence]:
    """Best first, by the rule above."""
    too_short = _too_short(pairs)
    accuracy = _levels(
        [(pair.check.teacher, -a.value, -a.high, -a.low) for pair in pairs if (a := pair.teacher_accuracy)]
    )
    grace = _levels(
        [
            (pair.check.teacher, g.score, g.score - g.standard_error, g.score + g.standard_error)
            for pair in pairs
            if (g := pair.grace) and pair.check.teacher not in too_short
        ]
    )

    def key(pair: PairEvidence) -> tuple[object, ...]:
        levels = [levels.get(pair.check.teacher) for levels in (grace, accuracy)]
        known = [level for level in levels if level is not None]
        return (
            pair.check.teacher not in chosen,
            2 - len(known),
            sum(known),
            *(level if level is not None else len(pairs) for level in levels),
            METHOD_ORDER.index(pair.check.verdict),
            # What the intervals cannot tell apart is still better ordered by its figures than by the alphabet.
            pair.grace.score if pair.grace and pair.check.teacher not in too_short else inf,
            -pair.teacher_accuracy.value if pair.teacher_accuracy else inf,
            pair.check.teacher,
        )

    return sorted(pairs, key=key)


def _too_short(pairs: Sequence[PairEvidence]) -> set[str]:
    """Teachers whose answers are too short for their GRACE to be compared with the others'."""
    lengths = {
        pair.check.teacher: g.answer_tokens for pair in pairs if (g := pair.grace) and g.answer_tokens is not None
    }
    if not lengths:
        return set()
    least = SHORTEST * median(lengths.values())
    return {teacher for teacher, length in lengths.items() if length < least}


def _levels(figures: Sequence[tuple[str, float, float, float]]) -> dict[str, int]:
    """Level of each (name, figure, low, high), 0 the lowest figure: who overlaps the best of a level belongs to it."""
    levels: dict[str, int] = {}
    level, top = -1, float("-inf")
    for name, _, low, high in sorted(figures, key=lambda one: (one[1], one[0])):
        if level < 0 or low > top:
            level, top = level + 1, high
        levels[name] = level
    return levels


def _figures(pair: PairEvidence, chosen: set[str], too_short: set[str]) -> Iterator[str]:
    """What is known of a pair, and what is not."""
    yield f"accuracy {_share(pair.teacher_accuracy)}" if pair.teacher_accuracy else "accuracy not known"
    if pair.gap is not None:
        yield f"{pair.gap:+.0%} over the student"
    if pair.grace:
        figure = f"GRACE {pair.grace.score:.3g} +- {pair.grace.standard_error:.2g}"
        yield f"{figure} not counted, its answers are too short" if pair.check.teacher in too_short else figure
    else:
        yield "GRACE not known" if pair.check.teacher in chosen else "GRACE not computed, not on the shortlist"
    if pair.check.verdict != "ok":
        yield pair.check.verdict.replace("_", " ")


def _share(share: Interval) -> str:
    return f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"
