"""What an evaluation of a tuned checkpoint measures: the untuned one beside it, whole but in time, with the answers' own length."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stratos.skills import load as load_skill
from stratos.state.brief import Brief, Limits, Targets
from stratos.state.evidence import ProbeText, wilson
from stratos.state.plan import Gpu
from stratos.tools.base import Context
from stratos.tools.distill import ANSWERS_ONLY
from stratos.tools.evaluate import EVALUATE, UNTUNED, Evaluate
from stratos.tools.evaluation import EvaluateJob
from stratos.tools.executor import JobHandle, JobStatus
from stratos.tools.given_model.taking import take_checkpoint
from stratos.tools.jobs import Job
from stratos.tools.regression import regression

from ...building import attempt, candidate, choice, context, data, state
from ..test_choose import MACHINE
from ..tuning import tiny

SKILL = load_skill("mahjong")


class Scripted:
    """Keeps the job and gives figures that mean nothing."""

    def submit(self, module: str, job: Job, folder: Path, **given: Any) -> JobHandle:
        if isinstance(job, EvaluateJob):
            self.job = job
        return JobHandle(folder=folder, module=module, how="started")

    def poll(self, handle: JobHandle) -> JobStatus:
        return JobStatus(state="done")

    def logs(self, handle: JobHandle, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        return [], offset

    def fetch(self, handle: JobHandle) -> dict[str, Any]:
        if handle.module.endswith("regression"):
            return {
                **regression([ProbeText(name="a", tokens=1, nats_before=1, nats_after=1)]).model_dump(),
                "seconds": 1,
            }
        share = wilson(1, 10).model_dump()
        score = {"name": "student", "exact": share, "answer": share}
        return {"split": "dev", "split_sha256": "0", "student": score, "controls": [], "latency": None, "seconds": 1}


def submitted(folder: Path, **changes: Any) -> EvaluateJob:
    of = candidate(student="mine", training=changes.pop("training", "lora"), evaluation_minutes=30.0)
    source = tiny.checkpoint(folder / "mine", context_tokens=2048)
    brief = Brief(
        request="",
        skill="mahjong",
        task="win",
        student=str(source),
        targets=changes.pop("targets", Targets()),
        limits=changes.pop("limits", Limits()),
    )
    run = state(
        brief=brief, choice=choice(of), data=data(), attempts=(attempt(of=of),), **{"machine": MACHINE, **changes}
    )
    given: Context = context(run, folder)
    found = take_checkpoint(brief, given.run_folder, SKILL, 0)
    shard = given.run_folder / data().shards[0]
    shard.parent.mkdir()
    rows = SKILL.make("win", seed=0, block=0, count=30)
    tiny.shard(shard, [vars(row) for row in rows])
    executor: Any = Scripted()
    given = replace(given, state=run.model_copy(update={"checkpoint": found}), executor=executor)
    EVALUATE.run(given, Evaluate(split="dev"))
    return executor.job


def test_the_untuned_model_is_asked_the_whole_split_and_has_its_share_of_the_time(tmp_path: Path) -> None:
    job = submitted(tmp_path)
    assert [model.name for model in job.models] == ["student", UNTUNED, ANSWERS_ONLY]
    untuned = job.models[1]
    assert untuned.folder == tmp_path / "run" / "student" / "rationale"
    assert (untuned.items, untuned.seconds) == (None, 600.0)
    assert all(model.seconds is None for model in (job.models[0], job.models[2]))


def test_what_a_reward_could_teach_is_told_of_a_tuned_student_that_misses_its_target(tmp_path: Path) -> None:
    targets = Targets(accuracy=0.9)
    assert submitted(tmp_path / "a", targets=targets).sampled_below == 0.9
    assert submitted(tmp_path / "b").sampled_below is None
    assert submitted(tmp_path / "c", targets=targets, training="none").sampled_below is None


def test_an_untuned_student_is_not_held_against_itself(tmp_path: Path) -> None:
    assert [model.name for model in submitted(tmp_path, training="none").models] == ["student"]


def test_it_has_no_more_than_a_quarter_of_the_hours_that_are_left(tmp_path: Path) -> None:
    job = submitted(tmp_path, limits=Limits(hours=0.1))
    assert job.models[1].seconds == pytest.approx(3600 * 0.1 / 4, rel=0.25)


def test_answers_may_be_half_as_long_again_as_the_longest_taught(tmp_path: Path) -> None:
    job = submitted(tmp_path)
    assert job.answer_tokens is not None
    assert job.answer_tokens > SKILL.tasks["win"].max_completion_tokens  # its pieces are letters, the skill's are words


def test_a_gpu_writes_the_answers_where_there_is_one(tmp_path: Path) -> None:
    job = submitted(tmp_path / "a", machine=MACHINE.model_copy(update={"gpus": (Gpu(name="L4", memory_gib=24),)}))
    assert {model.engine for model in job.models} == {"transformers"}
