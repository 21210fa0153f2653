"""Asks a planner for the next call until it has one the tools can take: retries its endpoint, corrects its answers, gives up.

It guards form only (a known tool, arguments of the right types, one answer in time and within the money); whether the
call is in order is the guard's part.
"""

# pyright: reportUnknownMemberType=false

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import Field, ValidationError

from ..state.brief import Record
from ..state.canonical import odd_part
from ..state.run import ProposedCall
from ..tools.base import Tool
from .digest import Digest
from .planners import MAX_OUTPUT_TOKENS, RULES, Decision, Planner

MAX_ANSWERS = 4
"""Answers of which none could be used, after which the rules take over."""

LONGEST_WAIT_S = 30.0
CHARACTERS_PER_TOKEN = 2.0
"""assumption, on the safe side, for what a prompt may cost: JSON in English has 3 to 4."""

FINISH = "finish"


class Finish(Record):
    """Ends the run: no candidate is left that could meet the brief. Allowed only in the phase "end"."""

    reason: str = Field(description="why, with its figures")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What asking a model came to: what was found in its first usable answer, or why it was given up."""

    found: Any = None
    text: str = ""
    """What the usable answer said beside its calls."""
    corrections: tuple[str, ...] = ()
    gave_up: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    largest_input_tokens: int = 0
    usd: float = 0.0

    def decision(self, by: str, *calls: ProposedCall) -> Decision:
        """As it is recorded: the first call, those beside it, and what the asking took."""
        return Decision(
            call=calls[0] if calls else None,
            also=calls[1:],
            why=self.text,
            by=by,
            corrections=self.corrections,
            gave_up=self.gave_up,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            largest_input_tokens=self.largest_input_tokens,
            usd=self.usd,
        )


def prompt_text(name: str) -> str:
    """A prompt by its file's name."""
    return Path(__file__).with_name("prompts").joinpath(f"{name}.md").read_text(encoding="utf-8")


def decide(planner: Planner, seen: Digest, tools: Mapping[str, Tool[Any, Any]]) -> Decision:
    """The planner's next call, or why it gave up; never raises for what an endpoint or a model does."""
    messages = [SystemMessage(prompt_text("planner")), HumanMessage(_as_json(seen))]

    def read(reply: AIMessage) -> tuple[list[ProposedCall] | None, str | None]:
        calls, problem = read_answer(reply, seen, tools, may_give_up=planner.pure)
        return (None, problem) if problem else (calls, None)

    asked = ask_until_usable(planner, messages, list(_schemas(tools)), read, usd_left=seen.usd_left)
    return asked.decision(planner.name, *(asked.found or ()))


def _as_json(seen: Digest) -> str:
    """One compact line; half a character, which UTF-8 cannot hold, is written as JSON's escape of it."""
    text = json.dumps(seen.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode()


def ask_until_usable(
    planner: Planner,
    messages: Sequence[BaseMessage],
    tools: Sequence[dict[str, Any]],
    read: Callable[[AIMessage], tuple[Any, str | None]],
    *,
    usd_left: float,
) -> Asked:
    """Asks, and corrects, until `read` finds something in an answer; `read` says otherwise what is wrong with it."""
    model: Any = planner.model.bind_tools(tools)
    corrections: list[str] = []
    used = _Used(planner)
    asked: list[BaseMessage] = list(messages)
    while len(corrections) < MAX_ANSWERS:
        if problem := used.too_dear(asked, usd_left):
            return used.total(corrections, gave_up=problem)
        try:
            reply = _invoke(model, asked, planner)
        except _Unreachable as error:
            return used.total(corrections, gave_up=str(error))
        used.count(reply, asked)
        problem = _unreadable(reply, [tool["function"]["name"] for tool in tools])
        found, problem = (None, problem) if problem else read(reply)
        if not problem:
            return used.total(corrections, found=found, text=reply.content if isinstance(reply.content, str) else "")
        corrections.append(problem)
        # In words, not as the messages they were: servers refuse histories whose tool calls they cannot parse.
        asked = [*messages, HumanMessage(f"Your answer could not be used: {problem}")]
    gave_up = f"{MAX_ANSWERS} answers could not be used, the last because {corrections[-1]}"
    return used.total(corrections, gave_up=gave_up)


def _unreadable(reply: AIMessage, names: Sequence[str]) -> str | None:
    """What is wrong with an answer whatever it was asked for."""
    if reply.response_metadata.get("finish_reason") == "length":
        return f"it was cut off at {MAX_OUTPUT_TOKENS} tokens; call one tool, with its arguments alone"
    if unreadable := reply.response_metadata.get("unreadable"):
        return f"it is no chat completion ({str(unreadable)[:200]})"
    if reply.invalid_tool_calls:
        wrong = "; ".join(f"{call['name']}: {call['error'] or call['args']!r}" for call in reply.invalid_tool_calls)
        return f"the arguments are not valid JSON ({wrong[:500]})"
    if not reply.tool_calls:
        said = str(reply.content).strip()
        what = f"it is text ({said[:80]!r}) instead of a tool call" if said else "it is empty"
        return f"{what}; call one of: {', '.join(names)}"
    return None


def read_answer(
    reply: AIMessage, seen: Digest, tools: Mapping[str, Tool[Any, Any]], *, may_give_up: bool
) -> tuple[list[ProposedCall], str | None]:
    """The calls of an answer, or what is wrong with it in words that its model can act on.

    One that may give up may end the run before its end, because of the digest's problem.
    """
    calls: list[ProposedCall] = []
    for proposed in reply.tool_calls:
        name, arguments = proposed["name"], proposed["args"]
        if name == FINISH and seen.phase != "end" and not (seen.problem and may_give_up):
            return [], f"the run is not at its end: next is the phase {seen.phase!r}"
        if problem := _wrong_call(name, arguments, tools):
            return [], problem
        calls.append(ProposedCall(name=name, args=arguments))
    return calls, None


def _wrong_call(name: str, arguments: Mapping[str, Any], tools: Mapping[str, Tool[Any, Any]]) -> str | None:
    if name != FINISH and name not in tools:
        return f"there is no tool {name!r}; valid: {', '.join((*tools, FINISH))}"
    arguments_type = Finish if name == FINISH else tools[name].args
    try:
        parsed = arguments_type.model_validate(dict(arguments))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'arguments'}: {item['msg']}" for item in error.errors())
        return f"wrong arguments for {name}: {wrong}; valid: {', '.join(arguments_type.model_fields) or 'none'}"
    odd = odd_part(parsed.model_dump())
    return f"wrong arguments for {name}: {odd}" if odd else None


def _schemas(tools: Mapping[str, Tool[Any, Any]]) -> Iterator[dict[str, Any]]:
    """The tools as an OpenAI-compatible endpoint is told of them."""
    for name, arguments in ((FINISH, Finish), *((tool.name, tool.args) for tool in tools.values())):
        schema = arguments.model_json_schema()
        description = schema.pop("description", "")
        yield {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


class _Used:
    """What the answers of one decision took together."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner
        self._input = self._output = self._largest = 0

    def count(self, reply: AIMessage, messages: list[BaseMessage]) -> None:
        """Adds an answer; one whose server counts nothing is counted at the most it can have taken."""
        if self._planner.pure:
            return
        used = reply.usage_metadata
        taken = (used["input_tokens"], used["output_tokens"]) if used else (most_tokens(messages), MAX_OUTPUT_TOKENS)
        self._input += taken[0]
        self._output += taken[1]
        self._largest = max(self._largest, taken[0])

    def too_dear(self, messages: list[BaseMessage], usd_left: float) -> str | None:
        """Why the next answer may not fit the money left, or None."""
        so_far = self._planner.usd(self._input, self._output)
        worst = so_far + self._planner.usd(most_tokens(messages), MAX_OUTPUT_TOKENS)
        if worst <= max(usd_left, 0.0):
            return None
        return f"the planner's next answer may bring its cost to ${worst:,.4f}, and ${usd_left:,.4f} is left"

    def total(self, corrections: list[str], **rest: Any) -> Asked:
        return Asked(
            corrections=tuple(corrections),
            input_tokens=self._input,
            output_tokens=self._output,
            largest_input_tokens=self._largest,
            usd=round(self._planner.usd(self._input, self._output), 8),
            **rest,
        )


def most_tokens(messages: list[BaseMessage]) -> int:
    """At most, for what a prompt may cost."""
    return math.ceil(sum(len(str(message.content)) for message in messages) / CHARACTERS_PER_TOKEN)


class _Unreachable(Exception):
    """The endpoint gave no answer within the patience, or one that trying again cannot change."""


def _invoke(model: Any, messages: list[BaseMessage], planner: Planner) -> AIMessage:
    """One answer; what may pass (a dropped connection, a time-out, 429, 5xx) is tried again until patience ends."""
    if planner.name == RULES:  # asks no endpoint: importing the client would take 0.4 s of every run
        return model.invoke(messages)
    from openai import APIConnectionError, APIStatusError, InternalServerError, OpenAIError, RateLimitError
    from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

    backoff = wait_exponential_jitter(multiplier=0.5, max=LONGEST_WAIT_S)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.response.headers.get("retry-after", "") if isinstance(error, APIStatusError) else ""
        return min(float(asked), LONGEST_WAIT_S) if asked.isdigit() else backoff(state)

    passing = (APIConnectionError, RateLimitError, InternalServerError)
    retrying = Retrying(
        retry=retry_if_exception_type(passing),
        stop=stop_after_delay(planner.patience_s),
        wait=wait,
        sleep=planner.sleep,
        reraise=True,
    )
    try:
        return retrying(model.invoke, messages)
    except OpenAIError as error:
        raise _Unreachable(f"its endpoint failed: {type(error).__name__}: {error}") from error
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        # What langchain-openai raises for an answer that is no chat completion; to its model it is as good as empty.
        return AIMessage("", response_metadata={"unreadable": f"{type(error).__name__}: {error}"})
