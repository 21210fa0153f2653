"""What is known of a teacher that was asked, of the way a student is taught, and of what a teacher wrote for it."""

from typing import Literal

from pydantic import Field

from .brief import Record
from .evidence import Interval

Way = Literal["answers", "ways", "teacher"]
"""Right answers alone; right answers with the worked ways to them; what a teacher says, ways and answers."""

Verdict = Literal[
    "prompting suffices", "plain fine-tuning suffices", "plain fine-tuning is all there is", "alignment", "injection", "out of reach"
]  # fmt: skip


class Spent(Record):
    """What a job's calls came to, those of its earlier starts included."""

    usd: float
    calls: int = Field(description="that were billed or may have been")
    input_tokens: int
    output_tokens: int
    unanswered_calls: int = Field(description="of them, calls that gave nothing: lost, or broken off with the job")
    unanswered_usd: float = Field(description="of the dollars, counted at the most that those calls can have cost")


class TeacherEvidence(Record):
    """What the probe found. Shares are of the items that were asked about; no usable answer counts as a wrong one."""

    teacher: str
    items: int
    accuracy: Interval = Field(description="of one greedy answer, nothing told, by the skill's verifier")
    samples: int = Field(description="answers per item behind the next three figures")
    vote_accuracy: Interval = Field(description="of the answer that most samples gave (self-consistency)")
    agreement: float = Field(description="mean share of the samples that gave the most frequent answer")
    answer_entropy_nats: float = Field(description="mean entropy of an item's sampled answers; 0: always the same")
    rationale_tokens: float | None = Field(
        description="mean of the greedy answers with steps, as the server counts tokens; null: none had any"
    )
    hint: str = Field(description="what was told: the example's own rationale without its answer, or the answer")
    hinted_accuracy: Interval
    unusable: dict[str, int] = Field(description="answers that could not be read, by reason")
    spent: Spent
    out_of_money: bool


class Familiarity(Record):
    """How foreign a task's texts are to a model before it is taught; perplexity: of how many equally likely tokens each seems one."""

    items: int = Field(description="probe items that were read")
    question_perplexity: float = Field(description="of the questions by themselves")
    answer_perplexity: float = Field(description="of the right completions behind their questions")
    ordinary_perplexity: float = Field(description="of a dozen ordinary texts, for scale")

    @property
    def words(self) -> str:
        """Such as "perplexity to the student before training, 100 items: questions 35.2, right answers 4.1; ordinary text 24.0"."""
        return (
            f"perplexity to the student before training, {self.items} items: questions {self.question_perplexity:,.1f}, right answers "
            f"{self.answer_perplexity:,.1f}; ordinary text {self.ordinary_perplexity:,.1f}"
        )


class Lessons(Record):
    """What a teacher wrote for a student, and what of it was kept."""

    teacher: str
    way: Way = Field(description="ways: to answers that were told; teacher: its own")
    asked: int = Field(description="texts asked for")
    kept: int
    rejected: dict[str, int] = Field(description="by reason; kept and rejected together are those asked for")
    questions: int = Field(description="with at least one text that was kept")
    disagreement: Interval | None = Field(
        description="ways: share with which an independent check disagreed; teacher: share of its answers that were wrong "
        "where the right one is known"
    )
    stopped_by: Literal["done", "money"]
    usd: float
    notes: tuple[str, ...] = ()
