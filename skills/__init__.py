"""What Stratos knows: one folder per domain, a SKILL.md and a skill.py each, behind one Protocol; this lists and loads them."""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import cast

from ..state.errors import RequestError
from .protocol import Skill
from .users import load_user_skill, user_folders

HERE = Path(__file__).parent
_FENCE = "---\n"


@dataclass(frozen=True, kw_only=True)
class SkillManual:
    """A SKILL.md taken apart."""

    name: str
    description: str
    body: str


def names() -> list[str]:
    """The skills there are: subfolders, here and in the user's own folders, that hold SKILL.md and skill.py.

    Raises RequestError where one of the user's has the name of another.
    """
    return sorted(_folders())


def built_in() -> list[str]:
    """The skills that are part of Stratos."""
    return sorted(_skills_in(HERE))


def skill_folder(name: str) -> Path:
    """Where a skill's files lie; raises RequestError, listing the skills there are, on an unknown name."""
    folders = _folders()
    if name not in folders:
        raise RequestError([f"unknown skill {name!r}: choose {', '.join(sorted(folders))}"])
    return folders[name]


def load(name: str, data: Path | None = None) -> Skill:
    """The skill of a folder: what its skill.py calls `SKILL`; opened over a folder of given examples where there is one.

    Raises RequestError on an unknown name, and for a skill of the user's that is none.
    """
    folder = skill_folder(name)
    if folder.parent != HERE:
        return load_user_skill(folder)
    skill = import_module(f".{folder.name}.skill", __package__).SKILL
    return cast(Skill, skill if data is None else skill.opened(data))


@cache
def read_manual(name: str) -> SkillManual:
    """A skill's SKILL.md: the front matter's name and description, and the text below it.

    Raises RequestError on an unknown name or on front matter that does not follow the Agent Skills convention.
    """
    import yaml

    path = skill_folder(name) / "SKILL.md"
    before, _, rest = path.read_text(encoding="utf-8").partition(_FENCE)
    front, fence, body = rest.partition(_FENCE)
    fields = cast("dict[str, object]", yaml.safe_load(front) or {}) if fence and not before else {}
    title, description = fields.get("name"), fields.get("description")
    if title != name or not isinstance(description, str):
        raise RequestError([f"{path} must open with front matter holding 'name: {name}' and a 'description'"])
    return SkillManual(name=name, description=description.strip(), body=body.strip())


def _folders() -> dict[str, Path]:
    """Where each skill lies, by name."""
    found = _skills_in(HERE)
    for folder in user_folders():
        own = _skills_in(folder)
        if taken := sorted(own.keys() & found.keys()):
            raise RequestError([f"{own[name]} has the name of the skill in {found[name]}: rename it" for name in taken])
        found |= own
    return found


def _skills_in(folder: Path) -> dict[str, Path]:
    manuals = folder.glob("*/SKILL.md")
    return {manual.parent.name: manual.parent for manual in manuals if (manual.parent / "skill.py").is_file()}
