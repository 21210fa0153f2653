"""Does a score taken before training tell which teacher teaches best? Teachers that differ, one student trained on each, and ranks.

The task is *win* on hands whose search is short, half of them complete, so that a student of 0.35M parameters gets somewhere in
a minute. It says nothing of hub models: there the student begins with knowledge, here it begins at random.
"""

import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

from ..skills import load as load_skill
from ..skills.mahjong.completions import YES
from ..skills.protocol import Example
from ..state.evidence import Interval, wilson
from ..tools.executor import LocalExecutor
from ..tools.generation import available_workers
from ..tools.pairing.gradients import load_student
from ..tools.serving.engine import Engine, Settings, open_engine
from ..tools.training.students import TrainJob, shape_named
from ..tools.training.train import UNTRAINED_FOLDER
from ..tools.waiting import JobRequest, run_all
from .mahjong import SKILL
from .pairing_scores import STUDENT, TASK, Figures, predictions, ranked, regret, scored, spearman
from .pairing_teachers import TEACHERS
from .reporting import Claim, Report, arguments

LONGEST_SEARCH = 40
"""Words of the solver's rationale; 45 % of all hands, 49 % of them complete."""

DEV_BLOCK, PROBE_BLOCK = 5_000_000, 6_000_000
DEV_ITEMS, PROBE_ITEMS = 600, 256
WARM_UP_TOKENS = 60_000
CHEAP_GOAL_S = 10.0

SHOWN = (
    "teacher accuracy, exact",
    "teacher accuracy, answer",
    "GRACE, at random",
    "GRACE, warmed",
    "G-Norm, warmed",
    "G-Vendi, warmed",
    "student's loss, warmed",
    "rank_pairs",
    "rank_pairs, answers judged alone",
)
"""Predictions that are claims; 'warmed' is a student that has read a little of every teacher, 'at random' one that has not."""


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What became of the student that one teacher taught. Saying "no" always makes half of `exact` and nothing of `proved`."""

    exact: Interval
    proved: Interval
    """Share of the complete hands for which it says so and gives the decomposition."""


def hands(seed: int, first_block: int, count: int, without: frozenset[str] = frozenset()) -> list[Example]:
    """Solved hands with a short search, none of them twice or among `without` under the skill's symmetries."""
    skill, found, seen, block = load_skill(SKILL), list[Example](), set(without), first_block
    while len(found) < count:
        for example in skill.make(TASK, seed=seed, block=block, count=1000):
            name = skill.canonical(TASK, example.prompt)
            if len(example.rationale.split()) <= LONGEST_SEARCH and name not in seen:
                seen.add(name)
                found.append(example)
        block += 1
    return found[:count]


def judged(engine: Engine, dev: Sequence[Example]) -> Taught:
    """A student's greedy answers to the development hands, the complete ones apart."""
    skill = load_skill(SKILL)
    prompts = [engine.encode_chat([{"role": "user", "content": one.prompt}]) for one in dev]
    limit = Settings(max_tokens=skill.tasks[TASK].max_completion_tokens + 1)
    texts = [completion.text for completion in engine.generate(prompts, limit)]
    right = [skill.verify(TASK, one.prompt, text).exact for one, text in zip(dev, texts, strict=True)]
    proved = [exact for one, exact in zip(dev, right, strict=True) if one.answer == YES]
    return Taught(exact=wilson(sum(right), len(right)), proved=wilson(sum(proved), len(proved)))


def train_all(solved: Sequence[Example], tokens: int, seed: int, folder: Path) -> None:
    """A student on each teacher's answers, and one that has seen a little of all of them, as many at a time as there are cores."""
    every = {name: teacher.answers(solved, seed) for name, teacher in TEACHERS.items()}
    mixed = [answers[at] for at in range(len(solved)) for answers in (random.Random(at).choice(list(every.values())),)]
    requests = {name: _request(folder / name, answers, tokens, seed) for name, answers in every.items()}
    requests["mixed"] = _request(folder / "mixed", mixed, WARM_UP_TOKENS, seed)
    names, workers = list(requests), available_workers()
    for at in range(0, len(names), workers):
        run_all(LocalExecutor(), {name: requests[name] for name in names[at : at + workers]})


def _request(folder: Path, answers: Sequence[Example], tokens: int, seed: int) -> JobRequest:
    folder.mkdir(parents=True, exist_ok=True)
    shard = folder / "train.jsonl"
    shard.write_text("".join(json.dumps(asdict(one)) + "\n" for one in answers), encoding="utf-8")
    job = TrainJob(
        skill=SKILL,
        task=TASK,
        student=shape_named(STUDENT),
        target="rationale",
        shards=(shard,),
        tokens=tokens,
        seed=seed,
        warm_up_tokens=min(100_000, tokens // 4),
    )
    return JobRequest(module="stratos.tools.training", job=job, folder=folder / "job", threads=1)


def seconds_of(do: Callable[[], object]) -> float:
    """Wall-clock seconds."""
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def measure(
    report: Report, seed: int, tokens: int, folder: Path
) -> tuple[dict[str, dict[str, float]], dict[str, Taught]]:
    """Trains, evaluates and predicts, with one seed."""
    skill = load_skill(SKILL)
    dev, probe_hands = hands(seed, DEV_BLOCK, DEV_ITEMS), hands(seed, PROBE_BLOCK, PROBE_ITEMS)
    held_out = frozenset(skill.canonical(TASK, one.prompt) for one in (*dev, *probe_hands))
    train_all(hands(seed, 0, tokens // 44, held_out), tokens, seed, folder)  # 44 tokens a hand: about one epoch
    taught: dict[str, Taught] = {}
    engines = {
        name: open_engine(folder / name / "job" / "model") for name in TEACHERS
    }  # all closed together, when done
    for name, engine in engines.items():
        taught[name] = judged(engine, dev)
        report.add(_share(f"seed {seed}, student of {name}: exact", taught[name].exact))
    import torch

    torch.set_num_threads(1)  # matrices this small gain nothing from more
    models = {
        "at random": load_student(folder / "solver" / "job" / UNTRAINED_FOLDER),
        "warmed": load_student(folder / "mixed" / "job" / "model"),
    }
    probe = {name: teacher.answers(probe_hands, seed) for name, teacher in TEACHERS.items()}
    found, scores = predictions(models, probe)
    found["rank_pairs"] = ranked(probe, scores)
    found["rank_pairs, answers judged alone"] = ranked(probe, scores, by_answer=True)
    four = [answers[:64] for answers in probe.values()][:4]
    took = seconds_of(lambda: [scored(models["warmed"], answers) for answers in four])
    report.add(
        Claim(
            name="GRACE of 4 teachers on 64 items, wall-clock",
            value=took,
            unit="s",
            n=4,
            goal=f"< {CHEAP_GOAL_S:g}",
            met=took < CHEAP_GOAL_S,
        )
    )
    return found, taught


def _share(name: str, share: Interval) -> Claim:
    interval = (share.low, share.high)
    return Claim(name=name, value=share.value, unit="share", n=share.n, interval=interval, goal="none", met=None)


def summarise(report: Report, runs: Sequence[tuple[Mapping[str, Figures], Mapping[str, Taught]]]) -> None:
    """Rank correlation and regret of every prediction, the mean over the seeds; what is no product's choice in the details alone."""
    n, every = len(TEACHERS) * len(runs), dict[str, dict[str, float]]()
    for what in runs[0][0]:
        exact, proved, lost = list[float](), list[float](), list[float]()
        for found, taught in runs:
            prediction, gained = found[what], {name: one.exact.value for name, one in taught.items()}
            names = list(prediction)
            exact.append(spearman([prediction[name] for name in names], [gained[name] for name in names]))
            proved.append(spearman([prediction[name] for name in names], [taught[name].proved.value for name in names]))
            lost.append(regret(prediction, gained))
        every[what] = {"rank correlation": mean(exact), "with hands proved": mean(proved), "lost": mean(lost)}
        if what in SHOWN:
            for name, unit, value in (
                (f"{what}: rank correlation with the students' exact share", "", mean(exact)),
                (f"{what}: exact share lost by taking its first", "share", mean(lost)),
            ):
                report.add(Claim(name=name, value=value, unit=unit, n=n, goal="none", met=None))
    report.details["predictions"] = every


def main() -> None:
    """Runs the eval."""
    options = arguments(
        __doc__ or "",
        (
            ("--tokens", {"type": int, "default": None, "help": "training length of every student"}),
            (
                "--folder",
                {"type": Path, "default": None, "help": "keeps the students here, and takes those that are there"},
            ),
        ),
    )
    report = Report(eval="pairing", seed=options.seed, quick=options.quick)
    if options.quick:
        report.left_out = "two of three seeds, training beyond 450,000 tokens"
    tokens = options.tokens or (450_000 if options.quick else 900_000)
    seeds = [options.seed] if options.quick else [options.seed + at for at in range(3)]
    with tempfile.TemporaryDirectory(prefix="stratos-eval-") as scratch:
        folder = options.folder or Path(scratch)
        runs = [measure(report, seed, tokens, folder / str(seed)) for seed in seeds]
    summarise(report, runs)
    report.details |= {
        "teachers": {name: teacher.what for name, teacher in TEACHERS.items()},
        "tokens": tokens,
        "runs": [
            {
                "seed": seed,
                "predictions": found,
                "students": {
                    name: {"exact": one.exact.value, "proved": one.proved.value} for name, one in taught.items()
                },
            }
            for seed, (found, taught) in zip(seeds, runs, strict=True)
        ],
    }
    report.print(options.json)


if __name__ == "__main__":
    main()
