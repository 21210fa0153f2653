"""Which skills the words of a request speak of, and what is said of one that the user's own examples set aside."""

import re
from collections.abc import Iterable

from ..skills import load as load_skill
from ..skills import names as skill_names


def hits(text: str, words: Iterable[str]) -> int:
    """Letters of the distinct words and phrases found, none of them part of another: a more specific one counts for more."""
    found = {word.lower() for word in words if re.search(_whole(word.lower()), text)}
    return sum(len(word) for word in found if not any(word in other for other in found - {word}))


def _whole(word: str) -> str:
    """Fits a word or phrase, hyphens or spaces between; Chinese has no spaces, and its words fit anywhere."""
    pattern = re.escape(word).replace(r"\ ", r"[\s-]+")
    return rf"(?<![^\W_]){pattern}(?!\w)" if word.isascii() else pattern


def set_aside(text: str, taken: str) -> tuple[list[str], list[str]]:
    """Problems and assumptions about skills that a request over the user's examples speaks of and that take none.

    Calling a skill by name ("the skill mahjong") contradicts the examples; to speak of its subject does not, as examples may be of
    it. `text` is in lower case, `taken` the skill that learns from them.
    """
    problems: list[str] = []
    assumptions: list[str] = []
    valid = ", ".join(name for name in skill_names() if load_skill(name).needs_data)
    for name in skill_names():
        skill = load_skill(name)
        if skill.needs_data:
            continue
        if re.search(rf"\bskill\W+{re.escape(name)}\b|\b{re.escape(name)}\W+skill\b", text):
            problems.append(
                f"the request names the skill {name!r}, which makes its own examples, and examples of yours, which it does not take: "
                f"leave the data out to use the skill, or its name to learn from the data alone (skills over yours: {valid})"
            )
        elif hits(text, (name, *skill.keywords, *(word for task in skill.tasks.values() for word in task.keywords))):
            assumptions.append(
                f"the skill {name}, which the request speaks of, is set aside: it makes its own examples, and the data are learnt "
                f"from as they are (skill {taken}); without data of yours {name} would be used"
            )
    return problems, assumptions
