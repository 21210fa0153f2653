"""What Stratos knows: one folder per domain, a SKILL.md and a skill.py each, behind one Protocol; this lists them."""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import cast

from ..state.errors import RequestError
from .protocol import Skill

_HERE = Path(__file__).parent
_FENCE = "---\n"


@dataclass(frozen=True, kw_only=True)
class SkillManual:
    """A SKILL.md taken apart."""

    name: str
    description: str
    body: str


def names() -> list[str]:
    """The skills there are: subfolders that hold SKILL.md and skill.py."""
    return sorted(manual.parent.name for manual in _HERE.glob("*/SKILL.md") if (manual.parent / "skill.py").is_file())


def skill_folder(name: str) -> Path:
    """Where a skill's files lie; raises RequestError, listing the skills there are, on an unknown name."""
    if name not in names():
        raise RequestError([f"unknown skill {name!r}: choose {', '.join(names())}"])
    return _HERE / name


def load(name: str, data: Path | None = None) -> Skill:
    """The skill of a folder: what its skill.py calls `SKILL`; opened over a folder of given examples where there is one.

    Raises RequestError on an unknown name.
    """
    skill = import_module(f".{skill_folder(name).name}.skill", __package__).SKILL
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
