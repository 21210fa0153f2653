"""A run's model as the next version of a deployment: which folder it is, and the smoke evaluation that it has to pass."""

from pathlib import Path

from ..skills import load as load_skill
from ..state.errors import Correctable, JournalError
from ..state.journal import Journal
from ..state.workspace import Workspace
from ..tools.deploy import served_model
from ..tools.evaluate import longest_answer
from ..tools.generate_data import DEVELOPMENT
from ..tools.generation import file_sha256
from ..tools.serving.deployments import Deployment
from ..tools.serving.smoke import SmokeTest, fewest_right
from ..tools.training.batches import read_examples
from .export_model import verified_weights
from .model_facts import StudentFacts, student_facts

SMOKE_ITEMS = 20
"""assumption: enough that a wrong model shows (of one with 97 % right, 18 must be), few enough for seconds on a CPU."""


def facts_of(workspace: Workspace, run_id: str) -> StudentFacts:
    """What the journal says of a run's student. Raises UnknownRun, OutputError where it has none."""
    return student_facts(Journal(workspace).verified_rows(run_id))


def model_of(workspace: Workspace, facts: StudentFacts) -> Path:
    """The folder of the model that the run serves or would serve. Raises OutputError, JournalError where it is not what was measured."""
    model = served_model(workspace.run_folder(facts.run_id), facts.attempt, facts.checkpoint, facts.stand_in)
    verified_weights(model, facts)
    return model


def refuse_another_task(workspace: Workspace, deployment: Deployment, facts: StudentFacts) -> None:
    """Clients of an endpoint expect answers to the questions they ask. Raises Correctable."""
    serves = facts_of(workspace, deployment.run_id).brief
    if (serves.skill, serves.task) != (facts.brief.skill, facts.brief.task):
        raise Correctable(
            f"{deployment.name!r} serves {serves.skill}, {serves.task}; run {facts.run_id} is of {facts.brief.skill}, {facts.brief.task}: "
            "its clients would be answered another question"
        )


def questions_of(workspace: Workspace, facts: StudentFacts) -> list[str]:
    """The prompts of its development split. Raises JournalError where that is no longer the file recorded."""
    split = next(one for one in facts.data.splits if one.name == DEVELOPMENT)
    path = workspace.run_folder(facts.run_id) / split.path
    if not path.is_file() or file_sha256(path) != split.sha256:
        raise JournalError(f"{path} is not the file whose hash was recorded when it was made")
    return [one.prompt for one in read_examples(path)]


def answer_tokens(workspace: Workspace, facts: StudentFacts) -> int:
    """The most of an answer, counted as the model does."""
    run_folder = workspace.run_folder(facts.run_id)
    skill = load_skill(facts.brief.skill, run_folder / facts.learned.folder if facts.learned else None)
    found = longest_answer(run_folder, skill, facts.checkpoint, facts.data, facts.attempt.candidate.strategy)
    return found or skill.tasks[facts.brief.task].max_completion_tokens + 1


def smoke_test(workspace: Workspace, facts: StudentFacts) -> SmokeTest:
    """The first questions of the development split, judged by the skill's verifier: no fewer right than chance allows a model that was
    measured as this one was, and half of them within the brief's latency."""
    run_folder, brief = workspace.run_folder(facts.run_id), facts.brief
    skill = load_skill(brief.skill, run_folder / facts.learned.folder if facts.learned else None)
    prompts = questions_of(workspace, facts)[:SMOKE_ITEMS]
    return SmokeTest(
        prompts=prompts,
        is_right=lambda prompt, answer: skill.verify(brief.task, prompt, answer).exact,
        least_right=fewest_right(facts.score.exact.value, len(prompts)),
        most_p50_ms=brief.targets.latency_p95_ms,
        max_tokens=answer_tokens(workspace, facts),
    )
