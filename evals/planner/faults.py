"""What the loopback server answers: as the rules would, with every kind of fault an endpoint or a model is known for."""

import json
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...agent.scripted import Answer, Script, competent

CLIENT_TIMEOUT_S = 0.6
HANG_S = 0.8
SHARE = 0.2
CHARACTERS_PER_TOKEN = 3.0
"""assumption, for counting a prompt's tokens where no tokenizer is at hand: JSON in English has 3 to 4."""

Fault = Callable[[Answer, Answer | None], Answer]
"""Makes a wrong answer of the right one and the one before it."""


def _hang(right: Answer, before: Answer | None) -> Answer:
    time.sleep(HANG_S)
    return Answer(drop=True)


def _broken_arguments(right: Answer, before: Answer | None) -> Answer:
    return Answer(calls=[(right.calls[0][0], '{"broken": ')])


def _wrong_types(right: Answer, before: Answer | None) -> Answer:
    return Answer(calls=[("generate_data", {"examples": "as many as needed"})])


def _repeated(right: Answer, before: Answer | None) -> Answer:
    return before or Answer(calls=[("evaluate", {"split": "dev"})])


FAULTS: Mapping[str, Fault] = {
    "arguments that are no JSON": _broken_arguments,
    "an unknown tool": lambda right, before: Answer(calls=[("raise_limit", {"usd": 1000})]),
    "arguments of wrong types": _wrong_types,
    "a call out of order": lambda right, before: Answer(calls=[("evaluate", {"split": "sealed"})]),
    "the call before, again": _repeated,
    "text in the place of a call": lambda right, before: Answer(text="Let me think.", finish_reason="stop"),
    "nothing": lambda right, before: Answer(finish_reason="stop"),
    "an answer cut off": lambda right, before: replace(right, finish_reason="length"),
    "no answer in time": _hang,
    "429 with Retry-After": lambda right, before: Answer(status=429, headers={"Retry-After": "1"}, body="{}"),
    "500": lambda right, before: Answer(status=500, body="{}"),
    "a dropped connection": lambda right, before: Answer(drop=True),
}


class Endpoint:
    """A script for `scripted_server`: answers well, but wrong with the chance of `share`, and not at all after `answers`."""

    def __init__(self, *, share: float, seed: str, answers: int | None, script: Script = competent) -> None:
        self._share, self._chance, self._left, self._script = share, random.Random(seed), answers, script
        self._before: Answer | None = None
        self.faults: list[str] = []
        """The kinds of fault that were answered, in order."""

    def __call__(self, request: Mapping[str, Any]) -> Answer:
        if self._left is not None:
            if self._left <= 0:
                return Answer(drop=True)
            self._left -= 1
        right = self._script(request)
        answer = right
        if self._chance.random() < self._share:
            kind = self._chance.choice(list(FAULTS))
            self.faults.append(kind)
            answer = FAULTS[kind](right, self._before)
        else:
            self._before = right
        return replace(answer, tokens=_tokens(request, answer))


def _tokens(request: Mapping[str, Any], answer: Answer) -> tuple[int, int]:
    """A prompt's and an answer's tokens by their length in characters."""
    asked = json.dumps({"messages": request["messages"], "tools": request.get("tools", [])}, ensure_ascii=False)
    answered = json.dumps(answer.calls) + answer.text
    return math.ceil(len(asked) / CHARACTERS_PER_TOKEN), math.ceil(len(answered) / CHARACTERS_PER_TOKEN)
