"""Runs that a teacher model takes part in: what it is asked before a plan, what that decides, what it writes, and what it may cost."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stratos import run
from stratos.agent import rule_planner
from stratos.agent.brief_words import lessons_words
from stratos.agent.scripted import Answer, Script, scripted_server
from stratos.agent.session import replay, resume
from stratos.evals.simulated_world import World
from stratos.state.errors import ApprovalNeeded, RequestError
from stratos.state.evidence import Outcome, wilson
from stratos.state.journal import Journal
from stratos.state.teaching import Lessons
from stratos.state.workspace import Workspace
from stratos.tools import probing
from stratos.tools.training.students import TrainJob

from ..skills.given.files import rows, write_jsonl
from ..tools.teaching.simulated import Teacher, code
from .teaching_world import TeachingWorld

FREE = (0.0, 0.0)


def items(path: Path, numbers: range, *, answers: bool = True) -> str:
    """Questions about the codes of items, which no word of theirs tells."""
    questions = [f"What is the code of item {number} in the store?" for number in numbers]
    lines = [{"question": one, **({"answer": str(code(one))} if answers else {})} for one in questions]
    return write_jsonl(path, lines)


class Runs:
    """One workspace, a world whose teachers are real, and a server that answers as `teacher` does."""

    def __init__(self, folder: Path, teacher: Script, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at, self.teacher, self.monkeypatch = Workspace(folder / "at"), teacher, monkeypatch
        self.world = TeachingWorld(world=World())
        self.asked: list[Any] = []

    def __call__(self, data: dict[str, Any], prices: tuple[float, float] = FREE, **settings: Any) -> Outcome:
        with scripted_server(self.teacher) as (url, got):
            self.monkeypatch.setenv("OPENAI_BASE_URL", url)
            try:
                return run(
                    "tell the code of an item, at least 60 % right, at most $5",
                    data={"metric": "numeric", **data},
                    teacher={"name": "openai:simulated", "usd_per_million": prices},
                    workspace=self.at.path,
                    executor=self.world,
                    deploy=False,
                    **settings,
                )
            finally:
                self.asked += got

    def result(self, run_id: str, step: str) -> dict[str, Any]:
        """What a step of a run gave, the last time it was taken."""
        return [row.output for row in Journal(self.at).rows(run_id) if row.name == step][-1]

    @property
    def student(self) -> TrainJob:
        """The first student's training job."""
        return next(job for _, job in self.world.submitted if isinstance(job, TrainJob))


Begin = Callable[..., Runs]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begin:
    monkeypatch.setattr(probing, "PROBE_SAMPLES", 2)  # fewer calls for the same verdicts
    monkeypatch.setattr(rule_planner, "PROBE_ITEMS", 30)

    def begun(**teacher: float) -> Runs:
        return Runs(tmp_path, Teacher(**teacher), monkeypatch)

    return begun


def test_a_competent_teacher_answers_what_nobody_labelled(tmp_path: Path, runs: Begin) -> None:
    use = runs(knows=0.95)
    data = {
        "path": items(tmp_path / "a.jsonl", range(150)),
        "unlabelled": items(tmp_path / "b.jsonl", range(100, 400), answers=False),
    }
    outcome = use(data)
    found = use.result(outcome.run_id, "tool classify_complexity")
    assert (found["verdict"], found["way"]) == ("alignment", "teacher")
    made = use.result(outcome.run_id, "tool generate_data")
    assert made["lessons"]["way"] == "teacher"
    assert made["lessons"]["disagreement"]["value"] < 0.15
    assert made["examples"] > 300  # 105 labelled and 250 that none of the examples are
    assert outcome.plan is not None
    assert outcome.plan.candidate.teacher == "openai:simulated"
    assert replay(outcome.run_id, workspace=use.at).divergence is None


def test_an_ignorant_teacher_is_told_the_answers(tmp_path: Path, runs: Begin) -> None:
    use = runs(knows=0.3)
    outcome = use({"path": items(tmp_path / "a.jsonl", range(150))})
    found = use.result(outcome.run_id, "tool classify_complexity")
    assert (found["verdict"], found["way"]) == ("injection", "ways")
    made = use.result(outcome.run_id, "tool generate_data")
    assert made["lessons"]["disagreement"] is not None
    assert 20 <= made["lessons"]["questions"] < 80
    assert use.student.target == "rationale"


def test_students_learn_from_the_teacher_and_the_control_from_the_given_answers(tmp_path: Path, runs: Begin) -> None:
    use = runs(knows=0.3)
    use({"path": items(tmp_path / "a.jsonl", range(150))})
    student, control, *_ = (job for _, job in use.world.submitted if isinstance(job, TrainJob))
    learned, labelled = (
        [json.loads(line) for line in job.shards[0].read_text().splitlines()] for job in (student, control)
    )
    assert (control.target, len(labelled)) == ("answer_only", 105)
    assert all(line["rationale"] for line in learned)
    assert not any(line["rationale"] for line in labelled)
    assert student.skill_data is not None
    held_out = {json.loads(line)["prompt"] for line in (student.skill_data / "dev.jsonl").read_text().splitlines()}
    assert not held_out & {line["prompt"] for line in learned}


def test_what_a_bag_of_words_can_tell_needs_no_teacher_after_all(tmp_path: Path, runs: Begin) -> None:
    use = runs()
    outcome = use({"path": write_jsonl(tmp_path / "a.jsonl", rows()), "metric": "choice"})
    found = use.result(outcome.run_id, "tool classify_complexity")
    assert (found["verdict"], found["way"]) == ("plain fine-tuning suffices", "answers")
    assert use.student.target == "answer_only"


def test_a_teacher_that_gives_nothing_to_learn_leaves_the_answers(tmp_path: Path, runs: Begin) -> None:
    use = runs(knows=0.0, faithful=0.0)
    outcome = use({"path": items(tmp_path / "a.jsonl", range(150))})
    made = use.result(outcome.run_id, "tool generate_data")
    assert made["given"] is None
    assert "fewer than 20: answers alone are taught" in made["complexity"]["evidence"][-1]
    assert use.student.target == "answer_only"
    assert outcome.status in ("met", "missed")
    assert replay(outcome.run_id, workspace=use.at).divergence is None


def test_nobody_is_asked_before_the_money_is_approved(tmp_path: Path, runs: Begin) -> None:
    use = runs(knows=0.95)
    data = {"path": items(tmp_path / "a.jsonl", range(150))}
    with pytest.raises(ApprovalNeeded, match="ask teacher openai:simulated") as waiting:
        use(data, (1.0, 2.0))
    assert use.asked == []
    with scripted_server(use.teacher) as (url, _):
        use.monkeypatch.setenv("OPENAI_BASE_URL", url)
        with pytest.raises(ApprovalNeeded, match="plan"):
            resume(waiting.value.run_id, workspace=use.at, executor=use.world, ask=once())


def once() -> Any:
    """Approves the first question and nothing after it."""
    from stratos.agent.session import nobody
    from stratos.state.talk import Answer, Question

    asked: list[Question] = []

    def ask(question: Question) -> Answer:
        asked.append(question)
        return Answer(approved=True) if len(asked) == 1 else nobody(question)

    return ask


def test_the_bill_holds_what_the_teacher_took(tmp_path: Path, runs: Begin) -> None:
    use = runs(knows=0.95)
    outcome = use({"path": items(tmp_path / "a.jsonl", range(150))}, (1.0, 2.0), approve=True)
    probed = use.result(outcome.run_id, "tool classify_complexity")["teacher"]["spent"]
    written = use.result(outcome.run_id, "tool generate_data")["lessons"]
    assert probed["usd"] > 0
    assert written["usd"] > 0
    assert outcome.spent_usd == pytest.approx(probed["usd"] + written["usd"])


def test_a_plan_alone_asks_nobody_who_costs_something(tmp_path: Path, runs: Begin) -> None:
    use = runs(knows=0.95)
    outcome = use({"path": items(tmp_path / "a.jsonl", range(150))}, (1.0, 2.0), plan_only=True)
    assert (outcome.status, outcome.spent_usd, use.asked) == ("planned", 0, [])


def test_a_teacher_that_cannot_be_asked_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    data = items(tmp_path / "a.jsonl", range(150))
    for name, why in (("openai:unheard-of", "(?s)token prices.*needs an endpoint"), ("nowhere", "is not available")):
        with pytest.raises(RequestError, match=why):
            run("tell the code, at least 60 % right", data=data, teacher=name, workspace=tmp_path / "at")


def test_the_key_is_in_a_file_only_while_the_teacher_is_asked(tmp_path: Path, runs: Begin) -> None:
    use = runs(knows=0.95)
    use.monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    use({"path": items(tmp_path / "a.jsonl", range(150))})
    assert not list(use.at.path.rglob(".teacher-key"))
    assert not any(b"sk-test-0123456789" in path.read_bytes() for path in use.at.path.rglob("*") if path.is_file())


def test_a_teacher_that_cannot_be_read_is_not_taken_for_an_ignorant_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_planner, "PROBE_ITEMS", 20)

    def rambling(request: Any) -> Answer:
        return Answer(text="I could tell you, but I shall not mark it.", finish_reason="stop")

    use = Runs(tmp_path, rambling, monkeypatch)
    outcome = use({"path": items(tmp_path / "a.jsonl", range(150))}, plan_only=True)
    found = use.result(outcome.run_id, "tool classify_complexity")
    assert found["verdict"] == "plain fine-tuning is all there is"
    assert any("140 of 140 answers could not be read (no marked answer (140))" in line for line in found["evidence"])


def test_questions_that_nobody_is_there_to_answer_are_refused(tmp_path: Path) -> None:
    data = {
        "path": items(tmp_path / "a.jsonl", range(150)),
        "unlabelled": items(tmp_path / "b.jsonl", range(9), answers=False),
    }
    with pytest.raises(RequestError, match="are for a teacher to answer"):
        run("tell the code, at least 60 % right", data=data, workspace=tmp_path / "at")


def test_a_price_beyond_the_probes_share_is_told_before_anything_is_asked(tmp_path: Path, runs: Begin) -> None:
    use = runs(knows=0.95)
    outcome = use({"path": items(tmp_path / "a.jsonl", range(150))}, (100.0, 10_000.0), approve=True)
    assert outcome.status == "infeasible"
    assert "about one question may cost" in outcome.reason
    assert (use.asked, outcome.spent_usd) == ([], 0)


def test_what_a_teacher_wrote_is_told_in_words() -> None:
    told = Lessons(
        teacher="openai:m", way="ways", asked=1200, kept=300, rejected={"no steps": 900}, questions=200,
        disagreement=wilson(5, 100), stopped_by="money", usd=1.0,
    )  # fmt: skip
    assert lessons_words(told) == (
        "openai:m wrote ways to the given answers: 300 of 1,200 texts were kept, for 200 questions; an independent check "
        "disagreed with 5.0%; the money for more was at its end"
    )
