"""What is known of a pair before it is trained: its pre-flight, accuracies on the probe set, and the score of the gradients."""

from pydantic import Field

from ...state.brief import Record
from ...state.evidence import Interval
from .preflight import PairCheck


class GraceScore(Record):
    """GRACE of one teacher for one student, with its parts and the two scores that it joins."""

    score: float = Field(description="lower: the teacher suits the student better")
    standard_error: float = Field(description="of the score, from its folds")
    variance: float
    bias: float = Field(description="large where answers are of one wrong kind: noise, or a foreign format")
    g_norm: float = Field(description="mean squared length of the gradients")
    g_vendi: float = Field(description="entropy of their directions, nats")
    answers: int
    dimension: int
    folds: int
    answer_tokens: float | None = Field(default=None, description="mean length of the answers, tokens; null: not told")


class PairEvidence(Record):
    """What is known of a pair; null is not known."""

    check: PairCheck
    teacher_accuracy: Interval | None = Field(default=None, description="on the probe set")
    student_accuracy: Interval | None = Field(
        default=None, description="of the student before training, on the same items"
    )
    grace: GraceScore | None = None

    @property
    def gap(self) -> float | None:
        """How much more of the probe set the teacher has right."""
        if self.teacher_accuracy is None or self.student_accuracy is None:
            return None
        return self.teacher_accuracy.value - self.student_accuracy.value
