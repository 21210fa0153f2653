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
from collections.abc import Generator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from pydantic import Field

from ..skills.protocol import Example, Skill
from .jobs import Job, SkillJob, TimedJob, main, progress, write_atomic

SHARD_EXAMPLES = 2048
HELD_OUT_FILE = "held-out.canonical.json"
"""Canonical forms of all held-out items."""

HELD_OUT_BLOCK = 2_000_000
"""First block number of held-out examples, far above any training block."""

MOST_HELD_OUT_BLOCKS = 20
"""Blocks that are made for each split before its task is said to have too few different items."""

MIXED_BLOCK, BLOCKS_A_MIX, BLOCKS_A_SHARD = 10_000_000, 1_000_000, 1000
"""First block number of examples that are drawn by family, blocks between two mixes, and between two shards of one."""


class Mix(Job):
    """Further examples, of some families more often than by themselves."""

    number: int = Field(gt=0, description="tells the mixes of one data folder apart: each has its own examples")
    examples: int = Field(gt=0)
    kept: Mapping[str, float] = Field(description="share of each family's examples that is kept; of others, all")


class GenerateJob(SkillJob, TimedJob):
    """Brings the data folder up to `examples` training examples and writes the held-out splits when they are missing."""

    writes = ("data_folder",)

    seed: int
    data_folder: Path
    examples: int = Field(gt=0)
    splits: tuple[str, ...]
    held_out_items: int = Field(gt=0)
    workers: int = Field(gt=0)
    own_questions: Path | None = Field(default=None, description="the user's own examples, solved; trained on first")
    mix: Mix | None = None


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
        counts = _made(job, [_Piece(number=block) for block in range(blocks)])
        if (now := sum(count["examples"] for count in counts)) == made:
            raise ValueError(
                f"task {job.task!r} yields no more examples that are not held out: {made} of {job.examples}"
            )
        made = now
    shards, own = [job.data_folder / _Piece(number=block).file for block in range(blocks)], 0
    if job.own_questions is not None:
        shard, count = _own_shard(job, job.own_questions)
        own = count["examples"]
        shards, counts, made = [shard, *shards], [count, *counts], made + own
    mixed = _mixed(job, job.mix) if job.mix else []
    return {
        "examples": made,
        "shards": [path.name for path in shards],
        "mixed": [path.name for path in mixed],
        "sha256": hashlib.sha256("".join(file_sha256(path) for path in (*shards, *mixed)).encode()).hexdigest(),
        "splits": splits,
        "dropped_as_leaks": sum(count["dropped_as_leaks"] for count in counts),
        "rejected_by_verifier": sum(count["rejected_by_verifier"] for count in counts),
        "own_examples": own,
    }


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One shard to be made: as examples come, or of a mix."""

    number: int
    mix: int = 0

    @property
    def stem(self) -> str:
        return f"mixed-{self.mix}-{self.number:05d}" if self.mix else f"train-{self.number:05d}"

    @property
    def file(self) -> str:
        return f"{self.stem}.jsonl"

    @property
    def counts_file(self) -> str:
        return f"{self.stem}.counts.json"


def _made(job: GenerateJob, pieces: Sequence[_Piece]) -> list[dict[str, int]]:
    """The counts of these shards, after those were made that are not there yet."""
    _make_missing(job, pieces)
    return [json.loads((job.data_folder / piece.counts_file).read_text(encoding="utf-8")) for piece in pieces]


def _mixed(job: GenerateJob, mix: Mix) -> list[Path]:
    """The shards of a mix, as many as its examples fill. Raises ValueError where the task yields no more of them."""
    pieces = [_Piece(number=number, mix=mix.number) for number in range(math.ceil(mix.examples / SHARD_EXAMPLES))]
    made = sum(count["examples"] for count in _made(job, pieces))
    if made < mix.examples:
        raise ValueError(f"task {job.task!r} yields {made} of {mix.examples} examples of the mix that was asked for")
    return [job.data_folder / piece.file for piece in pieces]


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


def _make_missing(job: GenerateJob, pieces: Sequence[_Piece]) -> None:
    """Makes the shards that are not there yet, side by side."""
    missing = [piece for piece in pieces if not (job.data_folder / piece.file).exists()]
    workers = [
        multiprocessing.Process(target=_make_pieces, args=(job, missing[first :: job.workers]), daemon=True)
        for first in range(min(job.workers, len(missing)))
    ]
    for worker in workers:
        worker.start()
    try:
        _watch(job, workers, pieces)
    finally:
        for worker in workers:
            worker.terminate()
    if failed := [worker.exitcode for worker in workers if worker.exitcode]:
        raise RuntimeError(f"{len(failed)} of {len(workers)} data workers failed, exit codes {failed}; see stderr.log")


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
    """All items first, then dealt to the splits by chance: where a family has few different items, the split that was drawn first
    would hold them, and the later ones would be easier."""
    skill = job.load_skill()
    chosen, wanted = dict[str, Example](), len(job.splits) * job.held_out_items
    # A bounded number of blocks: a task with too few different items must end in an error, not in a loop.
    for block in range(HELD_OUT_BLOCK, HELD_OUT_BLOCK + MOST_HELD_OUT_BLOCKS * len(job.splits)):
        for example in _verified(skill, job.task, job.seed, block, job.held_out_items):
            if len(chosen) < wanted:
                chosen.setdefault(skill.canonical(job.task, example.prompt), example)
        if len(chosen) == wanted:
            break
    else:
        raise ValueError(
            f"task {job.task!r} has only {len(chosen)} different items for {len(job.splits)} splits of {job.held_out_items} each"
        )
    items = list(chosen.values())
    Random(f"held out:{job.seed}").shuffle(items)
    for number, name in enumerate(job.splits):
        dealt = items[number * job.held_out_items : (number + 1) * job.held_out_items]
        write_atomic(job.data_folder / f"{name}.jsonl", _text(dealt))
    write_atomic(complete, json.dumps(sorted(chosen)))


def _make_pieces(job: GenerateJob, pieces: Sequence[_Piece]) -> None:
    skill = job.load_skill()
    held_out = set(json.loads((job.data_folder / HELD_OUT_FILE).read_text(encoding="utf-8")))
    for piece in pieces:
        if piece.mix:
            assert job.mix is not None
            text, counts = make_mixed_shard(skill, job.task, job.seed, piece.number, job.mix, held_out)
        else:
            text, counts = make_shard(skill, job.task, seed=job.seed, block=piece.number, held_out=held_out)
        write_atomic(job.data_folder / piece.counts_file, json.dumps(counts))
        write_atomic(job.data_folder / piece.file, text)


def make_shard(skill: Skill, task: str, *, seed: int, block: int, held_out: Set[str]) -> tuple[str, dict[str, int]]:
    """The verified examples of a block that are not held out, a line of JSON each, and their counts."""
    with _no_collections():
        kept, counts = _kept(skill, task, seed, block, held_out)
        return _text(kept), counts


def make_mixed_shard(
    skill: Skill, task: str, seed: int, number: int, mix: Mix, held_out: Set[str]
) -> tuple[str, dict[str, int]]:
    """As many verified examples as a shard has, drawn by family from block after block, and the counts of all that were made."""
    first = MIXED_BLOCK + mix.number * BLOCKS_A_MIX + number * BLOCKS_A_SHARD
    chance, chosen = Random(f"mix:{seed}:{first}"), list[Example]()
    total = {"dropped_as_leaks": 0, "rejected_by_verifier": 0}
    with _no_collections():
        # Bounded: a mix of families that hardly come by themselves ends short, not in a loop.
        for block in range(first, first + BLOCKS_A_SHARD):
            kept, counts = _kept(skill, task, seed, block, held_out)
            total = {name: total[name] + counts[name] for name in total}
            chosen += [example for example in kept if chance.random() < mix.kept.get(example.family, 1.0)]
            if len(chosen) >= SHARD_EXAMPLES:
                break
    chosen = chosen[:SHARD_EXAMPLES]
    return _text(chosen), {"examples": len(chosen), **total}


def _kept(skill: Skill, task: str, seed: int, block: int, held_out: Set[str]) -> tuple[list[Example], dict[str, int]]:
    examples = _verified(skill, task, seed, block, SHARD_EXAMPLES)
    kept = [example for example in examples if skill.canonical(task, example.prompt) not in held_out]
    return kept, {
        "examples": len(kept),
        "dropped_as_leaks": len(examples) - len(kept),
        "rejected_by_verifier": SHARD_EXAMPLES - len(examples),
    }


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


def _watch(job: GenerateJob, workers: Sequence[multiprocessing.Process], pieces: Sequence[_Piece]) -> None:
    """Reports progress until the workers end; shard files themselves are the count."""
    while True:
        alive = any(worker.is_alive() for worker in workers)
        done = sum((job.data_folder / piece.file).exists() for piece in pieces)
        progress(done * SHARD_EXAMPLES, len(pieces) * SHARD_EXAMPLES, "examples")
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
