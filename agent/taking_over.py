"""A run's model as a deployment's first version or its next: which folder it is, and the smoke evaluation that it has to pass."""

from collections.abc import Callable
from pathlib import Path

from ..skills import load as load_skill
from ..state.errors import Correctable, JournalError
from ..state.journal import Journal
from ..state.workspace import Workspace
from ..tools.deploy import asked_of, served_model, smoke_test_of
from ..tools.evaluate import longest_answer
from ..tools.generate_data import DEVELOPMENT
from ..tools.generation import file_sha256
from ..tools.serving.deployments import Deployment, listing, start
from ..tools.serving.smoke import SmokeTest
from ..tools.serving.starting import Move, Place, Terms
from ..tools.training.batches import read_examples
from .export_model import verified_weights
from .model_facts import StudentFacts, student_facts


def facts_of(workspace: Workspace, run_id: str) -> StudentFacts:
    """What the journal says of a run's student. Raises UnknownRun, OutputError where it has none."""
    return student_facts(Journal(workspace).verified_rows(run_id))


def model_of(workspace: Workspace, facts: StudentFacts) -> Path:
    """The folder of the model that the run serves or would serve. Raises OutputError, JournalError where it is not what was measured."""
    model = served_model(workspace.run_folder(facts.run_id), facts.attempt, facts.checkpoint, facts.stand_in)
    verified_weights(model, facts)
    return model


def serve_first(
    workspace: Workspace,
    name: str,
    run_id: str,
    at: Move | None,
    *,
    hours: float | None,
    say: Callable[[str], None],
) -> Deployment:
    """Serves on this machine, for nothing, what a run taught and did not serve. Raises Correctable where the name is taken, and what
    `start`, `facts_of` and `model_of` raise."""
    if name in {one.name for one in listing(workspace.path)}:
        raise Correctable(
            f"{name!r} is a deployment already: replace its model by `stratos deployments replace {name} {run_id}`"
        )
    facts = facts_of(workspace, run_id)
    model = model_of(workspace, facts)
    say_misses(facts, say)
    at = at or Move()
    place = Place(host=at.host or Place.host, port=at.port or 0, tls_certificate=at.tls_certificate, tls_key=at.tls_key)
    terms = Terms(hours=hours, about=asked_of(facts.brief))
    return start(workspace.path, name, model, run_id, place=place, terms=terms, if_still=lambda found: found is None)


def say_misses(facts: StudentFacts, say: Callable[[str], None]) -> None:
    """That a run's model did not reach what was asked for, where it did not."""
    if facts.status != "met":
        misses = [f"{one.constraint}: {one.arithmetic}" for one in facts.verdict.misses] if facts.verdict else []
        say(f"run {facts.run_id} ended {facts.status}" + "".join(f"; {one}" for one in misses))


def say_other_data(deployment: Deployment, facts: StudentFacts, say: Callable[[str], None]) -> None:
    """That a run learned from another file than what serves, where it did: that may be the file's newer version."""
    if deployment.about not in ("", wanted := asked_of(facts.brief)):
        say(f"{deployment.name!r} answers for: {deployment.about}; run {facts.run_id} was taught for: {wanted}")


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
    """What a run's own deployment would have to pass."""
    run_folder = workspace.run_folder(facts.run_id)
    skill = load_skill(facts.brief.skill, run_folder / facts.learned.folder if facts.learned else None)
    prompts, share = questions_of(workspace, facts), facts.score.exact.value
    return smoke_test_of(skill, facts.brief, prompts, share, answer_tokens(workspace, facts))
