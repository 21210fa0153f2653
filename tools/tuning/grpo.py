"""GRPO on a verifier's reward, over TRL's trainer: the model answers, a callable scores, better answers become likelier."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import gc
import importlib
import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from ...skills import load as load_skill
from ...state.errors import Correctable, ToolFailed
from ..jobs import report
from .careful import Keeper, careful
from .loading import require
from .memory import without_vllm
from .rollouts import START_ERRORS, keep_vllm_quiet, rollouts_here, undone_on_error, vllm_arguments, with_vllm
from .rows import read_lines
from .specs import GrpoJob
from .start import Session, arguments, begin, finish, learn, load_again, thinned

Reward = Callable[[str, str, dict[str, Any]], float]
"""Prompt, completion and the shard's line, to a number: the higher, the better."""

READABLE_REWARD = 0.1  # assumption: enough to prefer the right form among wrong answers, far less than being right


def reinforce(job: GrpoJob, folder: Path) -> dict[str, object]:
    """Runs or continues the job in its folder; returns the figures of result.json."""
    require("trl", "datasets")
    engine = rollouts_here(job)
    reward = reward_named(job.reward, job.skill_data)
    _check_batch(job)
    a_batch = job.prompts_per_step * job.answers_per_prompt // job.gradient_accumulation
    session = begin(
        job,
        folder,
        batch_tokens=a_batch * (job.max_prompt_tokens + job.max_answer_tokens),
        copies=1.0 if job.kl_weight else 0.0,
        beside=partial(with_vllm, job) if engine == "vllm" else None,
    )
    prompts = _prompts(session)
    trainer = _trainer(session, prompts, reward, a_batch)
    engine = "vllm" if trainer.args.use_vllm else "transformers"
    if session.is_first:
        report("note", text=f"rollouts: {engine} writes the answers")
    stopped_by = learn(session, trainer)
    rewards = session.progress.rewards
    tenth = max(1, len(rewards) // 10)
    return finish(
        session,
        trainer,
        stopped_by,
        {
            "prompts": len(prompts),
            "rollouts": engine,
            "rewards": thinned(rewards),
            "reward_first": sum(rewards[:tenth]) / tenth if rewards else math.nan,
            "reward_last": sum(rewards[-tenth:]) / tenth if rewards else math.nan,
        },
    )


def reward_named(name: str, skill_data: Path | None = None) -> Reward:
    """The reward of a job file; a skill is opened over given examples where there are any. Raises Correctable where there is none of
    that name."""
    first, _, rest = name.partition(":")
    if first == "skill":
        skill_name, _, task = rest.partition(":")
        return _skill_reward(skill_name, task, skill_data)
    try:
        found: object = getattr(importlib.import_module(first), rest or "reward")
    except (ImportError, AttributeError, ValueError) as error:
        raise Correctable(
            f"reward {name!r} cannot be imported ({error}): write 'module:function' of a module on PYTHONPATH, or 'skill:NAME:TASK'"
        ) from error
    if not callable(found):
        raise Correctable(f"reward {name!r} is no function; it is called with prompt, completion and the shard's line")
    return cast("Reward", found)


def _skill_reward(skill_name: str, task: str, data: Path | None) -> Reward:
    skill = load_skill(skill_name, data)
    if task not in skill.tasks:
        raise Correctable(f"skill {skill_name!r} has no task {task!r}; valid: {', '.join(sorted(skill.tasks))}")

    def reward(prompt: str, completion: str, line: dict[str, Any]) -> float:
        found = skill.verify(task, prompt, completion)
        return 1.0 if found.exact else READABLE_REWARD if found.parsed else 0.0

    return reward


def _check_batch(job: GrpoJob) -> None:
    answers = job.prompts_per_step * job.answers_per_prompt
    if answers % job.gradient_accumulation:
        raise Correctable(
            f"prompts_per_step x answers_per_prompt is {answers}, which gradient_accumulation {job.gradient_accumulation} does not "
            "divide: choose a divisor"
        )


def _prompts(session: Session) -> list[dict[str, Any]]:
    """Prompts as conversations, each with its line. Raises Correctable where a line has none or all are too long."""
    job, tokenizer = session.job, session.tokenizer
    assert isinstance(job, GrpoJob)
    found: list[dict[str, Any]] = []
    too_long = 0
    for where, line in read_lines(job.shards):
        prompt = line.get("prompt")
        if not isinstance(prompt, str):
            raise Correctable(f"{where} holds {', '.join(sorted(line)) or 'nothing'}; a line needs the text prompt")
        messages = [{"role": "user", "content": prompt}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        if len(tokenizer(text, add_special_tokens=False)["input_ids"]) > job.max_prompt_tokens:
            too_long += 1
        else:
            found.append({"prompt": messages, "line": json.dumps(line)})
    if not found:
        raise Correctable(
            f"no prompt is left: {too_long} are longer than max_prompt_tokens {job.max_prompt_tokens}; raise it or add prompts"
        )
    if too_long and session.is_first:
        report("note", text=f"{too_long} prompts are longer than max_prompt_tokens {job.max_prompt_tokens}: left out")
    return found


def _trainer(session: Session, prompts: Sequence[dict[str, Any]], reward: Reward, a_batch: int) -> Any:
    """With vLLM where memory is set aside for it; a job that left the choice open does without it where it does not start."""
    job = session.job
    assert isinstance(job, GrpoJob)
    keep_vllm_quiet()
    vllm = vllm_arguments(job, session.memory)
    try:
        with undone_on_error():
            return _made(session, job, prompts, reward, a_batch, vllm)
    except START_ERRORS as error:
        if not vllm:
            raise
        if job.rollouts == "vllm":
            raise ToolFailed(
                f"vLLM did not start in the training's process: {error}; rollouts 'transformers' does without it"
            ) from error
        report("note", text=f"vLLM did not start in the training's process: {error}")
    session.memory = without_vllm(session.memory)
    load_again(session)
    gc.collect()  # what vLLM and the first trainer held of the GPU is free
    return _made(session, job, prompts, reward, a_batch, {})


def _made(
    session: Session,
    job: GrpoJob,
    prompts: Sequence[dict[str, Any]],
    reward: Reward,
    a_batch: int,
    vllm: dict[str, Any],
) -> Any:
    from datasets import Dataset
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    given = GRPOConfig(
        **arguments(session),
        per_device_train_batch_size=a_batch,
        num_generations=job.answers_per_prompt,
        max_completion_length=job.max_answer_tokens,
        max_steps=job.steps,
        temperature=job.temperature,
        beta=job.kl_weight,
        **vllm,
    )
    keeper = Keeper(
        job, session.folder, session.progress, job.steps, lambda step: int(trainer.state.num_input_tokens_seen)
    )
    trainer = careful(GRPOTrainer, keeper)(
        model=session.model,
        reward_funcs=scored(reward, session.progress.rewards),
        args=given,
        train_dataset=Dataset.from_list(list(prompts)),
        processing_class=session.tokenizer,
    )
    keeper.attach(trainer)
    return trainer


def scored(reward: Reward, means: list[float]) -> Callable[..., list[float]]:
    """The reward as TRL calls it, on lists; the mean of each call is added to `means`. Raises Correctable naming a bad reward."""

    def score(prompts: list[Any], completions: list[Any], line: list[str], **others: Any) -> list[float]:
        found: list[float] = []
        for prompt, completion, one in zip(prompts, completions, line, strict=True):
            value = float(reward(prompt[-1]["content"], completion[0]["content"], json.loads(one)))
            if not math.isfinite(value):
                raise Correctable(
                    f"the reward of {completion[0]['content']!r} is {value!r}: it must be a finite number"
                )
            found.append(value)
        means.append(sum(found) / len(found))
        return found

    score.__name__ = "reward"
    return score
