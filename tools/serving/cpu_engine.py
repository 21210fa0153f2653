# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false
"""The CPU engine: ctranslate2 in fp32 or int8, with the tokenizer and chat template of the Hugging Face folder.

A batch runs from start to end: a call cannot join one that is running (ctranslate2 has no continuous batching).
"""

import json
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from .answer_text import AnswerText
from .conversion import Precision, converted
from .engine import Call, Completion, EngineName, PromptError, PromptTooLongError, Settings

DEFAULT_MAX_MODEL_LEN = 2048
LONG_ANSWER_TOKENS = 256
"""Above this a batch is watched token by token, so that it can be cancelled; watching costs about 15 % (measured at
batches of 16 and 64, hidden 128, 4 layers)."""

_SEEDING = threading.Lock()


class _Watch:
    """Follows one answer of a running batch and says when it has to end."""

    def __init__(self, call: Call, budget: int, decode: Callable[[Sequence[int]], str], ends: frozenset[int]) -> None:
        self.answer = AnswerText(decode, call.settings.stop)
        self.tokens = 0
        self._call, self._budget, self._ends = call, budget, ends
        self._reads_text = bool(call.on_text or call.settings.stop)

    def push(self, token_id: int) -> bool:
        """True when no more tokens are wanted."""
        self.tokens += 1
        if self._call.cancelled and self._call.cancelled():
            return True
        if self._reads_text and token_id not in self._ends:
            self._show(self.answer.push(token_id))
        return self.answer.stopped or self.tokens >= self._budget

    def finish(self) -> None:
        """Shows what was held back."""
        if self._reads_text:
            self._show(self.answer.finish())

    def text(self, ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> str:
        """The whole answer."""
        return self.answer.text if self._reads_text else decode(ids)

    def _show(self, piece: str) -> None:
        if piece and self._call.on_text:
            self._call.on_text(piece)


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    return tokenizer.decode(list(ids), skip_special_tokens=True)


class CpuEngine:
    """Implements `engine.Engine`; safe to call from several threads."""

    name: EngineName = "ctranslate2"

    def __init__(
        self,
        folder: Path,
        tokenizer: Any,
        ends: frozenset[int],
        max_model_len: int,
        threads: int,
        precision: Precision = "float32",
    ) -> None:
        self.max_model_len, self.threads, self._precision = max_model_len, threads, precision
        self._folder, self._tokenizer, self._ends = folder, tokenizer, ends
        self._unknown: int | None = tokenizer.unk_token_id
        self._vocabulary: list[str] = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
        self._generator = self._load(threads)

    @classmethod
    def open(
        cls, model_dir: Path, *, threads: int = 1, max_model_len: int | None = None, precision: Precision = "float32"
    ) -> "CpuEngine":
        """Loads a model folder; `max_model_len` can only lower the limit that config.json gives."""
        # AutoTokenizer would import torch: 1.3 s more on every start (measured).
        from transformers import PreTrainedTokenizerFast

        folder = converted(model_dir, precision=precision)
        tokenizer = PreTrainedTokenizerFast.from_pretrained(model_dir)
        limit = _config(model_dir, "config.json").get("max_position_embeddings") or DEFAULT_MAX_MODEL_LEN
        ends = _end_tokens(model_dir, tokenizer.eos_token_id)
        return cls(folder, tokenizer, ends, min(limit, max_model_len or limit), threads, precision)

    @property
    def compute_type(self) -> str:
        """What ctranslate2 runs the weights in: its name for it on this processor."""
        return self._generator.compute_type

    def encode_chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Renders the chat template, then encodes."""
        from jinja2 import TemplateError

        try:
            chat = self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        except (TemplateError, TypeError, ValueError) as error:  # ValueError: the model has no chat template at all
            raise PromptError(f"the model's chat template refuses these messages: {error}") from error
        return self.encode(chat)

    def encode(self, text: str) -> list[int]:
        """Encodes without adding special tokens: the template has them."""
        try:
            # The backend, not the tokenizer around it: that one changes shared state with every call.
            encoding = self._tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
        except Exception as error:
            if type(error) is not Exception:  # the Rust tokenizers raise bare Exception, for a word without <unk>
                raise
            raise PromptError(f"the tokenizer refuses this text: {error}") from error
        ids: list[int] = encoding.ids
        unknown = [
            text[first:end] for token, (first, end) in zip(ids, encoding.offsets, strict=True) if token == self._unknown
        ]
        if unknown:
            # Answered all the same, such a prompt would get a sure answer to another question.
            raise PromptError(f"words this model does not know: {', '.join(map(repr, dict.fromkeys(unknown)))}")
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids, special tokens left out."""
        return _decoded(self._tokenizer.backend_tokenizer, ids)

    def complete(self, calls: Sequence[Call]) -> list[Completion]:
        """One batch; answers are watched token by token only where something depends on it."""
        if not calls:
            return []
        sampling = {call.settings.sampling for call in calls}
        if len(sampling) > 1:
            raise ValueError(f"the calls of a batch must share their sampling, not {sampling!r}")
        budgets = [self.budget(call.prompt, call.settings.max_tokens) for call in calls]
        # ctranslate2 lets its callback go in a thread of its own. Held by that, the engine could end there, whose threads it waits for.
        decode = partial(_decoded, self._tokenizer.backend_tokenizer)
        watches = [_Watch(c, n, decode, self._ends) for c, n in zip(calls, budgets, strict=True)]
        watched = len(set(budgets)) > 1 or max(budgets) > LONG_ANSWER_TOKENS
        watched = watched or any(c.on_text or c.settings.stop for c in calls)
        results = self._run(calls, max(budgets), watches if watched else None)
        return [self._completion(*answer) for answer in zip(calls, results, watches, strict=True)]

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        settings: Settings,
        *,
        batch_size: int = 64,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[Completion]:
        """Sorted by length, because ctranslate2 feeds what exceeds a batch's shortest prompt token by token."""
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
        answers: dict[int, Completion] = {}

        def answer(batch: list[int]) -> list[Completion]:
            return self.complete([Call(prompt=prompts[i], settings=settings) for i in batch])

        with ThreadPoolExecutor(self.threads) as pool:
            for batch, done in zip(batches, pool.map(answer, batches), strict=True):
                answers.update(zip(batch, done, strict=True))
                if on_progress:
                    on_progress(len(answers), len(prompts))
        return [answers[i] for i in range(len(prompts))]

    def budget(self, prompt: Sequence[int], max_tokens: int) -> int:
        """Tokens the answer may have. Raises PromptError, PromptTooLongError."""
        if not prompt:
            raise PromptError("the prompt is empty: it has no tokens")
        room = self.max_model_len - len(prompt)
        if room < 1:
            raise PromptTooLongError(f"the prompt has {len(prompt)} tokens, the model's limit is {self.max_model_len}")
        return min(max_tokens, room)

    def _load(self, threads: int) -> Any:
        import ctranslate2

        # Parallel batches rather than parallel matrix products: these models' matrices are too small to share.
        return ctranslate2.Generator(
            str(self._folder), compute_type=self._precision, inter_threads=threads, intra_threads=1
        )

    def _run(self, calls: Sequence[Call], max_tokens: int, watches: Sequence[_Watch] | None) -> Sequence[Any]:
        settings = calls[0].settings
        options: dict[str, Any] = {"end_token": sorted(self._ends) or None, "return_end_token": True}
        if settings.sampling:
            options |= {"sampling_topk": 0, "sampling_topp": settings.top_p}
            options |= {"sampling_temperature": settings.temperature}
        if watches:
            options["callback"] = partial(_push, watches)
        prompts = [[self._vocabulary[i] for i in call.prompt] for call in calls]
        options |= {"max_length": max_tokens, "include_prompt_in_result": False}
        if settings.sampling and settings.seed is not None:
            return self._run_seeded(settings.seed, prompts, options)
        return self._generator.generate_batch(prompts, **options)

    def _run_seeded(self, seed: int, prompts: list[list[str]], options: dict[str, Any]) -> Sequence[Any]:
        """A generator of its own (1 ms to load): ctranslate2 reads the process-wide seed once per worker thread."""
        import ctranslate2

        with _SEEDING:
            ctranslate2.set_random_seed(seed % 2**32)
            try:
                return self._load(1).generate_batch(prompts, **options)
            finally:
                ctranslate2.set_random_seed(secrets.randbits(32))

    def _completion(self, call: Call, result: Any, watch: _Watch) -> Completion:
        ids: tuple[int, ...] = tuple(result.sequences_ids[0])
        ended = bool(ids) and ids[-1] in self._ends
        watch.finish()
        text = watch.text(ids[:-1] if ended else ids, self.decode)
        reason = "stop" if ended or watch.answer.stopped else "length"
        return Completion(text=text, token_ids=ids, finish_reason=reason, prompt_tokens=len(call.prompt))


def _push(watches: Sequence[_Watch], step: Any) -> bool:
    return watches[step.batch_id].push(step.token_id)


def _config(model_dir: Path, name: str) -> dict[str, Any]:
    path = model_dir / name
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _end_tokens(model_dir: Path, default: int | None) -> frozenset[int]:
    """The ids that end an answer, looked up where transformers' `generate` does."""
    for name in ("generation_config.json", "config.json"):
        ends = _config(model_dir, name).get("eos_token_id")
        if ends is not None:
            return frozenset(ends if isinstance(ends, list) else [ends])
    return frozenset(() if default is None else [default])
