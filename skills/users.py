"""Skills of the user's own: where their folders are looked for, and how their code is loaded.

Their code runs as the user's own, in this process and in every job; nothing confines it.
"""

import hashlib
import os
import sys
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import cast

from ..state.errors import RequestError
from ..state.workspace import default_path
from .protocol import Skill

SKILLS_VARIABLE = "STRATOS_SKILLS"
"""Folders of skills, with the system's separator between them; jobs are told them by it."""

WORKSPACE_FOLDER = "skills"
"""Inside a workspace: where skills are looked for when the variable is not set."""

_MEMBERS = (
    "name", "description", "keywords", "tasks", "vocabulary", "tokenizer", "needs_data", "given",
    "make", "completion", "check", "verify", "canonical", "solve", "parse_question",
)  # fmt: skip

# A workspace is chosen for a run, and several runs may go on in threads of one process.
_workspace: ContextVar[Path | None] = ContextVar("_workspace", default=None)


def use_workspace(workspace: Path) -> None:
    """Skills are looked for in this workspace from now on, in this thread and what it starts."""
    _workspace.set(workspace)


def user_folders() -> list[Path]:
    """Where the user's skills are looked for, absolute; a folder need not be there."""
    named = [Path(part) for part in os.environ.get(SKILLS_VARIABLE, "").split(os.pathsep) if part]
    return [
        folder.expanduser().absolute() for folder in named or [(_workspace.get() or default_path()) / WORKSPACE_FOLDER]
    ]


def variable_for_jobs() -> dict[str, str]:
    """The environment by which a process of its own finds the same skills."""
    return {SKILLS_VARIABLE: os.pathsep.join(map(str, user_folders()))}


def load_user_skill(folder: Path) -> Skill:
    """What the folder's skill.py calls `SKILL`; it may import from the folder's other files relatively. Raises RequestError where
    that is no skill of the folder's name."""
    # Two workspaces may hold skills of one name.
    package = f"stratos_skill_{folder.name}_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    if package not in sys.modules:
        module = ModuleType(package)
        module.__path__ = [str(folder)]
        sys.modules[package] = module
    try:
        skill = getattr(import_module(f"{package}.skill"), "SKILL", None)
    except Exception as error:  # the code is the user's: it may raise anything
        where = folder / "skill.py"
        raise RequestError([f"the skill {where} cannot be loaded: {type(error).__name__}: {error}"]) from error
    lacking = [member for member in _MEMBERS if not hasattr(skill, member)]
    if skill is None or lacking:
        raise RequestError([f"{folder / 'skill.py'} needs a SKILL that is a skill; it lacks {', '.join(lacking)}"])
    if skill.name != folder.name or skill.needs_data:
        raise RequestError([f"{folder / 'skill.py'}: SKILL.name must be {folder.name!r}, and needs_data False"])
    return cast(Skill, skill)
