"""The training recipe: builds a student from scratch, teaches it, checkpoints, resumes exactly, saves it for anyone to load.

Warm-up, constant rate, linear decay; the state before the decay is kept, so that a longer training is a continuation.
"""

# pyright: reportUnknownMemberType=false

import math
import time
from pathlib import Path
from typing import Any

from ...skills.protocol import SPECIAL_TOKENS
from ...state.evidence import DIVERGED, NO_BETTER
from ..jobs import progress, report
from ..tracking import Draw, drawn
from . import checkpoints
from .batches import Batch, batches, encode_shards, examples_per_batch
from .lessons import lesson_of
from .optimiser import MuonWithAdamW
from .students import TrainJob
from .tokenizer import build_tokenizer
from .validation import PATIENCE, READINGS, Watch

MODEL_FOLDER, UNTRAINED_FOLDER = "model", "untrained"
"""Where a job leaves its student, and the same student as it was before the first step: a control."""

REPORT_EVERY_S = 0.5
DRAW_EVERY_BATCHES = 10
CLIP = 1.0


def train(job: TrainJob, folder: Path) -> dict[str, object]:
    """Runs or continues the job in its folder; returns the figures of result.json."""
    import torch

    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    run = _Training(job, folder)
    run.export(UNTRAINED_FOLDER)
    with drawn(job.tracker, folder) as draw:
        stopped_by = run.learn(draw)
    run.export(MODEL_FOLDER)
    return {
        "model": str(folder / MODEL_FOLDER),
        "parameters": sum(weight.numel() for weight in run.model.parameters()),
        "tokens": run.tokens,
        "batches": run.number,
        "epochs": round(run.epochs, 3),
        "loss": run.loss,
        "stopped_by": stopped_by,
        "cpu_seconds": round(run.cpu_seconds, 1),
        "seconds": round(run.seconds, 1),
        "curve": run.curve,
    }


def learning_rate_scale(job: TrainJob, tokens: int, planned: int) -> float:
    """Share of the full rate after that many tokens of those planned: up over the warm-up, flat, down to zero over the decay."""
    warm = min(1.0, (tokens + 1) / job.warm_up_tokens) if job.warm_up_tokens else 1.0
    decay = min(1.0, max(0.0, planned - tokens) / (planned * job.decay_share))
    return min(warm, decay)


def build_student(job: TrainJob) -> tuple[Any, Any]:
    """A fresh LlamaForCausalLM in float32 and its tokenizer."""
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    skill = job.load_skill()
    task = skill.tasks[job.task]
    max_tokens = task.max_prompt_tokens + task.max_completion_tokens + 3  # <bos>, <answer> and <eos>
    tokenizer = build_tokenizer(skill, max_tokens)
    shape = job.student
    config = LlamaConfig(
        vocab_size=len(SPECIAL_TOKENS) + len(skill.vocabulary),
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=max_tokens,
        tie_word_embeddings=True,
        initializer_range=0.02,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype=torch.float32,
    )
    model = LlamaForCausalLM(config)
    # Measured faster than sdpa on a CPU for sequences this short (9.5k against 6.6k tokens a CPU-second at 0.8M).
    model.set_attn_implementation("eager")
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    return model, tokenizer


class _Training:
    """One training in one process: the model, where it stands, and the clock."""

    def __init__(self, job: TrainJob, folder: Path) -> None:
        self.job, self.folder = job, folder
        self.model, self.tokenizer = build_student(job)
        shards = encode_shards(job.load_skill(), job.target, job.shards)
        self.rows = [row for rows in shards for row in rows]
        if not self.rows:
            raise ValueError(f"the shards hold no examples: {[str(shard) for shard in job.shards]}")
        self.lesson = lesson_of(job, self.model, self.tokenizer, shards)
        self.optimiser = MuonWithAdamW(
            self.model,
            rate_matrices=job.learning_rate_matrices,
            rate_rest=job.learning_rate_rest,
            beside=self.lesson.parameters(),
        )
        self.number = 0  # batches done
        self.tokens = 0
        self.loss = math.nan
        self.epochs = 0.0
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.curve: list[tuple[int, float]] = []
        self.planned = job.tokens
        """Tokens to be read in all: fewer than the job's where the validation told so."""
        self._watch = self._validation()
        self._trunk_saved = False

    def learn(self, draw: Draw) -> str:
        """Trains until the tokens are used, the validation or the clock stops it; returns which."""
        self._restore()
        size = examples_per_batch(self.rows, self.job.batch_tokens)
        clock, cpu_clock, reported, saved = time.monotonic(), time.process_time(), 0.0, time.monotonic()
        stopped_by = ""
        for batch in batches(self.rows, size, self.job.seed, self.number):
            if self.tokens >= self.planned:
                break
            self._look_whether_it_gets_better()
            self._keep_trunk()
            if not self._step(batch):
                stopped_by = DIVERGED
                report("note", text=f"the loss is no longer finite after {self.tokens} tokens; stopped")
                break
            if self.number % DRAW_EVERY_BATCHES == 0:
                draw(self.tokens, loss=self.loss, rate=learning_rate_scale(self.job, self.tokens, self.planned))
            now, cpu_now = time.monotonic(), time.process_time()
            self.seconds, clock = self.seconds + now - clock, now
            self.cpu_seconds, cpu_clock = self.cpu_seconds + cpu_now - cpu_clock, cpu_now
            if now - reported > REPORT_EVERY_S:
                progress(self.tokens, self.planned, "tokens", loss=round(self.loss, 4))
                reported = now
            if now - saved > self.job.checkpoint_every_s:
                checkpoints.save_numbered(self.folder, self.number, self._state())
                saved = now
            if self.job.wall_clock_s is not None and self.seconds > self.job.wall_clock_s:
                checkpoints.save_numbered(self.folder, self.number, self._state())
                self._keep_trunk(even_early=True)
                stopped_by = "clock"
                break
        self.epochs = self.number * size / len(self.rows)
        progress(self.tokens, self.planned, "tokens", loss=round(self.loss, 4))
        return stopped_by or (NO_BETTER if self.planned < self.job.tokens else "tokens")

    def export(self, name: str) -> None:
        """Saves model and tokenizer in Hugging Face format, readable by a server under another user."""
        target = self.folder / name
        self.model.save_pretrained(target)
        self.tokenizer.save_pretrained(target)
        for path in target.glob("*.safetensors"):
            path.chmod(0o644)

    def _step(self, batch: Batch) -> bool:
        """Learns one batch; False, and nothing learned, when its loss is no finite number."""
        import torch

        batch = self.lesson.text(batch, self.number)
        loss = self.lesson.loss(batch)
        value = loss.item()
        if not math.isfinite(value):
            return False
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*self.model.parameters(), *self.lesson.parameters()], CLIP)
        self.optimiser.step(learning_rate_scale(self.job, self.tokens, self.planned))
        self.loss = value if math.isnan(self.loss) else 0.95 * self.loss + 0.05 * value
        self.number += 1
        self.tokens += batch.tokens
        if not self.curve or self.tokens >= self.curve[-1][0] + self.job.tokens / 60:
            self.curve.append((self.tokens, round(self.loss, 4)))
        return True

    def _validation(self) -> Watch | None:
        if self.job.validation is None:
            return None
        (rows,) = encode_shards(self.job.load_skill(), self.job.target, [self.job.validation])
        return Watch(rows, self.job.tokens / READINGS)

    def _look_whether_it_gets_better(self) -> None:
        """Lets the rate fall from here on where the validation tells that more of the same gives nothing."""
        if self._watch is None or self._is_decaying or not self._watch.is_due(self.tokens):
            return
        self._watch.read(self.model, self.tokens)
        if self._watch.is_over(self.loss):
            self.planned = min(self.job.tokens, round(self.tokens / (1 - self.job.decay_share)))
            report(
                "note",
                text=f"no better on the validation since {PATIENCE} readings: it ends after {self.planned:,} tokens",
            )

    @property
    def _is_decaying(self) -> bool:
        return self.tokens >= self.planned * (1 - self.job.decay_share)

    def _keep_trunk(self, *, even_early: bool = False) -> None:
        if not self._trunk_saved and (self._is_decaying or even_early):
            checkpoints.save(self.folder / checkpoints.TRUNK, self._state())
            self._trunk_saved = True

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "beside": [weight.detach() for weight in self.lesson.parameters()],
            "optimiser": self.optimiser.state_dict(),
            "number": self.number,
            "tokens": self.tokens,
            "loss": self.loss,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "curve": self.curve,
            "planned": self.planned,
            "validation": self._watch.state() if self._watch else None,
        }

    def _restore(self) -> None:
        state, troubles = checkpoints.newest(self.folder)
        lengthened = state is None and self.job.continue_from is not None
        for trouble in troubles:
            report("note", text=f"{trouble}; falling back to the one before")
        if state is None and self.job.continue_from is not None:
            state = checkpoints.load(self.job.continue_from / checkpoints.TRUNK)
        if state is None:
            return
        beside, saved = self.lesson.parameters(), state.get("beside", [])
        if len(beside) != len(saved):
            raise ValueError(
                f"the training to continue had {len(saved)} weights beside its student, this one has {len(beside)}: "
                "hidden states are matched from the start or not at all"
            )
        self.model.load_state_dict(state["model"])
        for weight, value in zip(beside, saved, strict=True):
            weight.data.copy_(value)
        self.optimiser.load_state_dict(state["optimiser"])
        self.number, self.tokens, self.loss = state["number"], state["tokens"], state["loss"]
        if not lengthened:  # seconds count this job's work alone; an earlier job's are in its own result
            self.seconds, self.cpu_seconds = state["seconds"], state["cpu_seconds"]
            self.planned = state.get("planned", self.job.tokens)
        if self._watch is not None and state.get("validation") is not None:
            self._watch.restore(state["validation"])
        self.curve = [(tokens, loss) for tokens, loss in state["curve"]]
        self._trunk_saved = (self.folder / checkpoints.TRUNK).exists()
        report("note", text=f"continuing after {self.tokens} tokens")
