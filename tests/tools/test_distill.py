"""The distil tool over a user's own examples: which of them only tell when to end, and what follows from such an end."""

import json
from pathlib import Path
from typing import Any

import pytest
from stratos.state.evidence import NO_BETTER
from stratos.state.run import GivenFacts
from stratos.tools.candidates import build_candidates
from stratos.tools.distill import DISTILL, FEWEST_TO_CUT, Distill
from stratos.tools.training.batches import read_examples
from stratos.tools.training.students import SHAPES

from ..building import attempt, candidate, choice, context, data, evaluation, state
from .recording import Recording
from .test_choose import prepared
from .test_emphasis import RESULT

SHARD = "data/train-00000.jsonl"


def given(count: int) -> GivenFacts:
    return GivenFacts(
        folder="data", rows=count, train=count, train_sha256="0", splits=(), metric="exact", choices=0, with_rationales=False,
        vocabulary=9, notes=(),
    )  # fmt: skip


def job_over(folder: Path, count: int) -> Any:
    """The training that the tool starts over so many examples."""
    chosen = candidate(strategy="answer_only", student=SHAPES[0].name)
    run = state(choice=choice(chosen), data=data(count), given=given(count))
    found = context(run, folder)
    (found.run_folder / "data").mkdir(parents=True)
    rows = ({"prompt": f"question {number}", "rationale": "", "answer": "yes"} for number in range(count))
    (found.run_folder / SHARD).write_text("".join(json.dumps(row) + "\n" for row in rows))
    executor = Recording(RESULT)
    DISTILL.run(executor.given_to(found), Distill(candidate_id=chosen.id))
    return executor.by_name()["student"]


def test_a_twentieth_of_many_given_examples_is_kept_from_the_training_to_tell_when_to_end(tmp_path: Path) -> None:
    job = job_over(tmp_path, FEWEST_TO_CUT)
    learned, kept = ({one.prompt for one in read_examples(path)} for path in (*job.shards, job.validation))
    assert (len(learned), len(kept)) == (380, 20)
    assert not learned & kept


def test_of_few_given_examples_all_are_lessons(tmp_path: Path) -> None:
    job = job_over(tmp_path, FEWEST_TO_CUT - 1)
    assert job.validation is None
    assert [path.name for path in job.shards] == [Path(SHARD).name]


@pytest.mark.parametrize(("ended", "may_be_longer"), [("tokens", True), (NO_BETTER, False)])
def test_a_student_that_got_no_better_is_not_trained_longer(tmp_path: Path, ended: str, may_be_longer: bool) -> None:
    tried = attempt(evaluation(500), of=candidate(student=SHAPES[0].name, train_tokens=600_000))
    run = prepared(attempts=(tried.model_copy(update={"stopped_by": ended}),))
    students = {one.student for one in build_candidates(context(run, tmp_path))}
    assert (SHAPES[0].name in students) == may_be_longer
    assert SHAPES[1].name in students
