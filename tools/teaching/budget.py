"""What asking a teacher may cost and take, before it is asked: for the probe at its worst, for the lessons by what the probe took."""

import math

from ...state.run import RunState
from ...state.teaching import TeacherEvidence, Way

PROBE_ITEMS, PROBE_SAMPLES, PROBE_TOKENS = 100, 5, 1024
"""Items of the probe, sampled answers to each beside a greedy and a hinted one, and the longest answer."""

PROMPT_BYTES = 3000
"""assumption: a question with its instructions is no longer; the purse itself counts every prompt."""

PROBE_SHARE, LESSONS_SHARE = 0.1, 0.5
"""Of the money that is left, what the probe and the lessons may take at most."""

RATIONALES = 2
"""Asked for each example whose answer is told."""

CALLS_A_RATIONALE = 3
"""It is written, tried without the hint, and checked."""

CALLS_A_QUESTION = 1.5
"""assumption: of a competent teacher's answers to questions whose right answer is known about a third is asked for again."""

PATIENCE = 2.0
"""Times what the probe's calls took on average."""


def probe_usd(state: RunState) -> float:
    """The most that the probe of the brief's teacher may cost, US dollars; 0 where none was named or its tokens are free."""
    return min(_worst_probe_usd(state), PROBE_SHARE * _left_usd(state))


def probe_costs(state: RunState) -> bool:
    """Whether the teacher's tokens have a price."""
    return _worst_probe_usd(state) > 0


def item_usd(state: RunState) -> float:
    """The most that all answers about one item may cost, US dollars."""
    return _worst_probe_usd(state) / PROBE_ITEMS


def _worst_probe_usd(state: RunState) -> float:
    from .opening import prices_of

    teacher = state.known_brief.teacher
    if teacher is None:
        return 0.0
    return PROBE_ITEMS * (PROBE_SAMPLES + 2) * prices_of(teacher).usd(PROMPT_BYTES, PROBE_TOKENS)


def _left_usd(state: RunState) -> float:
    return max(0.0, (state.known_brief.limits.usd or 0.0) - state.spent_usd)


def wants_lessons(state: RunState) -> bool:
    """Whether a teacher is still to write what students learn."""
    given, complexity = state.given, state.complexity
    if given is None or complexity is None or complexity.teacher is None or given.taught_by:
        return False
    return complexity.way == "teacher" or (complexity.way == "ways" and not given.with_rationales)


def lessons_due(state: RunState) -> bool:
    """Whether it is to write them now: a plan that trains nothing does without."""
    return wants_lessons(state) and (not state.has_plan or state.known_plan.candidate.trains)


def lesson_calls(state: RunState) -> float:
    """Calls that the lessons are reckoned to take."""
    assert state.given is not None
    assert state.complexity is not None
    way: Way = state.complexity.way
    if way == "ways":
        return RATIONALES * CALLS_A_RATIONALE * state.given.train
    return CALLS_A_QUESTION * state.given.train + state.given.unlabelled


def lessons_usd(state: RunState) -> float:
    """The most that the lessons may cost, US dollars; what they need beyond it is not asked for. 0 where none are due."""
    if not lessons_due(state):
        return 0.0
    spent = _evidence(state).spent
    wanted = PATIENCE * lesson_calls(state) * spent.usd / max(1, spent.calls)
    return min(wanted, LESSONS_SHARE * _left_usd(state))


def lesson_minutes(state: RunState) -> float:
    """Minutes that the lessons may take."""
    if not lessons_due(state):
        return 0.0
    assert state.complexity is not None
    evidence = _evidence(state)
    a_call = state.complexity.asking_seconds / (evidence.items * (evidence.samples + 2))
    return math.ceil(1 + PATIENCE * lesson_calls(state) * a_call / 60)


def _evidence(state: RunState) -> TeacherEvidence:
    assert state.complexity is not None
    assert state.complexity.teacher is not None
    return state.complexity.teacher
