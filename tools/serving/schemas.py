"""What a chat request may hold and what its answers look like: OpenAI's chat completions, as far as a student goes.

A field this server cannot honour is refused unless it asks for nothing; none is accepted and ignored but labels.
"""

import time
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from .engine import Completion

MAX_CHOICES = 16
INVALID, OVERLOADED, UNREACHABLE = "invalid_request_error", "overloaded_error", "server_error"
"""Kinds of errors."""
NEUTRAL: dict[str, tuple[object, ...]] = {
    "audio": (None,),
    "frequency_penalty": (None, 0),
    "function_call": (None, "none", "auto"),
    "functions": (None, []),
    "logit_bias": (None, {}),
    "logprobs": (None, False),
    "modalities": (None, ["text"]),
    "parallel_tool_calls": (None, True, False),
    "prediction": (None,),
    "presence_penalty": (None, 0),
    "reasoning_effort": (None, "none"),
    "response_format": (None, {"type": "text"}),
    "tool_choice": (None, "none", "auto"),
    "tools": (None, []),
    "top_logprobs": (None, 0),
    "verbosity": (None,),
    "web_search_options": (None,),
}
"""Fields of the protocol that a student cannot honour, with the values that ask for nothing."""


class TextPart(BaseModel):
    """A piece of a message's content; only text can be read."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["text"]
    text: str


class Message(BaseModel):
    """One message; which roles are valid is the chat template's business."""

    model_config = ConfigDict(extra="forbid")
    role: str
    content: str | list[TextPart]
    name: str | None = None

    def plain(self) -> dict[str, str]:
        """As chat templates take it."""
        parts = self.content
        return {"role": self.role, "content": parts if isinstance(parts, str) else "".join(p.text for p in parts)}


class StreamOptions(BaseModel):
    """Options of a streamed answer."""

    model_config = ConfigDict(extra="forbid")
    include_usage: bool | None = False
    include_obfuscation: bool | None = None


class ChatRequest(BaseModel):
    """Body of POST /v1/chat/completions; None means not given, in every field."""

    model_config = ConfigDict(extra="forbid")
    model: str
    messages: list[Message] = Field(min_length=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    n: int | None = Field(default=None, ge=1, le=MAX_CHOICES)
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    # Labels: they change nothing in the answer, so ignoring them is honouring them.
    metadata: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    user: str | None = None
    # Refused unless neutral, by the validator below.
    audio: Any = None
    frequency_penalty: Any = None
    function_call: Any = None
    functions: Any = None
    logit_bias: Any = None
    logprobs: Any = None
    modalities: Any = None
    parallel_tool_calls: Any = None
    prediction: Any = None
    presence_penalty: Any = None
    reasoning_effort: Any = None
    response_format: Any = None
    tool_choice: Any = None
    tools: Any = None
    top_logprobs: Any = None
    verbosity: Any = None
    web_search_options: Any = None

    @field_validator(*NEUTRAL)
    @classmethod
    def _only_neutral(cls, value: object, info: Any) -> object:
        allowed = NEUTRAL[info.field_name]
        if value not in allowed:
            raise ValueError(f"is not supported by this server; leave it out (it was {value!r})")
        return value

    @field_validator("stop")
    @classmethod
    def _stop_is_text(cls, value: str | list[str] | None) -> str | list[str] | None:
        if value is not None and "" in ([value] if isinstance(value, str) else value):
            raise ValueError("a stop string cannot be empty")
        return value

    @property
    def stops(self) -> tuple[str, ...]:
        """Stop strings, none where none were given."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def answer_tokens(self) -> int | None:
        """The limit asked for, by its new name before its old one."""
        return self.max_completion_tokens or self.max_tokens


def error_body(message: str, *, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """The error document of OpenAI's protocol."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def usage(completions: Sequence[Completion]) -> dict[str, int]:
    """Token counts of a request; its prompt counts once, however many answers it asked for."""
    prompt, written = completions[0].prompt_tokens, sum(c.completion_tokens for c in completions)
    return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}


def chat_completion(answer_id: str, model: str, completions: Sequence[Completion]) -> dict[str, Any]:
    """The whole answer in one document."""
    choices = [
        {
            "index": i,
            "message": {"role": "assistant", "content": c.text, "refusal": None},
            "finish_reason": c.finish_reason,
            "logprobs": None,
        }
        for i, c in enumerate(completions)
    ]
    head = {"id": answer_id, "object": "chat.completion", "created": int(time.time()), "model": model}
    return {**head, "choices": choices, "usage": usage(completions)}


def chunk_choice(index: int, delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    """One choice of a streamed chunk."""
    return {"index": index, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
