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
from typing import Any, Literal

from ..skills import load as load_skill
from ..skills.mahjong.completions import YES
from ..skills.protocol import Example
from ..state.evidence import Interval, wilson
from ..tools.executor import LocalExecutor
from ..tools.generation import available_workers
from ..tools.models.facts import ModelFacts
from ..tools.pairing.evidence import GraceScore, PairEvidence
from ..tools.pairing.grace import dimension_for, grace
from ..tools.pairing.gradients import answer_gradients, load_student
from ..tools.pairing.preflight import Side, check_pair
from ..tools.pairing.ranking import rank_pairs
from ..tools.training.batches import Encoder
from ..tools.training.students import TrainJob, shape_named
from ..tools.training.train import UNTRAINED_FOLDER
from ..tools.waiting import JobRequest, run_all
from .mahjong import SKILL, evaluate
from .pairing_teachers import TEACHERS
from .reporting import Claim, Report, arguments

TASK, STUDENT = "win", "scratch-0.35M"
LONGEST_SEARCH = 40
"""Words of the solver's rationale; 45 % of all hands, 49 % of them complete."""

DEV_BLOCK, PROBE_BLOCK = 5_000_000, 6_000_000
DEV_ITEMS, PROBE_ITEMS = 600, 256
WARM_UP_TOKENS = 60_000
CHEAP_GOAL_S = 10.0

Figures = Mapping[str, float]
"""One figure a teacher, by its name."""


@dataclass(frozen=True, kw_only=True)
class NoLicence:
    """The terms of a teacher that is this project's own code."""

    name: str = "none"
    spdx: str | None = None
    commercial: object = True
    outputs_may_train: Literal["yes", "with_conditions", "no"] = "yes"
    condition: str = ""


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


def accuracy(answers: Sequence[Example]) -> tuple[Interval, Interval]:
    """Exact and answer-only shares of a teacher's answers."""
    skill = load_skill(SKILL)
    checks = [skill.verify(TASK, one.prompt, skill.completion(one, rationale=True)) for one in answers]
    return wilson(sum(check.exact for check in checks), len(checks)), wilson(
        sum(check.answer_right for check in checks), len(checks)
    )


def judged(model: Path, dev: Sequence[Example]) -> Taught:
    """A student on the development hands, the complete ones apart."""
    proved, _ = evaluate(TASK, model, [one for one in dev if one.answer == YES])
    denied, _ = evaluate(TASK, model, [one for one in dev if one.answer != YES])
    right = round(proved.value * proved.n) + round(denied.value * denied.n)
    return Taught(exact=wilson(right, proved.n + denied.n), proved=proved)


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


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What one student's gradients on one teacher's answers say: GRACE as published in the paper, and without the length factor."""

    scaled: GraceScore
    plain: GraceScore
    loss: float
    """Nats a token, the mean over answers."""


def scored(model: Any, answers: Sequence[Example]) -> Scores:
    """The scores of a teacher, from one backward pass an answer."""
    import numpy as np

    rows = Encoder(skill=load_skill(SKILL), rationale=True).encode(answers)
    found = answer_gradients(model, rows, dimension=dimension_for(len(rows)), length_scale="none")
    factors = np.log([[len(ids) - given] for ids, given in rows])
    return Scores(
        scaled=grace(found.projected * factors), plain=grace(found.projected), loss=float(found.losses.mean())
    )


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Rank correlation, ties at their mean rank (Spearman 1904); zero where one side does not vary."""
    first, second = _ranks(one), _ranks(other)
    at, to = mean(first), mean(second)
    spread = sum((x - at) ** 2 for x in first) * sum((y - to) ** 2 for y in second)
    return sum((x - at) * (y - to) for x, y in zip(first, second, strict=True)) / spread**0.5 if spread else 0.0


def _ranks(figures: Sequence[float]) -> list[float]:
    return [sum(other < one for other in figures) + (sum(other == one for other in figures) - 1) / 2 for one in figures]


def regret(prediction: Figures, gained: Figures) -> float:
    """What is lost by taking the teacher with the highest prediction, the mean over those that share it."""
    best = max(prediction.values())
    return max(gained.values()) - mean(gained[name] for name, value in prediction.items() if value == best)


def predictions(
    models: Mapping[str, Any], probe: Mapping[str, Sequence[Example]]
) -> tuple[dict[str, dict[str, float]], dict[str, GraceScore]]:
    """Every score by its name, turned so that higher promises more, and GRACE of the warmed student."""
    found: dict[str, dict[str, float]] = {
        "teacher accuracy, exact": {},
        "teacher accuracy, answer": {},
        "longer answers": {},
    }
    kept: dict[str, GraceScore] = {}
    for name, answers in probe.items():
        exact, answer = accuracy(answers)
        found["teacher accuracy, exact"][name], found["teacher accuracy, answer"][name] = exact.value, answer.value
        found["longer answers"][name] = mean(len(one.rationale.split()) for one in answers)
        for when, model in models.items():
            scores = scored(model, answers)
            kept[name] = scores.scaled  # the last model's, which is the warmed one
            for what, value in (
                ("GRACE", -scores.scaled.score),
                ("GRACE, variance alone", -scores.scaled.variance),
                ("GRACE, no length factor", -scores.plain.score),
                ("G-Norm", -scores.scaled.g_norm),
                ("G-Vendi", scores.scaled.g_vendi),
                ("student's loss", -scores.loss),
            ):
                found.setdefault(f"{what}, {when}", {})[name] = value
    return found, kept


def ranked(probe: Mapping[str, Sequence[Example]], scores: Mapping[str, GraceScore]) -> dict[str, float]:
    """What `rank_pairs` makes of it: minus the rank, so that higher promises more."""
    values = {
        "roles": ("teacher",),
        "family": "",
        "instruct": True,
        "licence": "none",
        "released": "2026-11",
        "source": "",
    }
    student = Side(facts=ModelFacts.model_validate({**values, "name": STUDENT, "kind": "open"}))
    pairs: list[PairEvidence] = []
    for name, answers in probe.items():
        teacher = Side(facts=ModelFacts.model_validate({**values, "name": name, "kind": "api"}))
        check = check_pair(teacher, student, terms=NoLicence())
        pairs.append(PairEvidence(check=check, teacher_accuracy=accuracy(answers)[0]))
    ranking = rank_pairs(pairs, scores.get, shortlist_size=4)
    return {one.evidence.check.teacher: -float(one.rank) for one in ranking.ranked}


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
    for name in TEACHERS:
        taught[name] = judged(folder / name / "job" / "model", dev)
        report.add(_share(f"seed {seed}, student of {name}: exact", taught[name].exact))
        report.add(_share(f"seed {seed}, student of {name}: complete hands proved", taught[name].proved))
    import torch

    torch.set_num_threads(1)  # matrices this small gain nothing from more
    models = {
        "at random": load_student(folder / "solver" / "job" / UNTRAINED_FOLDER),
        "warmed": load_student(folder / "mixed" / "job" / "model"),
    }
    probe = {name: teacher.answers(probe_hands, seed) for name, teacher in TEACHERS.items()}
    found, scores = predictions(models, probe)
    found["rank_pairs, warmed"] = ranked(probe, scores)
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
    """Rank correlation and regret of every prediction, the mean over the seeds."""
    for what in runs[0][0]:
        exact, proved, lost = list[float](), list[float](), list[float]()
        for found, taught in runs:
            prediction, gained = found[what], {name: one.exact.value for name, one in taught.items()}
            names = list(prediction)
            exact.append(spearman([prediction[name] for name in names], [gained[name] for name in names]))
            proved.append(spearman([prediction[name] for name in names], [taught[name].proved.value for name in names]))
            lost.append(regret(prediction, gained))
        for name, unit, each in (
            ("rank correlation with the student's exact share", "", exact),
            ("rank correlation with its share of complete hands proved", "", proved),
            ("exact share lost by taking its first", "share", lost),
        ):
            n = len(TEACHERS) * len(runs)
            report.add(Claim(name=f"{what}: {name}", value=mean(each), unit=unit, n=n, goal="none", met=None))


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
    report.details = {
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
