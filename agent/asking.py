"""Asks a served model in a person's words: the skill writes the question its way and verifies the answer."""

from typing import Any

from ..skills import load as load_skill
from ..state.brief import Brief
from ..state.errors import JournalError
from ..state.journal import Journal
from ..state.workspace import Workspace
from ..tools.serving.deployments import ask as ask_deployment
from ..tools.serving.deployments import get


def ask(workspace: Workspace, name: str, question: str) -> dict[str, Any]:
    """The prompt as it was sent, the completion, and what the verifier says of it."""
    deployment = get(workspace.path, name)
    brief = _brief(Journal(workspace), deployment.run_id)
    skill = load_skill(brief.skill)
    prompt = skill.parse_question(brief.task, question)
    completion = ask_deployment(workspace.path, name, prompt)
    check = skill.verify(brief.task, prompt, completion)
    return {
        "deployment": name,
        "prompt": prompt,
        "completion": completion,
        "verified": check.exact,
        "answer_right": check.answer_right,
    }


def _brief(journal: Journal, run_id: str) -> Brief:
    for row in journal.rows(run_id):
        if row.name == "intake":
            recorded: Any = row.output
            return Brief.model_validate(recorded["brief"])
    raise JournalError(f"the run {run_id} behind this deployment is not in this workspace's journal")
