"""Reverse synthetic data: the tool over the data job."""

from pathlib import Path
from typing import Any

from pydantic import Field

from ..skills.given.folder import LABELLED, TRAIN
from ..state.brief import Record
from ..state.errors import ToolFailed
from ..state.numbers import AS_SAID, shown
from ..state.run import Data, GivenFacts, RunState, Split
from .base import Context, Cost, Tool, on_server
from .candidates import new_tokens
from .costs import (
    GENERATION_MINUTES,
    clock_s,
    examples_needed,
    generation_minutes,
    generation_usd,
    mixed_examples_needed,
)
from .emphasis import kept_shares
from .generation import SHARD_EXAMPLES, GenerateJob, Mix, available_workers, file_sha256
from .taught_data import FEWEST_TAUGHT, taught, with_lengths, without_lessons, written_lessons
from .teaching.budget import lessons_due, lessons_usd
from .waiting import JobRequest, run

DATA_FOLDER = "data"
DEVELOPMENT = "dev"
MOST_OVER_NEEDED = 2
"""Times the examples a plan needs that may be made for it: the money reserved is for about as many as it needs."""


def sealed_split(opening: int) -> str:
    """Name of the sealed split for the n-th time the judge opens one; each is opened once."""
    return f"sealed-{opening}"


class GenerateData(Record):
    """Makes verified training examples in reverse, answer first, and seals the test splits before any training. Call it
    again with a larger number to extend the data; what exists is kept."""

    examples: int = Field(gt=0, le=5_000_000, description="training examples wanted in all")


def _run(context: Context, args: GenerateData) -> Data:
    if context.state.given is not None:
        return _given(context, context.state.given)
    folder, own = context.run_folder / DATA_FOLDER, context.state.own_data
    offer = context.state.known_plan.offer
    job = GenerateJob(
        skill=context.brief.skill,
        task=context.brief.task,
        seed=context.settings.seed,
        data_folder=folder,
        examples=args.examples,
        splits=(DEVELOPMENT, *(sealed_split(number) for number in range(1, context.settings.max_attempts + 1))),
        held_out_items=context.settings.held_out_items,
        workers=available_workers(),
        own_questions=context.run_folder / own.path if own else None,
        mix=_mix(context),
        wall_clock_s=clock_s(GENERATION_MINUTES, offer),
    )
    request = JobRequest(module="stratos.tools.generation", job=job, folder=context.step_folder, offer=offer)
    result: dict[str, Any] = run(context.executor, request, context.emit)
    names: list[str] = result.pop("shards")
    mixed: list[str] = result.pop("mixed", [])
    splits: list[dict[str, Any]] = result.pop("splits")
    held_out = tuple(Split.model_validate({**split, "path": str(Path(DATA_FOLDER, split["path"]))}) for split in splits)
    _check_seals(context.state.data, held_out)
    shards = tuple(str(Path(DATA_FOLDER, name)) for name in names)
    return Data(
        shards=shards,
        splits=held_out,
        own_sha256=own.sha256 if own else "",
        mixed=tuple(str(Path(DATA_FOLDER, name)) for name in mixed),
        mix=job.mix.number if job.mix else 0,
        **result,
    )


def _mix(context: Context) -> Mix | None:
    """The examples by family that the plan's training is given, or None where all are as they come."""
    state, plan = context.state, context.state.known_plan
    if not plan.emphasis:
        return None
    new = new_tokens(state.attempts, plan.candidate.student, plan.candidate.train_tokens)
    return Mix(
        number=len(state.attempts) + 1,
        examples=mixed_examples_needed(state, new),
        kept=kept_shares(plan.emphasis),
    )


def _given(context: Context, given: GivenFacts) -> Data:
    """The user's own examples, which were split and sealed when they were taken, and what a teacher writes to them where that is
    wanted. Raises ToolFailed when they changed since."""
    train = f"{given.folder}/{TRAIN}.jsonl"
    hashes = {train: given.train_sha256, **{split.path: split.sha256 for split in given.splits}}
    changed = [name for name, sha256 in hashes.items() if file_sha256(context.run_folder / name) != sha256]
    if changed:
        raise ToolFailed(f"the examples changed after they were taken: {', '.join(changed)}")
    data = Data(
        examples=given.train,
        shards=(train,),
        sha256=given.train_sha256,
        splits=given.splits,
        dropped_as_leaks=0,
        rejected_by_verifier=0,
        seconds=0.0,
    )
    if not lessons_due(context.state):
        return data
    assert context.state.complexity is not None
    lessons, seconds = written_lessons(context, given)
    if lessons.questions < FEWEST_TAUGHT:
        left = without_lessons(context.state.complexity, lessons)
        return data.model_copy(update={"seconds": seconds, "lessons": lessons, "complexity": left})
    now = taught(context, given, lessons)
    changes = {
        "examples": now.train,
        "shards": (f"{now.folder}/{TRAIN}.jsonl",),
        "sha256": now.train_sha256,
        "seconds": seconds,
        "labelled": (f"{now.folder}/{LABELLED}.jsonl",),
        "lessons": lessons,
        "given": now,
        "complexity": with_lengths(context, now, context.state.complexity),
    }
    return data.model_copy(update=changes)


def _check_seals(before: Data | None, now: tuple[Split, ...]) -> None:
    """Raises ToolFailed when a held-out split is no longer the file that was sealed."""
    if before is not None and (changed := sorted({split.name for split in set(now) ^ set(before.splits)})):
        raise ToolFailed(f"held-out splits changed after they were sealed: {', '.join(changed)}")


def _estimate(context: Context, args: GenerateData) -> Cost:
    state, price = context.state, context.state.known_plan.offer.usd_per_hour
    basis = f"at most {generation_minutes(state):g} minutes at ${shown(price, AS_SAID)} an hour"
    written = lessons_usd(state)
    basis += f", and up to ${written:,.4f} for what the teacher writes" if written > 0 else ""
    return on_server(state.known_plan.offer, generation_usd(state), basis, beside_usd=written)


def _apply(state: RunState, result: Data) -> RunState:
    before = state.data.seconds if state.data else 0.0
    data = result.model_copy(update={"seconds": before + result.seconds, "given": None, "complexity": None})
    changes: dict[str, object] = {"data": data}
    if result.complexity is not None:
        changes |= {"complexity": result.complexity, "given": result.given or state.given}
        # The plan was to teach what no teacher could write: another is made.
        changes |= {} if result.given is not None else {"choice": None}
    return state.model_copy(update=changes)


def _usd(context: Context, result: Data) -> float:
    written = result.lessons.usd if result.lessons else 0.0
    return written + result.seconds / 3600 * context.state.known_plan.offer.usd_per_hour


def _needs(state: RunState, args: GenerateData) -> str | None:
    if not state.has_plan:
        return "there is no plan yet: call solve_pareto first"
    needed = examples_needed(state, state.known_plan.candidate.train_tokens)
    if args.examples > max(MOST_OVER_NEEDED * needed, SHARD_EXAMPLES):
        return f"the plan needs {needed:,} examples; at most {MOST_OVER_NEEDED} times as many may be made for it"
    return None


GENERATE_DATA = Tool(
    name="generate_data",
    args=GenerateData,
    result=Data,
    kind="effect",
    needs=_needs,
    run=_run,
    apply=_apply,
    estimate=_estimate,
    settle=_usd,
)
