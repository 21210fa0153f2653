"""What a language model makes of a line that the chat's rules do not understand: a line they do, or an answer in words."""

# pyright: reportUnknownMemberType=false

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage, SystemMessage

from ..state.numbers import AS_SAID, shown
from ..state.run import RunState
from .digest import digest
from .model_intake import numbers_in
from .model_planner import most_tokens, prompt_text
from .planners import MAX_OUTPUT_TOKENS, Planner

SAY_FOR_USER = "say_for_user"
_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": SAY_FOR_USER,
        "description": "Says a line that the chat knows in the user's place.",
        "parameters": {
            "type": "object",
            "properties": {"line": {"type": "string", "description": "the line, in English"}},
            "required": ["line"],
        },
    },
}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A line to take in the place of the user's, or the words that were shown; what that cost, and why nothing came."""

    line: str = ""
    text: str = ""
    usd: float = 0.0
    problem: str = ""


def reply(
    planner: Planner, run: RunState | None, line: str, show: Callable[[str], None], *, unbilled_usd: float = 0.0
) -> Reply:
    """Asks the model about a line; words are shown piece by piece as they come. Never raises for what an endpoint does.

    `unbilled_usd` is what earlier answers took that the run has not put on its bill yet.
    """
    from openai import OpenAIError

    state = digest(run).model_dump(mode="json") if run is not None and run.brief is not None else None
    asked = json.dumps({"state": state, "typed": line}, ensure_ascii=False)
    messages: list[BaseMessage] = [SystemMessage(prompt_text("chat")), HumanMessage(asked)]
    worst = planner.usd(most_tokens(messages), MAX_OUTPUT_TOKENS)
    limit = (run.known_brief.limits.usd or 0.0) - run.spent_usd if run is not None and run.brief is not None else worst
    left = limit - unbilled_usd
    if worst > left:
        return Reply(problem=f"asking the model may cost ${worst:,.4f}, and ${left:,.4f} is left")
    model: Any = planner.model.bind_tools([_TOOL])
    whole: AIMessageChunk | None = None
    try:
        for chunk in model.stream(messages, stream_usage=True):
            if isinstance(chunk.content, str) and chunk.content:
                show(chunk.content)
            whole = chunk if whole is None else whole + chunk
    except (OpenAIError, TypeError, ValueError, KeyError, AttributeError) as error:
        return Reply(
            problem=f"the model did not answer: {type(error).__name__}: {error}", usd=_cost(planner, messages, whole)
        )
    if whole is None:
        return Reply(problem="the model said nothing")
    usd = _cost(planner, messages, whole)
    said = [str(call["args"].get("line", "")) for call in whole.tool_calls if call["name"] == SAY_FOR_USER]
    if not said:
        return Reply(text=str(whole.content), usd=usd)
    if invented := numbers_in(said[0]) - numbers_in(line):
        figures = ", ".join(shown(number, AS_SAID) for number in sorted(invented))
        return Reply(problem=f"the model understood {said[0]!r}, but you did not say {figures}", usd=usd)
    return Reply(line=said[0], usd=usd)


def _cost(planner: Planner, messages: list[BaseMessage], whole: AIMessageChunk | None) -> float:
    """What the server counted, or the most it can have been."""
    used = whole.usage_metadata if whole is not None else None
    if used is None:
        return planner.usd(most_tokens(messages), MAX_OUTPUT_TOKENS)
    return planner.usd(used["input_tokens"], used["output_tokens"])
