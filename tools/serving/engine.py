"""The engine seam: what the server and the evaluation job need of whatever runs a model; it imports no engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from ...state.errors import Correctable

EngineName = Literal["ctranslate2", "vllm"]
FinishReason = Literal["stop", "length"]

GREEDY_BELOW = 0.01
"""A temperature below this is greedy: logits divided by less overflow to a one-hot distribution anyway."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to write one answer; temperature 0 is greedy, and then top_p and seed have no meaning."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()

    @property
    def sampling(self) -> tuple[float, float, int | None] | None:
        """What calls must share to run in one batch: None when greedy, else (temperature, top_p, seed)."""
        return None if self.temperature < GREEDY_BELOW else (self.temperature, self.top_p, self.seed)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One prompt (token ids) and what to do with it; the callbacks run on the engine's thread, once per token."""

    prompt: Sequence[int]
    settings: Settings
    on_text: Callable[[str], None] | None = None
    cancelled: Callable[[], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class Completion:
    """One answer; `token_ids` are those generated, an end token included, so `len(token_ids)` is what it cost."""

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    prompt_tokens: int

    @property
    def completion_tokens(self) -> int:
        """Generated tokens, the end token included."""
        return len(self.token_ids)


class PromptError(Correctable):
    """The prompt cannot be given to this model: refused by its chat template or tokenizer, or empty."""


class PromptTooLongError(PromptError):
    """The prompt, with the answer asked for, does not fit the model's context."""


class Engine(Protocol):
    """A model that is loaded and can answer."""

    @property
    def name(self) -> EngineName:
        """Which engine this is."""
        ...

    @property
    def max_model_len(self) -> int:
        """Tokens of prompt and answer together."""
        ...

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """The token ids of a chat, ready to be answered. Raises PromptError where the chat template refuses it."""
        ...

    def encode(self, text: str) -> list[int]:
        """The token ids of a text as it is, without a chat template. Raises PromptError."""
        ...

    def complete(self, calls: Sequence[Call]) -> list[Completion]:
        """Answers one batch; all calls share one `settings.sampling`. Raises PromptError before anything runs."""
        ...

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        settings: Settings,
        *,
        batch_size: int = 64,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[Completion]:
        """Answers any number of prompts in batches of like length; `on_progress(done, total)` runs after each."""
        ...


def open_engine(model_dir: Path, *, threads: int = 1, max_model_len: int | None = None) -> Engine:
    """Loads a Hugging Face model folder on this machine's CPU, converting it first where that was not done yet."""
    from .cpu_engine import CpuEngine

    return CpuEngine.open(model_dir, threads=threads, max_model_len=max_model_len)
