"""How well and how fast mahjong is learned: learning curves, strata, hands as in play, and the answers-only control.

`--write-curves` puts the measured points into the skill's learning_curves.csv, from which accuracy is predicted.
"""

import csv
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..skills import load as load_skill
from ..skills import skill_folder
from ..skills.mahjong import examples
from ..skills.protocol import Check, Example
from ..state.evidence import Interval, wilson
from ..state.plan import Strategy, StudentShape
from ..tools.accuracy import CURVES_FILE
from ..tools.evaluation import by_family
from ..tools.executor import LocalExecutor
from ..tools.generation import GenerateJob, available_workers
from ..tools.serving.engine import Settings, open_engine
from ..tools.training.batches import read_examples
from ..tools.training.students import TrainJob, shape_named
from ..tools.waiting import JobRequest, run
from . import in_play
from .mahjong_claims import IN_REVERSE, Measured, Stratum, claim_of, claims_of_gain, claims_of_strata
from .reporting import Report, arguments, commit

SKILL = "mahjong"
ITEMS, ITEMS_IN_PLAY = 1000, 500


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One student trained one way, to each of the lengths in turn."""

    task: str
    shape: StudentShape
    strategy: Strategy
    lengths: tuple[int, ...]


def make_data(task: str, seed: int, count: int, folder: Path) -> None:
    """Training shards and a development split, as a run makes them."""
    job = GenerateJob(
        skill=SKILL,
        task=task,
        seed=seed,
        data_folder=folder / "data",
        examples=count,
        splits=("dev",),
        held_out_items=ITEMS,
        workers=available_workers(),
    )
    run(LocalExecutor(), JobRequest(module="stratos.tools.generation", job=job, folder=folder / "generate"))


def measure_curve(curve: Curve, seed: int, folder: Path) -> Iterator[Measured]:
    """Trains to the first length, lengthens to the next, and evaluates each on the development split."""
    executor = LocalExecutor()
    previous: Path | None = None
    cpu_seconds = 0.0
    dev = read_examples(folder / "data" / "dev.jsonl")
    played = [] if curve.task == "win" else hands_in_play(curve.task, seed, folder)
    for length in curve.lengths:
        job = TrainJob(
            skill=SKILL,
            task=curve.task,
            student=curve.shape,
            target=curve.strategy,
            shards=tuple(sorted((folder / "data").glob("train-*.jsonl"))),
            tokens=length,
            seed=seed,
            continue_from=previous,
        )
        previous = folder / f"{curve.shape.name}-{curve.strategy}-{length}"
        request = JobRequest(module="stratos.tools.training", job=job, folder=previous, threads=1)
        result = run(executor, request)
        cpu_seconds += result["cpu_seconds"]
        checks = judged(curve.task, previous / "model", [*dev, *played])
        yield Measured(
            task=curve.task,
            strategy=curve.strategy,
            parameters=result["parameters"],
            tokens=result["tokens"],
            exact=_exact(checks[: len(dev)]),
            answer=wilson(sum(check.answer_right for check in checks[: len(dev)]), len(dev)),
            seed=seed,
            cpu_seconds=cpu_seconds,
            strata=_strata(dev, played, checks) if played else (),
        )


def hands_in_play(task: str, seed: int, folder: Path) -> list[Example]:
    """Hands as in play that the folder's training data does not hold."""
    skill = load_skill(SKILL)
    shards = (folder / "data").glob("train-*.jsonl")
    trained_on = {skill.canonical(task, example.prompt) for shard in shards for example in read_examples(shard)}
    return in_play.drawn(task, seed, ITEMS_IN_PLAY, trained_on)


def judged(task: str, model: Path, items: Sequence[Example]) -> list[Check]:
    """The verdicts on a model's greedy completions."""
    skill, engine = load_skill(SKILL), open_engine(model)
    prompts = [engine.encode_chat([{"role": "user", "content": item.prompt}]) for item in items]
    limit = Settings(max_tokens=skill.tasks[task].max_completion_tokens + 1)
    texts = [completion.text for completion in engine.generate(prompts, limit)]
    return [skill.verify(task, item.prompt, text) for item, text in zip(items, texts, strict=True)]


def _exact(checks: Sequence[Check]) -> Interval:
    return wilson(sum(check.exact for check in checks), len(checks))


def _strata(dev: Sequence[Example], played: Sequence[Example], checks: Sequence[Check]) -> tuple[Stratum, ...]:
    """The two kinds of hands, the development split without its own hands in play; then every family of each."""
    both = list(zip([*dev, *played], checks, strict=True))
    kinds = {
        IN_REVERSE: [pair for pair in both[: len(dev)] if not pair[0].family.endswith(examples.IN_PLAY)],
        examples.IN_PLAY: both[len(dev) :],
    }
    whole = [Stratum(name=name, exact=_exact([check for _, check in pairs])) for name, pairs in kinds.items()]
    families = [
        Stratum(name=score.family, exact=score.exact)
        for pairs in kinds.values()
        for score in by_family([item for item, _ in pairs], [check for _, check in pairs])
    ]
    return (*whole, *families)


def write_curves(points: Sequence[Measured]) -> None:
    """Puts the points into the skill's file, in the place of older ones of the same setting."""
    path = skill_folder(SKILL) / CURVES_FILE
    fields: tuple[str, ...] = ("task", "strategy", "parameters", "tokens", "seed", "exact", "n", "commit")
    rows: dict[tuple[str, ...], dict[str, object]] = {}
    if path.exists():
        with path.open(encoding="utf-8", newline="") as lines:
            rows = {tuple(row[name] for name in fields[:5]): dict(row) for row in csv.DictReader(lines)}
    for point in points:
        values = (point.task, point.strategy, point.parameters, point.tokens, point.seed)
        measured = (round(point.exact.value, 4), point.exact.n, commit())
        rows[tuple(map(str, values))] = dict(zip(fields, (*values, *measured), strict=True))
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer: csv.DictWriter[str] = csv.DictWriter(lines, list(fields), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            rows[key] for key in sorted(rows, key=lambda key: (*key[:2], int(key[2]), int(key[3]), key[4]))
        )


def _curves(tasks: Sequence[str], shapes: Sequence[str], lengths: tuple[int, ...]) -> list[Curve]:
    strategies: tuple[Strategy, ...] = ("rationale", "answer_only")
    return [
        # The control is needed at the full length only: that is what it is compared at.
        Curve(
            task=task,
            shape=shape_named(shape),
            strategy=strategy,
            lengths=lengths if strategy == "rationale" else lengths[-1:],
        )
        for task in tasks
        for shape in shapes
        for strategy in strategies
    ]


def main() -> None:
    """Runs the eval."""
    options = arguments(
        __doc__ or "",
        (
            ("--write-curves", {"action": "store_true", "help": "store the points with the skill"}),
            ("--tasks", {"nargs": "+", "default": None}),
            ("--students", {"nargs": "+", "default": None}),
            ("--tokens", {"nargs": "+", "type": int, "default": None}),
            ("--no-control", {"action": "store_true", "help": "leave out the answers-only students"}),
        ),
    )
    report = Report(eval="mahjong", seed=options.seed, quick=options.quick)
    if options.quick:
        report.left_out = "waits and discard, the 0.8M student, training beyond 1.2M tokens"
    tasks = options.tasks or (["win"] if options.quick else ["win", "waits", "discard"])
    shapes = options.students or (["scratch-0.35M"] if options.quick else ["scratch-0.35M", "scratch-0.8M"])
    lengths = tuple(
        options.tokens or ((600_000, 1_200_000) if options.quick else (600_000, 1_200_000, 2_400_000, 4_800_000))
    )
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="stratos-eval-") as scratch:
        for task in tasks:
            folder = Path(scratch) / task
            make_data(task, options.seed, lengths[-1] // (60 if options.no_control else 20), folder)
            for curve in _curves([task], shapes, lengths):
                if options.no_control and curve.strategy == "answer_only":
                    continue
                for point in measure_curve(curve, options.seed, folder):
                    measured.append(point)
                    report.add(claim_of(point))
                    if options.write_curves:
                        write_curves([point])
                for claim in (*claims_of_strata(measured[-1]), *claims_of_gain(measured)):
                    report.add(claim)
    report.print(options.json)


if __name__ == "__main__":
    main()
