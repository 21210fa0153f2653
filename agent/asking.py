"""Asks a served model in a person's words: the skill writes the question its way and verifies the answer."""

from typing import Any

from ..skills import load as load_skill
from ..skills.protocol import Check, Skill
from ..state.brief import Brief
from ..state.errors import JournalError, RequestError
from ..state.journal import Journal
from ..state.workspace import Workspace
from ..tools.given_data import GIVEN_FOLDER
from ..tools.serving.deployments import ask as ask_deployment
from ..tools.serving.deployments import get
from .recorded import judged_brief


def ask(workspace: Workspace, name: str, question: str) -> dict[str, Any]:
    """The prompt as it was sent, the completion, and what the verifier says of it: of all (`verified`), of its answer alone; null
    for a question of which no right answer is known, as the examples were given and it is none of them."""
    deployment = get(workspace.path, name)
    brief = _brief(Journal(workspace), deployment.run_id)
    skill = load_skill(brief.skill, workspace.run_folder(deployment.run_id) / GIVEN_FOLDER if brief.data else None)
    prompt = skill.parse_question(brief.task, question)
    completion = ask_deployment(workspace.path, name, prompt)
    check = _check(skill, brief.task, prompt, completion)
    return {
        "deployment": name,
        "prompt": prompt,
        "completion": completion,
        "verified": check.exact if check else None,
        "answer_right": check.answer_right if check else None,
    }


def _check(skill: Skill, task: str, prompt: str, completion: str) -> Check | None:
    try:
        return skill.verify(task, prompt, completion)
    except RequestError:
        if skill.needs_data:  # it is none of the given examples
            return None
        raise


def _brief(journal: Journal, run_id: str) -> Brief:
    brief = judged_brief(journal.rows(run_id))
    if brief is None:
        raise JournalError(f"the run {run_id} behind this deployment has no brief in this workspace's journal")
    return Brief.model_validate(brief)
