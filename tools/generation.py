"""The data job: makes examples in reverse, verifies each one, and keeps training apart from the held-out splits.

Work is cut into blocks named by (seed, block): a finished shard file is never made again, and whoever makes a block makes
the same one. Held-out splits are written first; a training example that is one of theirs under the skill's symmetries
is dropped.
"""

import gc
import hashlib
import json
import math
import multiprocessing
import os
import time
from collections.abc import Generator, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from pydantic import Field

from ..skills.protocol import Example, Skill
from .jobs import SkillJob, TimedJob, main, progress, write_atomic

SHARD_EXAMPLES = 2048
HELD_OUT_FILE = "held-out.canonical.json"
"""Canonical forms of all held-out items."""

HELD_OUT_BLOCK = 2_000_000
"""First block number of held-out examples, far above any training block."""


class GenerateJob(SkillJob, TimedJob):
    """Brings the data folder up to `examples` training examples and writes the held-out splits when they are missing."""

    seed: int
    data_folder: Path
    examples: int = Field(gt=0)
    splits: tuple[str, ...]
    held_out_items: int = Field(gt=0)
    workers: int = Field(gt=0)
    own_questions: Path | None = Field(default=None, description="the user's own examples, solved; trained on first")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def generate(job: GenerateJob, folder: Path) -> dict[str, object]:
    """Runs or continues the job; returns the figures of result.json but for its seconds."""
    job.data_folder.mkdir(parents=True, exist_ok=True)
    splits = _held_out(job)
    blocks, made, counts = 0, 0, list[dict[str, int]]()
    # Examples that are dropped leave a shard short, so that more blocks than reckoned may be needed.
    while made < job.examples:
        blocks += math.ceil((job.examples - made) / SHARD_EXAMPLES)
        _make_missing(job, blocks)
        counts = [json.loads(_counts(job, block).read_text(encoding="utf-8")) for block in range(blocks)]
        if (now := sum(count["examples"] for count in counts)) == made:
            raise ValueError(
                f"task {job.task!r} yields no more examples that are not held out: {made} of {job.examples}"
            )
        made = now
    shards, own = [_shard(job, block) for block in range(blocks)], 0
    if job.own_questions is not None:
        shard, count = _own_shard(job, job.own_questions)
        own = count["examples"]
        shards, counts, made = [shard, *shards], [count, *counts], made + own
    return {
        "examples": made,
        "shards": [path.name for path in shards],
        "sha256": hashlib.sha256("".join(file_sha256(path) for path in shards).encode()).hexdigest(),
        "splits": splits,
        "dropped_as_leaks": sum(count["dropped_as_leaks"] for count in counts),
        "rejected_by_verifier": sum(count["rejected_by_verifier"] for count in counts),
        "own_examples": own,
    }


def _own_shard(job: GenerateJob, path: Path) -> tuple[Path, dict[str, int]]:
    """The user's own examples without those that are held out, as a shard, and their counts."""
    skill = job.load_skill()
    held_out = set(json.loads((job.data_folder / HELD_OUT_FILE).read_text(encoding="utf-8")))
    given = [Example(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    verified = [example for example in given if skill.check(job.task, example)]
    kept = [example for example in verified if skill.canonical(job.task, example.prompt) not in held_out]
    shard = job.data_folder / f"train-{path.stem}.jsonl"
    write_atomic(shard, _text(kept))
    return shard, {
        "examples": len(kept),
        "dropped_as_leaks": len(verified) - len(kept),
        "rejected_by_verifier": len(given) - len(verified),
    }


def _make_missing(job: GenerateJob, blocks: int) -> None:
    """Makes the shards that are not there yet, side by side."""
    missing = [block for block in range(blocks) if not _shard(job, block).exists()]
    workers = [
        multiprocessing.Process(target=_make_blocks, args=(job, missing[first :: job.workers]), daemon=True)
        for first in range(min(job.workers, len(missing)))
    ]
    for worker in workers:
        worker.start()
    try:
        _watch(job, workers, blocks)
    finally:
        for worker in workers:
            worker.terminate()
    if failed := [worker.exitcode for worker in workers if worker.exitcode]:
        raise RuntimeError(f"{len(failed)} of {len(workers)} data workers failed, exit codes {failed}; see stderr.log")


def _shard(job: GenerateJob, block: int) -> Path:
    return job.data_folder / f"train-{block:05d}.jsonl"


def _counts(job: GenerateJob, block: int) -> Path:
    return job.data_folder / f"train-{block:05d}.counts.json"


def _verified(skill: Skill, task: str, seed: int, block: int, count: int) -> list[Example]:
    made = skill.make(task, seed=seed, block=block, count=count)
    return [example for example in made if skill.check(task, example)]


def _text(examples: Sequence[Example]) -> str:
    return "".join(json.dumps(asdict(example)) + "\n" for example in examples)


def _held_out(job: GenerateJob) -> list[dict[str, object]]:
    """The splits, made when they are missing: verified examples, all different under the symmetries."""
    complete = job.data_folder / HELD_OUT_FILE  # written last
    if not complete.exists():
        _make_held_out(job, complete)
    return [_described(job, name) for name in job.splits]


def _described(job: GenerateJob, name: str) -> dict[str, object]:
    path = job.data_folder / f"{name}.jsonl"
    with path.open("rb") as lines:
        count = sum(1 for _ in lines)
    return {"name": name, "path": path.name, "n": count, "sha256": file_sha256(path)}


def _make_held_out(job: GenerateJob, complete: Path) -> None:
    skill = job.load_skill()
    seen: set[str] = set()
    block = HELD_OUT_BLOCK
    for name in job.splits:
        chosen: list[Example] = []
        # A bounded number of blocks: a task with too few different items must end in an error, not in a loop.
        for _ in range(20):
            for example in _verified(skill, job.task, job.seed, block, job.held_out_items):
                key = skill.canonical(job.task, example.prompt)
                if key not in seen and len(chosen) < job.held_out_items:
                    seen.add(key)
                    chosen.append(example)
            block += 1
            if len(chosen) == job.held_out_items:
                break
        else:
            raise ValueError(f"task {job.task!r} has only {len(chosen)} different items for split {name!r}")
        write_atomic(job.data_folder / f"{name}.jsonl", _text(chosen))
    write_atomic(complete, json.dumps(sorted(seen)))


def _make_blocks(job: GenerateJob, blocks: Sequence[int]) -> None:
    skill = job.load_skill()
    held_out = set(json.loads((job.data_folder / HELD_OUT_FILE).read_text(encoding="utf-8")))
    for block in blocks:
        text, counts = make_shard(skill, job.task, seed=job.seed, block=block, held_out=held_out)
        write_atomic(_counts(job, block), json.dumps(counts))
        write_atomic(_shard(job, block), text)


def make_shard(skill: Skill, task: str, *, seed: int, block: int, held_out: Set[str]) -> tuple[str, dict[str, int]]:
    """The verified examples of a block that are not held out, a line of JSON each, and their counts."""
    with _no_collections():
        examples = _verified(skill, task, seed, block, SHARD_EXAMPLES)
        kept = [example for example in examples if skill.canonical(task, example.prompt) not in held_out]
        counts = {
            "examples": len(kept),
            "dropped_as_leaks": len(examples) - len(kept),
            "rejected_by_verifier": SHARD_EXAMPLES - len(examples),
        }
        return _text(kept), counts


@contextmanager
def _no_collections() -> Generator[None]:
    """Keeps the collector of cycles from walking through all that a skill's memos hold: up to an eighth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _watch(job: GenerateJob, workers: Sequence[multiprocessing.Process], blocks: int) -> None:
    """Reports progress until the workers end; shard files themselves are the count."""
    while True:
        alive = any(worker.is_alive() for worker in workers)
        done = sum(_shard(job, block).exists() for block in range(blocks))
        progress(done * SHARD_EXAMPLES, blocks * SHARD_EXAMPLES, "examples")
        if not alive:
            break
        time.sleep(0.25)
    for worker in workers:
        worker.join()


def available_workers() -> int:
    """Processes worth starting: the processors this process may run on."""
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    main(GenerateJob, generate)
