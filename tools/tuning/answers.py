"""Greedy answers of a checkpoint through its chat template, in batches, and what a metric makes of them before and after a tuning."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ...state.brief import Record
from ...state.errors import Correctable
from ...state.evidence import Interval, wilson
from .loading import load_tokenizer
from .source import check_source

Engine = Literal["transformers", "ctranslate2"]
Judge = Callable[[str, str], bool]
"""The prompt and the answer, to whether it is right."""

BATCH = 32


class Comparison(Record):
    """A metric of a checkpoint before and after its tuning, on the same prompts."""

    before: Interval
    after: Interval
    gained: int = Field(description="prompts that only the tuned model answers right")
    lost: int = Field(description="prompts that only the model before answers right")


def answers(
    model: Path, prompts: Sequence[str], *, max_tokens: int, batch: int = BATCH, engine: Engine = "transformers"
) -> list[str]:
    """One answer a prompt, in their order. Raises Correctable for a folder without a whole model, or with a prompt it refuses.

    ctranslate2 is the CPU engine that Stratos serves with, several times as fast on a CPU; both give the same greedy text in float32.
    """
    check_source(model)
    if not prompts:
        return []
    if engine == "ctranslate2":
        return _by_cpu_engine(model, prompts, max_tokens, batch)
    return Checkpoint(model).answers(prompts, max_tokens=max_tokens, batch=batch)


def compare(before: Path, after: Path, prompts: Sequence[str], judge: Judge, *, max_tokens: int) -> Comparison:
    """What the judge says of both models. Raises Correctable as `answers` does, and without prompts."""
    if not prompts:
        raise Correctable("there are no prompts to compare the two models on")
    first, second = (
        [
            judge(prompt, answer)
            for prompt, answer in zip(prompts, answers(m, prompts, max_tokens=max_tokens), strict=True)
        ]
        for m in (before, after)
    )
    return Comparison(
        before=wilson(sum(first), len(first)),
        after=wilson(sum(second), len(second)),
        gained=sum(new and not old for old, new in zip(first, second, strict=True)),
        lost=sum(old and not new for old, new in zip(first, second, strict=True)),
    )


class Checkpoint:
    """A checkpoint loaded by transformers, on the GPU where there is one."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        self._tokenizer, self._stops = load_tokenizer(folder, None)
        self._tokenizer.padding_side = "left"
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.bfloat16 if self._device == "cuda" else torch.float32
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
        self._model = model.to(self._device).eval()

    def answers(
        self,
        prompts: Sequence[str],
        *,
        max_tokens: int,
        batch: int = BATCH,
        temperature: float = 0.0,
        seed: int = 0,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[str]:
        """In the prompts' order; batches are padded on the left and sorted by length. Temperature 0 is greedy."""
        import torch

        tokenizer = self._tokenizer
        texts = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
            )
            for prompt in prompts
        ]
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        found: dict[int, str] = {}
        options: dict[str, Any] = {"eos_token_id": sorted(self._stops), "pad_token_id": tokenizer.pad_token_id}
        options["do_sample"] = temperature > 0
        if temperature > 0:
            torch.manual_seed(seed)
            options |= {"temperature": temperature, "top_k": 0, "top_p": 1.0}
        for at in range(0, len(order), batch):
            chosen = order[at : at + batch]
            given = tokenizer(
                [texts[one] for one in chosen], return_tensors="pt", padding=True, add_special_tokens=False
            )
            with torch.no_grad():
                written = self._model.generate(**given.to(self._device), max_new_tokens=max_tokens, **options)
            new = written[:, given["input_ids"].shape[1] :]
            found.update(zip(chosen, tokenizer.batch_decode(new, skip_special_tokens=True), strict=True))
            if on_progress:
                on_progress(len(found), len(prompts))
        return [found[at] for at in range(len(prompts))]


def _by_cpu_engine(folder: Path, prompts: Sequence[str], max_tokens: int, batch: int) -> list[str]:
    from ..serving.cpu_engine import CpuEngine
    from ..serving.engine import PromptError, Settings

    engine = CpuEngine.open(folder)
    try:
        encoded = [engine.encode_chat([{"role": "user", "content": prompt}]) for prompt in prompts]
        return [one.text for one in engine.generate(encoded, Settings(max_tokens=max_tokens), batch_size=batch)]
    except PromptError as error:
        raise Correctable(f"a prompt cannot be answered: {error}") from error
