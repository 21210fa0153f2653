# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""The job that makes a model smaller and says what that costs: int8 weights for the CPU engine or vLLM, held against the model as it was.

It asks both the same questions of one split, greedily. It measures no latency: that is the server's, under load. Those for vLLM are asked
by the CPU engine with the rounded weights written out in float32, which vLLM answers alike (`evals/vllm_answers.py`), so that neither
vLLM nor torchao is needed.
"""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from ..skills.protocol import Example
from ..state.brief import Record
from ..state.errors import NotAvailable
from ..state.evidence import Interval, Paired, wilson
from ..state.paired import pair
from .generation import file_sha256
from .jobs import SkillJob, TimedJob, main, progress
from .serving.conversion import Precision, converted
from .serving.cpu_engine import CpuEngine
from .serving.engine import EngineName, Settings
from .serving.int8_weights import WEIGHTS as FOR_VLLM
from .serving.int8_weights import write_int8, written_out
from .training.batches import read_examples

WEIGHTS: dict[EngineName, str] = {"ctranslate2": "model.bin", "vllm": FOR_VLLM}
"""Of a smaller model, its file of weights."""
BATCH = 64
ITEMS = 500
"""Of the split, its first: their interval is at most 4.4 points to each side."""


class QuantiseJob(SkillJob, TimedJob):
    """Converts a model and compares it on one split, which must not be a sealed one."""

    model: Path
    precision: Literal["int8"] = "int8"
    engine: EngineName = "ctranslate2"
    split: Path
    split_sha256: str
    items: int = Field(default=ITEMS, gt=0, description="at most, the split's first")
    answer_tokens: int | None = Field(
        default=None, gt=0, description="the most of an answer, counted as the models do; null: the task's own"
    )
    threads: int = Field(default=1, gt=0)


class Quantised(Record):
    """A smaller model beside the one it was made of, on the same items."""

    precision: Literal["int8"]
    engine: EngineName = "ctranslate2"
    folder: str = Field(description="for ctranslate2 without the tokenizer, which is the model's own")
    sha256: str = Field(description="of its file of weights")
    split: str
    split_sha256: str
    same_answers: Interval = Field(description="share of the items to which it writes the same, word for word")
    exact: Interval
    exact_before: Interval = Field(description="of the model as it was trained, by the same engine in float32")
    paired: Paired = Field(description="the smaller one against it, by their verdicts on the same items")
    bytes: int
    bytes_before: int = Field(description="of the model's files of weights")
    answering_seconds: float | None = Field(description="null for vLLM, which was not what answered")
    answering_seconds_before: float

    @property
    def loses(self) -> bool:
        """Whether it is worse by more than chance explains."""
        return self.paired.high < 0


def quantise(job: QuantiseJob, folder: Path) -> dict[str, object]:
    """Runs the job. Raises ValueError where the split is not the one recorded, NotAvailable where this CPU cannot run it, and
    ToolFailed where the model cannot be converted."""
    import ctranslate2

    ours = job.engine == "ctranslate2"
    if ours and job.precision not in ctranslate2.get_supported_compute_types("cpu"):
        raise NotAvailable(f"ctranslate2 cannot run {job.precision} on this machine's processor")
    if file_sha256(job.split) != job.split_sha256:
        raise ValueError(f"{job.split.name} is not the file whose hash was recorded when it was made")
    items = read_examples(job.split)[: job.items]
    before, before_s = _answers(job, job.model, items, "float32")
    small, after, after_s = _for_ctranslate2(job, items) if ours else _for_vllm(job, items, folder)
    skill = job.load_skill()
    right_before, right = (
        [skill.verify(job.task, item.prompt, text).exact for item, text in zip(items, texts, strict=True)]
        for texts in (before, after)
    )
    weights = small / WEIGHTS[job.engine]
    same = sum(one == other for one, other in zip(before, after, strict=True))
    return Quantised(
        precision=job.precision,
        engine=job.engine,
        folder=str(small),
        sha256=file_sha256(weights),
        split=job.split.stem,
        split_sha256=job.split_sha256,
        same_answers=wilson(same, len(items)),
        exact=wilson(sum(right), len(items)),
        exact_before=wilson(sum(right_before), len(items)),
        paired=pair(right, right_before),
        bytes=weights.stat().st_size,
        bytes_before=sum(file.stat().st_size for file in job.model.glob("*.safetensors")),
        answering_seconds=round(after_s, 3) if ours else None,
        answering_seconds_before=round(before_s, 3),
    ).model_dump()


def _for_ctranslate2(job: QuantiseJob, items: Sequence[Example]) -> tuple[Path, list[str], float]:
    answers = _answers(job, job.model, items, job.precision)
    return converted(job.model, precision=job.precision), *answers


def _for_vllm(job: QuantiseJob, items: Sequence[Example], folder: Path) -> tuple[Path, list[str], float]:
    """The smaller model in the job's folder, and what its weights answer."""
    small, plain = folder / "model", folder / "written-out"
    for left in (small, plain):  # by a job that was ended in between
        shutil.rmtree(left, ignore_errors=True)
    write_int8(job.model, small)
    try:
        return small, *_answers(job, written_out(small, plain), items, "float32")
    finally:
        shutil.rmtree(plain, ignore_errors=True)


def _answers(job: QuantiseJob, model: Path, items: Sequence[Example], precision: Precision) -> tuple[list[str], float]:
    """Greedy answers, and the seconds that writing them took."""
    engine = CpuEngine.open(model, threads=job.threads, precision=precision)
    prompts = [engine.encode_chat([{"role": "user", "content": item.prompt}]) for item in items]
    limit = job.answer_tokens or job.load_skill().tasks[job.task].max_completion_tokens + 1
    began = time.monotonic()
    answers = engine.generate(
        prompts,
        Settings(max_tokens=limit),
        batch_size=BATCH,
        on_progress=lambda done, total: progress(done, total, "answers", what=f"the model in {precision}"),
    )
    return [one.text for one in answers], time.monotonic() - began


if __name__ == "__main__":
    main(QuantiseJob, quantise)
