"""Writes the skeleton under a name of the user's, as a folder that is found as a skill and whose own test passes."""

import re
from pathlib import Path

from ...state.errors import OutputError, RequestError

NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
MAX_NAME = 32
_HERE = Path(__file__).parent
_FILES = {"manual.md": "SKILL.md", "skill.py": "skill.py", "test_skill.py": "test_skill.py"}
_IMPORTS = {
    "from ...state.": "from stratos.state.",
    "from ..protocol ": "from stratos.skills.protocol ",
    "from ..users ": "from stratos.skills.users ",
}
"""What is relative inside Stratos and is not in a folder of the user's."""


def write_skill(name: str, folder: Path, taken: list[str]) -> list[Path]:
    """Writes `folder`/`name` and gives its files. Raises RequestError for a name that cannot be used, OutputError where
    something is there already or the disk refuses."""
    if not NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise RequestError(
            [f"{name!r} cannot name a skill: lower-case letters, digits and single '_', at most {MAX_NAME}"]
        )
    reserved = sorted({*taken, *(path.parent.name for path in _HERE.parent.glob("*/__init__.py"))})
    if name in reserved:
        raise RequestError([f"{name!r} is taken: choose a name other than {', '.join(reserved)}"])
    target = (folder / name).absolute()
    try:
        target.mkdir(parents=True)
        return [_written(name, _HERE / source, target / made) for source, made in _FILES.items()]
    except FileExistsError as error:
        raise OutputError(f"{target} exists: choose another name, or another folder") from error
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}") from error


def _written(name: str, source: Path, target: Path) -> Path:
    text = source.read_text(encoding="utf-8")
    for inside, outside in _IMPORTS.items():
        text = text.replace(inside, outside)
    title = "".join(part.capitalize() for part in name.split("_"))
    target.write_text(text.replace("Skeleton", title).replace("skeleton", name), encoding="utf-8")
    return target
