"""What a run and its user say to each other, as it is recorded."""

from typing import Any, Literal

from pydantic import Field

from .brief import Record


class Question(Record):
    """What a run asks its user: for what the brief lacks, or for a word on the plan's money."""

    run_id: str
    about: Literal["brief", "plan"]
    problems: tuple[str, ...] = Field(default=(), description="what of the request cannot be used")
    missing: tuple[str, ...] = Field(default=(), description="what matters and was not said")
    plan: str = Field(default="", description="id of the plan's candidate")
    plan_sha256: str = ""
    usd: float = Field(
        default=0.0, description="the most the run may have cost when the plan is carried out, US dollars"
    )
    reason: str = ""
    parts: tuple[str, ...] = Field(default=(), description="what that sum is made of, one item each")
    doubts: tuple[str, ...] = Field(default=(), description="why it may not be worth it")


class Word(Record):
    """What a user wants changed in the middle of a run. Absent keys stay as they are; null takes a target or limit away."""

    text: str = Field(description="as it was typed")
    targets: dict[str, Any] = Field(default_factory=dict[str, Any])
    limits: dict[str, Any] = Field(default_factory=dict[str, Any])
    usd: float = Field(default=0.0, ge=0, description="what a model took to understand or answer it, US dollars")
    data: str | None = Field(default=None, description="path of a JSONL file with the user's own questions")

    @property
    def changes(self) -> bool:
        """Whether it is meant to change the run, and not only a model's answer to be paid for."""
        return bool(self.targets or self.limits or self.data)


class Answer(Record):
    """What the user says to a question: yes or no to a plan or a word in their place; text for a brief."""

    approved: bool = False
    text: str = ""
    word: Word | None = None
