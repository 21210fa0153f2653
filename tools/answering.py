"""Answers of a model to many prompts, greedy or sampled, by the CPU engine or by transformers on a GPU, within the time there is."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .serving.engine import Settings, open_engine
from .tuning.answers import Checkpoint, Engine

BATCH = 64
"""Prompts that are answered between two looks at the clock, for each thread."""


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How answers are written."""

    max_tokens: int
    threads: int = 1
    seconds: float | None = None
    """No further batch is begun after so long; None: all are answered."""
    engine: Engine = "ctranslate2"
    temperature: float = 0.0
    """0 is greedy."""
    seed: int = 0
    """Of what is sampled."""


def write_answers(
    folder: Path, prompts: Sequence[str], writing: Writing, on_progress: Callable[[int, int], None]
) -> list[str]:
    """The answers in the prompts' order, of the first prompts alone where the time was over before the last; at least a batch's."""
    write = (_by_cpu_engine if writing.engine == "ctranslate2" else _by_transformers)(folder, writing)
    size = len(prompts) if writing.seconds is None else BATCH * writing.threads
    began, texts = time.monotonic(), list[str]()
    for at in range(0, len(prompts), max(1, size)):
        if texts and writing.seconds is not None and time.monotonic() - began >= writing.seconds:
            break
        texts += write(prompts[at : at + size], lambda done, total, at=at: on_progress(at + done, len(prompts)))
    return texts


Write = Callable[[Sequence[str], Callable[[int, int], None]], list[str]]


def _by_cpu_engine(folder: Path, writing: Writing) -> Write:
    engine = open_engine(folder, threads=writing.threads)
    settings = Settings(max_tokens=writing.max_tokens, temperature=writing.temperature, seed=writing.seed)

    def write(prompts: Sequence[str], on_progress: Callable[[int, int], None]) -> list[str]:
        encoded = [engine.encode_chat([{"role": "user", "content": prompt}]) for prompt in prompts]
        return [one.text for one in engine.generate(encoded, settings, batch_size=BATCH, on_progress=on_progress)]

    return write


def _by_transformers(folder: Path, writing: Writing) -> Write:
    model = Checkpoint(folder)

    def write(prompts: Sequence[str], on_progress: Callable[[int, int], None]) -> list[str]:
        return model.answers(
            prompts,
            max_tokens=writing.max_tokens,
            temperature=writing.temperature,
            seed=writing.seed,
            on_progress=on_progress,
        )

    return write
