"""The two job files: answers imitated (`kind` tune), and a verifier's reward climbed (`kind` grpo)."""

import hashlib
import json
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, model_validator

from ...state.brief import Record
from ..jobs import Job
from ..tracking import Tracker

Method = Literal["full", "lora", "qlora"]
METHODS: tuple[Method, ...] = get_args(Method)
Precision = Literal["float32", "bfloat16"]
RolloutEngine = Literal["transformers", "vllm"]

TUNE_RATES: dict[Method, float] = {"full": 2e-5, "lora": 2e-4, "qlora": 2e-4}
"""AdamW's usual rates for models of a billion weights and more; an adapter takes ten times the full model's (QLoRA, arXiv 2305.14314,
trains at 2e-4). Models of a few million weights learn faster with 1e-3."""

GRPO_RATES: dict[Method, float] = {"full": 1e-6, "lora": 1e-5, "qlora": 1e-5}
"""TRL's default (DeepSeekMath, arXiv 2402.03300, 4.2), and the same ten times of it."""

ATTENDANT = frozenset({"wall_clock_s", "checkpoint_every_s", "memory_limit_gib", "threads", "tracker"})
"""Fields that do not decide what is learned: they may change when a job is continued."""


class Adapter(Record):
    """The low-rank matrices of LoRA (arXiv 2106.09685), beside every linear layer but the output's."""

    rank: int = Field(default=16, gt=0)
    alpha: int = Field(default=32, gt=0, description="the adapters' product is scaled by alpha / rank")
    dropout: float = Field(default=0.0, ge=0, lt=1)


class _ModelJob(Job):
    """What both kinds say of the model, the device and the clock."""

    model: Path = Field(description="folder of the checkpoint, in Hugging Face format")
    shards: tuple[Path, ...] = Field(min_length=1, description="JSON-lines files")
    method: Method = "lora"
    adapter: Adapter = Adapter()
    chat_template: Path | None = Field(
        default=None, description="Jinja file to be used, and saved with the model, in place of the checkpoint's own"
    )
    seed: int = 0
    learning_rate: float | None = Field(default=None, gt=0, description="null: the method's usual one")
    warm_up_share: float = Field(default=0.03, ge=0, le=1, description="of all steps; then the rate falls as a cosine")
    precision: Precision | None = Field(
        default=None, description="of the arithmetic; null: bfloat16 on a GPU, float32 on a CPU"
    )
    gradient_checkpointing: bool = Field(default=False, description="less memory for about a third more time")
    gradient_accumulation: int = Field(default=1, gt=0, description="batches of one step")
    threads: int = Field(default=1, gt=0, description="of a CPU")
    wall_clock_s: float | None = Field(default=None, gt=0, description="stop with a checkpoint after this many seconds")
    checkpoint_every_s: float = Field(default=300, ge=0)
    memory_limit_gib: float | None = Field(default=None, gt=0, description="null: what the device has free")
    tracker: Tracker | None = Field(default=None, description="where curves are drawn too; both work without network")

    @property
    def course(self) -> str:
        """SHA-256 of the fields that decide what is learned."""
        fields = self.model_dump(mode="json", exclude=set(ATTENDANT))
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


class TuneJob(_ModelJob):
    """Teaches a checkpoint the answers of its shards.

    A line of a shard holds `prompt` and `completion`, or `messages` (each `role` and `content`) that end with the assistant's.
    Only what the assistant says is learned, its end token included.
    """

    kind: Literal["tune"] = "tune"
    epochs: float | None = Field(default=None, gt=0, description="null: 1 where max_tokens is null too")
    max_tokens: int | None = Field(default=None, gt=0, description="tokens read in all, padding not counted")
    max_sequence_tokens: int = Field(default=1024, gt=1, description="longer examples are left out, and counted")
    batch_tokens: int = Field(default=8192, gt=1, description="of one batch, padding included")
    validation: Path | None = Field(default=None, description="JSON-lines file, never learned; the best model is kept")
    validations: int = Field(default=10, gt=0, description="how often it is read, evenly over the steps")
    patience: int | None = Field(
        default=None, gt=0, description="stop after so many readings without a better one; null: never"
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> "TuneJob":
        if self.patience is not None and self.validation is None:
            raise ValueError("patience needs a validation file: name one, or leave patience out")
        if self.batch_tokens < self.max_sequence_tokens:
            raise ValueError(
                f"batch_tokens {self.batch_tokens} is below max_sequence_tokens {self.max_sequence_tokens}: one example must fit"
            )
        return self

    @property
    def rate(self) -> float:
        """The learning rate."""
        return self.learning_rate or TUNE_RATES[self.method]


class GrpoJob(_ModelJob):
    """Lets a checkpoint answer, scores its answers and strengthens the better ones of each prompt (GRPO, arXiv 2402.03300).

    A line of a shard holds `prompt`, and whatever the reward needs beside it.
    """

    kind: Literal["grpo"] = "grpo"
    reward: str = Field(
        description="'module:function', called with prompt, completion and the shard's line, giving a number; or 'skill:NAME:TASK', "
        "which gives 1 for what the skill's verifier finds exact and 0.1 for what it can read"
    )
    skill_data: Path | None = Field(
        default=None, description="the examples that the reward's skill is opened over, if given"
    )
    steps: int = Field(gt=0)
    answers_per_prompt: int = Field(default=8, gt=1)
    prompts_per_step: int = Field(default=4, gt=0)
    max_prompt_tokens: int = Field(default=512, gt=0, description="longer prompts are left out, and counted")
    max_answer_tokens: int = Field(default=256, gt=0)
    temperature: float = Field(default=1.0, gt=0)
    kl_weight: float = Field(default=0.0, ge=0, description="beta; above 0 a copy of the model is held as reference")
    # Not among ATTENDANT: another engine draws other samples, and other samples teach otherwise. "auto" is one course wherever it is
    # continued, as a precision of null is, though another machine may choose another engine.
    rollouts: Literal["auto", RolloutEngine] = Field(
        default="auto",
        description="what writes the answers; auto: vllm in one process where its package and a GPU are there",
    )

    @property
    def rate(self) -> float:
        """The learning rate."""
        return self.learning_rate or GRPO_RATES[self.method]


AnyJob = TuneJob | GrpoJob
