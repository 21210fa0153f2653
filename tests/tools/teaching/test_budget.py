"""What a teacher is still to write, by what the plan trains."""

from stratos.state.evidence import wilson
from stratos.state.plan import Training
from stratos.state.run import GivenFacts, RunState
from stratos.state.teaching import Spent, TeacherEvidence
from stratos.tools.costs import lacks_data
from stratos.tools.teaching.budget import lessons_due, wants_lessons

from ...building import candidate, choice, complexity, data, state

GIVEN = GivenFacts(
    folder="given", rows=400, train=300, train_sha256="0", splits=(), metric="exact", choices=0, with_rationales=False, vocabulary=9,
    notes=(),
)  # fmt: skip
ASKED = TeacherEvidence(
    teacher="t", items=100, accuracy=wilson(10, 100), samples=5, vote_accuracy=wilson(10, 100), agreement=0.5, answer_entropy_nats=1.0,
    rationale_tokens=9.0, hint="the answer", hinted_accuracy=wilson(90, 100), unusable={}, out_of_money=False,
    spent=Spent(usd=0, calls=700, input_tokens=1, output_tokens=1, unanswered_calls=0, unanswered_usd=0),
)  # fmt: skip


def planned(training: Training) -> RunState:
    """A run whose data is there, without the ways that its teacher could write."""
    found = complexity().model_copy(update={"teacher": ASKED, "way": "ways"})
    return state(given=GIVEN, complexity=found, data=data(300), choice=choice(candidate(training=training)))


def test_a_plan_that_trains_nothing_waits_for_no_lessons() -> None:
    as_it_is = planned("none")
    assert wants_lessons(as_it_is)
    assert not lessons_due(as_it_is)
    assert not lacks_data(as_it_is, 0)


def test_a_tuning_after_it_has_them_written_first() -> None:
    assert lessons_due(planned("lora"))
    assert lacks_data(planned("lora"), 600_000)
