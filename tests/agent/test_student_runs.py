"""Whole runs that tune a checkpoint of the user's: planned, tuned, measured beside the untuned model, judged and served."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from stratos import run
from stratos.agent.asking import ask
from stratos.agent.cli import app
from stratos.agent.events import CheckpointTaken, Measured, RunEvent, Trained
from stratos.agent.intake import read_brief_file
from stratos.agent.session import replay
from stratos.state.brief import Brief, DataSource, Limits, Targets
from stratos.state.errors import RequestError
from stratos.state.evidence import Outcome
from stratos.state.workspace import Workspace
from stratos.tools.distill import ANSWERS_ONLY
from stratos.tools.evaluate import UNTUNED
from stratos.tools.serving.deployments import get, stop
from stratos.tools.tuning.specs import TuneJob
from stratos.tools.tuning.tune import tune
from typer.testing import CliRunner

from ..skills.given.files import rows, write_jsonl
from ..tools.tuning import tiny

LAST_LINE = tiny.CHATML.replace("m['content']", "m['content'].split('\\n')[-1]")
"""Reads the question alone: a model of so few weights need not learn to skip what is said before it."""


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("mine") / "mine", context_tokens=2048)


@pytest.fixture(scope="module")
def knowing(student: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that can tell colours."""
    folder = tmp_path_factory.mktemp("knowing")
    (folder / "template.jinja").write_text(LAST_LINE)
    lines = [{"prompt": row["text"], "completion": row["label"]} for row in rows(400)]
    job = TuneJob(
        model=student, shards=(tiny.shard(folder / "colours.jsonl", lines),), method="full", learning_rate=1e-2, max_tokens=150_000,
        batch_tokens=1024, max_sequence_tokens=256, chat_template=folder / "template.jinja",
    )  # fmt: skip
    tune(job, folder)
    return folder / "model"


def sums(count: int, first: int = 0) -> list[dict[str, str]]:
    """Word problems in GSM8K's form."""
    pairs = [(number % 13, number // 13) for number in range(first, first + count)]
    return [
        {
            "question": f"Ann has {a} pens and gets {b}. How many?",
            "answer": f"{a} + {b} = <<{a}+{b}={a + b}>>{a + b}\n#### {a + b}",
        }
        for a, b in pairs
    ]


def test_a_checkpoint_is_tuned_measured_and_served_with_what_it_was_told(student: Path, tmp_path: Path) -> None:
    at, seen = Workspace(tmp_path / "at"), list[RunEvent]()
    train, test = write_jsonl(tmp_path / "a.jsonl", sums(110)), write_jsonl(tmp_path / "b.jsonl", sums(12, first=120))
    outcome = run(
        "solve gsm8k, p95 under 30 seconds", data=DataSource(path=train, test=test), student=student, workspace=at.path,
        on_event=seen.append,
    )  # fmt: skip
    try:
        assert outcome.status == "met", outcome.reason
        assert any(isinstance(event, CheckpointTaken) for event in seen)
        (trained,) = [event.attempt for event in seen if isinstance(event, Trained)]
        assert trained.candidate.training in ("lora", "full")
        assert trained.curve[-1][1] < trained.curve[0][1]
        dev, sealed = [event.evaluation for event in seen if isinstance(event, Measured)]
        assert (dev.student.exact.n, sealed.student.exact.n) == (11, 12)
        controls = {control.name: control.exact.n for control in sealed.controls}
        assert (controls[UNTUNED], controls[ANSWERS_ONLY]) == (12, 12)
        served = get(at.path, "gsm8k-answer")
        assert "End with #### and the final answer alone" in (served.model_dir / "chat_template.jinja").read_text()
        assert "How many?" in str(ask(at, "gsm8k-answer", sums(1)[0]["question"])["prompt"])
        assert replay(outcome.run_id, workspace=at).divergence is None
        words = ("export", outcome.run_id, str(tmp_path / "out"), "--model", "--quantise", "int8", "--json")
        result = CliRunner().invoke(app, [*words, "--workspace", str(at.path)])
        assert result.exit_code == 0, result.output
        smaller = json.loads(result.stdout)["quantised"]
        assert (smaller["split"], smaller["exact"]["n"], smaller["split_sha256"]) == ("dev", 11, dev.split_sha256)
        assert smaller["exact_before"] == dev.student.exact.model_dump()
    finally:
        stop(at.path, "gsm8k-answer")


def colours(
    checkpoint: Path, folder: Path, request: str, examples: list[dict[str, Any]], **more: Any
) -> tuple[Outcome, list[RunEvent]]:
    """A run on such examples, and what it told."""
    seen = list[RunEvent]()
    data = DataSource(path=write_jsonl(folder / "colours.jsonl", examples))
    outcome = run(
        request, data=data, student=checkpoint, workspace=folder / "at", on_event=seen.append, deploy=False, **more
    )
    return outcome, seen


def test_a_model_whose_prompt_suffices_is_not_tuned(knowing: Path, tmp_path: Path) -> None:
    outcome, seen = colours(knowing, tmp_path, "answer these questions, at least 80 % right", rows(400))
    assert outcome.status == "met", outcome.reason
    assert "do not distil: the model's own prompt meets the target" in outcome.reason
    (trained,) = [event.attempt for event in seen if isinstance(event, Trained)]
    assert (trained.candidate.training, trained.tokens, trained.seconds) == ("none", 0, 0)
    assert trained.candidate.accuracy is not None
    dev, sealed = [event.evaluation for event in seen if isinstance(event, Measured)]
    assert dev.split == "dev"
    assert sealed.student.exact.low > 0.8
    assert not {UNTUNED, ANSWERS_ONLY} & {control.name for control in (*dev.controls, *sealed.controls)}
    assert dev.regression is None
    assert replay(outcome.run_id, workspace=Workspace(tmp_path / "at")).divergence is None


def doubtful(count: int) -> list[dict[str, Any]]:
    """Colours of which half are a matter of chance: no model can tell them all."""
    chance = Random(0)
    return [
        {**row, "label": chance.choice(("red", "green"))} if number % 4 < 2 else row
        for number, row in enumerate(rows(count))
    ]


@pytest.mark.slow
def test_a_tuning_that_misses_is_followed_by_a_reward_on_the_best_tuned_model(knowing: Path, tmp_path: Path) -> None:
    outcome, seen = colours(
        knowing, tmp_path, "answer these questions, at least 95 % right", doubtful(200), max_attempts=3
    )
    assert outcome.status == "missed"
    attempts = [event.attempt for event in seen if isinstance(event, Trained)]
    assert [one.candidate.training for one in attempts] == ["lora", "full", "grpo"]
    assert attempts[2].begun_from in (1, 2)
    assert attempts[2].rewards[0][0] > 0
    measured = [event.evaluation for event in seen if isinstance(event, Measured)]
    assert [one.split for one in measured] == ["dev"] * 3
    assert all(one.sampled is not None and one.sampled.mixed > 0 for one in measured)
    assert measured[2].before is not None
    assert measured[2].before.attempt == attempts[2].begun_from
    assert UNTUNED in {control.name for control in measured[2].controls}
    assert replay(outcome.run_id, workspace=Workspace(tmp_path / "at")).divergence is None


def test_a_tuning_that_does_not_suffice_ends_missed_with_its_bill(student: Path, tmp_path: Path) -> None:
    problems = [{"problem": f"Find ${number} + 1$.", "answer": str(number + 1)} for number in range(120)]
    data = DataSource(path=write_jsonl(tmp_path / "aime.jsonl", problems))
    outcome = run(
        "aime problems, at least 70 % right, at most $1", data=data, student=student, workspace=tmp_path / "at",
        approve=True, local_usd_per_hour=0.1, max_attempts=1,
    )  # fmt: skip
    assert outcome.status == "missed"
    assert "missed after 1 attempts" in outcome.reason
    assert outcome.spent_usd > 0
    assert outcome.plan is not None
    assert outcome.plan.candidate.strategy == "answer_only"


def planned(student: object, folder: Path, **more: Any) -> Any:
    brief = Brief(
        request="",
        skill="mahjong",
        task="win",
        student=str(student),
        targets=Targets(accuracy=0.9),
        limits=Limits(**more),
    )
    return run(brief, workspace=folder / "at", plan_only=True)


def test_a_made_skill_takes_a_checkpoint_too(student: Path, tmp_path: Path) -> None:
    outcome = planned(student, tmp_path)
    assert outcome.status == "planned"
    assert outcome.plan.candidate.student == "mine"
    assert "no evidence predicts the accuracy" in outcome.reason


def test_what_cannot_be_taught_is_refused_before_anything_is_looked_up(student: Path, tmp_path: Path) -> None:
    outcome = planned(tmp_path / "nowhere", tmp_path)
    assert (outcome.status, outcome.plan) == ("refused", None)
    assert "is no folder" in outcome.reason
    assert "over the limit of 1,000 parameters" in planned(student, tmp_path, max_parameters=1000).reason


def test_a_brief_names_its_student(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text("skill: mahjong\ntask: win\nstudent: some/folder\n", encoding="utf-8")
    assert read_brief_file(path).student == "some/folder"
    with pytest.raises(RequestError, match="in a YAML brief write student: FOLDER"):
        run(path, student="other", workspace=tmp_path / "at")
