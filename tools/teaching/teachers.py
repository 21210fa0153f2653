"""What a teacher is: whatever answers prompts, at a price or for nothing. The interface alone; who implements it stands beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pydantic import Field

from ...state.brief import Record

FinishReason = Literal["stop", "length", "filter", "other"]

FRAME_TOKENS = 32
"""assumption: more than any chat template adds to a prompt of one message."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How answers are written; temperature 0 is greedy."""

    temperature: float = 0.0
    max_tokens: int = 1024
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Request:
    """One prompt and which of its samples is wanted. It is a chat of one message: no chat template refuses that."""

    prompt: str
    sampling: Sampling = field(default_factory=Sampling)
    sample: int = 0
    question: str = ""
    """The task's own prompt that this one asks about: what a solver reads."""

    @property
    def seed(self) -> int:
        """Of this sample, apart from those of the others."""
        return (self.sampling.seed * 1_000_003 + self.sample) % 2**31

    @property
    def most_input_tokens(self) -> int:
        """A bound: byte-level tokenizers make at most one token of a byte."""
        return len(self.prompt.encode("utf-8", "replace")) + FRAME_TOKENS


class Answer(Record):
    """What came of one request. Only `answered` and `unreadable` are kept: the others may come out otherwise when asked again."""

    fate: Literal["answered", "unreadable", "refused", "lost"] = Field(
        default="answered",
        description="unreadable: paid, and no text; refused: the server did not take this prompt, which costs nothing; "
        "lost: nothing came back, and it may have been billed",
    )
    text: str = ""
    input_tokens: int = Field(default=0, ge=0, description="counted by the server, else the most it can have been")
    output_tokens: int = Field(default=0, ge=0)
    counted: bool = Field(default=True, description="false: nobody counted the tokens, they are assumed at their most")
    finish_reason: FinishReason = "stop"
    problem: str = Field(default="", description="why there is no text")


Taken = Callable[[int, Answer], None]
"""Is told the place of a request and its answer as soon as that is there, from any thread."""


class Teacher(Protocol):
    """Whatever answers prompts."""

    @property
    def name(self) -> str:
        """As a user names it, and as records do."""
        ...

    @property
    def identity(self) -> str | None:
        """What its answers are remembered under; None: it is asked anew each time, which costs nothing."""
        ...

    @property
    def batch(self) -> int:
        """Requests worth giving it at once."""
        ...

    def sample(self, requests: Sequence[Request], taken: Taken) -> list[Answer]:
        """An answer for each request, in order.

        Raises ToolFailed where it cannot be asked at all; a request that `taken` was not told of has then cost nothing.
        """
        ...
