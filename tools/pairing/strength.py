"""Whether a teacher is the stronger of the two, by its size and by published benchmarks; what its own answers showed goes before both."""

from dataclasses import dataclass

from ...state.model_facts import ModelFacts
from ..models.sizes import size_text


@dataclass(frozen=True, kw_only=True)
class Strength:
    """Why a teacher is no teacher for this student, and what of it is only to be minded."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def rule_on_strength(teacher: ModelFacts, student: ModelFacts, *, answers_judged: bool = False) -> Strength:
    """Smaller alone, or weaker alone, is a warning; both together refuse, unless the teacher's own answers were judged.

    Weaker is: below the student on every benchmark that both have. Their figures may come from different set-ups, which is why one
    of the two signs does not refuse.
    """
    smaller, weaker = _smaller(teacher, student), _weaker(teacher, student)
    if smaller and weaker and not answers_judged:
        return Strength(problems=(f"{teacher.name} is {smaller}, and {weaker}; it has nothing to teach",))
    return Strength(notes=tuple(f"{teacher.name} is {sign}" for sign in (smaller, weaker) if sign))


def _smaller(teacher: ModelFacts, student: ModelFacts) -> str:
    if not teacher.parameters or not student.parameters or teacher.parameters >= student.parameters:
        return ""
    sizes = f"{size_text(teacher.parameters)} against {size_text(student.parameters)}"
    return f"smaller than its student {student.name}: {sizes}"


def _weaker(teacher: ModelFacts, student: ModelFacts) -> str:
    both = [
        (benchmark, score.value, student.scores[benchmark].value)
        for benchmark, score in teacher.scores.items()
        if benchmark in student.scores
    ]
    if not both or any(own >= other for _, own, other in both):
        return ""
    figures = ", ".join(f"{benchmark} {own:.1%} against {other:.1%}" for benchmark, own, other in both)
    return f"weaker than its student {student.name} on every benchmark that both have: {figures}"
