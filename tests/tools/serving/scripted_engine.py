"""An engine that answers by rule and remembers its batches, for tests of what stands in front of engines."""

import threading
from collections.abc import Callable, Sequence

from stratos.tools.serving.engine import Call, Completion, EngineName, Settings


class ScriptedEngine:
    """Implements `Engine`: answers each prompt with its own ids, after `gate` opens; prompt [13] breaks its batch."""

    name: EngineName = "ctranslate2"
    max_model_len = 64

    def __init__(self) -> None:
        self.batches: list[list[Call]] = []
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        return self.encode(messages[-1]["content"])

    def encode(self, text: str) -> list[int]:
        return [int(word) for word in text.split()]

    def complete(self, calls: Sequence[Call]) -> list[Completion]:
        self.batches.append(list(calls))
        self.entered.release()
        assert self.gate.wait(10)
        if any(list(call.prompt) == [13] for call in calls):
            raise RuntimeError("unlucky")
        return [self._answer(call) for call in calls]

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        settings: Settings,
        *,
        batch_size: int = 64,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[Completion]:
        return self.complete([Call(prompt=prompt, settings=settings) for prompt in prompts])

    def _answer(self, call: Call) -> Completion:
        text = " ".join(map(str, call.prompt))
        ids = tuple(call.prompt)
        return Completion(text=text, token_ids=ids, finish_reason="stop", prompt_tokens=len(ids))
