"""A plan's tunings as jobs: what is learned, what only tells when to stop, and what follows a tuning that diverged."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stratos.skills import load as load_skill
from stratos.skills.protocol import Example
from stratos.state.brief import Brief, Limits, Targets
from stratos.state.evidence import Attempt, Sampled
from stratos.tools.base import Context
from stratos.tools.distill import DISTILL, Distill
from stratos.tools.generation import _text  # pyright: ignore[reportPrivateUsage]
from stratos.tools.given_model.taking import take_checkpoint
from stratos.tools.given_model.tuning import kept_apart
from stratos.tools.tuning.specs import GrpoJob

from ...building import attempt, candidate, choice, context, data, evaluation, state
from ..recording import Recording
from ..tuning import tiny

SKILL = load_skill("mahjong")
DONE: dict[str, Any] = {
    "model": "model", "steps": 10, "tokens": 600_100, "loss": 0.25, "stopped_by": "steps", "seconds": 30.0, "cpu_seconds": 29.0,
    "curve": [(5, 1.0), (10, 0.25)],
}  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("mine") / "mine", context_tokens=2048)


def about_to_tune(source: Path, folder: Path, *before: Attempt, **limits: Any) -> Context:
    """A run whose plan is a LoRA tuning on 100 made examples."""
    planned = candidate(tokens=600_000, student="mine", training="lora", id="lora")
    brief = Brief(
        request="", skill="mahjong", task="win", student=str(source), targets=Targets(), limits=Limits(**limits)
    )
    given = context(state(brief=brief, choice=choice(planned), data=data(), attempts=before), folder)
    found = take_checkpoint(brief, given.run_folder, SKILL, 0)
    (given.run_folder / "data").mkdir()
    shard = given.run_folder / "data/train-00000.jsonl"
    shard.write_text(_text(SKILL.make("win", seed=0, block=0, count=100)))
    return replace(given, state=given.state.model_copy(update={"checkpoint": found}), executor=Recording(DONE))


def distilled(given: Context) -> tuple[Attempt, list[Any]]:
    """The attempt, and the jobs that it was made of."""
    found = DISTILL.run(given, Distill(candidate_id="lora")).attempt
    assert isinstance(given.executor, Recording)
    return found, given.executor.jobs


def lines(path: Path | None) -> list[dict[str, str]]:
    assert path is not None
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_student_and_control_learn_the_same_questions_one_with_ways_one_without(source: Path, tmp_path: Path) -> None:
    given = about_to_tune(source, tmp_path)
    found, (student, control) = distilled(given)
    assert [line["prompt"] for line in lines(student.shards[0])] == [
        line["prompt"] for line in lines(control.shards[0])
    ]
    assert all(line["completion"] in ("= yes", "= no") for line in lines(control.shards[0]))
    assert student.model.name == "rationale"
    assert control.model.name == "answer_only"
    assert (found.tokens, found.stopped_by, found.seconds) == (600_100, "tokens", 60.0)
    assert found.curve == ((300_050, 1.0), (600_100, 0.25))


def test_validation_is_cut_from_the_training_examples_and_never_learned(source: Path, tmp_path: Path) -> None:
    given = about_to_tune(source, tmp_path)
    _, (job, _) = distilled(given)
    learned, kept = ({line["prompt"] for line in lines(path)} for path in (job.shards[0], job.validation))
    assert len(kept) >= 20
    assert not learned & kept
    assert job.patience is not None


def test_what_is_kept_apart_depends_on_seed_and_questions_alone() -> None:
    some = [Example(prompt=str(number), rationale="", answer="") for number in range(1000)]
    _, kept = kept_apart(some, 0)
    assert {one.prompt for one in kept} == {one.prompt for one in kept_apart(some[::-1], 0)[1]}
    assert len(kept) == 50
    assert [len(kept_apart(some[:count], 0)[1]) for count in (3, 50, 100, 400)] == [0, 10, 20, 20]


def test_no_example_is_longer_than_a_tuning_reads(source: Path, tmp_path: Path) -> None:
    given = about_to_tune(source, tmp_path)
    _, (job, _) = distilled(given)
    assert job.batch_tokens >= job.max_sequence_tokens
    assert 100 < job.max_sequence_tokens < 2048


def test_a_tuning_that_diverged_is_followed_by_one_of_a_lower_rate(source: Path, tmp_path: Path) -> None:
    of = candidate(student="mine", training="lora")
    diverged = attempt(of=of).model_copy(update={"stopped_by": "diverged"})
    rates: list[float] = []
    for name, before in (("a", ()), ("b", (diverged,)), ("c", (diverged, diverged))):
        given = about_to_tune(source, tmp_path / name, *before)
        _, (job, _) = distilled(given)
        assert job.learning_rate is not None
        rates.append(job.learning_rate)
    assert rates == [1e-3, 2.5e-4, 6.25e-5]


def test_where_nothing_good_was_learned_the_untuned_model_is_measured(source: Path, tmp_path: Path) -> None:
    given = about_to_tune(source, tmp_path)
    nothing: dict[str, Any] = {**DONE, "model": None, "loss": float("nan"), "stopped_by": "diverged", "curve": []}
    given = replace(given, executor=Recording(nothing))
    found, _ = distilled(given)
    assert found.diverged
    assert (given.run_folder / found.job_folder / "model" / "config.json").is_file()


def test_a_plan_that_trains_nothing_takes_the_checkpoint_as_it_is(source: Path, tmp_path: Path) -> None:
    given = about_to_tune(source, tmp_path)
    planned = candidate(tokens=0, student="mine", training="none", id="lora")
    given = replace(given, state=given.state.model_copy(update={"choice": choice(planned)}))
    found, jobs = distilled(given)
    assert not jobs
    assert (found.tokens, found.control_folder, found.words) == (0, None, "mine as it is")
    model = given.run_folder / found.job_folder / "model"
    assert model.samefile(given.run_folder / "student" / "rationale")


def about_to_reinforce(source: Path, folder: Path, *before: Attempt) -> Context:
    """A run whose plan is GRPO after a LoRA tuning that got some training questions right and others wrong."""
    found = Sampled(questions=32, samples=8, right=99, solved=20, mixed=12)
    measured = evaluation(400).model_copy(update={"sampled": found})
    base = attempt(measured, of=candidate(student="mine", training="lora"))
    given = about_to_tune(source, folder, base, *before)
    planned = candidate(tokens=600_000, student="mine", training="grpo", id="lora")
    shutil.copytree(given.run_folder / "student/rationale", given.run_folder / base.job_folder / "model")
    executor = Recording({**DONE, "rewards": [(5, 0.25), (10, 0.5)]})
    return replace(given, executor=executor, state=given.state.model_copy(update={"choice": choice(planned)}))


def test_a_reward_goes_on_from_the_tuned_model_with_the_skills_verifier(source: Path, tmp_path: Path) -> None:
    given = about_to_reinforce(source, tmp_path)
    found, (job,) = distilled(given)
    assert isinstance(job, GrpoJob)
    assert (job.model, job.reward) == (given.run_folder / "006-distill/student/model", "skill:mahjong:win")
    assert len({line["prompt"] for line in lines(job.shards[0])}) == len(lines(job.shards[0])) == 100
    assert (found.begun_from, found.control_folder, found.control_tokens) == (1, "006-distill/control", 0)
    assert found.rewards == ((300_050, 0.25), (600_100, 0.5))


def test_a_reward_takes_the_steps_that_its_tokens_are_enough_for(source: Path, tmp_path: Path) -> None:
    given = about_to_reinforce(source, tmp_path)
    distilled(given)
    assert isinstance(given.executor, Recording)
    (job,) = given.executor.jobs
    assert given.state.checkpoint is not None
    answers = job.answers_per_prompt * job.prompts_per_step
    assert job.steps * answers * given.state.checkpoint.example_tokens == pytest.approx(600_000, rel=0.05)
    assert answers % job.gradient_accumulation == 0


def test_hours_are_shared_between_the_two(source: Path, tmp_path: Path) -> None:
    given = about_to_tune(source, tmp_path, hours=1.0)
    _, jobs = distilled(given)
    assert [job.wall_clock_s for job in jobs] == pytest.approx([0.85 * 1800] * 2, rel=0.01)
