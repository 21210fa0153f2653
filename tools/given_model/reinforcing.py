"""Reinforcement after a tuning: from which attempt's model it goes on, and its job over the skill's own verifier."""

import json
import math
from pathlib import Path

from ...state.evidence import Attempt
from ...state.run import CheckpointFacts, RunState, Tuning
from ..base import Context
from ..jobs import write_atomic
from ..training.batches import read_examples
from ..tuning.export import MODEL_FOLDER
from ..tuning.specs import GrpoJob
from .sampling import SAMPLES
from .taking import Lengths

ANSWERS, PROMPTS = SAMPLES, 4
"""Answers to a question that are compared, as many as told that they differ; and questions of a step."""


def begun_from(state: RunState) -> Attempt | None:
    """The attempt whose model a reward could still improve: of those tuned soundly the best on the development split, of equal ones
    the newest; None where its sampled answers to no question differ in being right."""
    tuned = [
        one
        for one in state.attempts
        if one.candidate.training in ("lora", "full", "grpo") and not one.diverged and one.evaluations
    ]
    best = max(tuned, key=lambda one: (one.evaluations[0].student.exact.value, one.number), default=None)
    sampled = best.evaluations[0].sampled if best else None
    return best if sampled is not None and sampled.mixed else None


def method_of(checkpoint: CheckpointFacts) -> Tuning:
    """Adapters where they fit the memory: the few bits that a reward tells need no more weights."""
    return checkpoint.tunings[0]


def grpo_job(
    context: Context, checkpoint: CheckpointFacts, learning_rate: float, wall_clock_s: float | None
) -> GrpoJob:
    """The job of a plan whose training is `grpo`, its questions written beside it: those whose right answer the verifier knows."""
    state, candidate, brief = context.state, context.state.known_plan.candidate, context.brief
    base, tuning = begun_from(state), method_of(checkpoint)
    assert base is not None
    assert state.data is not None
    learned, labelled = (
        [one for shard in shards for one in read_examples(context.run_folder / shard)]
        for shards in (state.data.shards, state.data.labelled_shards)
    )
    model = context.run_folder / base.job_folder / MODEL_FOLDER
    lengths = Lengths.of(model, context.load_skill(), learned, candidate.strategy)
    room = (checkpoint.model.context_tokens or math.inf) - lengths.longest_prompt
    most_answered = max(1, round(min(lengths.answer_limit, room)))
    context.step_folder.mkdir(parents=True, exist_ok=True)
    return GrpoJob(
        model=model,
        shards=(_questions(context.step_folder, [one.prompt for one in labelled]),),
        method=tuning.training,
        reward=f"skill:{brief.skill}:{brief.task}",
        skill_data=context.skill_data,
        steps=max(1, round(candidate.train_tokens / (ANSWERS * PROMPTS * lengths.mean))),
        answers_per_prompt=ANSWERS,
        prompts_per_step=PROMPTS,
        max_prompt_tokens=lengths.longest_prompt,
        max_answer_tokens=most_answered,
        gradient_accumulation=_accumulation(tuning, lengths.longest_prompt + most_answered),
        gradient_checkpointing=tuning.checkpointing,
        learning_rate=learning_rate,
        seed=context.settings.seed + base.number,  # going on from another attempt, the questions come in another order
        threads=context.settings.threads,
        tracker=context.settings.tracker,
        wall_clock_s=wall_clock_s,
    )


def _questions(folder: Path, prompts: list[str]) -> Path:
    path = folder / "student-questions.jsonl"
    write_atomic(path, "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in dict.fromkeys(prompts)))
    return path


def _accumulation(tuning: Tuning, longest: int) -> int:
    """The fewest batches of a step, each of which the memory takes."""
    answers = ANSWERS * PROMPTS
    fitting = (
        parts
        for parts in range(1, answers)
        if answers % parts == 0 and answers // parts * longest <= tuning.batch_tokens
    )
    return next(fitting, answers)
