"""How a skill over given examples reads its files: where question, answer and rationale stand, and what is right."""

from collections.abc import Callable
from dataclasses import dataclass

from ...state.brief import Metric

QUESTION_COLUMNS = (
    "question", "prompt", "input", "text", "problem", "instruction", "query", "sentence", "utterance", "message",
)  # fmt: skip
ANSWER_COLUMNS = ("answer", "label", "output", "completion", "category", "intent", "target", "class", "response", "solution")  # fmt: skip
RATIONALE_COLUMNS = ("rationale", "reasoning", "explanation", "chain_of_thought", "thought")
"""Names that are tried, in this order, where a brief names no column."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What all data of one skill have in common."""

    metric: Metric | None = None
    """None: told from the answers."""
    taken_apart: Callable[[str], tuple[str, str]] | None = None
    """Splits what stands in the answer's column into a rationale and the final answer. Raises ValueError, saying what lacks."""
