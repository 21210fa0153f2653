"""What a second training gains that holds more of what the first was weak at, beside one on the natural mix with as many tokens.

Both go on from the same first training. Its errors on the development split set the mix; the figures are of another split.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..skills.protocol import Check, Example
from ..state.evidence import wilson
from ..tools.emphasis import kept_shares, shards_with_mix, weights_of
from ..tools.evaluation import by_family
from ..tools.executor import LocalExecutor
from ..tools.generation import GenerateJob, Mix, available_workers
from ..tools.training.batches import read_examples
from ..tools.training.students import TrainJob, shape_named
from ..tools.waiting import JobRequest, run
from .alignment_data import paired_difference
from .mahjong import SKILL, judged
from .reporting import Claim, Report, arguments

STUDENT, ITEMS = "scratch-0.35M", 2000
DEV, TEST = "dev", "sealed-1"
LENGTHS = {"win": (1_200_000, 2_400_000), "waits": (2_400_000, 4_800_000), "discard": (4_800_000, 7_200_000)}
"""Tokens of the first training and of the second, the first's trunk included."""
NATURAL, MIXED = "natural mix", "more of the weakest"


class Experiment:
    """One task and seed in one folder."""

    def __init__(self, report: Report, task: str, seed: int, folder: Path) -> None:
        self.report, self.task, self.seed, self.folder = report, task, seed, folder
        self.first, self.second = LENGTHS[task]
        self.job = GenerateJob(
            skill=SKILL,
            task=task,
            seed=seed,
            data_folder=folder / "data",
            examples=self.second // (20 if task == "win" else 60),
            splits=(DEV, TEST),
            held_out_items=ITEMS,
            workers=available_workers(),
        )

    def measure(self) -> None:
        """Trains three times and compares."""
        made = run(
            LocalExecutor(), JobRequest(module="stratos.tools.generation", job=self.job, folder=self.folder / "made")
        )
        natural = [self.job.data_folder / name for name in made["shards"]]
        first = self._trained("first", natural, self.first, None)
        before = self._judged(first, DEV)
        emphasis = weights_of(by_family(self._items(DEV), before))
        examples = round(1.2 * self.second / self._tokens_an_example(natural[0]))
        mix = Mix(number=1, examples=examples, kept=kept_shares(emphasis))
        job = self.job.model_copy(update={"mix": mix})
        made = run(
            LocalExecutor(), JobRequest(module="stratos.tools.generation", job=job, folder=self.folder / "mixed")
        )
        mixed = shards_with_mix(first, [self.job.data_folder / name for name in made["mixed"]], natural)
        told = ", ".join(f"{one.family} x {one.weight:.2f} (right {one.exact:.0%})" for one in emphasis)
        self.report.details[f"{self.task}, seed {self.seed}: mix"] = told
        checks = {
            name: self._judged(self._trained(folder, shards, self.second, first), TEST)
            for name, folder, shards in ((NATURAL, "natural", natural), (MIXED, "emphasised", mixed))
        }
        self._compare(self._judged(first, TEST), checks)

    def _trained(self, name: str, shards: Sequence[Path], tokens: int, before: Path | None) -> Path:
        job = TrainJob(
            skill=SKILL,
            task=self.task,
            student=shape_named(STUDENT),
            target="rationale",
            shards=tuple(shards),
            tokens=tokens,
            seed=self.seed,
            continue_from=before,
        )
        folder = self.folder / name
        run(LocalExecutor(), JobRequest(module="stratos.tools.training", job=job, folder=folder, threads=1))
        return folder

    def _items(self, split: str) -> list[Example]:
        return read_examples(self.job.data_folder / f"{split}.jsonl")

    def _judged(self, folder: Path, split: str) -> list[Check]:
        return judged(self.task, folder / "model", self._items(split))

    def _tokens_an_example(self, shard: Path) -> float:
        lengths = [len(f"{one.prompt} {one.rationale} {one.answer}".split()) for one in read_examples(shard)]
        return sum(lengths) / len(lengths)

    def _compare(self, first: Sequence[Check], checks: dict[str, list[Check]]) -> None:
        about = f"{self.task}, seed {self.seed}"
        self._show(f"{about}, {self.first:,} tokens", first)
        for name, found in checks.items():
            self._show(f"{about}, {self.second:,} tokens, {name}", found)
        right = {name: [check.exact for check in found] for name, found in checks.items()}
        items = self._items(TEST)
        for family in ("", *sorted({item.family for item in items})):
            chosen = [at for at, item in enumerate(items) if not family or item.family == family]
            value, interval = paired_difference(
                [right[MIXED][at] for at in chosen], [right[NATURAL][at] for at in chosen]
            )
            name = f"{about}: {MIXED} less {NATURAL}, {family or 'all'}"
            self.report.add(
                Claim(name=name, value=value, unit="share", n=len(chosen), interval=interval, goal="none", met=None)
            )

    def _show(self, name: str, checks: Sequence[Check]) -> None:
        share = wilson(sum(check.exact for check in checks), len(checks))
        interval = (share.low, share.high)
        self.report.add(
            Claim(
                name=f"{name}: exact",
                value=share.value,
                unit="share",
                n=share.n,
                interval=interval,
                goal="none",
                met=None,
            )
        )


def main() -> None:
    """Runs the eval."""
    options = arguments(
        __doc__ or "",
        (
            ("--tasks", {"nargs": "+", "choices": sorted(LENGTHS), "default": None}),
            ("--seeds", {"type": int, "default": 1, "help": "seeds from --seed on"}),
        ),
    )
    report = Report(eval="emphasis", seed=options.seed, quick=options.quick)
    if options.quick:
        report.left_out = "waits and discard"
    tasks = options.tasks or (["win"] if options.quick else list(LENGTHS))
    for task in tasks:
        for seed in range(options.seed, options.seed + options.seeds):
            with tempfile.TemporaryDirectory(prefix="stratos-eval-") as scratch:
                Experiment(report, task, seed, Path(scratch)).measure()
    report.print(options.json)


if __name__ == "__main__":
    main()
