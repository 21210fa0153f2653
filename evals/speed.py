"""How fast Stratos is, each figure beside a baseline of the same run: generation, training, serving, the agent's own cost."""

# pyright: reportUnknownMemberType=false

import contextlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any

from ..agent import session
from ..skills import load as load_skill
from ..state.canonical import GENESIS, Json, Kind, Row, canonical
from ..state.journal import Journal, Recorder
from ..state.migrations import JournalFile, utc_now
from ..state.workspace import Workspace
from ..tools.base import Settings
from ..tools.executor import LocalExecutor
from ..tools.generation import SHARD_EXAMPLES, make_shard
from ..tools.serving.deployments import temporary_server
from ..tools.serving.measuring import measure_latency, measure_throughput
from ..tools.training.batches import Encoder, batches, examples_per_batch, read_examples
from ..tools.training.students import TrainJob, shape_named
from ..tools.training.train import build_student
from ..tools.waiting import JobRequest, run
from .mahjong import SKILL, make_data
from .reporting import Claim, Report, arguments

REQUEST = "tell whether 14 mahjong tiles are a winning hand, at least 70 % exact, p95 under 200 ms"
HELP_GOAL_S = 0.5
PLAN_GOAL_S = 3.0
REPLAY_GOAL_S = 5.0
STEP_GOAL_MS = 40.0
LONG_RUN_STEPS = 10_000
LONG_REPLAY_GOAL_S = 3.0
EXAMPLES_PER_SECOND_GOAL = 2000


def verified_per_second(task: str, seed: int, shards: int) -> float:
    """Examples in a training shard per CPU-second of one process: made, verified, held against held-out ones, written as JSON.

    The median of the first shards, so that neither the one which fills the caches nor another process makes the figure.
    """
    skill, rates = load_skill(SKILL), list[float]()
    for block in range(shards):
        started = time.process_time()
        _, counts = make_shard(skill, task, seed=seed, block=block, held_out=frozenset())
        rates.append(counts["examples"] / (time.process_time() - started))
        assert counts["rejected_by_verifier"] == 0
    return statistics.median(rates)


def median_seconds(do: Callable[[], object], runs: int) -> float:
    """Median wall-clock seconds of several runs after one that does not count."""
    do()
    taken: list[float] = []
    for _ in range(runs):
        started = time.perf_counter()
        do()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def program(*words: str) -> Callable[[], object]:
    """A call of the `stratos` program in a process of its own."""
    return lambda: subprocess.run([sys.executable, "-m", "stratos", *words], capture_output=True, check=True)


def trainer_tokens_per_cpu_second(job: TrainJob, folder: Path) -> float:
    """The same student, batches and precision under transformers.Trainer with AdamW, the well-kept alternative."""
    import torch
    from transformers import Trainer, TrainingArguments

    torch.set_num_threads(1)
    model, _ = build_student(job)
    rows = Encoder(skill=load_skill(job.skill), rationale=True).encode(
        [example for shard in job.shards for example in read_examples(shard)]
    )
    stream, steps = batches(rows, examples_per_batch(rows, job.batch_tokens), job.seed, 0), 60
    chosen = [next(stream) for _ in range(steps)]
    data: Any = [{"input_ids": batch.ids, "labels": batch.labels} for batch in chosen]
    given = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        max_steps=steps,
        report_to="none",
        use_cpu=True,
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    trainer = Trainer(model=model, args=given, train_dataset=data, data_collator=lambda items: items[0])
    started = time.process_time()
    with contextlib.redirect_stdout(sys.stderr):  # it prints its metrics, and standard output is the document's
        trainer.train()
    return sum(batch.tokens for batch in chosen) / (time.process_time() - started)


def measure_training(report: Report, folder: Path) -> None:
    """Tokens a CPU-second of the training job, and of the alternative."""
    make_data("win", report.seed, 4000, folder)
    job = TrainJob(
        skill=SKILL,
        task="win",
        student=shape_named("scratch-0.35M"),
        target="rationale",
        shards=tuple(sorted((folder / "data").glob("train-*.jsonl"))),
        tokens=150_000,
        seed=report.seed,
    )
    request = JobRequest(module="stratos.tools.training", job=job, folder=folder / "train", threads=1)
    result = run(LocalExecutor(), request)
    rate = result["tokens"] / result["cpu_seconds"]
    report.add(Claim(name="training, 0.35M, tokens per CPU-second", value=rate, unit="1/s", n=1, goal="none", met=None))
    other = trainer_tokens_per_cpu_second(job, folder / "trainer")
    name = "training, ours over transformers.Trainer + AdamW"
    report.add(Claim(name=name, value=rate / other, unit="ratio", n=1, goal=">= 0.95", met=rate / other >= 0.95))


def measure_serving(report: Report, folder: Path) -> None:
    """One client and sixteen against the training's own model."""
    prompts = [example.prompt for example in read_examples(folder / "data" / "dev.jsonl")][:200]
    with temporary_server(folder / "train" / "model", folder / "server") as server:
        where = (server.base_url, server.api_key, server.model, prompts)
        alone = measure_latency(*where, max_tokens=31)
        together = measure_throughput(*where, clients=16, requests=400, max_tokens=31)
    report.add(Claim(name="serving, 1 client, p50", value=alone.p50_ms, unit="ms", n=alone.n, goal="none", met=None))
    report.add(Claim(name="serving, 1 client, p95", value=alone.p95_ms, unit="ms", n=alone.n, goal="none", met=None))
    gain = together.rps / alone.rps
    name = "serving, 16 clients over 1 client, requests a second"
    report.add(Claim(name=name, value=gain, unit="ratio", n=together.n, goal="> 1.5", met=gain > 1.5))


def measure_agent(report: Report, folder: Path, runs: int) -> None:
    """The program's start, a plan, a replay, and what a step costs beside its tool."""
    seconds = median_seconds(program("--help"), runs)
    name = "stratos --help, wall-clock"
    report.add(Claim(name=name, value=seconds, unit="s", n=runs, goal=f"< {HELP_GOAL_S}", met=seconds < HELP_GOAL_S))
    workspace = Workspace(folder / "space")
    seconds = median_seconds(program("plan", REQUEST, "--json", "--workspace", str(workspace.path)), runs)
    name, goal = "stratos plan --json, whole catalogue, wall-clock", f"< {PLAN_GOAL_S}"
    report.add(Claim(name=name, value=seconds, unit="s", n=runs, goal=goal, met=seconds < PLAN_GOAL_S))
    planned = session.start(REQUEST, workspace=workspace, settings=Settings(plan_only=True))
    seconds = median_seconds(program("replay", planned.run_id, "--workspace", str(workspace.path)), min(runs, 3))
    name = "stratos replay of a plan, wall-clock"
    report.add(
        Claim(
            name=name, value=seconds, unit="s", n=min(runs, 3), goal=f"< {REPLAY_GOAL_S}", met=seconds < REPLAY_GOAL_S
        )
    )
    rows = Journal(workspace).rows(planned.run_id)
    started = time.perf_counter()
    again = session.start(REQUEST, workspace=workspace, settings=Settings(plan_only=True))
    whole = time.perf_counter() - started
    steps = Journal(workspace).rows(again.run_id)[1:]
    tools = sum(
        row.seconds for row in steps if row.name.startswith("tool ")
    )  # the guard, rules and judge are the agent's own
    own = 1000 * (whole - tools) / len(steps)
    name = "agent's own cost a step, journal included"
    report.add(Claim(name=name, value=own, unit="ms", n=len(rows), goal=f"< {STEP_GOAL_MS:g}", met=own < STEP_GOAL_MS))


def document(number: int) -> Json:
    """A step's input or output, the same for the same number: about 1 kB of JSON, nested as a digest or a measurement is."""
    chance = random.Random(number)
    servers = [
        {"id": f"aws-{number}-{at}", "usd_per_hour": chance.random(), "gpus": at, "spot": at % 2 == 0, "note": None}
        for at in range(8)
    ]
    curve = [[10_000 * at, round(chance.random(), 4)] for at in range(12)]
    reason = "the cheapest candidate whose 95 % band meets every target; the runner-up costs more"
    return {"attempt": number, "servers": servers, "curve": curve, "reason": reason}


def write_long_run(workspace: Workspace, run_id: str, steps: int) -> None:
    """Writes a run of so many steps, decisions and effects in turn, and its outcome: the rows that as many appends would."""
    rows: list[Row] = []

    def add(kind: Kind, name: str, given: Json, found: Json) -> None:
        previous = rows[-1].hash if rows else GENESIS
        texts = canonical(given), canonical(found)
        row = Row(run_id, len(rows), kind, name, *texts, utc_now(), 0.001, previous, "")
        rows.append(replace(row, hash=row.derived_hash()))

    add("run", "run", {"request": REQUEST}, None)
    for step in range(steps):
        add("effect" if step % 2 else "decision", f"step {step}", document(2 * step), document(2 * step + 1))
    add("outcome", "met", None, {})
    columns = [list(column) for column in zip(*(astuple(row) for row in rows), strict=True)]
    names, values = ", ".join(field.name for field in fields(Row)), ", ".join(["unnest(?)"] * len(columns))
    file = JournalFile(workspace.journal_file, workspace.journal_lock_file)
    with file.opened(write=True) as connection:
        connection.execute(f"INSERT INTO steps ({names}) SELECT {values}", columns)
    file.close()


def replay_long_run(workspace: Workspace, run_id: str, documents: Sequence[Json]) -> None:
    """Takes the run again: hashes verified, inputs compared, decisions compared, effects looked up."""

    def never() -> Json:
        raise AssertionError("a replay runs no effect")

    with Recorder(Journal(workspace), run_id, "replay") as recorder:
        for step in range(len(documents) // 2):
            given, found = documents[2 * step], documents[2 * step + 1]
            if step % 2:
                assert recorder.step(f"step {step}", given, never) == found
            else:
                recorder.step(f"step {step}", given, lambda found=found: found, kind="decision")
        recorder.finish("met", {})
        assert recorder.replayed_all


def measure_long_replay(report: Report, folder: Path, runs: int) -> None:
    """A replay of a long record, without what its decisions take to compute."""
    workspace = Workspace(folder / "long")
    write_long_run(workspace, "long", LONG_RUN_STEPS)
    documents = [document(number) for number in range(2 * LONG_RUN_STEPS)]
    seconds = median_seconds(lambda: replay_long_run(workspace, "long", documents), runs)
    report.add(
        Claim(
            name=f"replay of a journal of {LONG_RUN_STEPS:,} steps, wall-clock",
            value=seconds,
            unit="s",
            n=runs,
            goal=f"< {LONG_REPLAY_GOAL_S:g}",
            met=seconds < LONG_REPLAY_GOAL_S,
        )
    )


def main() -> None:
    """Runs the eval."""
    options = arguments(__doc__ or "")
    report = Report(eval="speed", seed=options.seed, quick=options.quick)
    if options.quick:
        report.left_out = "repetitions: 5 instead of 11 runs of the programs, 3 instead of 7 shards of examples"
    shards = 3 if options.quick else 7
    for task in ("win", "waits", "discard"):
        rate = verified_per_second(task, options.seed, shards)
        name = f"{task}: verified examples of a training shard per CPU-second, median of {shards} shards"
        goal = f">= {EXAMPLES_PER_SECOND_GOAL}"
        met = rate >= EXAMPLES_PER_SECOND_GOAL
        report.add(Claim(name=name, value=rate, unit="1/s", n=shards * SHARD_EXAMPLES, goal=goal, met=met))
    with tempfile.TemporaryDirectory(prefix="stratos-eval-") as scratch:
        measure_agent(report, Path(scratch), 5 if options.quick else 11)
        measure_long_replay(report, Path(scratch), 3)
        measure_training(report, Path(scratch))
        measure_serving(report, Path(scratch))
    report.print(options.json)


if __name__ == "__main__":
    main()
