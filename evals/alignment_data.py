"""The hands and models of the alignment eval: few labels, many prompts without any, a teacher that had plenty of them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..skills import load as load_skill
from ..skills.protocol import Example
from ..state.evidence import Z_95
from ..state.plan import Strategy, StudentShape
from ..tools.executor import LocalExecutor
from ..tools.serving.engine import Settings, open_engine
from ..tools.training.alignment import Alignment
from ..tools.training.batches import read_examples
from ..tools.training.provenance import Sampling
from ..tools.training.sequences import SequencesJob
from ..tools.training.students import TrainJob
from ..tools.training.teacher import StoreJob
from ..tools.waiting import JobRequest, run
from .mahjong import SKILL

TASK = "waits"
SHARD_ROWS = 2000


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Who learns from whom, and how much of everything."""

    teacher: StudentShape
    student: StudentShape
    labelled: int
    """Hands that the teacher learned from."""
    teacher_tokens: int
    prompts: int
    student_tokens: int
    few: int = 500
    items: int = 1000


@dataclass(frozen=True, kw_only=True)
class Data:
    """Shards; no hand is in two of them under the skill's symmetries."""

    plenty: tuple[Path, ...]
    few: tuple[Path, ...]
    prompts: tuple[Path, ...]
    """With the solver's answers, which only students that are said to have all labels see."""
    held_out: Path


@dataclass(frozen=True, kw_only=True)
class Student:
    """One training's figures and which held-out items it answered exactly."""

    right: tuple[bool, ...]
    tokens: int
    cpu_seconds: float
    epochs: float

    @property
    def share(self) -> float:
        """Share answered exactly."""
        return sum(self.right) / len(self.right)

    @property
    def tokens_per_cpu_second(self) -> float:
        """Training speed, loading and saving not counted."""
        return self.tokens / self.cpu_seconds


def make_data(task: str, sizes: Sizes, seed: int, folder: Path) -> Data:
    """Writes the hands, or finds them written."""
    counts = {"held-out": sizes.items, "few": sizes.few, "prompts": sizes.prompts, "plenty": sizes.labelled}
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        different = _different(task, seed, sum(counts.values()))
        for name, count in counts.items():
            mine, different = different[:count], different[count:]
            rows = count if name == "held-out" else SHARD_ROWS
            for number, at in enumerate(range(0, count, rows)):
                _write(folder / f"{name}-{number:03d}.jsonl", mine[at : at + rows])
        (folder / "done").touch()
    found = {name: tuple(sorted(folder.glob(f"{name}-*.jsonl"))) for name in counts}
    return Data(plenty=found["plenty"], few=found["few"], prompts=found["prompts"], held_out=found["held-out"][0])


def _different(task: str, seed: int, count: int) -> list[Example]:
    skill, found, block = load_skill(SKILL), dict[str, Example](), 0
    while len(found) < count:
        for example in skill.make(task, seed=seed, block=block, count=SHARD_ROWS):
            found.setdefault(skill.canonical(task, example.prompt), example)
        block += 1
    return list(found.values())[:count]


def _write(path: Path, examples: Sequence[Example]) -> None:
    path.write_text("".join(json.dumps(asdict(example)) + "\n" for example in examples), encoding="utf-8")


def trained(
    task: str,
    folder: Path,
    shards: Sequence[Path],
    tokens: int,
    seed: int,
    shape: StudentShape,
    alignment: Alignment | None = None,
    after: Path | None = None,
    *,
    target: Strategy = "rationale",
) -> dict[str, Any]:
    """Trains a model on one thread, or finds it trained; the figures of its job. `after`: a job whose training up to its
    decay this one goes on from, so that `tokens` are those of both."""
    job = TrainJob(
        skill=SKILL,
        task=task,
        student=shape,
        target=target,
        shards=tuple(shards),
        tokens=tokens,
        seed=seed,
        warm_up_tokens=min(100_000, tokens // 4),
        alignment=alignment,
        continue_from=after,
    )
    return run(LocalExecutor(), JobRequest(module="stratos.tools.training", job=job, folder=folder, threads=1))


def examined(task: str, folder: Path, result: dict[str, Any], held_out: Path) -> Student:
    """The trained model's greedy answers to the held-out items."""
    return Student(
        right=exact(task, folder / "model", held_out),
        tokens=result["tokens"],
        cpu_seconds=result["cpu_seconds"],
        epochs=result["epochs"],
    )


def exact(task: str, model: Path, held_out: Path) -> tuple[bool, ...]:
    """Which items a model answers exactly."""
    skill, engine, items = load_skill(SKILL), open_engine(model), read_examples(held_out)
    asked = [engine.encode_chat([{"role": "user", "content": item.prompt}]) for item in items]
    answers = engine.generate(asked, Settings(max_tokens=skill.tasks[task].max_completion_tokens + 1))
    return tuple(skill.verify(task, item.prompt, one.text).exact for item, one in zip(items, answers, strict=True))


def written_by(
    task: str, teacher: Path, shards: Sequence[Path], folder: Path
) -> tuple[tuple[Path, ...], dict[str, Any]]:
    """The teacher's own greedy completions as shards, none of them checked: a verifier would be a label."""
    job = SequencesJob(
        skill=SKILL,
        task=task,
        teacher=teacher,
        shards=tuple(shards),
        output=folder / "text",
        sampling=Sampling(verify=False),
    )
    request = JobRequest(module="stratos.tools.training.sequences", job=job, folder=folder / "job", threads=1)
    return tuple(folder / "text" / shard.name for shard in shards), run(LocalExecutor(), request)


def stored(task: str, teacher: Path, shards: Sequence[Path], folder: Path, name: str) -> dict[str, Any]:
    """Runs the teacher once over the shards; several calls may add to one store."""
    job = StoreJob(
        skill=SKILL, task=task, target="rationale", teacher=teacher, shards=tuple(shards), store=folder / "store"
    )
    request = JobRequest(module="stratos.tools.training.teacher", job=job, folder=folder / name, threads=1)
    return run(LocalExecutor(), request)


def paired_difference(one: Sequence[bool], other: Sequence[bool]) -> tuple[float, tuple[float, float]]:
    """How much larger the first's share is, and its 95 % interval from the items on which the two differ (Wald, paired)."""
    n = len(one)
    gained = sum(a and not b for a, b in zip(one, other, strict=True))
    lost = sum(b and not a for a, b in zip(one, other, strict=True))
    difference = (gained - lost) / n
    half = Z_95 * ((gained + lost) / n - difference**2) ** 0.5 / n**0.5
    return difference, (difference - half, difference + half)
