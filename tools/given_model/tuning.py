"""A plan's tunings of the user's checkpoint: lessons and validation cut from the training examples, one job after another.

A longer tuning begins from the untuned checkpoint again: its rate has fallen to nothing at the end of a shorter one.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...skills.protocol import Example
from ...state.numbers import shown
from ...state.plan import Strategy
from ...state.run import CheckpointFacts, Tuning
from ..base import Context
from ..jobs import write_atomic
from ..training.batches import read_examples
from ..tuning.export import MODEL_FOLDER
from ..tuning.specs import GRPO_RATES, TUNE_RATES, AnyJob, TuneJob
from ..waiting import JobRequest, run_all
from .reinforcing import grpo_job, method_of
from .taking import Lengths, base_model, refuse_another

VALIDATION_SHARE, FEWEST_VALIDATION, MOST_VALIDATION = 0.05, 20, 500
"""Of the examples, for the readings that end a tuning in time; the run's own splits are for judging alone."""

PATIENCE = 3
"""Readings without a better one, of ten in all."""

LOWER_RATE = 0.25
"""The learning rate after a tuning that diverged, as a share of the one before."""
SMALL_MODEL, SMALL_RATE = 50_000_000, 1e-3
"""Models of a few million weights need larger steps than the usual rates, which are of models of a billion."""
SMALL_GRPO_RATE = 1e-3
"""The same of GRPO: adapters on 0.2M weights go in 100 steps from 64 % to 76 % with it and to 75 % with three times of it."""

NOTHING_TRAINED: Mapping[str, Any] = MappingProxyType(
    {"tokens": 0, "loss": 0.0, "stopped_by": "tokens", "seconds": 0.0, "cpu_seconds": 0.0, "curve": ()}
)
"""All of the no tokens were read."""


def tuned(context: Context, wall_clock_s: float | None) -> Mapping[str, Mapping[str, Any]]:
    """The results of the student's tuning and, where ways are taught, of the one on answers alone; each had half of the time. Where
    the plan trains nothing, the student is the checkpoint as it is; reinforced is the student alone."""
    plan, checkpoint = context.state.known_plan, context.state.checkpoint
    assert checkpoint is not None
    refuse_another(checkpoint)
    if not plan.candidate.trains:
        model = base_model(context.run_folder, checkpoint, plan.candidate.strategy)
        _keep_untuned(model, context.step_folder / "student" / MODEL_FOLDER)
        return {"student": NOTHING_TRAINED}
    if plan.candidate.training == "grpo":
        return {"student": _reinforced(context, checkpoint, wall_clock_s)}
    taught: dict[str, Strategy] = {"student": plan.candidate.strategy}
    if plan.candidate.strategy == "rationale":
        taught["control"] = "answer_only"
    share_s = None if wall_clock_s is None else wall_clock_s / len(taught)
    results: dict[str, dict[str, Any]] = {}
    for name, strategy in taught.items():
        job = _job(context, checkpoint, name, strategy, share_s)
        results[name] = _in_one_form(_done(context, name, job))
    return results


def _reinforced(context: Context, checkpoint: CheckpointFacts, wall_clock_s: float | None) -> dict[str, Any]:
    job = grpo_job(context, checkpoint, _rate(context, checkpoint, method_of(checkpoint)), wall_clock_s)
    return _in_one_form(_done(context, "student", job))


def _done(context: Context, name: str, job: AnyJob) -> dict[str, Any]:
    """The result of one job in its folder, which holds a model in any case."""
    folder, offer = context.step_folder / name, context.state.known_plan.offer
    request = JobRequest(module="stratos.tools.tuning", job=job, folder=folder, threads=job.threads, offer=offer)
    result = run_all(context.executor, {name: request}, context.emit)[name]
    if result["model"] is None:
        _keep_untuned(job.model, folder / MODEL_FOLDER)
    return result


def _job(
    context: Context, checkpoint: CheckpointFacts, name: str, strategy: Strategy, wall_clock_s: float | None
) -> TuneJob:
    candidate = context.state.known_plan.candidate
    tuning = next(one for one in checkpoint.tunings if one.training == candidate.training)
    model = base_model(context.run_folder, checkpoint, strategy)
    assert context.state.data is not None
    data = context.state.data
    shards = data.shards if name == "student" else data.labelled_shards
    examples = [example for shard in shards for example in read_examples(context.run_folder / shard)]
    learned, validation = kept_apart(examples, context.settings.seed)
    skill = context.load_skill()
    # What was planned with was a sample, or examples without the ways that a teacher wrote since.
    longest = min(
        Lengths.of(model, skill, examples, strategy).longest,
        checkpoint.model.context_tokens or checkpoint.longest_tokens,
    )
    context.step_folder.mkdir(parents=True, exist_ok=True)

    def written(what: str, chosen: Sequence[Example]) -> Path:
        path = context.step_folder / f"{name}-{what}.jsonl"
        rows = (
            {"prompt": one.prompt, "completion": skill.completion(one, rationale=strategy == "rationale")}
            for one in chosen
        )
        write_atomic(path, "".join(json.dumps(row) + "\n" for row in rows))
        return path

    return TuneJob(
        model=model,
        shards=(written("lessons", learned),),
        method=tuning.training,
        max_tokens=candidate.train_tokens,
        max_sequence_tokens=longest,
        batch_tokens=max(tuning.batch_tokens, longest),
        gradient_accumulation=tuning.accumulation,
        gradient_checkpointing=tuning.checkpointing,
        validation=written("validation", validation) if validation else None,
        patience=PATIENCE if validation else None,
        learning_rate=_rate(context, checkpoint, tuning),
        seed=context.settings.seed,
        threads=context.settings.threads,
        tracker=context.settings.tracker,
        wall_clock_s=wall_clock_s,
    )


def kept_apart(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """Those to learn and those that only tell when to stop: told by seed and question, the same however often it is asked."""
    size = min(MOST_VALIDATION, max(FEWEST_VALIDATION, round(VALIDATION_SHARE * len(examples))), len(examples) // 5)

    def place(example: Example) -> bytes:
        return hashlib.sha256(f"validation:{seed}:{example.prompt}".encode()).digest()

    chosen = {example.prompt for example in sorted(examples, key=place)[:size]}
    return (
        [example for example in examples if example.prompt not in chosen],
        [example for example in examples if example.prompt in chosen],
    )


def _rate(context: Context, checkpoint: CheckpointFacts, tuning: Tuning) -> float:
    """The usual rate, lowered for every training of the plan's kind that diverged."""
    training = context.state.known_plan.candidate.training
    small, rates = (SMALL_GRPO_RATE, GRPO_RATES) if training == "grpo" else (SMALL_RATE, TUNE_RATES)
    usual = small if (checkpoint.model.parameters or SMALL_MODEL) < SMALL_MODEL else rates[tuning.training]
    diverged = sum(one.diverged and one.candidate.training == training for one in context.state.attempts)
    rate = usual * LOWER_RATE**diverged
    if diverged:
        context.emit(
            {"event": "note", "text": f"learning rate {shown(rate)}: {diverged} of {training} diverged before"}
        )
    return rate


def _in_one_form(result: Mapping[str, Any]) -> dict[str, Any]:
    """As trainings from scratch tell it: losses over tokens, and all planned tokens read is the end by tokens."""
    tokens_a_step = result["tokens"] / max(1, result["steps"])
    loss = float(result["loss"])
    return {
        "tokens": result["tokens"],
        "loss": loss if math.isfinite(loss) else 0.0,
        "stopped_by": "tokens" if result["stopped_by"] == "steps" else result["stopped_by"],
        "seconds": result["seconds"],
        "cpu_seconds": result["cpu_seconds"],
        "curve": [(round(step * tokens_a_step), loss) for step, loss in result["curve"]],
        "rewards": [(round(step * tokens_a_step), reward) for step, reward in result.get("rewards", ())],
    }


def _keep_untuned(model: Path, target: Path) -> None:
    """Where nothing was learned, or nothing good, the untuned model stands in the tuned one's place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        target.symlink_to(model, target_is_directory=True)
